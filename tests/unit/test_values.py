"""Value classes against dataclasses, whose words they use."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any, ClassVar

import pytest

from pipeline_kit.values import asdict, field, fields, replace, value_class


@value_class()
class Point:
    """With a default of each kind."""

    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)
    seen: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    ORIGIN: ClassVar[int] = 0

    @cached_property
    def double(self) -> int:
        """Return twice ``x``."""
        return 2 * self.x


@dataclasses.dataclass(frozen=True)
class Model:
    """The same as a dataclass."""

    x: int
    y: int = 2
    names: list[str] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", compare=False, repr=False)
    seen: list[int] = dataclasses.field(default_factory=list, init=False, repr=False, compare=False)


@value_class(order=True)
class Version:
    """Ordered, and with a check."""

    major: int
    minor: int = 0

    def __post_init__(self) -> None:
        if self.major < 0:
            raise ValueError(self.major)


@value_class()
class Named(Version):
    """With the fields of its base first."""

    name: str = ""


@value_class(frozen=False)
class Counter:
    """May change."""

    count: int = 0


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 3), {}),
    ((1, 3, ["a"], "b"), {}),
    ((), {"x": 1}),
    ((1,), {"names": ["a"], "y": 0}),
    ((), {"x": 1, "y": 2, "names": [], "note": "n"}),
    ((), {}),
    ((1,), {"x": 2}),
    ((1, 2, [], "", []), {}),
    ((1,), {"z": 2}),
    ((), {"y": 1, "z": 2}),
    ((1,), {"seen": [1]}),
]


@pytest.mark.parametrize(("args", "given"), CALLS)
def test_calls_are_taken_and_refused_alike(args: tuple[Any, ...], given: dict[str, Any]) -> None:
    """The same fields from the same call; a wrong call is a TypeError that names the class."""
    try:
        model = Model(*args, **given)
    except TypeError:
        with pytest.raises(TypeError, match="Point"):
            Point(*args, **given)
        return
    made = Point(*args, **given)
    assert asdict(made) == dataclasses.asdict(model)
    assert repr(made) == repr(model).replace("Model", "Point")


def test_defaults_are_made_anew() -> None:
    """Two values never share a list."""
    assert Point(1).names is not Point(1).names


def test_values_are_equal_by_what_compares() -> None:
    """Of the same class, whatever does not compare."""
    assert Point(1, note="a") == Point(1, note="b")
    assert Point(1) != Point(2)
    assert Version(1, 2) != object()
    assert Named(1) != Version(1)
    assert len({Version(1), Version(1, 0), Version(2)}) == 2
    assert sorted([Version(2), Version(1, 5), Version(1)]) == [Version(1), Version(1, 5), Version(2)]


def test_a_value_does_not_change() -> None:
    """Neither by setting nor by deleting; a cached property is kept all the same."""
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="Point is a value"):
        point.x = 2
    with pytest.raises(AttributeError, match="Point is a value"):
        point.new = 2
    with pytest.raises(AttributeError, match="Point is a value"):
        del point.x
    assert (point.double, point.double, point.x) == (2, 2, 1)


def test_a_class_may_be_told_to_change() -> None:
    """Then its values have no hash."""
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_replacing_checks_again() -> None:
    """Other fields stay; the class's own check runs."""
    assert replace(Named(1, 2, "a"), minor=3) == Named(1, 3, "a")
    with pytest.raises(ValueError, match="-1"):
        replace(Version(1), major=-1)
    with pytest.raises(TypeError, match="Version"):
        replace(Version(1), patch=1)


def test_fields_are_in_order() -> None:
    """Inherited first, class variables not at all."""
    assert [item.name for item in fields(Named)] == ["major", "minor", "name"]
    assert [item.name for item in fields(Point(1))] == ["x", "y", "names", "note", "seen"]
    match Named(1, 2, "a"):
        case Named(major, _, name):
            assert (major, name) == (1, "a")
