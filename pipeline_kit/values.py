"""Value classes: what :func:`dataclasses.dataclass` makes, by methods that all such classes share.

A frozen dataclass writes its methods as text and compiles them, 0.6 ms for each class: that was 37 ms of the 400 that
``tag`` took for 100,000 files (``benchmarks/tags.py``). The names mean what they mean in :mod:`dataclasses`; checkers
treat the classes as dataclasses (:func:`typing.dataclass_transform`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_MISSING: Any = object()
_FIELDS = "__value_fields__"


class Field(NamedTuple):
    """One field of a value class."""

    name: str
    default: Any
    default_factory: Callable[[], Any] | None
    init: bool
    repr: bool
    compare: bool


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    init: bool = True,
    repr: bool = True,  # noqa: A002 - dataclasses' word
    compare: bool = True,
) -> Any:
    """Return what stands behind a field's annotation; see :func:`dataclasses.field`."""
    return Field("", default, default_factory, init, repr, compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(*, frozen: bool = True, eq: bool = True, order: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class of annotated fields a value class; unlike a dataclass it is frozen unless told otherwise.

    Fields of base classes come first. ``__post_init__`` is called where there is one.
    """

    def decorate(cls: type[T]) -> type[T]:
        found = (*_inherited(cls), *_own(cls))
        compared = tuple(item.name for item in found if item.compare)
        methods: dict[str, Any] = {_FIELDS: found, "__match_args__": tuple(item.name for item in found if item.init)}
        methods["__init__"] = _initializer(found, has_more=hasattr(cls, "__post_init__"))
        if eq:
            methods |= _comparisons(cls, compared)
            methods["__hash__"] = _hasher(compared) if frozen else None
        if order:
            methods["__lt__"] = _less(cls, compared)
        if frozen:
            methods |= {"__setattr__": _refuse_change, "__delattr__": _refuse_change}
        if "__repr__" not in cls.__dict__:
            methods["__repr__"] = _shown
        for name, method in methods.items():
            setattr(cls, name, method)
        return cls

    return decorate


def fields(of: Any) -> tuple[Field, ...]:
    """Return the fields of a value class or of one of its values, in order."""
    found: tuple[Field, ...] = getattr(of, _FIELDS)
    return found


def replace(old: T, **changes: Any) -> T:
    """Return a value like ``old`` with other fields. Raises TypeError for a field that it does not have."""
    kept = {item.name: getattr(old, item.name) for item in fields(old) if item.init}
    return type(old)(**{**kept, **changes})


def asdict(of: Any) -> dict[str, Any]:
    """Return the fields of ``of`` by name; values in it stay what they are."""
    return {item.name: getattr(of, item.name) for item in fields(of)}


def _inherited(cls: type) -> tuple[Field, ...]:
    return next((base.__dict__[_FIELDS] for base in cls.__mro__[1:] if _FIELDS in base.__dict__), ())


def _own(cls: type) -> Iterator[Field]:
    annotations = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - inspect takes 6 ms to load
    for name, annotation in annotations.items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        default = cls.__dict__.get(name, _MISSING)
        if isinstance(default, Field):
            delattr(cls, name)
            yield default._replace(name=name)
        else:
            yield Field(name, default, None, init=True, repr=True, compare=True)


def _initializer(found: tuple[Field, ...], *, has_more: bool) -> Callable[..., None]:
    names = tuple(item.name for item in found if item.init)
    defaults = {item.name: item.default for item in found if item.default is not _MISSING}
    factories = [(item.name, item.default_factory) for item in found if item.default_factory is not None]
    whole = {item.name for item in found if item.init or item.default_factory or item.default is not _MISSING}
    takes = set(names)
    is_plain = takes == whole

    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807 - it becomes one
        if is_plain and (given.keys() == whole if not args else not given and len(args) == len(names)):  # most calls
            self.__dict__.update(given or zip(names, args, strict=True))
            if has_more:
                self.__post_init__()
            return
        state = {**defaults, **given}
        if args:
            state.update(zip(names, args, strict=False))
        for name, factory in factories:
            if name not in state:
                state[name] = factory()
        is_wrong = len(args) > len(names) or not given.keys() <= takes - set(names[: len(args)])
        if state.keys() != whole or is_wrong:
            raise TypeError(_complaint(type(self), names, args, given, whole - state.keys()))
        self.__dict__.update(state)
        if has_more:
            self.__post_init__()

    return __init__


def _complaint(
    cls: type, names: tuple[str, ...], args: tuple[Any, ...], given: dict[str, Any], missing: set[str]
) -> str:
    if missing:
        return f"{cls.__name__}() misses {', '.join(sorted(missing))}"
    twice = [name for name in names[: len(args)] if name in given]
    unknown = [name for name in given if name not in names]
    return f"{cls.__name__}() takes {', '.join(names)}; got {len(args)} by position, wrongly {[*twice, *unknown]}"


def _comparisons(cls: type, compared: tuple[str, ...]) -> dict[str, Any]:
    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - it becomes one
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        return all(mine[name] == others[name] for name in compared)

    return {} if "__eq__" in cls.__dict__ else {"__eq__": __eq__}


def _hasher(compared: tuple[str, ...]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807 - it becomes one
        state = self.__dict__
        return hash(tuple([state[name] for name in compared]))

    return __hash__


def _less(cls: type, compared: tuple[str, ...]) -> Callable[[Any, Any], bool]:
    def __lt__(self: Any, other: Any) -> bool:  # noqa: N807 - it becomes one
        if type(other) is not cls:
            return NotImplemented
        return [getattr(self, name) for name in compared] < [getattr(other, name) for name in compared]

    return __lt__


def _refuse_change(self: Any, name: str, _value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__} is a value: {name} cannot change")


def _shown(self: Any) -> str:
    parts = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{type(self).__qualname__}({parts})"
