"""Paths of the configuration: lexical work here, the file system behind a callable that the caller gives."""

from __future__ import annotations

import posixpath
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class PathKind(StrEnum):
    """What a path, relative to the configuration file's directory, leads to."""

    FILE = "file"
    DIRECTORY = "directory"
    MISSING = "missing"
    OUTSIDE = "outside"
    """It resolves, through links or ``..``, to a place outside the repository, whether or not anything is there."""


class Paths:
    """Answers about paths, each asked once. ``allow_outside`` is the caller's permission to leave the repository."""

    def __init__(self, exists: Callable[[str], PathKind], *, allow_outside: bool) -> None:
        self._exists = exists
        self.allow_outside = allow_outside
        self._known: dict[str, PathKind] = {}

    def kind(self, path: str) -> PathKind:
        """Return what the normalised ``path`` leads to; an absolute one is OUTSIDE without asking unless allowed."""
        known = self._known.get(path)
        if known is None:
            is_refused = path.startswith("/") and not self.allow_outside
            known = PathKind.OUTSIDE if is_refused else self._exists(path)
            self._known[path] = known
        return known


def join(base: str, path: str) -> str:
    """Return ``path``, relative to ``base``, in normal form: without inner ``..``; the directory is ``.``."""
    if _is_plain(path) and (base == "." or _is_plain(base)):  # as most are
        return path if base == "." else f"{base}/{path}"
    return posixpath.normpath(posixpath.join(base, path))


def _is_plain(path: str) -> bool:
    """Return whether ``path`` is relative and in normal form for certain."""
    return path[:1] not in ("", ".", "/") and "/." not in path and "//" not in path and path[-1] != "/"


def relative(path: str, base: str) -> str:
    """Return what :func:`join` with ``base`` turns into ``path``; both are in normal form."""
    if path.startswith("/"):
        return path
    start = [] if base == "." else base.split("/")
    parts = [] if path == "." else path.split("/")
    common = 0
    while common < min(len(start), len(parts)) and start[common] == parts[common]:
        common += 1
    return "/".join([".."] * (len(start) - common) + parts[common:]) or "."
