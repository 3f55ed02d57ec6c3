"""What find met in a large work tree, and what of that the index does not hold.

find names every file by itself, and everything else behind a mark and the letter of its kind; a directory comes before
what lies in it. A hundred thousand names are told from the index's by counting: where a directory without others in it
holds as many files as the index has in it, and none of those is gone, no name need be looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.find import MARK
from pipeline_kit.snapshot import directories_above
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from pipeline_kit.snapshot import Listing

_MARK = MARK.encode()
_DIRECTORY, _LINK = _MARK + b"d", _MARK + b"l"
_LOOKED_UP = 16
"""To look a name up takes as long as to put so many into a set."""


@value_class(frozen=False)
class Met:
    """What find met: the ``text`` that it wrote, of whose paths the first ``cut`` bytes do not belong to them.

    Of the files ``own`` are the checkout's ``.git``.
    """

    text: bytes
    cut: int
    own: int
    specials: int = 0
    runs: list[tuple[bytes, int, int, int]] = field(default_factory=list)
    """Directories without others in them, as find wrote them and with a slash, and how many files each holds.

    Their names stand in the text from the third number to the fourth.
    """
    rest: list[bytes] = field(default_factory=list)
    """Files, links and special files that are not in the ``runs``."""
    bare: list[bytes] = field(default_factory=list)
    """Directories that hold nothing."""

    def holds_just(self, leaves: int) -> bool:
        """Return whether there are that many files and links and, save for directories that hold some, nothing else."""
        if self.specials or self.bare:
            return False
        return sum(files for _, files, _, _ in self.runs) + len(self.rest) - self.own == leaves

    def names(self) -> set[bytes]:
        """Return everything that is no directory."""
        return {*self.rest, *(path for _, _, begin, end in self.runs for path in self._paths(begin, end))}

    def beside(self, tracked: Listing, gone: AbstractSet[bytes]) -> list[bytes]:
        """Return what is not ``tracked``, where all that is tracked is here but for what is ``gone``."""
        if len(self.rest) * _LOOKED_UP > len(tracked):
            known = frozenset(tracked.paths)
            found = [path for path in self.rest if path not in known]
        else:
            found = [path for path in self.rest if tracked.get(path) is None]
        doubtful = {directory + b"/" for path in gone for directory in directories_above(path)}
        doubtful.update([b""] if gone else [])
        entries, start = tracked.as_held
        cut, at, path_of = self.cut, 0, itemgetter(slice(start, None))
        for inside, files, begin, end in sorted(self.runs):
            directory = inside[cut:]
            is_same = _is_run(entries, start, directory, at, files)
            if not is_same:
                at = bisect_left(entries, directory, at, key=path_of)
                is_same = _is_run(entries, start, directory, at, files)
            if is_same and not (gone and directory in doubtful):
                at += files
                continue
            first = at
            at = bisect_left(entries, directory[:-1] + b"0", at, key=path_of) if directory else len(entries)
            known = frozenset(map(path_of, entries[first:at]))
            found += [path for path in self._paths(begin, end) if path not in known]
        return found

    def read(self) -> Met:
        """Take the text apart, and return this; about 2 µs a directory, hence the plain loop."""
        text, add = self.text, self.runs.append
        find, rfind, count, starts_with, last = text.find, text.rfind, text.count, text.startswith, len(text) - 1
        stop = -1 if text else last
        while stop < last:
            begin = stop + 1
            stop = find(_MARK, begin + 1)
            while stop != -1 and text[stop - 1]:  # within a name
                stop = find(_MARK, stop + 1)
            stop = stop - 1 if stop != -1 else last
            end = find(b"\0", begin, stop)
            if end != -1 and starts_with(_DIRECTORY, begin):
                inside = text[begin + 2 : end] + b"/"
                if starts_with(inside, rfind(b"\0", end, stop) + 1) and not starts_with(inside, stop + 3):
                    add((inside, count(b"\0", end, stop), end, stop))
                    continue
            self._add(begin, end if end != -1 else stop, stop)
        return self

    def _add(self, begin: int, end: int, stop: int) -> None:
        """Add what is named from ``begin`` to ``end``, and the files that are named after it before ``stop``."""
        text = self.text
        if not text.startswith(_DIRECTORY, begin):
            self.specials += not text.startswith(_LINK, begin)
            self.rest.append(text[begin + 2 + self.cut : end])
            self.rest += self._paths(end, stop)
            return
        inside = text[begin + 2 : end] + b"/"
        has_others = text.startswith(inside, stop + 3)
        own = end
        if end < stop and text.startswith(inside, end + 1) and not has_others:
            own = self._end(inside, end, stop)
            self.runs.append((inside, text.count(b"\0", end, own), end, own))
        elif not has_others and len(inside) > self.cut and not text.startswith(inside, end + 1):
            self.bare.append(inside[self.cut : -1])
        self.rest += self._paths(own, stop)

    def _end(self, inside: bytes, begin: int, stop: int) -> int:
        """Return where the last name ends that begins with ``inside``; others lie in directories above."""
        return self.text.find(b"\0", self.text.rfind(b"\0" + inside, begin, stop) + 1, stop)

    def _paths(self, begin: int, end: int) -> list[bytes]:
        """Return the names, each behind a NUL byte, that stand there."""
        return [name[self.cut :] for name in self.text[begin:end].split(b"\0")[1:]]


def _is_run(entries: Sequence[bytes], start: int, directory: bytes, at: int, files: int) -> bool:
    """Return whether all that lies in ``directory`` (with its slash) are the ``files`` entries from ``at`` on."""
    end, stop = at + files, start + len(directory)
    if end > len(entries) or entries[end - 1][start:stop] != directory or entries[at][start:stop] != directory:
        return False
    return end == len(entries) or entries[end][start:stop] != directory
