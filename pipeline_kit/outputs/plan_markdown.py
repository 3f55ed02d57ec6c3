"""A plan in Markdown: the body of a pull request's comment, and a step's summary (``plan --format markdown``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.cutting import Section, fitted, utf16_units
from pipeline_kit.outputs.markdown import code, escape
from pipeline_kit.outputs.plan_mermaid import plan_mermaid
from pipeline_kit.plan import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline_kit.plan import Plan, PlannedImage

MARK = "<!-- pipeline-kit plan -->"
"""The first line, by which a later run finds the comment that it replaces."""
COMMENT_LIMIT = 65_536
"""UTF-16 units that GitHub takes in a comment's body."""
_GRAPH_LIMIT = 12_000
_REASONS = 5
_REASON = 160
_ICONS = {Action.BUILD: "🔨", Action.COMPLETE: "🧩", Action.SKIP: "⏭️", Action.BLOCKED: "⛔"}
_PAGE = re.compile(r"https?://[A-Za-z0-9./:_-]{1,500}")
_TAG_SHOWN = 12


class Origin(NamedTuple):
    """What the plan is of, for people: full commit id, full ref, the run's page (each ``""`` if unknown), warnings."""

    commit: str = ""
    ref: str = ""
    run_url: str = ""
    warnings: tuple[str, ...] = ()


_NOWHERE = Origin()


def plan_markdown(
    plan: Plan,
    origin: Origin = _NOWHERE,
    *,
    limit: int = COMMENT_LIMIT,
    measure: Callable[[str], int] = utf16_units,
) -> str:
    """Return the page, at most ``limit`` as ``measure`` counts; :data:`MARK` is its first line.

    What is to be done comes before what is there already. Where it has to be cut, its last line says how many images
    are not shown.
    """
    return fitted(_sections(plan, origin), limit, measure, _left_out)


def headline(plan: Plan) -> str:
    """Return the plan in a few words: ``2 to build, 1 to complete, 18 there already``."""
    counts = [(sum(image.action is action for image in plan.images.values()), action) for action in Action]
    words = {Action.SKIP: "there already", Action.BLOCKED: "undecided"}
    told = [f"{count} {words.get(action, f'to {action.value}')}" for count, action in counts if count]
    moves = sum(len(image.alias_moves) for image in plan.images.values() if image.action is Action.SKIP)
    if moves:
        told.append("1 alias to move" if moves == 1 else f"{moves} aliases to move")
    if plan.images and not plan.has_work:
        return f"nothing to do, {' '.join(told)}"
    return ", ".join(told) or "no images"


def _left_out(count: int) -> str:
    images = f"{count} more {'image is' if count == 1 else 'images are'} not shown here" if count else "cut here"
    return f"_… {images}; `pipeline-kit plan` shows everything._\n"


def _sections(plan: Plan, origin: Origin) -> Iterator[Section]:
    images = plan.images.values()
    yield Section(f"{MARK}\n### pipeline-kit: {escape(headline(plan))}\n\n{_origin(plan, origin)}")
    yield from _undecided([image for image in images if image.action is Action.BLOCKED])
    work = [image for image in images if image.action is not Action.SKIP or image.alias_moves]
    order = (Action.BLOCKED, Action.BUILD, Action.COMPLETE, Action.SKIP)
    work.sort(key=lambda image: order.index(image.action))
    if work:
        head = "| image | action | why | platforms | content tag |\n|---|---|---|---|---|\n"
        yield Section(head, tuple(map(_row, work)), "\n", counts=1)
    there = [image for image in images if image.action is Action.SKIP and not image.alias_moves]
    if there:
        title = "1 image is there already" if len(there) == 1 else f"{len(there)} images are there already"
        head = f"<details><summary>{title}</summary>\n\n| image | content tag | digest |\n|---|---|---|\n"
        yield Section(head, tuple(map(_short_row, there)), "\n</details>\n\n", counts=1)
    yield from _warnings(origin.warnings)
    if any(image.needs for image in work):
        graph = plan_mermaid(plan, limit=_GRAPH_LIMIT)
        if graph:
            yield Section(f"<details><summary>graph</summary>\n\n```mermaid\n{graph}```\n\n</details>\n\n")


def _origin(plan: Plan, origin: Origin) -> str:
    parts = [f"of {code(origin.commit[:12])}"] if origin.commit else []
    parts += [f"on {code(origin.ref)}"] if origin.ref else []
    parts += [f"from the {escape(plan.tree)}"] if plan.tree and not origin.commit else []
    if _PAGE.fullmatch(origin.run_url):
        parts.append(f"by [this run](<{origin.run_url}>)")
    return f"Planned {' '.join(parts)}.\n\n" if parts else ""


def _undecided(images: Sequence[PlannedImage]) -> Iterator[Section]:
    if images:
        why = escape(images[0].reasons[0] if images[0].reasons else images[0].verdict.value, 500)
        hint = f" Next: {escape(images[0].hint, 500)}." if images[0].hint else ""
        names = ", ".join(code(image.name) for image in images[:10])
        rest = f" and {len(images) - 10} more" if len(images) > 10 else ""  # noqa: PLR2004 - as many as named
        yield Section(f"**No decision about {names}{rest}:** {why}.{hint}\n\n")


def _row(image: PlannedImage) -> str:
    reasons = (*image.reasons, *(f"alias {alias} moves" for alias in image.alias_moves))
    told = [escape(reason, _REASON) for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        told.append(f"… and {len(reasons) - _REASONS} more")
    platforms = "<br>".join(code(platform, 60) for platform in image.missing_platforms or image.platforms)
    action = f"{_ICONS[image.action]} {'alias' if image.action is Action.SKIP else image.action.value}"
    return f"| {code(image.name)} | {action} | {'<br>'.join(told) or '-'} | {platforms or '-'} | {_tag(image)} |\n"


def _short_row(image: PlannedImage) -> str:
    return f"| {code(image.name)} | {_tag(image)} | {code(image.digest) if image.digest else '-'} |\n"


def _tag(image: PlannedImage) -> str:
    if not image.tag:
        return "-"
    return code(image.tag if len(image.tag) <= _TAG_SHOWN else f"{image.tag[:_TAG_SHOWN]}…")


def _warnings(warnings: Sequence[str]) -> Iterator[Section]:
    if warnings:
        yield Section("**Warnings**\n\n", tuple(f"- ⚠️ {escape(warning, 500)}\n" for warning in warnings), "\n")
