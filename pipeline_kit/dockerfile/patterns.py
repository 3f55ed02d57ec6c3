"""The shell patterns of ``${X#p}``, ``${X%p}`` and ``${X/p/r}``: ``*`` and ``?``, no brackets.

A pattern becomes a regular expression without backtracking: between two stars the first place where the next piece
fits is as good as any other (the last place for a greedy last piece), so each piece is an atomic group. A hostile
Dockerfile can therefore not make the matching exponential.
Source: POSIX.1-2017 XCU 2.13; moby/buildkit frontend/dockerfile/shell.
"""

from __future__ import annotations

import re

from pipeline_kit.dockerfile.faults import ExpansionError


def remove_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """Return ``value`` without the shortest or longest beginning that ``pattern`` matches."""
    match = _compile(pattern, greedy=longest).match(value)
    return value[match.end() :] if match else value


def remove_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Return ``value`` without the shortest or longest end that ``pattern`` matches."""
    return remove_prefix(value[::-1], _reverse(pattern), longest=longest)[::-1]


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """Return ``value`` with the first or every longest match of ``pattern`` replaced."""
    expression = _compile(pattern, greedy=True)
    if not everywhere:
        match = expression.search(value)
        return value if match is None else value[: match.start()] + replacement + value[match.end() :]
    pieces: list[str] = []
    end = 0
    for match in expression.finditer(value):
        abuts = bool(pieces) and match.start() == match.end() == end
        if not abuts:
            pieces += [value[end : match.start()], _template(replacement, match[0])]
            end = match.end()
    return "".join([*pieces, value[end:]])


def _template(replacement: str, matched: str) -> str:
    """Expand ``replacement`` as Go's ``regexp`` does for "replace all": ``$0`` is the match, other names are empty."""

    def value(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        return matched if (reference[1] or reference[2]) == "0" else ""

    return re.sub(r"\$\$|\$(\w+)|\$\{(\w+)\}", value, replacement)


def _compile(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    pieces = _pieces(pattern)
    parts = [pieces[0], *(f"(?>.*?{piece})" for piece in pieces[1:-1])]
    if len(pieces) > 1:
        parts.append(f"(?>.*{pieces[-1]})" if greedy else f"(?>.*?{pieces[-1]})")
    return re.compile("".join(parts))


def _pieces(pattern: str) -> list[str]:
    """Return the regular expressions of what stands between the stars of ``pattern``."""
    pieces = [""]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            pieces.append("")
        elif char == "?":
            pieces[-1] += "."
        elif char == "\\":
            escaped = pattern[position : position + 1]
            if not escaped or escaped not in "*?\\}/":
                raise ExpansionError(f"invalid pattern {pattern!r} in a substitution: invalid escape \\{escaped}")
            position += 1
            pieces[-1] += re.escape(escaped)
        else:
            pieces[-1] += re.escape(char)
    return pieces


def _reverse(pattern: str) -> str:
    """Return ``pattern`` back to front, escapes kept in front of what they escape."""
    return "".join(reversed(re.findall(r"\\.|.", pattern, re.DOTALL)))
