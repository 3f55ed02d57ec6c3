"""What the HTML page tells about a run's report, and about a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.outputs.html_page import Card, Page, page_html
from pipeline_kit.outputs.plan_markdown import headline
from pipeline_kit.outputs.report import AVAILABLE
from pipeline_kit.outputs.text import format_seconds, summary_line
from pipeline_kit.plan import Action

if TYPE_CHECKING:
    from pipeline_kit.outputs.plan_markdown import Origin
    from pipeline_kit.outputs.report import ImageResult, RunReport
    from pipeline_kit.plan import Plan, PlannedImage


def report_html(report: RunReport) -> str:
    """Return the page of a run of ``build`` or ``join``."""
    facts = (
        *_facts(report.commit, report.ref, report.tree, report.run_url),
        ("trust scope", report.scope if report.scope != "trusted" else ""),
        ("planned in", format_seconds(report.plan_seconds)),
        ("tool", f"pipeline-kit {report.tool_version}" if report.tool_version else ""),
    )
    attempts = [*(attempt for image in report.images for attempt in image.attempts), *report.attempts]
    retries = tuple(
        f"{item.reason or item.subject or item.kind}, again after {format_seconds(item.wait_seconds)}"
        for item in attempts
    )
    definitions = tuple(
        f"{item.service} ({item.environment}){f' in {item.path}' if item.path else ''}"
        for item in report.task_definitions
    )
    notes = (("Warnings", report.warnings), ("Task definitions", definitions), ("Retries", retries))
    cards = tuple(map(_of_result, report.images))
    return page_html(Page(summary_line(report), cards, facts, notes, _saved(report), report.seconds))


def plan_html(plan: Plan, origin: Origin) -> str:
    """Return the page of a plan."""
    facts = _facts(origin.commit, origin.ref, plan.tree, origin.run_url)
    hints = tuple(dict.fromkeys(f"{image.name}: {image.hint}" for image in plan.images.values() if image.hint))
    notes = (("What to do", hints), ("Warnings", origin.warnings))
    return page_html(Page(headline(plan), tuple(map(_of_plan, plan.images.values())), facts, notes))


def _facts(commit: str, ref: str, tree: str, run_url: str) -> tuple[tuple[str, str], ...]:
    return (("commit", commit), ("ref", ref), ("tags computed from", tree), ("run", run_url))


def _saved(report: RunReport) -> str:
    known = sum(bool(image.saved_seconds) for image in report.images)
    if not known:
        return ""
    images = "1 image" if known == 1 else f"{known} images"
    return f"{format_seconds(report.saved_seconds)} of building saved: {images} did not have to be built."


def _of_result(image: ImageResult) -> Card:
    return Card(
        name=image.name,
        state=image.status.value,
        needs=image.needs,
        reasons=image.reasons,
        tag=image.tag,
        digest=image.digest if image.digest and image.status in AVAILABLE else "",
        pinned=image.pinned or "",
        started=image.started,
        seconds=image.seconds,
        saved=image.saved_seconds,
        steps=tuple((step.name, step.started, step.seconds) for step in image.steps),
        aliases=tuple(f"alias {alias.tag} {alias.state} {alias.detail}".strip() for alias in image.aliases),
        error=image.error,
        log_tail=image.log_tail,
    )


def _of_plan(image: PlannedImage) -> Card:
    is_there = image.action is Action.SKIP and image.digest is not None
    return Card(
        name=image.name,
        state=image.action.value,
        needs=image.needs,
        reasons=image.reasons,
        platforms=image.missing_platforms or image.platforms,
        tag=image.tag or "",
        digest=str(image.digest) if is_there else "",
        pinned=f"{image.repository}@{image.digest}" if is_there else "",
        aliases=tuple(f"alias {alias} moves" for alias in image.alias_moves),
    )
