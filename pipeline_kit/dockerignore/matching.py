"""Many patterns asked at once: a context of 100,000 files must filter in a fraction of a second."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.dockerignore.patterns import Form, Pattern, path_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMBINED_LOOPS = 2  # an expression with more is asked alone, where its cost is bounded
_COMBINED_LENGTH = 1000  # bytes; above it likewise


def any_of(patterns: Sequence[Pattern]) -> Callable[[bytes], bool]:
    """Return a test whether at least one of ``patterns`` matches a path itself."""
    exact = frozenset(word for pattern in patterns for word in _whole_paths(pattern))
    prefixes = tuple(pattern.literal for pattern in patterns if pattern.form is Form.PREFIX)
    suffixes = tuple(pattern.literal for pattern in patterns if pattern.form is Form.SUFFIX)
    expressions = [pattern for pattern in patterns if pattern.regexp is not None]
    if not expressions:
        return lambda path: path in exact or path.endswith(suffixes) or path.startswith(prefixes)
    together, alone = _combine(expressions)

    def test(path: bytes) -> bool:
        if path in exact or path.endswith(suffixes) or path.startswith(prefixes):
            return True
        if len(path) > _COMBINED_LENGTH:
            return any(pattern.matches(path) for pattern in expressions)
        if together is not None and together(path_text(path)) is not None:
            return True
        return any(pattern.matches(path) for pattern in alone)

    return test


def can_match_in(pattern: Pattern, directory: bytes) -> bool:
    """Return whether ``pattern`` could match an entry of ``directory`` (``b""`` is the root); False is certain."""
    inside = directory + b"/" if directory else b""
    if pattern.form is Form.EXACT:
        return pattern.literal.rpartition(b"/")[0] == directory
    if pattern.form is Form.SUFFIX:
        return True
    return pattern.literal.startswith(inside) or inside.startswith(pattern.literal)


def matches_all_in(pattern: Pattern, directory: bytes) -> bool:
    """Return whether ``pattern`` matches every entry of ``directory`` by its text alone, as ``a/**`` does in ``a``."""
    if pattern.form is Form.SUFFIX:
        return not pattern.literal
    return pattern.form is Form.PREFIX and bool(directory) and (directory + b"/").startswith(pattern.literal)


def _whole_paths(pattern: Pattern) -> tuple[bytes, ...]:
    """Return the one path that ``pattern`` matches as a whole, if it has one."""
    if pattern.form is Form.EXACT:
        return (pattern.literal,)
    if pattern.form is Form.SUFFIX and pattern.literal.startswith(b"/"):
        return (pattern.literal[1:],)
    return ()


def _combine(patterns: list[Pattern]) -> tuple[Callable[[str], re.Match[str] | None] | None, list[Pattern]]:
    """Return one search for the harmless expressions, and the patterns that must be asked one by one."""
    sources: list[str] = []
    alone: list[Pattern] = []
    for pattern in patterns:
        if pattern.regexp is not None and pattern.regexp.loops <= _COMBINED_LOOPS:
            sources.append(f"(?:{pattern.regexp.source})")
        else:
            alone.append(pattern)
    return (re.compile("|".join(sources)).search if sources else None), alone
