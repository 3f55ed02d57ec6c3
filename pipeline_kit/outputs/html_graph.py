"""The graph of images as an inline SVG: bases left, what builds upon them right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.html_text import element, figure, shown
from pipeline_kit.outputs.sanitize import fit, one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_WIDTH, _HEIGHT = 184.0, 40.0
_ACROSS, _DOWN = 250.0, 54.0
_MARGIN = 6.0
_COLUMNS = 22
_SWEEPS = 4


class Node(NamedTuple):
    """One image: ``state`` is a word of ours that colours it, ``told`` the second line."""

    name: str
    needs: tuple[str, ...]
    state: str
    told: str


def graph_svg(nodes: Sequence[Node]) -> str:
    """Return a figure of the images that depend on each other; ``""`` where none do."""
    known = {node.name: node for node in nodes}
    needs = {node.name: tuple(need for need in node.needs if need in known) for node in nodes}
    joined = {name for name, below in needs.items() if below} | {need for below in needs.values() for need in below}
    if not joined:
        return ""
    needs = {name: below for name, below in needs.items() if name in joined}
    places = _places(needs)
    edges = "".join(_edge(places[need], places[name]) for name, below in needs.items() for need in below)
    boxes = "".join(_box(known[name], places[name]) for name in needs)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN
    picture = element(
        "svg",
        element("g", edges, class_="edges"),
        boxes,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
        aria_label="Graph of images; the table of images names what each builds upon.",
    )
    alone = len(nodes) - len(joined)
    rest = f" {alone} more {'stands' if alone == 1 else 'stand'} alone." if alone else ""
    return figure("Graph", picture, f"What builds upon what, bases left.{rest}")


def _places(needs: Mapping[str, Collection[str]]) -> dict[str, tuple[float, float]]:
    """Return the upper left corner of each box: a column for each level, edges as short as a few sweeps make them."""
    columns = [list(level) for level in graph.levels(needs)]
    above: dict[str, list[str]] = {name: [] for name in needs}
    for name, below in needs.items():
        for need in below:
            above[need].append(name)
    heights = _heights(columns)
    for sweep in range(_SWEEPS):
        neighbours = needs if sweep % 2 == 0 else above
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda name: _middle(heights, neighbours[name], heights[name]))
            heights.update(_heights(columns))
    return {
        name: (_MARGIN + number * _ACROSS, _MARGIN + heights[name] * _DOWN)
        for number, column in enumerate(columns)
        for name in column
    }


def _heights(columns: Sequence[Sequence[str]]) -> dict[str, float]:
    tallest = max(map(len, columns))
    return {name: row + (tallest - len(column)) / 2 for column in columns for row, name in enumerate(column)}


def _middle(heights: Mapping[str, float], names: Collection[str], otherwise: float) -> float:
    return sum(heights[name] for name in names) / len(names) if names else otherwise


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2
    x2, y2 = end[0], end[1] + _HEIGHT / 2
    bend = (_ACROSS - _WIDTH) * 0.6
    path = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return element("path", d=path)


def _box(node: Node, place: tuple[float, float]) -> str:
    x, y = place
    box = element("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=6, class_=f"box {node.state}")
    lines = _lines(((node.name, "name", 17), (node.told, "told", 32)), x, y)
    return element("g", element("title", shown(f"{node.name}: {node.told}")), box, *lines)


def _lines(texts: Iterable[tuple[str, str, int]], x: float, y: float) -> Iterable[str]:
    for text, kind, down in texts:
        yield element("text", shown(fit(one_line(text, 200), _COLUMNS)) or "-", x=x + 10, y=y + down, class_=kind)
