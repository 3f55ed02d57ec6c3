"""Which entries of a context are sent: the filtering walk of tonistiigi/fsutil over a :class:`Listing`."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar

from pipeline_kit.dockerignore.matching import any_of, can_match_in, matches_all_in
from pipeline_kit.dockerignore.patterns import Pattern, read_patterns, required_piece
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, Listing
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PATTERN_CHARACTERS = frozenset("*[]?^\\")


@value_class()
class IgnoreRules:
    """The patterns of one ignore file, in order; false where there are none."""

    patterns: tuple[Pattern, ...] = ()

    EMPTY: ClassVar[IgnoreRules]

    @classmethod
    def parse(cls, data: bytes, name: str) -> IgnoreRules:
        """Return the rules in an ignore file's bytes.

        Raises DockerignoreError, its message beginning ``name:line:``, for what BuildKit refuses.
        """
        return cls(tuple(read_patterns(data, name)))

    def __bool__(self) -> bool:
        """Return whether there is any pattern."""
        return bool(self.patterns)

    def excludes(self, path: bytes) -> bool:
        """Return the verdict on one file or directory, reached from the context's root as BuildKit's walk reaches it.

        A directory that is excluded may still be sent because something below it is not: :meth:`filter` knows.
        """
        if not self:
            return False
        parent, _, _ = path.rpartition(b"/")
        walk = self.walk()
        return walk.directory(path, walk.state(parent)).excluded

    def walk(self) -> Walk:
        """Return a walk over one tree, to ask about single paths; it remembers directories."""
        return Walk(self.patterns, self._pieces)

    def filter(self, listing: Listing) -> Listing:
        """Return exactly the entries of ``listing`` that BuildKit sends for a local context with these rules.

        A directory that is not excluded is sent even where everything in it is: it becomes a directory without files.
        The Dockerfile and the ignore files are entries like any other; excluded ones still steer the build.
        """
        if not self._may_exclude_any(listing):
            return listing
        walk = self.walk()
        paths: list[bytes] = []
        records: list[bytes] = []
        filled: set[bytes] = set()
        parent: bytes | None = None
        excluded: bool | Callable[[bytes], bool] = False
        for path, record in zip(listing.paths, listing.records, strict=True):
            above = path.rpartition(b"/")[0]
            if above != parent:
                parent = above
                excluded = walk.entries_excluded(above)
            if excluded is False or (excluded is not True and not excluded(path)):
                paths.append(path)
                records.append(record)
                filled.add(above)
        emptied = list(_without_content(walk.sent_directories(), filled))
        if not emptied:
            return Listing(paths, records)
        return Listing.of([*zip(paths, records, strict=True), *((path, EMPTY_DIRECTORY_RECORD) for path in emptied)])

    @cached_property
    def _pieces(self) -> list[bytes | None]:
        """Return for each pattern that excludes what every path contains that it matches, ``None`` for no such text."""
        return [required_piece(pattern) for pattern in self.patterns if not pattern.exception]

    @cached_property
    def _searches(self) -> list[re.Pattern[bytes]] | None:
        """Return searches for all of the pieces, ``None`` where a pattern may match without one.

        One for each first byte takes a fraction of the time of one for all: it goes from one such byte to the next.
        """
        if None in self._pieces:
            return None
        known = sorted({piece for piece in self._pieces if piece is not None})
        groups = (b"|".join(map(re.escape, group)) for _, group in groupby(known, itemgetter(0)))
        return [re.compile(group) for group in groups]

    def _may_exclude_any(self, listing: Listing) -> bool:
        """Return whether any pattern that excludes could match anything listed; False is certain.

        Most checkouts hold nothing that is ignored. A text search for what every match must contain shows that for a
        whole context at once, a hundred times faster than asking path by path.
        """
        if not self or self._searches is None:
            return bool(self)
        known = listing.parts.get(id(self))
        if known is None:
            before = listing.before
            is_patched = before is not None and before.has_text and not self._may_exclude_any(before)
            text = b"\0".join(listing.added or ()) if is_patched else listing.text
            known = any(search.search(text) for search in self._searches), self
            listing.parts[id(self)] = known  # with the rules, whose id is then nobody else's
        return bool(known[0])


IgnoreRules.EMPTY = IgnoreRules()


def ignore_file_candidates(dockerfile: str) -> tuple[str, str]:
    """Return where the rules of a build may stand, the first that exists wins, even if it is empty.

    The first lies beside the Dockerfile (also one outside the context) and is spelt like ``dockerfile``: for the
    fallback ``dockerfile`` in lower case it is ``dockerfile.dockerignore``. The second is relative to the context's
    root. Whoever reads it follows links as if the context were ``/``: a link that names nothing there gives no rules.
    """
    return f"{dockerfile}.dockerignore", ".dockerignore"


def _without_content(directories: set[bytes], filled: set[bytes]) -> Iterator[bytes]:
    """Yield the ``directories`` that hold nothing sent; ``filled`` are the parents of what is sent."""
    occupied: set[bytes] = set()
    for directory in filled:
        _occupy(directory, occupied)
    for directory in sorted(directories, reverse=True):  # what lies below comes first
        if directory not in occupied:
            yield directory
            _occupy(directory.rpartition(b"/")[0], occupied)


def _occupy(directory: bytes, occupied: set[bytes]) -> None:
    """Add ``directory`` and everything above it to ``occupied``."""
    while directory not in occupied:
        occupied.add(directory)
        directory = directory.rpartition(b"/")[0]


@value_class()
class _Directory:
    """What the walk knows in a directory: ``matched`` says for each pattern whether it applies to all below."""

    excluded: bool
    entered: bool
    matched: tuple[bool, ...]


class Walk:
    """Verdicts on the directories of one tree, each found once.

    moby's ``MatchesUsingParentResults``: a pattern that matched a directory applies to all below it; patterns are
    asked in order, one that could not change the verdict so far is not asked at all (and so does not apply below);
    the last that applies decides.
    """

    def __init__(self, patterns: tuple[Pattern, ...], pieces: Sequence[bytes | None]) -> None:
        """Begin with ``patterns``, of which those that exclude match no path without its piece (``None``: any)."""
        self._patterns = patterns
        self._exceptions = _exception_roots(patterns)
        self._pieces = pieces
        self._states: dict[bytes, _Directory] = {b"": _Directory(False, True, (False,) * len(patterns))}
        self._tests: dict[tuple[tuple[int, ...], bool], bool | Callable[[bytes], bool]] = {}

    def _may_exclude(self, path: bytes) -> bool:
        """Return whether any pattern could exclude ``path`` or a directory above it; False is certain."""
        return any(piece is None or piece in path for piece in self._pieces)

    def is_closed(self, directory: bytes) -> bool:
        """Return whether BuildKit's walk does not even enter ``directory``, so that nothing in it is sent."""
        return self._may_exclude(directory) and not self.state(directory).entered

    def excludes_file(self, path: bytes) -> bool:
        """Return whether a file is not sent."""
        if not self._may_exclude(path):
            return False
        verdict = self.entries_excluded(path.rpartition(b"/")[0])
        return verdict if isinstance(verdict, bool) else verdict(path)

    def state(self, path: bytes) -> _Directory:
        """Return what is known in the directory ``path``; ``b""`` is the root."""
        unknown: list[bytes] = []
        while path not in self._states:
            unknown.append(path)
            path = path.rpartition(b"/")[0]
        known = self._states[path]
        for below in reversed(unknown):
            known = self._states[below] = self.directory(below, known)
        return known

    def sent_directories(self) -> set[bytes]:
        """Return the directories asked about so far that are sent for their own sake."""
        return {path for path, known in self._states.items() if path and not known.excluded}

    def directory(self, path: bytes, parent: _Directory) -> _Directory:
        """Return the verdict on ``path`` in the directory ``parent`` and what it means below."""
        if not parent.entered:
            return parent
        excluded = False
        matched: list[bool] = []
        for pattern, applies in zip(self._patterns, parent.matched, strict=True):
            match = applies or (pattern.exception is excluded and pattern.matches(path))
            matched.append(match)
            if match:
                excluded = not pattern.exception
        return _Directory(excluded, not excluded or self._may_except_below(path), tuple(matched))

    def _may_except_below(self, path: bytes) -> bool:
        """Return whether the walk enters an excluded directory: fsutil's own rule, which compares text only."""
        if self._exceptions is None:
            return True
        return any(root.startswith(path + b"/") for root in self._exceptions)

    def entries_excluded(self, path: bytes) -> bool | Callable[[bytes], bool]:
        """Return one verdict for all files in the directory ``path``, or a test of a file's whole path."""
        known = self.state(path)
        if not known.entered:
            return True
        asked: list[Pattern] = []
        verdict = False
        for pattern, applies in zip(reversed(self._patterns), reversed(known.matched), strict=True):
            if applies or matches_all_in(pattern, path):
                verdict = not pattern.exception
                break
            if can_match_in(pattern, path):
                asked.append(pattern)
        while asked and asked[-1].exception is not verdict:
            asked.pop()  # would only repeat the verdict
        key = (tuple(map(id, asked)), verdict)  # the patterns outlive the walk
        if key not in self._tests:
            self._tests[key] = _file_test(asked, verdict)
        return self._tests[key]


def _exception_roots(patterns: tuple[Pattern, ...]) -> list[bytes] | None:
    """Return the text of each ``!`` pattern without a trailing glob and with ``/``; None where one holds wildcards."""
    roots = [pattern.text.removesuffix("/**").removesuffix("/*") for pattern in patterns if pattern.exception]
    if any(not _PATTERN_CHARACTERS.isdisjoint(root) for root in roots):
        return None
    return [root.encode() + b"/" for root in roots]


def _file_test(asked: list[Pattern], otherwise: bool) -> bool | Callable[[bytes], bool]:
    """Return the verdict on files for which the first match among ``asked`` (last line first) decides."""
    runs = [(not exception, any_of(list(run))) for exception, run in groupby(asked, lambda pattern: pattern.exception)]
    if not runs:
        return otherwise
    if runs == [(True, runs[0][1])]:
        return runs[0][1]

    def test(path: bytes) -> bool:
        for verdict, matches in runs:
            if matches(path):
                return verdict
        return otherwise

    return test
