"""The table that ``plan`` prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.outputs.sanitize import display_width, one_line
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = ("IMAGE", "ACTION", "VERDICT", "TAG")
_GAP = "  "
_MINIMUM_WHY = 24
_INDENT = "    "
_COLOURS = {"build": "\x1b[33m", "complete": "\x1b[33m", "skip": "\x1b[32m", "blocked": "\x1b[31m"}
_RESET = "\x1b[0m"


@value_class()
class PlanRow:
    """One image of a plan: its action and verdict as words, its content tag, and why."""

    name: str
    action: str
    verdict: str
    tag: str
    reasons: tuple[str, ...] = ()


def plan_table(rows: Sequence[PlanRow], *, width: int = 100, colour: bool = False) -> str:
    """Return ``rows`` as aligned text, at most ``width`` columns where names and tags allow it, with a final newline.

    Reasons stand in a last column, wrapped; where less than 24 columns are left for it they go below their row. With
    ``colour`` the action is coloured.
    """
    if not rows:
        return "no images\n"
    cells = [tuple(one_line(cell) for cell in (row.name, row.action, row.verdict, row.tag)) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(_HEAD, *cells, strict=True)]
    left = sum(widths) + len(_GAP) * len(widths)
    beside = width - left >= _MINIMUM_WHY
    heading = _columns(_HEAD, widths) + (_GAP + "WHY" if beside else "")
    lines = [heading.rstrip()]
    for row, texts in zip(rows, cells, strict=True):
        lines += _row(texts, widths, _wrapped(row.reasons, width - (left if beside else len(_INDENT))), beside, colour)
    return "\n".join(lines) + "\n"


def _row(texts: Sequence[str], widths: Sequence[int], why: Sequence[str], beside: bool, colour: bool) -> list[str]:
    start = _columns(texts, widths, _COLOURS.get(texts[1], "") if colour else "")
    if not beside:
        return [start.rstrip(), *(_INDENT + line for line in why)]
    indent = " " * (sum(widths) + len(_GAP) * len(widths))
    first, *others = why or [""]
    return [(start + _GAP + first).rstrip(), *(indent + line for line in others)]


def _columns(texts: Sequence[str], widths: Sequence[int], colour: str = "") -> str:
    padded = [text + " " * (width - display_width(text)) for text, width in zip(texts, widths, strict=True)]
    if colour:
        padded[1] = colour + padded[1] + _RESET
    return _GAP.join(padded)


def _wrapped(reasons: Sequence[str], width: int) -> list[str]:
    room = max(width, _MINIMUM_WHY)
    lines: list[str] = []
    for reason in reasons:
        clean = one_line(reason)
        if display_width(clean) <= room:
            lines.append(clean)
        elif clean.isascii():
            import textwrap  # noqa: PLC0415 - most reasons are short

            lines += textwrap.wrap(clean, room, subsequent_indent="  ", break_on_hyphens=False)
        else:
            lines += _wrapped_by_columns(clean, room)
    return lines


def _wrapped_by_columns(text: str, room: int) -> list[str]:
    """Wrap text with wide characters: :mod:`textwrap` counts characters, a terminal counts columns."""
    lines = [""]
    for word in text.split(" "):
        candidate = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if display_width(candidate) <= room:
            lines[-1] = candidate
        else:
            lines += _broken(word, room)
    return [line for line in lines if line.strip()]


def _broken(word: str, room: int) -> list[str]:
    """Return ``word`` as continuation lines, broken wherever a line is full: some scripts put no spaces."""
    lines = ["  "]
    for character in word:
        if display_width(lines[-1] + character) > room:
            lines.append("  ")
        lines[-1] += character
    return lines
