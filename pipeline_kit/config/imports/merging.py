"""One description of an image laid over another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.document import MappingNode, Node, ScalarNode
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_NAME = frozenset({"args", "contexts", "secrets"})
"""Keys whose entries are replaced one by one; any other key is replaced whole."""


class Imported(NamedTuple):
    """What the files of ``imports:`` say: images by name, and a project's name where one of them gives it."""

    images: Mapping[str, tuple[ScalarNode, MappingNode]]
    project: str
    files: tuple[str, ...]


def overlaid(under: MappingNode, over: Node) -> Node:
    """Return ``over`` with what only ``under`` says below it; a node that is no mapping stays as it is."""
    if not isinstance(over, MappingNode):
        return over
    merged: dict[str, tuple[ScalarNode, Node]] = {key.value: (key, value) for key, value in under.entries}
    for key, value in over.entries:
        below = merged[key.value][1] if key.value in merged and key.value in _BY_NAME else None
        merged[key.value] = (key, overlaid(below, value) if isinstance(below, MappingNode) else value)
    return over._replace(entries=tuple(merged.values()))
