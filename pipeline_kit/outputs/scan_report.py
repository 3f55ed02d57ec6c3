"""The judgement of image scans as JSON, lines and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.outputs.columns import aligned
from pipeline_kit.outputs.markdown import code, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.scan_gate import Finding, Gate, Ignored, Judged

_SHOWN = 20
_ROWS = 200


def scan_document(gate: Gate) -> dict[str, Any]:
    """Return everything, for scripts."""
    return {
        "passed": gate.passes,
        "fail_on": gate.fail_on,
        "images": [_image(judged) for judged in gate.scans],
        "expired_ignores": [_ignore(entry) for entry in gate.expired],
        "unused_ignores": [_ignore(entry) for entry in gate.unused],
    }


def _image(judged: Judged) -> dict[str, Any]:
    scanned = judged.scanned
    return {
        "name": scanned.name,
        "image": scanned.image,
        "platform": scanned.platform,
        "passed": judged.passes,
        "unread": scanned.unread,
        "counts": dict(judged.counts),
        "failing": [_finding(finding) for finding in judged.failing],
        "ignored": [{**_finding(finding), **_ignore(entry)} for finding, entry in judged.ignored],
    }


def _finding(finding: Finding) -> dict[str, str]:
    names = ("id", "severity", "package", "version", "fixed", "url")
    return {name: getattr(finding, name) for name in names}


def _ignore(entry: Ignored) -> dict[str, str]:
    return {"id": entry.id, "until": entry.until, "reason": entry.reason}


def scan_lines(gate: Gate) -> list[str]:
    """Return a table of the scans, then what fails, the gravest first."""
    head = ("IMAGE", "PLATFORM", "RESULT", "FINDINGS", "IGNORED")
    lines = aligned([head, *(_row(judged) for judged in gate.scans)])
    for judged in gate.scans:
        rows = [
            (f"  {one.id}", one.severity, f"{one.package} {one.version}".strip(), one.fixed and f"fixed in {one.fixed}")
            for one in judged.failing[:_SHOWN]
        ]
        if rows:
            lines += [f"{_title(judged)}:", *aligned(rows)]
        if len(judged.failing) > _SHOWN:
            lines.append(f"  and {len(judged.failing) - _SHOWN} more")
    return lines


def _title(judged: Judged) -> str:
    return f"{judged.scanned.name} {judged.scanned.platform}".strip()


def _result(judged: Judged) -> str:
    if judged.scanned.unread:
        return f"no scan: {judged.scanned.unread}"
    return "pass" if judged.passes else f"fail: {len(judged.failing)}"


def _counts(judged: Judged) -> str:
    return ", ".join(f"{count} {word}" for word, count in judged.counts) or "none"


def _row(judged: Judged) -> tuple[str, ...]:
    known = "-" if judged.scanned.unread else _counts(judged)
    return judged.scanned.name, judged.scanned.platform or "-", _result(judged), known, str(len(judged.ignored))


def scan_markdown(gate: Gate) -> str:
    """Return a section for a job summary; every text in it comes from outside and is escaped."""
    lines = ["## Image scan", "", "| image | platform | result | findings | ignored |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(map(escape, _row(judged))) + " |" for judged in gate.scans]
    failing = [(judged, finding) for judged in gate.scans for finding in judged.failing]
    if failing:
        lines += ["", "| finding | severity | image | package | fixed in |", "|---|---|---|---|---|"]
        lines += [_markdown_row(judged, finding) for judged, finding in failing[:_ROWS]]
    if len(failing) > _ROWS:
        lines += ["", f"and {len(failing) - _ROWS} more"]
    lines += _entries("Ignored until a day that has passed, so counted again", gate.expired)
    lines += _entries("Ignored, and not found any more", gate.unused)
    return "\n".join([*lines, "", ""])


def _markdown_row(judged: Judged, finding: Finding) -> str:
    package = f"{finding.package} {finding.version}".strip()
    cells = (code(finding.id), escape(finding.severity), escape(_title(judged)), escape(package), escape(finding.fixed))
    return "| " + " | ".join(cells) + " |"


def _entries(title: str, entries: Sequence[Ignored]) -> list[str]:
    if not entries:
        return []
    return ["", f"{title}:", "", *(f"- {code(one.id)} ({escape(one.until)}): {escape(one.reason)}" for one in entries)]
