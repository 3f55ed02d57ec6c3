"""Entries of a listing as git writes them, not cut into paths and records yet."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

PLAIN = len("100644 ") + 40
"""Bytes of a record with a blob id."""


class Uncut(NamedTuple):
    """Entries in byte order of their paths, each ``path`` at its end and each record, of :data:`PLAIN` bytes, within.

    A hundred thousand of them are cut twice, once for the whole and once for each context, unless that can wait.
    """

    entries: list[bytes]
    record_start: int
    path_start: int

    def path_of(self, entry: bytes) -> bytes:
        """Return the path of one of the entries."""
        return entry[self.path_start :]

    def record_of(self, entry: bytes) -> bytes:
        """Return the record of one of the entries."""
        return entry[self.record_start : self.record_start + PLAIN]

    def paths(self) -> list[bytes]:
        """Return every path."""
        start = self.path_start
        return [entry[start:] for entry in self.entries]

    def records(self) -> list[bytes]:
        """Return every record."""
        start, stop = self.record_start, self.record_start + PLAIN
        return [entry[start:stop] for entry in self.entries]

    def between(self, low: int, high: int, cut: int) -> Uncut:
        """Return some of the entries, their paths without the first ``cut`` bytes."""
        return self._replace(entries=self.entries[low:high], path_start=self.path_start + cut)

    def text(self) -> bytes:
        """Return what :attr:`Listing.text` is."""
        records = map(itemgetter(slice(self.record_start, self.record_start + PLAIN)), self.entries)
        paths = map(itemgetter(slice(self.path_start, None)), self.entries)
        return b"\0".join(map(b"\t".join, zip(records, paths, strict=True)))

    def entry(self, path: bytes, record: bytes) -> bytes:
        """Return an entry for a ``record`` of :data:`PLAIN` bytes that can be cut as these are."""
        between = self.path_start - self.record_start - PLAIN
        return b"".join((bytes(self.record_start), record, bytes(between), path))
