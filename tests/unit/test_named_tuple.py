"""Named tuples against typing's, whose words they use."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any, cast

import pytest

from pipeline_kit.named_tuple import NamedTuple


class Place(NamedTuple):
    """With a default, a property and a method."""

    host: str
    path: str
    port: int = 443

    @property
    def shown(self) -> str:
        """Return it as text."""
        return f"{self.host}:{self.port}/{self.path}"

    def below(self, name: str) -> Place:
        """Return a place below."""
        return self._replace(path=f"{self.path}/{name}")


class Model(typing.NamedTuple):
    """The same as typing makes it."""

    host: str
    path: str
    port: int = 443


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("h", "p"), {}),
    (("h", "p", 1), {}),
    (("h",), {"path": "p"}),
    ((), {"host": "h", "path": "p"}),
    ((), {"port": 1, "path": "p", "host": "h"}),
    ((), {}),
    (("h",), {}),
    (("h", "p", 1, 2), {}),
    (("h", "p"), {"host": "x"}),
    (("h", "p", 1), {"host": "x"}),
    (("h", "p"), {"other": 1}),
    ((), {"host": "h", "path": "p", "other": 1}),
    (("h",), {"port": 1}),
]


@pytest.mark.parametrize(("args", "given"), CALLS)
def test_calls_are_taken_and_refused_alike(args: tuple[Any, ...], given: dict[str, Any]) -> None:
    """The same fields from the same call; a wrong call is a TypeError that names the class."""
    try:
        model = Model(*args, **given)
    except TypeError:
        with pytest.raises(TypeError, match="Place"):
            Place(*args, **given)
        return
    made: Any = Place(*args, **given)
    assert made == model
    assert hash(made) == hash(model)
    assert made._asdict() == model._asdict()
    assert repr(made) == repr(model).replace("Model", "Place")


def test_it_is_a_tuple_with_names() -> None:
    """To be taken apart, matched, copied and pickled, and never changed."""
    place: Any = Place("h", "p")
    host, path, port = place
    assert (host, path, port) == place == Place._make(["h", "p", 443])
    assert Place._fields == Model._fields
    assert Place._field_defaults == Model._field_defaults
    match place:
        case Place("h", path="p", port=number):
            assert number == 443
        case _:
            pytest.fail("it did not match")
    assert copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == place  # noqa: S301 - our own bytes
    assert isinstance(copy.copy(place), Place)
    assert place.below("x") == Place("h", "p/x", 443)
    assert place.shown == "h:443/p"
    with pytest.raises(AttributeError):
        setattr(place, "host", "x")  # noqa: B010 - checkers know that it cannot be set
    with pytest.raises(AttributeError):
        setattr(place, "new", 1)  # noqa: B010 - as above
    with pytest.raises(TypeError, match="Place"):
        place._replace(**cast("Any", {"other": 1}))


def test_fields_with_a_default_come_last() -> None:
    """As typing has it."""
    with pytest.raises(TypeError, match="come last"):
        _with_a_default_first()


def _with_a_default_first() -> None:
    class Wrong(NamedTuple):
        first: int = 1
        second: int  # type: ignore[misc] # that is what is refused
