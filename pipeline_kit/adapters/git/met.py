"""What find met in a large work tree, and what of that the index does not hold.

find names every file by itself, and everything else behind a slash and the letter of its kind; a directory comes before
what lies in it. A hundred thousand names are told from the index's by counting: where a directory without others in it
holds as many files as the index has in it, and none of those is gone, no name need be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.snapshot import directories_above
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pipeline_kit.snapshot import Listing

_LOOKED_UP = 16
"""To look a name up takes as long as to put so many into a set."""


class Run(NamedTuple):
    """A ``directory`` (as find wrote it, and a slash) without others in it, and how many ``files`` it holds.

    Their names stand between ``begin`` and ``end`` of the text.
    """

    directory: bytes
    files: int
    begin: int
    end: int


@value_class(frozen=False)
class Met:
    """What find met: the ``text`` that it wrote, of whose paths the first ``cut`` bytes do not belong to them.

    Of the files ``own`` are the checkout's ``.git``.
    """

    text: bytes
    cut: int
    own: int
    directories: int = 0
    specials: int = 0
    runs: list[Run] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)
    """Files, links and special files that are not in the ``runs``."""
    bare: list[bytes] = field(default_factory=list)
    """Directories that hold nothing."""

    def holds_just(self, leaves: int) -> bool:
        """Return whether there are that many files and links and, save for directories that hold some, nothing else."""
        if self.specials or self.bare:
            return False
        return self.text.count(b"\0") - self.directories - self.own == leaves

    def names(self) -> set[bytes]:
        """Return everything that is no directory."""
        return {*self.rest, *(path for run in self.runs for path in self._paths(run.begin, run.end))}

    def beside(self, tracked: Listing, gone: AbstractSet[bytes]) -> list[bytes]:
        """Return what is not ``tracked``, where all that is tracked is here but for what is ``gone``."""
        if len(self.rest) * _LOOKED_UP > len(tracked):
            known = frozenset(tracked.paths)
            found = [path for path in self.rest if path not in known]
        else:
            found = [path for path in self.rest if tracked.get(path) is None]
        doubtful = {directory + b"/" for path in gone for directory in directories_above(path)}
        at = 0
        for inside, files, begin, end in sorted(self.runs):
            directory = inside[self.cut :]
            is_same = tracked.is_run(directory, at, files)
            if not is_same:
                at = tracked.at(directory, at)
                is_same = tracked.is_run(directory, at, files)
            if is_same and directory not in doubtful and not (gone and not directory):
                at += files
            else:
                start = at
                at = tracked.at(directory[:-1] + b"0", at) if directory else len(tracked)  # "0" is the byte after "/"
                known = frozenset(map(tracked.path_at, range(start, at)))
                found += [path for path in self._paths(begin, end) if path not in known]
        return found

    def read(self) -> Met:
        """Take the text apart, and return this; about 1 µs a directory, hence the plain loop."""
        text, runs = self.text, self.runs
        find, starts_with, last = text.find, text.startswith, len(text) - 1
        stop = -1 if text else last
        while stop < last:
            begin = stop + 1
            stop = find(b"\0/", begin)
            stop = stop if stop != -1 else last
            end = find(b"\0", begin, stop)
            if starts_with(b"/d", begin) and end != -1:
                inside = text[begin + 2 : end] + b"/"
                is_run = starts_with(inside, text.rfind(b"\0", end, stop) + 1) and not starts_with(inside, stop + 3)
                if is_run:
                    runs.append(Run(inside, text.count(b"\0", end, stop), end, stop))
                    continue
            self._add(begin, end if end != -1 else stop, stop)
        self.directories += len(runs)
        return self

    def _add(self, begin: int, end: int, stop: int) -> None:
        """Add what is named from ``begin`` to ``end``, and the files that are named after it before ``stop``."""
        text = self.text
        if not text.startswith(b"d", begin + 1):
            self.specials += not text.startswith(b"l", begin + 1)
            self.rest.append(text[begin + 2 + self.cut : end])
            self.rest += self._paths(end, stop)
            return
        inside = text[begin + 2 : end] + b"/"
        has_others = text.startswith(inside, stop + 3)
        own = end
        if end < stop and text.startswith(inside, end + 1) and not has_others:
            own = self._end(inside, end, stop)
            self.runs.append(Run(inside, text.count(b"\0", end, own), end, own))
        else:
            self.directories += 1
            if not has_others and len(inside) > self.cut and not text.startswith(inside, end + 1):
                self.bare.append(inside[self.cut : -1])
        self.rest += self._paths(own, stop)

    def _end(self, inside: bytes, begin: int, stop: int) -> int:
        """Return where the last name ends that begins with ``inside``; others lie in directories above."""
        return self.text.find(b"\0", self.text.rfind(b"\0" + inside, begin, stop) + 1, stop)

    def _paths(self, begin: int, end: int) -> list[bytes]:
        """Return the names, each behind a NUL byte, that stand there."""
        return [name[self.cut :] for name in self.text[begin:end].split(b"\0")[1:]]
