"""When each image was worked on, as an inline SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.html_text import element, figure, shown
from pipeline_kit.outputs.sanitize import fit, one_line
from pipeline_kit.outputs.text import format_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABELS, _BARS, _ROOM = 190.0, 640.0, 110.0
_ROW, _BAR = 24.0, 16.0
_AXIS = 22.0
_COLUMNS = 22
_TICKS = 8
_STEPS = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


class Span(NamedTuple):
    """Work on one image; times in seconds since the run began. ``state`` is a word of ours that colours it."""

    name: str
    started: float
    seconds: float
    state: str
    steps: tuple[tuple[str, float, float], ...] = ()
    """Name, start and length of each part."""


def timeline_svg(spans: Sequence[Span], total: float) -> str:
    """Return a figure with a bar for each span, the earliest first; ``""`` where nothing took time."""
    worked = sorted((span for span in spans if span.seconds > 0), key=lambda span: (span.started, span.name))
    if not worked:
        return ""
    end = max(total, *(_end(span) for span in worked))
    scale = _BARS / end
    height = _AXIS + _ROW * len(worked) + 4
    rows = "".join(_row(span, _AXIS + _ROW * number, scale) for number, span in enumerate(worked))
    picture = element(
        "svg",
        element("g", *_axis(end, scale, height), class_="axis"),
        rows,
        viewBox=f"0 0 {_LABELS + _BARS + _ROOM:.0f} {height:.0f}",
        width=_LABELS + _BARS + _ROOM,
        height=height,
        role="img",
        aria_label="Timeline; the table of images gives the times.",
    )
    caption = f"{format_seconds(end)} from the beginning of the run to its end."
    later = sorted({name for span in worked for name, _, _ in span.steps[1:]})
    return figure("Timeline", picture, shown(f"{caption} Dashed: {', '.join(later)}." if later else caption))


def _end(span: Span) -> float:
    return max(span.started + span.seconds, *(began + length for _, began, length in span.steps), 0.0)


def _axis(end: float, scale: float, height: float) -> list[str]:
    step = next((step for step in _STEPS if end / step <= _TICKS), end / _TICKS)
    marks: list[str] = []
    for number in range(int(end / step) + 1):
        x = _LABELS + number * step * scale
        marks.append(element("line", x1=x, y1=_AXIS - 6, x2=x, y2=height))
        marks.append(element("text", shown(_moment(number * step)), x=x, y=_AXIS - 10, text_anchor="middle"))
    return marks


def _moment(seconds: float) -> str:
    if seconds and seconds < 1:
        return f"{seconds:.1f}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _row(span: Span, top: float, scale: float) -> str:
    parts = span.steps or (("", span.started, span.seconds),)
    bars = "".join(_bar(span, part, top, scale) for part in parts)
    label = element("text", shown(fit(one_line(span.name, 200), _COLUMNS)) or "-", x=0.0, y=top + 13, class_="name")
    right = min(_LABELS + _end(span) * scale + 6, _LABELS + _BARS + 6)
    told = element("text", shown(format_seconds(span.seconds)), x=right, y=top + 13, class_="told")
    return element("g", label, bars, told)


def _bar(span: Span, part: tuple[str, float, float], top: float, scale: float) -> str:
    name, began, length = part
    title = f"{span.name}{f', {name}' if name else ''}: {format_seconds(length)} from {format_seconds(began)}"
    kind = f"bar {span.state}{' later' if name and part is not span.steps[0] else ''}"
    x, width = _LABELS + max(began, 0.0) * scale, max(length * scale, 1.5)
    return element("rect", element("title", shown(title)), x=x, y=top, width=width, height=_BAR, rx=3, class_=kind)
