"""What lies in a work tree beside the files that git tracks, and what of those is gone.

Two ways to the same answer. A walk compares every name on disk with the index. In a large checkout find looks, in C and
beside our own work: where it met as many files as are tracked, none of those being gone, and nothing else, there is no
more to know; otherwise its names are compared with the index. Where find complains, of an unreadable directory for one
or, as BSD's, of what it is asked, the walk decides.
"""

# ruff: noqa: PTH112, PTH118 - names are bytes, which pathlib does not take
from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import is_bare, is_directory, scan
from pipeline_kit.adapters.git.find import MARK, TESTS
from pipeline_kit.adapters.git.met import Met
from pipeline_kit.adapters.process import adopt, start
from pipeline_kit.adapters.programs import find_program
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from pipeline_kit.adapters.git.find import Finding
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.adapters.process import Process
    from pipeline_kit.ports.checkout import Unsent
    from pipeline_kit.snapshot import Listing

_GIT_FILE = b"/.git"
_NO_PLACE = (b"-", b"(", b")", b",", b"!", MARK.encode())


@value_class()
class Beside:
    """Paths relative to the root: on disk and not tracked, tracked and not on disk, directories without any file."""

    untracked: list[bytes] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)
    empty: list[bytes] = field(default_factory=list)


class Search:
    """find at work; to be closed."""

    def __init__(
        self, process: Process, root: Path, places: Sequence[bytes] = (), *, cut: int, is_git_asked_for_all: bool
    ) -> None:
        """Take over what looks at the ``places`` below ``root``, at all of it without any.

        Of the paths that it writes the first ``cut`` bytes do not count.
        """
        self._places = places
        self._is_git_asked_for_all = is_git_asked_for_all
        self._process = process
        self._cut = cut
        self._own = int(not places and (root / ".git").is_file())  # of a linked work tree

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def expected(self, asked: Sequence[bytes], index: Index) -> int:
        """Return how many files and links are met where there are just those that are tracked, or -1.

        Git may be asked for a part and for attributes above it, where find looks at something else.
        """
        if self._places or asked == [b""]:
            return len(index.tracked)
        return len(index.whole) if index.whole is not None and self._is_git_asked_for_all else -1

    def is_done(self) -> bool:
        """Return whether find has ended."""
        return self._process.is_done()

    @cached_property
    def met(self) -> Met | None:
        """Wait for what find met; ``None`` where it could not see everything."""
        answer = self._process.answer()
        if answer.status or answer.stderr:
            return None
        return Met(answer.stdout, self._cut, self._own).read()


def start_search(root: Path, places: Sequence[bytes], *, is_git_asked_for_all: bool) -> Search | None:
    """Return a search at work, ``None`` where there is no find.

    It looks at all where one of the ``places`` is no directory, or to find no name.
    """
    if any(
        place.startswith(_NO_PLACE) or not os.path.isdir(os.path.join(os.fsencode(root), place)) for place in places
    ):
        places = ()
    find = find_program("find", os.environ.get("PATH", os.defpath))
    if find is None:
        return None
    try:
        process = start((find, *(places or [b"."]), *TESTS), where=str(root), environment=os.environ)
    except OSError:
        return None
    cut = 0 if places else len(b"./")
    return Search(process, root, places, cut=cut, is_git_asked_for_all=is_git_asked_for_all)


def take_over(finding: Finding, root: Path) -> Search:
    """Return the search that ``finding`` is, at all below ``root``."""
    process = adopt(finding.pid, finding.stdout, finding.stderr)
    return Search(process, root, cut=finding.cut, is_git_asked_for_all=True)


def by_walk(base: bytes, asked: Sequence[bytes], index: Index, *, include_git: bool, unsent: Unsent | None) -> Beside:
    """Return what a walk of the ``asked`` paths finds. Raises as :func:`pipeline_kit.adapters.filesystem.scan`."""
    found = scan(base, asked, include_git=include_git, unsent=unsent)
    tracked = set(index.tracked.paths)
    untracked = [path for path in found.leaves if path not in tracked]
    is_whole = len(found.leaves) - len(untracked) == len(tracked)
    return Beside(untracked, set() if is_whole else tracked.difference(found.leaves), found.empty)


def by_search(
    base: bytes,
    asked: Sequence[bytes],
    index: Index,
    deleted: AbstractSet[bytes],
    search: Search,
    unsent: Unsent | None,
) -> Beside | None:
    """Return the same from what ``search`` met, save that tracked files count wherever they are.

    ``None`` where it could not see everything. ``deleted`` paths are those of the index's, inside and outside what is
    asked, that git misses. Raises as :func:`pipeline_kit.adapters.filesystem.scan`.
    """
    met, tracked, whole = search.met, index.tracked, index.whole
    if met is None:
        return None
    for path in asked:
        if whole is None or not _holds_some(whole, path, deleted):
            is_directory(base, path)
    if whole is None:  # what is flagged or a submodule, git does not compare
        leaves, known = met.names(), frozenset(tracked.paths)
        gone, others = set(known.difference(leaves)), list(leaves.difference(known))
    elif not deleted and met.holds_just(search.expected(asked, index)):
        return Beside()  # there are as many as are tracked, and none of those is missing
    else:
        gone = {path for path in deleted if tracked.get(path) is not None}
        others = met.beside(whole, deleted)
    reach = _Reach(asked, unsent)
    reached = [path for path in others if reach.comes_to(path)]
    untracked = [path for path in reached if not (b"/" + path).endswith(_GIT_FILE)]
    empty = [path for path in met.bare if reach.enters(path)]
    perhaps = {path[: -len(_GIT_FILE)] for path in reached if path.endswith(_GIT_FILE)} | reach.around_closed()
    empty += [path for path in perhaps if is_bare(base, path, unsent)]
    return Beside(untracked, gone, empty)


def _holds_some(whole: Listing, directory: bytes, deleted: AbstractSet[bytes]) -> bool:
    """Return whether git saw the first tracked file of a ``directory``, which then is one and behind no link."""
    at = whole.at(directory + b"/")
    return whole.is_in(at, directory + b"/") and whole.path_at(at) not in deleted


class _Reach:
    """Where a walk of the ``asked`` paths (cleaned, not nested) goes: not into directories that no build is sent."""

    def __init__(self, asked: Iterable[bytes], unsent: Unsent | None) -> None:
        self._asked = frozenset(asked)
        self._unsent = unsent
        self._stops: dict[bytes, bytes | None] = {b"": None if b"" in self._asked else b""}
        """For each directory the outermost one, it or above it, that is not entered; ``b""``: not even come to."""

    def comes_to(self, path: bytes) -> bool:
        """Return whether the walk comes to the file ``path``."""
        return self.enters(path.rpartition(b"/")[0]) or path in self._asked

    def enters(self, directory: bytes) -> bool:
        """Return whether the walk looks into ``directory``."""
        if directory not in self._stops:
            self._stops[directory] = self._find_stop(directory)
        return self._stops[directory] is None

    def around_closed(self) -> set[bytes]:
        """Return what the directories, met so far, that are not entered lie in, save for the root."""
        return {above for stop in self._stops.values() if stop and (above := stop.rpartition(b"/")[0])}

    def _find_stop(self, directory: bytes) -> bytes | None:
        above = directory.rpartition(b"/")[0]
        if self.enters(above):
            return directory if self._unsent is not None and self._unsent(directory, is_directory=True) else None
        return None if directory in self._asked else self._stops[above]
