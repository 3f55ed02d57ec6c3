"""A directory as doctor looks at it: like :mod:`pipeline_kit.adapters.directory`, but no failure ends the walk.

Nothing is hashed, so the listing's records hold a mode and no blob id; it serves to be filtered, not to make a tag.
"""

# ruff: noqa: PTH118, PTH208 - names are bytes, which pathlib does not take
from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import base_of, clean_directories, clean_path, look_inside, read_inside, shown
from pipeline_kit.adapters.hashing import LFS_POINTER_LIMIT, LFS_POINTER_START
from pipeline_kit.errors import InputError
from pipeline_kit.snapshot import DIRECTORY, EXECUTABLE, FILE, LINK, SPECIAL, Listing
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline_kit.ports.checkout import Unsent

_NO_ID = b" -"


@value_class(frozen=False)
class InspectedTree:
    """The directory ``root`` (a real path); implements :class:`pipeline_kit.ports.Tree` without trusting or refusing.

    What the walks met accumulates: ``modes`` (``st_mode`` by path, directories included), ``unreadable`` and
    ``pointers`` (Git LFS pointer files). ``asked`` are the directories of the last listing.
    """

    root: Path
    modes: dict[bytes, int] = field(default_factory=dict)
    unreadable: set[bytes] = field(default_factory=set)
    pointers: set[bytes] = field(default_factory=set)
    asked: list[bytes] = field(default_factory=list)
    _walked: dict[bytes, Listing] = field(default_factory=dict)
    _listings: dict[tuple[bytes, ...], Listing] = field(default_factory=dict)

    def listing(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing:  # noqa: ARG002 - sees all
        """Return everything below ``directories``; raises InputError for paths outside the root or through a link."""
        self.asked = clean_directories(directories)
        place = tuple(self.asked)
        if place not in self._listings:
            found = [self._below(directory) for directory in self.asked]
            self._listings[place] = found[0] if len(found) == 1 else Listing.of(pair for part in found for pair in part)
        return self._listings[place]

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> None:  # noqa: ARG002 - the port's signature
        """Return ``None``: a listing takes no longer."""
        return

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside the root; ``None`` if absent."""
        return read_inside(base_of(self.root), path)

    def look(self, path: str) -> bytes | str | None:
        """Return the text of the link at ``path``, else what :meth:`read` does."""
        return look_inside(base_of(self.root), path)

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> None:
        """Return ``None``: only comparing the listings can tell."""

    def describe(self) -> str:
        """Return what this is, for people."""
        return "inspected directory"

    def holds_git(self, directory: str) -> bool:
        """Return whether a ``.git`` lies directly in ``directory``."""
        return os.path.lexists(os.path.join(base_of(self.root), clean_path(directory), b".git"))

    def exists(self, path: bytes) -> bool:
        """Return whether anything is at ``path``, a dangling link included."""
        return os.path.lexists(base_of(self.root) + path)

    def _below(self, directory: bytes) -> Listing:
        for root, listing in self._walked.items():
            if root in (directory, b"") or directory.startswith(root + b"/"):
                spans = listing.spans(directory) if directory else [slice(0, len(listing))]
                return Listing(
                    [path for part in spans for path in listing.paths[part]],
                    [record for part in spans for record in listing.records[part]],
                )
        self._refuse_link(directory)
        self._walked[directory] = Listing.of(self._walk(directory).items())
        return self._walked[directory]

    def _refuse_link(self, directory: bytes) -> None:
        full = base_of(self.root) + directory
        if os.path.realpath(full) + b"/" != base_of(self.root) + (directory + b"/" if directory else b""):
            raise InputError(f"{shown(directory)!r} goes through a link", hint="name the directory itself")

    def _walk(self, start: bytes) -> dict[bytes, bytes]:
        base = base_of(self.root)
        records: dict[bytes, bytes] = {}
        pending = [start]
        while pending:
            directory = pending.pop()
            prefix = directory + b"/" if directory else b""
            names = self._names(base, directory)
            if not names and directory:
                records[directory] = DIRECTORY + _NO_ID
            for name in names:
                path = prefix + name
                mode = self._mode(base, path)
                if stat.S_ISDIR(mode):
                    pending.append(path)
                elif mode:
                    records[path] = _kind(mode) + _NO_ID
        return records

    def _names(self, base: bytes, directory: bytes) -> list[bytes]:
        try:
            return [name for name in os.listdir(base + directory) if name != b".git"]
        except (FileNotFoundError, NotADirectoryError):  # it went away: nothing to be said about it
            return []
        except OSError:
            self.unreadable.add(directory)
            return []

    def _mode(self, base: bytes, path: bytes) -> int:
        """Return the path's mode, 0 where there is none to be had, noting what is wrong with it."""
        try:
            status = os.lstat(base + path)
        except FileNotFoundError:
            return 0
        except OSError:
            self.unreadable.add(path)
            return 0
        self.modes[path] = status.st_mode
        if stat.S_ISREG(status.st_mode):
            self._look_into(base + path, path, status.st_size)
        return status.st_mode

    def _look_into(self, full: bytes, path: bytes, size: int) -> None:
        """Open a regular file to learn whether that works; read only what may be a pointer."""
        try:
            handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError:
            self.unreadable.add(path)
            return
        try:
            if (
                len(LFS_POINTER_START) <= size < LFS_POINTER_LIMIT
                and os.read(handle, len(LFS_POINTER_START)) == LFS_POINTER_START
            ):
                self.pointers.add(path)
        except OSError:
            self.unreadable.add(path)
        finally:
            os.close(handle)


def _kind(mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return LINK
    if not stat.S_ISREG(mode):
        return SPECIAL
    return EXECUTABLE if mode & stat.S_IXUSR else FILE
