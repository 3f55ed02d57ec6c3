"""From bytes to statements: lines joined, comments dropped, here-documents attached.

Source: moby/buildkit frontend/dockerfile/parser; Dockerfile reference, "Format", "escape" and "Here-Documents".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.faults import StatementError, at
from pipeline_kit.dockerfile.heredocs import Heredoc, heredocs
from pipeline_kit.dockerfile.text import SPACE, check_length, is_comment, physical_lines, trim_newline
from pipeline_kit.dockerfile.words import blank_separated, json_array, take_flags
from pipeline_kit.values import replace, value_class

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITH_HEREDOCS = frozenset({"add", "copy", "run"})


@value_class()
class Statement:
    """One logical line: 1-based first and last ``line``, the lower-case ``keyword``, its ``flags``, the ``rest``."""

    line: int
    end: int
    text: str
    keyword: str
    flags: tuple[str, ...]
    rest: str
    heredocs: tuple[Heredoc, ...] = ()


class _Lines:
    """The physical lines of a file, read forward; ``number`` is the 1-based line read last."""

    def __init__(self, text: str) -> None:
        self._lines = physical_lines(text)
        self.number = 0

    def read(self) -> str | None:
        if self.number == len(self._lines):
            return None
        self.number += 1
        line = self._lines[self.number - 1]
        check_length(line)
        return line


def statements(text: str, name: str, *, escape: str) -> Iterator[Statement]:
    """Yield the statements of a Dockerfile's ``text``; ``name`` stands in errors.

    Raises :class:`DockerfileError` for a line that is too long and for a here-document without end.
    """
    lines = _Lines(text)
    while True:
        try:
            first = lines.read()
            if first is None:
                return
            start = lines.number
            line = _logical_line(first, lines, escape)
        except StatementError as error:
            raise at(name, lines.number, error) from error
        if line is None:
            continue
        try:
            statement = _with_heredocs(split_statement(line, start, lines.number, escape), lines, escape)
        except StatementError as error:
            raise at(name, start, error) from error
        yield statement


def _logical_line(first: str, lines: _Lines, escape: str) -> str | None:
    """Return the line that starts with ``first``, its continuations joined; ``None`` for a comment or a blank line."""
    if is_comment(first):
        return None
    piece, goes_on = _cut_continuation(trim_newline(first).lstrip(SPACE), escape)
    if not goes_on:
        return piece or None
    pieces = [piece]
    while goes_on and (following := lines.read()) is not None:
        line = trim_newline(following)
        if is_comment(line) or not line.strip(SPACE):
            continue
        piece, goes_on = _cut_continuation(line, escape)
        pieces.append(piece)
    return "".join(pieces)


def _cut_continuation(line: str, escape: str) -> tuple[str, bool]:
    """Return ``line`` without an escape character at its end, and whether there was one (a doubled one is none)."""
    match = re.search(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*\Z", line)
    return (line, False) if match is None else (line[: match.start()], True)


def split_statement(line: str, start: int, end: int, escape: str) -> Statement:
    """Return the logical ``line`` cut into keyword, flags and rest; here-documents are not looked for."""
    words = blank_separated(line.strip(SPACE), 1)
    keyword, tail = (words[0] if words else ""), (words[1] if len(words) > 1 else "")
    flags, rest = take_flags(tail, escape)
    return Statement(start, end, line, keyword.lower(), tuple(flags), rest.strip(SPACE))


def _with_heredocs(statement: Statement, lines: _Lines, escape: str) -> Statement:
    inner = statement
    if statement.keyword == "onbuild":
        inner = split_statement(statement.rest, statement.line, statement.end, escape)
    if inner.keyword not in _WITH_HEREDOCS or json_array(inner.rest) is not None:
        return statement
    found = tuple(replace(opened, content=_content(opened, lines)) for opened in heredocs(statement.text))
    return replace(statement, heredocs=found, end=lines.number)


def _content(opened: Heredoc, lines: _Lines) -> str:
    content: list[str] = []
    while (line := lines.read()) is not None:
        candidate = trim_newline(line)
        if (candidate.lstrip("\t") if opened.chomp else candidate) == opened.name:
            return "".join(content)
        content.append(line)
    raise StatementError(
        f"the here-document <<{opened.name} has no end", hint=f"add a line that holds {opened.name} and nothing else"
    )
