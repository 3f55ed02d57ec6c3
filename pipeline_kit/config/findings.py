"""What is wrong with a configuration, collected so that one report holds all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline_kit.config.model import Location
from pipeline_kit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PROBLEMS = 100
"""A report longer than this helps nobody, and a hostile file must not buy unlimited work."""

_LONGEST_SHOWN = 60


class Positioned(Protocol):
    """Anything written at a 1-based line and column."""

    @property
    def line(self) -> int:
        """Return the 1-based line."""
        ...

    @property
    def column(self) -> int:
        """Return the 1-based column, counted in code points."""
        ...

    @property
    def file(self) -> str:
        """Return the name of the file, empty where it is the one that the findings are about."""
        ...


class ReportFull(Exception):
    """The report holds as many problems as will ever be shown. Never leaves ``load``."""


class Findings:
    """Problems and warnings of a configuration; adding beyond :data:`MAX_PROBLEMS` raises :class:`ReportFull`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.mark = ""
        """What nodes of this file bear as ``file``."""
        self._seen: set[tuple[str, int, int, str]] = set()

    def of(self, file: str) -> Findings:
        """Return findings about an imported ``file`` that go into the same report."""
        other = Findings(file)
        other.mark = file
        other.problems, other.warnings, other._seen = self.problems, self.warnings, self._seen
        return other

    def add(self, at: Positioned, message: str, *, key: str = "", suggestion: str = "", offset: int = 0) -> None:
        """Record a problem ``offset`` columns behind ``at``; the same one through several aliases counts once."""
        problem = Problem(at.file or self.file, at.line, at.column + offset, message, key, suggestion)
        if self._is_new(problem):
            self.problems.append(problem)
            if len(self.problems) >= MAX_PROBLEMS:
                raise ReportFull

    def warn(self, at: Positioned, message: str, *, key: str = "", suggestion: str = "") -> None:
        """Record something allowed that is probably not meant; beyond the limit further warnings are dropped."""
        warning = Problem(at.file or self.file, at.line, at.column, message, key, suggestion)
        if len(self.warnings) < MAX_PROBLEMS and self._is_new(warning):
            self.warnings.append(warning)

    def location(self, at: Positioned) -> Location:
        """Return where ``at`` was written."""
        return Location(at.file or self.file, at.line, at.column)

    def _is_new(self, problem: Problem) -> bool:
        identity = (problem.file, problem.line, problem.column, problem.message)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True


def shown(text: str) -> str:
    """Return ``text`` in quotes, shortened and with control characters escaped, fit for one line of a terminal."""
    short = text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
    return f"'{''.join(char if char.isprintable() else ascii(char)[1:-1] for char in short)}'"


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'context'?`` for the nearest of ``known``, or ``""`` when none is near."""
    import difflib  # noqa: PLC0415 - only needed when something is wrong

    if len(text) > _LONGEST_SHOWN:
        return ""
    spelt = {word.lower(): word for word in sorted(known)}
    near = difflib.get_close_matches(text.lower(), spelt, n=1)
    return f"did you mean {shown(spelt[near[0]])}?" if near else ""


def one_of(words: Iterable[str]) -> str:
    """Return ``'a', 'b' or 'c'``."""
    *head, last = [f"'{word}'" for word in words]
    return f"{', '.join(head)} or {last}" if head else last
