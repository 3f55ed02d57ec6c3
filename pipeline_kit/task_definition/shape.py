"""What the SDK's own model says about a document: which members there are, and of which kind.

Pure: an adapter makes these values from botocore's service model, so that a newer SDK knows newer members by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

ShapeKind = Literal["structure", "list", "map", "text", "integer", "decimal", "boolean", "other"]


@value_class()
class Shape:
    """One shape of a service model; ``item`` is what a list or a map's values hold."""

    kind: ShapeKind
    members: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None

    def of(self, member: str) -> Shape | None:
        """Return the shape of a member of this structure or a value of this map, ``None`` where it is not known."""
        return self.item if self.kind == "map" else self.members.get(member)


@value_class()
class Shapes:
    """The two shapes of a task definition: RegisterTaskDefinition's request, and what DescribeTaskDefinition gives."""

    request: Shape
    answer: Shape

    @property
    def read_only(self) -> frozenset[str]:
        """Return the members that the server writes and no request takes."""
        return frozenset(self.answer.members) - frozenset(self.request.members)


def as_request(
    answer: Mapping[str, Any], shapes: Shapes, tags: list[Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """Return what has to be registered to get ``answer`` again: read-only members dropped, ``tags`` put inside.

    Members that the SDK does not know are kept. ``aws:`` tags are the service's own and no request takes them.
    """
    document = {name: value for name, value in answer.items() if name not in shapes.read_only}
    own = [tag for tag in (tags or document.get("tags") or ()) if not str(tag.get("key", "")).startswith("aws:")]
    document.pop("tags", None)
    if own:
        document["tags"] = own
    return document


def unknown_members(document: Any, shape: Shape, path: str = "") -> tuple[str, ...]:
    """Return the paths of members that the SDK's model lacks; they are sent all the same."""
    found: list[str] = []
    if isinstance(document, dict):
        for name, value in document.items():
            place = f"{path}.{name}" if path else str(name)
            known = shape.of(name)
            found += (place,) if known is None else unknown_members(value, known, place)
    elif isinstance(document, list) and shape.item is not None:
        for index, value in enumerate(document):
            found += unknown_members(value, shape.item, f"{path}[{index}]")
    return tuple(found)
