"""The step summary: what was built and skipped, why, with which digest, and when (GitHub-flavoured Markdown).

Every text that is not ours is escaped with character references, which CommonMark (section 2.5) never takes for
structure; so no name, reason or log can add a heading, a link, an image or HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline_kit.outputs.cutting import Section, fitted, utf8_bytes
from pipeline_kit.outputs.report import AVAILABLE
from pipeline_kit.outputs.sanitize import log_line, one_line
from pipeline_kit.outputs.text import format_seconds, summary_line
from pipeline_kit.plan import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline_kit.outputs.report import ImageResult, RunReport

SUMMARY_LIMIT = 1024 * 1024 - 1024
"""Bytes; GitHub refuses a step summary above 1 MiB as a whole, so it is cut before."""

_MARKUP = re.compile(r"[!-+:-@\[-`{-~]")
_AUTOLINK = re.compile(r"(?i)www\.")
_ICONS = {
    Status.BUILT: "🔨",
    Status.COMPLETED: "🧩",
    Status.SKIPPED: "⏭️",
    Status.REUSED: "♻️",
    Status.FAILED: "❌",
    Status.BLOCKED: "⛔",
}
_GANTT_TAGS = {Status.FAILED: "crit, ", Status.BUILT: "active, ", Status.COMPLETED: "active, "}
_GANTT_ROWS = 60
_ATTEMPTS = 50
_GANTT_NAME = re.compile(r"[^\w ./-]")


def markdown_summary(report: RunReport, *, limit: int = SUMMARY_LIMIT) -> str:
    """Return the summary, at most ``limit`` UTF-8 bytes long; what comes first is what matters most.

    Blocks (a table row, a list item, a fenced block) are kept whole or left out, so a cut summary is still well-formed.
    """
    return fitted(_sections(report), limit, utf8_bytes, _left_out)


def escape(text: str, limit: int = 300) -> str:
    """Return ``text`` on one line, sanitised and cut, such that Markdown and HTML show it literally."""
    encoded = _literal(one_line(text, limit).strip())
    # A leading dash, or a number with a dot, would begin a list.
    return re.sub(r"^(\d*)([-.])", lambda match: f"{match[1]}&#{ord(match[2])};", encoded)


def code(text: str, limit: int = 300) -> str:
    """Return ``text`` escaped, in a fixed-width face."""
    return f"<code>{escape(text, limit)}</code>"


def _literal(text: str) -> str:
    encoded = _MARKUP.sub(lambda match: f"&#{ord(match.group())};", text)
    return _AUTOLINK.sub(lambda match: f"{match.group()[:3]}&#46;", encoded)


def _left_out(count: int) -> str:
    more = f"{count} more {'image' if count == 1 else 'images'}" if count else "more"
    return f"_… and {more}, cut here: the whole account is in the JSON report (`--report FILE`)._\n"


def _sections(report: RunReport) -> Iterator[Section]:
    yield Section(f"### pipeline-kit: {escape(summary_line(report))}\n\n")
    yield from map(Section, (*_origin(report), *_savings(report), *_failures(report)))
    if report.images:
        head = "| image | result | why | digest | time |\n|---|---|---|---|---:|\n"
        yield Section(head, tuple(map(_row, _by_weight(report.images))), "\n", counts=1)
    for lists in (_aliases, _task_definitions, _warnings):
        yield from lists(report)
    yield from map(Section, (*_gantt(report), *_digests(report), *_attempts(report)))


def _origin(report: RunReport) -> Iterator[str]:
    parts = []
    if report.commit:
        parts.append(f"commit {code(report.commit[:12])}")
    if report.ref:
        parts.append(f"on {code(report.ref)}")
    if report.tree:
        parts.append(f"from the {escape(report.tree)}")
    if parts:
        yield f"Tags computed {' '.join(parts) if report.tree else 'for ' + ' '.join(parts)}.\n\n"


def _savings(report: RunReport) -> Iterator[str]:
    """Yield how long the images that were there took to build when they were."""
    known = [image for image in report.images if image.saved_seconds]
    if known:
        images = "1 image" if len(known) == 1 else f"{len(known)} images"
        yield f"⏱️ **{format_seconds(report.saved_seconds)} of building saved**: {images} did not have to be built.\n\n"


def _failures(report: RunReport) -> Iterator[str]:
    for image in report.images:
        if image.status is not Status.FAILED:
            continue
        yield f"**{escape(image.name)} failed:** {escape(image.error or 'no reason was given', 1000)}\n\n"
        if image.log_tail:
            lines = "\n".join(_literal(log_line(line, 1000)) for line in image.log_tail[-40:])
            yield f"<details><summary>last lines</summary>\n\n<pre>\n{lines}\n</pre>\n\n</details>\n\n"


def _by_weight(images: Iterable[ImageResult]) -> list[ImageResult]:
    order = (Status.FAILED, Status.BLOCKED, Status.BUILT, Status.COMPLETED, Status.REUSED, Status.SKIPPED)
    return sorted(images, key=lambda image: order.index(image.status))


def _row(image: ImageResult) -> str:
    why = "<br>".join(escape(reason) for reason in (*image.reasons[:10], *_more(image.reasons, 10)))
    if image.status is Status.BLOCKED and image.error:
        why = "<br>".join(part for part in (escape(image.error), why) if part)
    digest = code(image.digest) if image.digest and image.status in AVAILABLE else "-"
    time = format_seconds(image.seconds) if image.seconds else "-"
    if image.saved_seconds:
        time = f"saved {format_seconds(image.saved_seconds)}"
    return f"| {code(image.name)} | {_ICONS[image.status]} {image.status.value} | {why or '-'} | {digest} | {time} |\n"


def _more(entries: tuple[str, ...], shown: int) -> tuple[str, ...]:
    rest = len(entries) - shown
    return (f"… and {rest} more",) if rest > 0 else ()


def _aliases(report: RunReport) -> Iterator[Section]:
    named = [(image, alias) for image in report.images for alias in image.aliases]
    if not named:
        return
    counts = Counter(alias.state for _, alias in named)
    head = f"Aliases: {', '.join(f'{count} {state}' for state, count in sorted(counts.items()))}.\n\n"
    told = [(image, alias) for image, alias in named if alias.state != "unchanged"]
    details = [f": {escape(alias.detail)}" if alias.detail else "" for _, alias in told]
    rows = (
        f"- {code(alias.tag)} of {code(image.name)} {alias.state}{detail}\n"
        for (image, alias), detail in zip(told, details, strict=True)
    )
    yield Section(head, tuple(rows), "\n")


def _task_definitions(report: RunReport) -> Iterator[Section]:
    rows = [
        f"- task definition of {code(result.service)} ({escape(result.environment)})"
        f"{f' in {code(result.path)}' if result.path else ''}\n"
        for result in report.task_definitions
    ]
    if rows:
        yield Section("", tuple(rows), "\n")


def _gantt(report: RunReport) -> Iterator[str]:
    """Yield the timeline. Dates stand for offsets; mermaid reads and shows them in one zone, the viewer's."""
    worked = sorted((image for image in report.images if image.seconds > 0), key=lambda image: image.seconds)
    if not worked:
        return
    shown = sorted(worked[-_GANTT_ROWS:], key=lambda image: image.started)
    lines = [
        "```mermaid",
        "gantt",
        "    dateFormat YYYY-MM-DD HH:mm:ss.SSS",
        "    axisFormat %H:%M:%S",
        "    section images",
    ]
    for image in shown:
        name = _GANTT_NAME.sub("_", one_line(image.name, 60)).strip() or "_"
        begin = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=max(image.started, 0.0))
        moment = f"{begin:%Y-%m-%d %H:%M:%S}.{begin.microsecond // 1000:03d}"
        length = max(1, round(image.seconds * 1000))
        lines.append(
            f"    {name} ({format_seconds(image.seconds)}) :{_GANTT_TAGS.get(image.status, '')}{moment}, {length}ms"
        )
    yield "\n".join([*lines, "```", "", ""])


