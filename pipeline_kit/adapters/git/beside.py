"""What lies in a work tree beside the files that git tracks, and what of those is gone.

Two ways to the same answer. A walk compares every name on disk with the index. In a large checkout git and find look
for what is not tracked, both in C and beside our own work, and only directories that git does not know are walked: git
lists untracked files and, whole, untracked and empty directories; find lists the special files that git does not show.
Where either of the two complains, an unreadable directory for one, the walk decides.
"""

# ruff: noqa: PTH112, PTH120 - names are bytes, which pathlib does not take
from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.adapters.filesystem import is_directory, scan
from pipeline_kit.adapters.git.submodules import repositories_around
from pipeline_kit.adapters.process import find_program, start
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline_kit.adapters.filesystem import Scan
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.adapters.process import Process
    from pipeline_kit.ports.checkout import Unsent

LIST_OTHERS = ("ls-files", "--others", "--directory", "-z", "--full-name", "--")
_SPECIAL = ("-name", ".git", "-prune", "-o", "!", "-type", "f", "!", "-type", "d", "!", "-type", "l", "-print0")


@dataclass(frozen=True, slots=True)
class Beside:
    """Paths relative to the root: on disk and not tracked, tracked and not on disk, directories without any file."""

    untracked: list[bytes] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)
    empty: list[bytes] = field(default_factory=list)


class Search(NamedTuple):
    """git and find at work; to be closed, so that neither outlives its caller's errors."""

    others: Running
    special: Process

    def close(self) -> None:
        """End both."""
        self.others.close()
        self.special.close()


def start_search(git: Git, root: Path, pathspecs: Sequence[bytes], asked: Sequence[bytes]) -> Search | None:
    """Start both over ``pathspecs`` (``asked`` as git's top level sees it; none: the whole), ``None`` without find."""
    find = find_program("find", os.environ.get("PATH", os.defpath))
    if find is None:
        return None
    places = [b"./" + path for path in asked] if pathspecs and b"" not in asked else [b"."]
    others = git.start([*LIST_OTHERS, *pathspecs])
    try:
        return Search(others, start([find, *places, *_SPECIAL], where=str(root), environment=os.environ))
    except OSError:
        others.close()
        return None


def by_walk(base: bytes, asked: Sequence[bytes], index: Index, *, include_git: bool, unsent: Unsent | None) -> Beside:
    """Return what a walk of the ``asked`` paths finds. Raises as :func:`pipeline_kit.adapters.filesystem.scan`."""
    found = scan(base, asked, include_git=include_git, unsent=unsent)
    tracked = set(index.tracked.paths)
    untracked = [path for path in found.leaves if path not in tracked]
    is_whole = len(found.leaves) - len(untracked) == len(tracked)
    return Beside(untracked, set() if is_whole else tracked.difference(found.leaves), found.empty)


class Findings(NamedTuple):
    """What git and find told; paths are relative to the root, ``others`` of directories end with a slash."""

    others: list[bytes]
    special: list[bytes]


def findings(search: Search, prefix: bytes) -> Findings | None:
    """Wait for both and return what they told, ``None`` where one of them could not see everything."""
    others, special = search.others.answer(), search.special.answer()
    if others.status or others.stderr or special.status or special.stderr:
        return None
    cut, slash = len(prefix), len(b"./")
    return Findings(
        [name[cut:] for name in others.stdout.split(b"\0")[:-1]],
        [name[slash:] for name in special.stdout.split(b"\0")[:-1]],
    )


def by_search(
    base: bytes, asked: Sequence[bytes], index: Index, deleted: Iterable[bytes], told: Findings, unsent: Unsent | None
) -> Beside:
    """Return the same from what git and find ``told``; ``deleted`` paths are tracked, or outside what is asked.

    Raises as :func:`pipeline_kit.adapters.filesystem.scan`.
    """
    limits = Limits(asked, unsent)
    for path in asked:
        is_directory(base, path)
    gone = {path for path in deleted if index.tracked.get(path) is not None}
    directories = {name[:-1] for name in told.others if name.endswith(b"/")} | set(index.modules)
    directories.update(repositories_around(base, asked))
    directories.update(path for path in gone if _is_here(base, path))  # git shows nothing below a tracked name
    found = scan(base, limits.directories(directories), include_git=False, unsent=unsent)
    known = set(found.leaves)
    single = [name for name in told.others if not name.endswith(b"/")]
    single += [path for path in told.special if path not in known and index.tracked.get(path) is None]
    found.leaves.extend(path for path in single if limits.holds(path))
    found.empty.extend(_emptied(base, limits, index.tracked, gone, found))
    return Beside(found.leaves, gone, found.empty)


class Limits(NamedTuple):
    """What a walk would enter: the ``asked`` paths (cleaned, not nested), without directories that no build is sent."""

    asked: Sequence[bytes]
    unsent: Unsent | None

    def holds(self, path: bytes) -> bool:
        """Return whether a walk would come to ``path``."""
        above = [path[:at] for at in _slashes(path)]
        is_asked = b"" in self.asked or path in self.asked or any(directory in self.asked for directory in above)
        return is_asked and not (self.unsent and any(self.unsent(place, is_directory=True) for place in above))

    def directories(self, found: Iterable[bytes]) -> list[bytes]:
        """Return what to walk of the directories ``found``: an asked path inside one stands for it."""
        wanted: set[bytes] = set()
        for directory in found:
            if self.holds(directory):
                if self.unsent is None or not self.unsent(directory, is_directory=True):
                    wanted.add(directory)
            else:
                wanted.update(path for path in self.asked if path.startswith(directory + b"/"))
        return sorted(wanted)


def _slashes(path: bytes) -> list[int]:
    return [at for at, byte in enumerate(path) if byte == ord("/")]


def _emptied(base: bytes, limits: Limits, tracked: Listing, gone: set[bytes], found: Scan) -> list[bytes]:
    """Return the directories, in which files were tracked, that are still there and hold nothing any more."""
    emptied: list[bytes] = []
    left = Listing.of((path, b"") for path in (*found.leaves, *found.empty))
    gone_from = Listing.of((path, b"") for path in gone)
    asked: set[bytes] = set()
    for path in gone:
        parent = os.path.dirname(path)
        while parent and parent not in asked and limits.holds(parent):
            asked.add(parent)
            if _is_here(base, parent):
                is_bare = _count(tracked, parent) == _count(gone_from, parent) and not left.spans(parent)
                if is_bare and not (limits.unsent and limits.unsent(parent, is_directory=True)):
                    emptied.append(parent)
                break
            parent = os.path.dirname(parent)
    return _innermost(emptied)


def _is_here(base: bytes, directory: bytes) -> bool:
    """Return whether ``directory`` is one, and not reached through a link."""
    return os.path.realpath(base + directory) == base + directory and os.path.isdir(base + directory)


def _count(listing: Listing, directory: bytes) -> int:
    return sum(part.stop - part.start for part in listing.spans(directory))


def _innermost(directories: Iterable[bytes]) -> list[bytes]:
    """Return ``directories`` without those that hold another of them, which is then their content."""
    kept: list[bytes] = []
    for directory in sorted(directories, reverse=True):
        if not any(other.startswith(directory + b"/") for other in kept):
            kept.append(directory)
    return kept
