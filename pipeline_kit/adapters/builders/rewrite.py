"""A Dockerfile whose references are replaced: how the classic builder gets pinned bases. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.dockerfile import parse
from pipeline_kit.dockerfile.environment import global_scope
from pipeline_kit.dockerfile.faults import StatementError, UnknownValueError
from pipeline_kit.dockerfile.instructions import Copy
from pipeline_kit.dockerfile.lexer import statements
from pipeline_kit.dockerfile.text import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.dockerfile.environment import GlobalScope
    from pipeline_kit.dockerfile.lexer import Statement

_CLASSIC_FLAGS = {
    "from": ("--platform=",),
    "copy": ("--from=", "--chown="),
    "add": ("--chown=",),
    "healthcheck": ("--",),
}


def rewrite(data: bytes, replacements: Mapping[str, str], args: Mapping[str, str]) -> bytes:
    """Return the Dockerfile ``data`` with FROM and ``COPY --from`` pointing to ``replacements``.

    A reference is looked up after expansion with the global scope's ``args``, and as written. Everything else stays
    byte for byte. Raises DockerfileError for a file that cannot be read.
    """
    dockerfile = parse(data, "Dockerfile")
    scope = global_scope(dockerfile, args, None)
    lines = data.split(b"\n")
    ends = {statement.line: statement.end for statement in _statements(data, dockerfile.escape)}
    for stage in dockerfile.stages:
        found = _lookup(stage.base, scope, replacements)
        if found is not None:
            _replace(lines, stage.line, ends[stage.line], rb"(?<![^ \t])", stage.base, found)
        for instruction in stage.instructions:
            if isinstance(instruction, Copy) and instruction.origin in replacements:
                line, new = instruction.line, replacements[instruction.origin]
                _replace(lines, line, ends[line], rb"(?<=--from=)", instruction.origin, new)
    return b"\n".join(lines)


def unsupported(data: bytes) -> list[str]:
    """Return what in the Dockerfile ``data`` the classic builder cannot do, each as ``line N: …``.

    Raises DockerfileError for a file that cannot be read.
    """
    dockerfile = parse(data, "Dockerfile")
    if dockerfile.unreadable is not None:
        return [f"line {dockerfile.syntax_line}: the frontend {dockerfile.syntax}"]
    found: list[str] = []
    for statement in _statements(data, dockerfile.escape):
        known = _CLASSIC_FLAGS.get(statement.keyword, ())
        flags = [flag for flag in statement.flags if not flag.startswith(known or ("\0",))]
        keyword = statement.keyword.upper()
        found += [f"line {statement.line}: {keyword} {flag.partition('=')[0]}" for flag in flags]
        if statement.heredocs:
            found.append(f"line {statement.line}: a here-document")
    return found


def _statements(data: bytes, escape: str) -> list[Statement]:
    return list(statements(decode(data), "Dockerfile", escape=escape))


def _lookup(base: str, scope: GlobalScope, replacements: Mapping[str, str]) -> str | None:
    if base in replacements:
        return replacements[base]
    try:
        return replacements.get(scope.value_of(base))
    except (StatementError, UnknownValueError):
        return None


def _replace(lines: list[bytes], first: int, last: int, before: bytes, old: str, new: str) -> None:
    """Replace the first whole word ``old`` in the lines ``first`` to ``last`` (1-based), comments left alone."""
    word = re.escape(old.encode("utf-8", "surrogateescape"))
    pattern = re.compile(before + word + rb"(?=[ \t\r]|\Z)")
    keyword = re.compile(rb"[ \t]*\w+")
    for index in range(first - 1, last):
        head = keyword.match(lines[index]) if index == first - 1 else None
        start = head.end() if head else 0
        match = pattern.search(lines[index], start)
        if match is not None and not lines[index].lstrip().startswith(b"#"):
            lines[index] = lines[index][: match.start()] + new.encode() + lines[index][match.end() :]
            return