def _digests(report: RunReport) -> Iterator[str]:
    """Yield what deployments and scripts take, in one block that GitHub gives a button to copy."""
    pinned = [(image.name, image.pinned) for image in report.images if image.pinned]
    if pinned:
        lines = "\n".join(f"{_literal(one_line(name))} {_literal(one_line(str(place)))}" for name, place in pinned)
        yield f"<details><summary>references by digest</summary>\n\n<pre>\n{lines}\n</pre>\n\n</details>\n\n"


def _attempts(report: RunReport) -> Iterator[str]:
    """Yield what was repeated and why."""
    found = [*(attempt for image in report.images for attempt in image.attempts), *report.attempts]
    if not found:
        return
    title = f"{len(found)} {'retry' if len(found) == 1 else 'retries'}"
    lines = [
        f"- {escape(item.reason or item.subject or item.kind)}, again after {format_seconds(item.wait_seconds)}"
        for item in found[:_ATTEMPTS]
    ]
    if len(found) > _ATTEMPTS:
        lines.append(f"- … and {len(found) - _ATTEMPTS} more")
    yield "\n".join([f"<details><summary>{title}</summary>", "", *lines, "", "</details>", "", ""])


def _warnings(report: RunReport) -> Iterator[Section]:
    if report.warnings:
        rows = tuple(f"- ⚠️ {escape(warning, 1000)}\n" for warning in report.warnings)
        yield Section("**Warnings**\n\n", rows, "\n")
