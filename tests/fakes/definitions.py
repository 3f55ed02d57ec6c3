"""Task definitions generated from botocore's own model, so that a member it gains is tried from that day on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from fakes.fake_ecs import service_model

if TYPE_CHECKING:
    from collections.abc import Iterator

_ITEMS = 2


def definition(seed: int, *, everything: bool) -> dict[str, Any]:
    """Return a request for RegisterTaskDefinition with every member of the model, or with a random choice of them."""
    shape = service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    dice = random.Random(seed)  # noqa: S311 - test data
    made = _Maker(dice, everything=everything).value(shape, "")
    made["family"] = f"generated-{seed}"
    assert isinstance(made, dict)
    return made


class _Maker:
    def __init__(self, dice: random.Random, *, everything: bool) -> None:
        self._dice, self._everything, self._count = dice, everything, 0

    def value(self, shape: Any, name: str) -> Any:
        """Return a value of a shape; texts are unique, so that names in a list do not clash."""
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return [self.value(shape.member, name) for _ in range(_ITEMS)]
        if kind == "map":
            return {f"key-{self._next()}={index}": f"a={index}=b" for index in range(_ITEMS)}
        if kind == "string":
            return self._text(shape, name)
        if kind == "boolean":
            return self._dice.random() < 0.5
        return self._dice.randint(1, 60_000)

    def _structure(self, shape: Any) -> dict[str, Any]:
        if getattr(shape, "is_tagged_union", False):
            name = self._dice.choice(list(shape.members))
            return {name: self.value(shape.members[name], name)}
        kept = [
            name
            for name in shape.members
            if self._everything or name in shape.required_members or name in _NEEDED or self._dice.random() < 0.6
        ]
        return {name: self.value(shape.members[name], name) for name in kept}

    def _text(self, shape: Any, name: str) -> str:
        if shape.enum:
            return str(self._dice.choice(shape.enum))
        if name in ("cpu", "memory"):
            return self._dice.choice(["256", "512", "1024"])
        return f"{name or 'text'}-{self._next()}"

    def _next(self) -> int:
        self._count += 1
        return self._count


_NEEDED = frozenset({"name", "containerDefinitions", "family", "containerPort", "containerPath", "key"})
"""What ECS insists on although the model does not."""


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield path and value of everything that is no list and no object."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from leaves(value, (*path, index))
    else:
        yield path, node
