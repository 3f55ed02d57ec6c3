"""``${NAME:-default}`` and its like in a Compose file.

Source: Compose specification, "Interpolation". The forms are ``$NAME``, ``${NAME}``, ``${NAME:-default}``,
``${NAME-default}``, ``${NAME:?error}``, ``${NAME?error}``, ``${NAME:+other}``, ``${NAME+other}`` and ``$$``; what
stands behind the operator is interpolated itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.config.findings import shown
from pipeline_kit.config.secrecy import is_secret_name

if TYPE_CHECKING:
    from pipeline_kit.config.fields import Environment

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_DEEPEST = 16


class InterpolationFault(Exception):
    """A text cannot be interpolated; ``offset`` counts characters from its beginning."""

    def __init__(self, offset: int, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.suggestion = suggestion


class Variables:
    """The environment, and below it what ``.env`` says; ``unset`` collects names that were asked for in vain."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.dotenv: dict[str, str] = {}
        self.unset: list[str] = []

    def get(self, name: str, offset: int = 0) -> str | None:
        """Return a variable's value, ``None`` where it is not set. Raises InterpolationFault for a secret's name."""
        if is_secret_name(name):
            message = f"environment variable '{name}' looks like a secret, and what is read here gets printed"
            raise InterpolationFault(offset, message, "hand it to the build under 'secrets'")
        try:
            value = self._environment.take(name)
        except ValueError:
            raise InterpolationFault(offset, "the variables bring in too many characters") from None
        return self.dotenv.get(name) if value is None else value

    def interpolate(self, text: str) -> str:
        """Return ``text`` with every variable replaced. Raises InterpolationFault."""
        if "$" not in text:
            return text
        result, end = self._scan(text, 0, depth=0)
        assert end == len(text)  # noqa: S101 - only an inner scan ends earlier
        return result

    def _scan(self, text: str, start: int, *, depth: int) -> tuple[str, int]:
        """Return the replaced text from ``start`` and where it ends: at the end, or (inside braces) at ``}``."""
        if depth > _DEEPEST:
            raise InterpolationFault(start, "variables stand inside each other too deeply")
        parts: list[str] = []
        at = start
        while at < len(text):
            char = text[at]
            if char == "}" and depth:
                break
            if char != "$":
                parts.append(char)
                at += 1
                continue
            value, at = self._variable(text, at, depth=depth)
            parts.append(value)
        return "".join(parts), at

    def _variable(self, text: str, at: int, *, depth: int) -> tuple[str, int]:
        if text.startswith("$$", at):
            return "$", at + 2
        braced = text.startswith("${", at)
        name = _NAME.match(text, at + 1 + braced)
        if name is None:
            raise InterpolationFault(at, "'$' begins no variable here", "write '$$' for a dollar sign")
        if not braced:
            return self._plain(name[0], at), name.end()
        operator = _OPERATOR.match(text, name.end())
        other, end = ("", name.end()) if operator is None else self._scan(text, operator.end(), depth=depth + 1)
        if not text.startswith("}", end):
            raise InterpolationFault(at, f"'${{{name[0]}' has no end", "write '}' behind it")
        word = operator[0] if operator else ""
        return (self._chosen(name[0], word, other, at) if word else self._plain(name[0], at)), end + 1

    def _plain(self, name: str, at: int) -> str:
        value = self.get(name, at)
        if value is None and name not in self.unset:
            self.unset.append(name)
        return value or ""

    def _chosen(self, name: str, operator: str, other: str, at: int) -> str:
        value = self.get(name, at)
        is_there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return other if is_there else ""
        if is_there:
            return value or ""
        if operator.endswith("?"):
            detail = f": {shown(other)}" if other else ""
            raise InterpolationFault(at, f"environment variable '{name}' is not set{detail}", "set it")
        return other
