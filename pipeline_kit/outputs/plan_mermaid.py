"""The graph of a plan's images as a mermaid flowchart, ``plan --format mermaid``.

Ids are ours; every text stands between quotes, with all that mermaid, Markdown or HTML could take for structure as
mermaid's entity codes (``#60;``; mermaid.js.org/syntax/flowchart, "Entity codes to escape characters").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline_kit.plan import Plan, PlannedImage

TEXT_LIMIT = 45_000
"""Characters; mermaid draws nothing beyond its ``maxTextSize``, 50,000."""
EDGES_LIMIT = 450
"""Mermaid draws nothing beyond its ``maxEdges``, 500."""
_LABEL = 60
_HEAD = "flowchart LR\n"
_STYLES = {
    Action.BUILD: "fill:#fff1c2,stroke:#9a6700,color:#3d2b00",
    Action.COMPLETE: "fill:#ddf4ff,stroke:#0969da,color:#0a3069",
    Action.SKIP: "fill:#f6f8fa,stroke:#8c959f,color:#424a53",
    Action.BLOCKED: "fill:#ffebe9,stroke:#cf222e,color:#82071e",
}
# Mermaid decodes its codes before it looks for line breaks (\n), formulas ($$x$$) and icons (fa:fa-x).
ALIKE = str.maketrans({"\\": "\u2216", "$": "\uff04", ":": "\u2236"})
"""Characters that no code keeps from being taken for structure, and others that look like them."""
# A list ("1. x", "- x") or emphasis begins at the edge of a word; between letters these signs mean nothing.
_PLAIN = re.compile(r"[^\W_]|(?<=[^\W_])[-./_](?=[^\W_])| ")


def plan_mermaid(plan: Plan, *, limit: int = TEXT_LIMIT) -> str:
    """Return the flowchart, at most ``limit`` characters with a final newline: bases left, what builds upon them right.

    What has to be built is shown before what is there already; a last node counts the images without room. ``""``
    where ``limit`` leaves no room at all.
    """
    styles = "".join(f"    classDef {action.value} {style}\n" for action, style in _STYLES.items())
    if not plan.images:
        return _HEAD + '    none["no images"]\n'
    room = limit - len(_HEAD) - len(styles) - len(_more(len(plan.images)))
    ids = {name: f"n{number}" for number, name in enumerate(plan.images)}
    shown, edges = _shown(plan.images.values(), ids, room)
    nodes = [text for name, text in shown.items() if name in ids]
    more = _more(len(plan.images) - len(nodes)) if len(nodes) < len(plan.images) else ""
    return "".join([_HEAD, *nodes, more, *edges, styles]) if nodes else ""


def mermaid_label(text: str, limit: int = _LABEL) -> str:
    """Return ``text`` on one line, cut, as it may stand between the quotes of a label."""
    shown = one_line(text, limit).translate(ALIKE)
    kept = {match.start() for match in _PLAIN.finditer(shown)}
    return "".join(char if place in kept else f"#{ord(char)};" for place, char in enumerate(shown))


def _shown(images: Iterable[PlannedImage], ids: dict[str, str], room: int) -> tuple[dict[str, str], list[str]]:
    """Return the nodes by name and the edges between them that there is room for, in the plan's order."""
    ordered = list(images)
    by_weight = sorted(ordered, key=lambda image: image.action is Action.SKIP)
    chosen: dict[str, PlannedImage] = {}
    edge_count = 0
    for image in by_weight:
        edges = [*_edges([image], ids, {*chosen, image.name}), *_edges(chosen.values(), ids, {image.name})]
        room -= len(_node(image, ids)) + sum(map(len, edges))
        edge_count += len(edges)
        if room < 0 or edge_count > EDGES_LIMIT:
            break
        chosen[image.name] = image
    kept = [image for image in ordered if image.name in chosen]
    return {image.name: _node(image, ids) for image in kept}, _edges(kept, ids, set(chosen))


def _edges(images: Iterable[PlannedImage], ids: dict[str, str], ends: set[str]) -> list[str]:
    return [f"    {ids[need]} --> {ids[image.name]}\n" for image in images for need in image.needs if need in ends]


def _node(image: PlannedImage, ids: dict[str, str]) -> str:
    told = f"{image.action.value} {_words(image.missing_platforms)}".strip()
    return f'    {ids[image.name]}["{mermaid_label(image.name)}<br/>{mermaid_label(told)}"]:::{image.action.value}\n'


def _words(platforms: Sequence[str]) -> str:
    return " ".join(platforms)


def _more(count: int) -> str:
    return f'    more["and {count} more"]\n'
