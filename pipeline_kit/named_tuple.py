"""Named tuples: what :class:`typing.NamedTuple` makes, by methods that all such classes share.

That one writes a constructor as text for each class, and compiles it and every annotation, 0.15 ms in all: 7 ms for the
fifty classes that ``plan`` loads (``benchmarks/tags.py``). Checkers see :class:`typing.NamedTuple` itself.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - to be imported from here
else:

    class _Maker(type):
        """Makes a tuple of a class of annotated fields."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            """Return the class, which is none of this one's."""
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            names = tuple(namespace.get("__annotations__", {}))
            defaults = {name: namespace.pop(name) for name in names if name in namespace}
            getters = {name: property(itemgetter(number)) for number, name in enumerate(names)}
            shared = {"__slots__": (), "_fields": names, "_field_defaults": defaults, "__match_args__": names}
            return type(
                name, (tuple,), {**_METHODS, "__new__": _constructor(names, defaults), **shared, **namespace, **getters}
            )

    class NamedTuple(metaclass=_Maker):
        """The base that a class names; it is no base of what is made."""


def _constructor(names: tuple[str, ...], defaults: Mapping[str, Any]) -> Callable[..., Any]:
    count, takes, make = len(names), set(names), tuple.__new__
    least = count - len(defaults)
    if takes.difference(names[:least]) != defaults.keys():
        raise TypeError(f"fields with a default come last: {', '.join(names)}")
    endings = [tuple(defaults[name] for name in names[number:]) for number in range(least, count + 1)]

    def __new__(cls: type, *args: Any, **given: Any) -> Any:  # noqa: N807 - it becomes one
        if not given and least <= len(args) <= count:
            return make(cls, args + endings[len(args) - least])
        if not args and given.keys() == takes:
            return make(cls, [given[name] for name in names])
        state = {**defaults, **dict(zip(names, args, strict=False)), **given}
        if len(state) != count or len(args) > count or not given.keys().isdisjoint(names[: len(args)]):
            raise TypeError(f"{cls.__name__}() takes {', '.join(names)}; got {len(args)} by position, {[*given]}")
        return make(cls, [state[name] for name in names])

    return __new__


def _replace(self: Any, /, **changes: Any) -> Any:
    return type(self)(**{**_asdict(self), **changes})


def _asdict(self: Any) -> dict[str, Any]:
    return dict(zip(self._fields, self, strict=True))


def _make(cls: type, values: Iterable[Any]) -> Any:
    return cls(*values)


def _shown(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in _asdict(self).items())})"


def _arguments(self: Any) -> tuple[Any, ...]:
    """Return what copies are made with."""
    return tuple(self)


_METHODS = {
    "_replace": _replace,
    "_asdict": _asdict,
    "_make": classmethod(_make),
    "__repr__": _shown,
    "__getnewargs__": _arguments,
}
