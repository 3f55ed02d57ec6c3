"""What lies in a work tree beside the files that git tracks, and what of those is gone.

Three ways to the same answer. A walk compares every name on disk with the index. In a large checkout find counts, in C
and beside our own work: where every tracked file is on disk and nothing else is, there is no more to know. Otherwise
git lists untracked files and, whole, untracked and empty directories, find the special files that git does not show,
and only directories that git does not know are walked. Where git or find complains, an unreadable directory for one,
the walk decides.
"""

# ruff: noqa: PTH112, PTH120 - names are bytes, which pathlib does not take
from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.adapters.directory import innermost
from pipeline_kit.adapters.filesystem import is_directory, scan
from pipeline_kit.adapters.git.submodules import repositories_around
from pipeline_kit.adapters.process import Answer, find_program, start
from pipeline_kit.snapshot import Listing, directories_above
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline_kit.adapters.filesystem import Scan
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.adapters.process import Process
    from pipeline_kit.ports.checkout import Unsent

LIST_OTHERS = ("ls-files", "--others", "--directory", "-z", "--full-name", "--")
# The commonest first: a name is compared only of what is no file.
_COUNT = ("-type", "f", "-printf", r"f%d\n", "-o", "-name", ".git", "-prune", "-o", "-printf", r"%y%d\n")
_SPECIAL = ("-type", "f", "-o", "-name", ".git", "-prune", "-o", "!", "-type", "d", "!", "-type", "l", "-print0")
_DIRECTORY = re.compile(rb"d([0-9]+)\n(?=[A-Za-z?]([0-9]+)|\Z)")
"""A directory among what :data:`_COUNT` prints, its depth, and the depth of what comes next: what lies in it does."""


@value_class()
class Beside:
    """Paths relative to the root: on disk and not tracked, tracked and not on disk, directories without any file."""

    untracked: list[bytes] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)
    empty: list[bytes] = field(default_factory=list)


class Search:
    """find at work, and git where find meets something else than the index holds; to be closed."""

    def __init__(self, git: Git, find: str, root: Path, pathspecs: Sequence[bytes], asked: Sequence[bytes]) -> None:
        """Start to count below ``pathspecs`` (``asked`` as git's top level sees it; none: the whole).

        Raises OSError where find cannot be started.
        """
        self._git = git
        self._pathspecs = pathspecs
        places = [b"./" + path for path in asked] if pathspecs and b"" not in asked else [b"."]
        self._find: tuple[str | bytes, ...] = (find, *places)
        self._root = str(root)
        self._count = self._start(_COUNT)
        # A linked work tree's own .git is a file, and met like any other.
        self._own = int(places == [b"."] and (root / ".git").is_file())
        self._met: _Met | None = None
        self._others: Running | None = None
        self._special: Process | None = None

    def _start(self, tests: Sequence[str]) -> Process:
        return start([*self._find, *tests], where=self._root, environment=os.environ)

    def close(self) -> None:
        """End every process."""
        for running in (self._count, self._others, self._special):
            if running is not None:
                running.close()

    def _counted(self) -> _Met:
        if self._met is None:
            self._met = _read_count(self._count.answer())
        return self._met

    def holds_just(self, leaves: int) -> bool:
        """Return whether find met that many files and links and, save for directories that hold some, nothing else."""
        met = self._counted()
        return met.leaves - self._own == leaves and met.is_complete and not met.is_special and not met.is_bare

    def hasten(self, leaves: int) -> None:
        """Let git begin, if it is clear by now that not just so many ``leaves`` are there."""
        if self._count.is_done() and not self.holds_just(leaves):
            self._begin()

    def _begin(self) -> Running:
        """Let git look for names, and find where it met something special or, as BSD's, could not count."""
        if self._others is None:
            met = self._counted()
            self._others = self._git.start([*LIST_OTHERS, *self._pathspecs])
            self._special = self._start(_SPECIAL) if met.is_special or not met.is_complete else None
        return self._others

    def findings(self, prefix: bytes) -> Findings | None:
        """Wait for the names and return them, ``None`` where git or find could not see everything."""
        others = self._begin().answer()
        special = self._special.answer() if self._special is not None else Answer(0, b"", "")
        if others.status or others.stderr or special.status or special.stderr:
            return None
        cut, slash = len(prefix), len(b"./")
        return Findings(
            [name[cut:] for name in others.stdout.split(b"\0")[:-1]],
            [name[slash:] for name in special.stdout.split(b"\0")[:-1]],
        )


class _Met(NamedTuple):
    """What find counted: files and links, and whether it met special files, directories that hold nothing, and all."""

    leaves: int
    is_special: bool
    is_bare: bool
    is_complete: bool


def _read_count(answer: Answer) -> _Met:
    met = answer.stdout
    leaves = met.count(b"f") + met.count(b"l")
    return _Met(
        leaves,
        is_special=leaves + met.count(b"d") < met.count(b"\n"),
        is_bare=any(int(below or 0) <= int(depth) for depth, below in _DIRECTORY.findall(met)),
        is_complete=not answer.status and not answer.stderr,
    )


def start_search(git: Git, root: Path, pathspecs: Sequence[bytes], asked: Sequence[bytes]) -> Search | None:
    """Return a search at work, ``None`` where there is no find."""
    find = find_program("find", os.environ.get("PATH", os.defpath))
    try:
        return Search(git, find, root, pathspecs, asked) if find is not None else None
    except OSError:
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
        above = list(directories_above(path))
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
    return innermost(emptied)


def _is_here(base: bytes, directory: bytes) -> bool:
    """Return whether ``directory`` is one, and not reached through a link."""
    return os.path.realpath(base + directory) == base + directory and os.path.isdir(base + directory)


def _count(listing: Listing, directory: bytes) -> int:
    return sum(part.stop - part.start for part in listing.spans(directory))
