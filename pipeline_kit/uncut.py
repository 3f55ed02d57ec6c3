"""Entries of a listing as git writes them, not cut into paths and records yet."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PLAIN = len("100644 ") + 40
"""Bytes of a record with a blob id."""


class Uncut:
    """Entries in byte order of their paths, each ``path`` at its end and each record, of :data:`PLAIN` bytes, within.

    A hundred thousand of them are cut twice, once for the whole and once for each context, unless that can wait. What
    cuts is ``itemgetter``, three times as fast as a method.
    """

    __slots__ = ("_record_start", "entries", "path_of", "path_start", "record_of")

    def __init__(self, entries: list[bytes], record_start: int, path_start: int) -> None:
        self.entries = entries
        self._record_start = record_start
        self.path_start = path_start
        self.path_of: Callable[[bytes], bytes] = itemgetter(slice(path_start, None))
        """Returns the path of one of the entries."""
        self.record_of: Callable[[bytes], bytes] = itemgetter(slice(record_start, record_start + PLAIN))
        """Returns the record of one of the entries."""

    def of(self, entries: list[bytes]) -> Uncut:
        """Return other ``entries`` that are cut alike."""
        return Uncut(entries, self._record_start, self.path_start)

    def get(self, path: bytes) -> bytes | None:
        """Return the record at ``path``, or ``None``."""
        entries, path_of = self.entries, self.path_of
        at = bisect_left(entries, path, key=path_of)
        return self.record_of(entries[at]) if at < len(entries) and path_of(entries[at]) == path else None

    def paths(self) -> list[bytes]:
        """Return every path."""
        return list(map(self.path_of, self.entries))

    def records(self) -> list[bytes]:
        """Return every record."""
        return list(map(self.record_of, self.entries))

    def between(self, low: int, high: int, cut: int) -> Uncut:
        """Return some of the entries, their paths without the first ``cut`` bytes."""
        return Uncut(self.entries[low:high], self._record_start, self.path_start + cut)

    def text(self) -> bytes:
        """Return what :attr:`Listing.text` is."""
        return text_of(len(self.entries), map(self.record_of, self.entries), map(self.path_of, self.entries))

    def entry(self, path: bytes, record: bytes) -> bytes:
        """Return an entry for a ``record`` of :data:`PLAIN` bytes that can be cut as these are."""
        between = self.path_start - self._record_start - PLAIN
        return b"".join((bytes(self._record_start), record, bytes(between), path))


def text_of(count: int, records: Iterable[bytes], paths: Iterable[bytes]) -> bytes:
    """Return ``count`` entries as ``record TAB path``, with a NUL byte between any two."""
    pieces = [b"\t"] * (4 * count)  # all in one list: to join each line first takes an eighth more
    pieces[0::4] = records
    pieces[2::4] = paths
    pieces[3::4] = [b"\0"] * count
    return b"".join(pieces[:-1])
