"""The variables that words may use: in the global scope, and within a stage as it goes along.

A value of ``None`` means "set, and not to be known here". Source: Dockerfile reference, "Using ARG variables", "Impact
on build caching", "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.faults import ExpansionError, UnknownValueError, at
from pipeline_kit.dockerfile.platforms import platform_values
from pipeline_kit.dockerfile.shell import expand, names_in
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.dockerfile.instructions import Arg, Env
    from pipeline_kit.dockerfile.stages import Dockerfile

# What BuildKit sets in every Linux image that does not set it itself.
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Declared with ARG, these steer the frontend and never become variables.
_NO_VARIABLES = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})


@value_class()
class GlobalScope:
    """Variables before the first FROM: their ``values``, and for each the names its default was made of."""

    values: dict[str, str | None]
    parts: dict[str, frozenset[str]]
    declared: frozenset[str]
    escape: str

    def value_of(self, word: str) -> str:
        """Return ``word`` expanded. Raises :class:`ExpansionError` and :class:`UnknownValueError`."""
        return expand(word, self._lookup, escape=self.escape)

    def unset(self, word: str) -> list[str]:
        """Return the names in ``word`` that have no value here, sorted."""
        return sorted(name for name in names_in(word, escape=self.escape) if name not in self.values)

    def sources(self, names: Iterable[str]) -> frozenset[str]:
        """Return ``names`` and all names that their values were made of."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.parts.get(name, ())
        return frozenset(found)

    def _lookup(self, name: str) -> str | None:
        if name in self.values and self.values[name] is None:
            raise UnknownValueError(name)
        return self.values.get(name)


def global_scope(dockerfile: Dockerfile, args: Mapping[str, str], platform: str | None) -> GlobalScope:
    """Return the global scope for build arguments ``args`` and one ``platform``.

    Raises :class:`DockerfileError` where a default cannot be expanded.
    """
    values = {name: args.get(name, value) for name, value in platform_values(platform).items()}
    declared = frozenset(key for arg in dockerfile.meta_args for key, _ in arg.pairs)
    scope = GlobalScope(values, {}, declared, dockerfile.escape)
    for arg in dockerfile.meta_args:
        for key, default in arg.pairs:
            if key in args:
                scope.values[key] = args[key]
            elif default is not None:
                scope.parts[key] = scope.parts.get(key, frozenset()) | names_in(default, escape=dockerfile.escape)
                scope.values[key] = _known(scope, default, dockerfile, arg)
    return scope


def _known(scope: GlobalScope, default: str, dockerfile: Dockerfile, arg: Arg) -> str | None:
    try:
        return scope.value_of(default)
    except UnknownValueError:
        return None
    except ExpansionError as error:
        raise at(dockerfile.name, arg.line, error) from error


@value_class(frozen=False)
class StageScope:
    """Variables at one point of a stage. ``open``: the base image may set others, so a missing one is unknown."""

    escape: str
    open: bool
    values: dict[str, str | None] = field(default_factory=dict)
    image: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def on_scratch(cls, escape: str) -> StageScope:
        """Return the scope of ``FROM scratch``."""
        return cls(escape, open=False, values={"PATH": _DEFAULT_PATH}, image={"PATH": _DEFAULT_PATH})

    def child(self) -> StageScope:
        """Return the scope at the start of a stage built upon this one: all its variables, its ENV once more."""
        return StageScope(self.escape, self.open, {**self.values, **self.image}, dict(self.image))

    def value_of(self, word: str) -> str:
        """Return ``word`` expanded. Raises :class:`ExpansionError` and :class:`UnknownValueError`."""
        return expand(word, self._lookup, escape=self.escape)

    def declare(self, arg: Arg, args: Mapping[str, str], globals_: GlobalScope) -> None:
        """Apply an ARG of this stage. Raises :class:`ExpansionError`."""
        earlier: set[str] = set()
        for key, default in arg.pairs:
            if key in _NO_VARIABLES:
                continue
            if key in args:
                self.values[key] = args[key]
            elif default is not None:
                # Builders differ in whether "ARG A=1 B=$A" sees the new A.
                own = earlier & names_in(default, escape=self.escape)
                self.values[key] = None if own else self._known(default)
            elif key in globals_.values:
                self.values[key] = globals_.values[key]
            earlier.add(key)

    def export(self, env: Env) -> None:
        """Apply an ENV: all its values are made of what was set before it. Raises :class:`ExpansionError`."""
        pairs = [(self._known(key), self._known(value)) for key, value in env.pairs]
        for key, value in pairs:
            if key is None:
                # Any variable may have been set, so none is known any more.
                self.open = True
                self.values, self.image = dict.fromkeys(self.values), dict.fromkeys(self.image)
            else:
                self.values[key] = self.image[key] = value

    def _known(self, word: str) -> str | None:
        try:
            return self.value_of(word)
        except UnknownValueError:
            return None

    def _lookup(self, name: str) -> str | None:
        if name not in self.values:
            if self.open:
                raise UnknownValueError(name)
            return None
        value = self.values[name]
        if value is None:
            raise UnknownValueError(name)
        return value
