"""What can be wrong inside one statement, before the file's name and the line are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterable


class StatementError(Exception):
    """A statement that BuildKit refuses; :func:`at` turns it into a :class:`DockerfileError` with a position."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ExpansionError(StatementError):
    """A word whose ``$`` or quotes BuildKit refuses, or a ``${X:?}`` that fired."""


class UnknownValueError(Exception):
    """A word needs the variable ``name``, whose value cannot be known from the Dockerfile and the build arguments."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def at(name: str, line: int, error: StatementError) -> DockerfileError:
    """Return ``error`` as the :class:`DockerfileError` ``name:line: …`` (``line`` is 1-based)."""
    return DockerfileError(f"{name}:{line}: {error.message}", hint=error.hint)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean X?`` for the known word nearest to ``word``, or ``None`` when none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else None
