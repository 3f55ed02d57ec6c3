"""What a directory holds, as git would name it: a sorted list of paths, each with a mode and a blob id.

Paths are bytes, relative, ``/``-separated, never starting with ``/`` or ``./``. A record is
``b"<mode> <blob id>"`` with git's modes: ``100644`` file, ``100755`` executable file, ``120000`` link (the blob id is
that of the link's text), ``040000`` directory without files, and of special files ``010000`` FIFO, ``140000`` socket,
``020000`` and ``060000`` devices (the blob id of the last five is the literal ``-``). Directories that contain
something are not listed: their children imply them.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

FILE = b"100644"
EXECUTABLE = b"100755"
LINK = b"120000"
DIRECTORY = b"040000"
SPECIAL = b"010000"
SPECIAL_KINDS = (SPECIAL, b"140000", b"020000", b"060000")
"""What a record of a special file begins with; BuildKit makes something else of each kind."""
EMPTY_DIRECTORY_RECORD = b"040000 -"
SPECIAL_RECORD = b"010000 -"
PLAIN = len("100644 ") + 40
"""Bytes of a record with a blob id."""


def blob_id(data: bytes) -> str:
    """Return git's SHA-1 blob id of ``data``: 40 lower-case hex digits (git-hash-object, object format sha1)."""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def directories_above(path: bytes) -> Iterator[bytes]:
    """Yield every directory that ``path`` lies in, the outermost first; not the root."""
    return (path[:at] for at, byte in enumerate(path) if byte == ord("/"))


class Listing:
    """Paths in byte order and, at the same positions, their records (see the module's docstring).

    A value: neither list is changed once the listing was asked for anything.
    """

    __slots__ = ("_cut", "_digest", "_origin", "_paths", "_records", "parts")

    def __init__(self, paths: list[bytes] | None = None, records: list[bytes] | None = None) -> None:
        self._paths: list[bytes] | None = [] if paths is None else paths
        self._records: list[bytes] | None = [] if records is None else records
        self._cut: Uncut | None = None
        self._digest = ""
        self._origin: tuple[Listing, list[bytes], Mapping[bytes, bytes | None]] | None = None
        """What this one was patched from, and the patches with their paths in order: the rest is the same."""
        self.parts: dict[Hashable, Any] = {}
        """What was worked out of this listing alone, by whoever did: the same is asked for many images."""

    @classmethod
    def of(cls, entries: Iterable[tuple[bytes, bytes]]) -> Listing:
        """Build a listing from ``(path, record)`` pairs in any order; the last of equal paths wins."""
        pairs = sorted(dict(entries).items())
        return cls([path for path, _ in pairs], [record for _, record in pairs])

    @classmethod
    def of_entries(cls, uncut: Uncut) -> Listing:
        """Build a listing whose paths and records are cut out of entries where they are wanted, in pieces at best."""
        made = cls()
        made._paths = made._records = None
        made._cut = uncut
        return made

    @property
    def paths(self) -> list[bytes]:
        """Return every path."""
        if self._paths is None:
            self._paths = self._cut.paths() if self._cut is not None else []
        return self._paths

    @property
    def records(self) -> list[bytes]:
        """Return every record, in the order of :attr:`paths`."""
        if self._records is None:
            self._records = self._cut.records() if self._cut is not None else []
        return self._records

    def patched(self, changes: Mapping[bytes, bytes | None]) -> Listing:
        """Return this listing with other records at some paths; ``None`` takes a path out.

        What lies between the changes is copied in pieces: a few edits among 100,000 files cost next to nothing.
        """
        ordered = sorted(changes)
        if self._cut is not None and all(record is None or len(record) == PLAIN for record in changes.values()):
            made = Listing.of_entries(self._patched_uncut(self._cut, changes, ordered))
        else:
            made = self._patched_lists(changes, ordered)
        made._origin = (self, ordered, changes)  # noqa: SLF001 - of this very class
        return made

    def _patched_uncut(self, cut: Uncut, changes: Mapping[bytes, bytes | None], ordered: Sequence[bytes]) -> Uncut:
        entries: list[bytes] = []
        for part, path in self._around(ordered):
            entries += cut.entries[part]
            record = changes[path] if path is not None else None
            if path is not None and record is not None:
                entries.append(cut.entry(path, record))
        return cut._replace(entries=entries)

    def _patched_lists(self, changes: Mapping[bytes, bytes | None], ordered: Sequence[bytes]) -> Listing:
        paths: list[bytes] = []
        records: list[bytes] = []
        for part, path in self._around(ordered):
            paths += self.paths[part]
            records += self.records[part]
            record = changes[path] if path is not None else None
            if path is not None and record is not None:
                paths.append(path)
                records.append(record)
        return Listing(paths, records)

    def _around(self, ordered: Sequence[bytes]) -> Iterator[tuple[slice, bytes | None]]:
        """Yield what stands before each of the paths ``ordered``, with that path, and what stands after the last."""
        start = 0
        for path in ordered:
            at = self._at(path)
            yield slice(start, at), path
            start = at + self._is_at(at, path)
        yield slice(start, None), None

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._cut.entries if self._cut is not None else self.paths)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield ``(path, record)`` in byte order of the paths."""
        return zip(self.paths, self.records, strict=True)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same entries."""
        if not isinstance(other, Listing):
            return NotImplemented
        return self is other or (self.paths == other.paths and self.records == other.records)

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __repr__(self) -> str:
        """Return the entries, for a failed test."""
        return f"Listing.of({list(self)!r})"

    def _at(self, path: bytes) -> int:
        """Return where ``path`` stands or would stand."""
        if self._paths is None and self._cut is not None:
            return bisect_left(self._cut.entries, path, key=self._cut.path_of)
        return bisect_left(self.paths, path)

    def _is_at(self, at: int, path: bytes) -> bool:
        if at >= len(self):
            return False
        return (self._cut.path_of(self._cut.entries[at]) if self._cut is not None else self.paths[at]) == path

    def get(self, path: bytes) -> bytes | None:
        """Return the record at ``path``, or ``None``."""
        at = self._at(path)
        if not self._is_at(at, path):
            return None
        return self._cut.record_of(self._cut.entries[at]) if self._cut is not None else self.records[at]

    def under(self, directory: bytes) -> Listing:
        """Return what lies below ``directory`` with paths relative to it; ``b""`` or ``b"."`` is the whole."""
        if directory in (b"", b"."):
            return self
        found: Listing | None = self.parts.get(directory)
        if found is None:
            found = self.parts[directory] = self._under(directory + b"/")
        return found

    def _under(self, prefix: bytes) -> Listing:
        if self._origin is not None:
            before, ordered, changes = self._origin
            low, high = bisect_left(ordered, prefix), bisect_left(ordered, prefix[:-1] + b"0")
            part = before.under(prefix[:-1])
            return (
                part.patched({path[len(prefix) :]: changes[path] for path in ordered[low:high]}) if low < high else part
            )
        low, high = self._at(prefix), self._at(prefix[:-1] + b"0")  # "0" is the byte after "/"
        if self._cut is not None:
            inside = self._cut.between(low, high, len(prefix))
            return Listing(inside.paths(), inside.records())
        cut = len(prefix)
        return Listing([path[cut:] for path in self.paths[low:high]], self.records[low:high])

    def spans(self, path: bytes) -> list[slice]:
        """Return where ``path`` itself and everything below it stand, as slices of the two lists."""
        own = self._at(path)
        found = [slice(own, own + 1)] if self._is_at(own, path) else []
        low, high = self._at(path + b"/"), self._at(path + b"0")
        return [*found, slice(low, high)] if low < high else found

    def digest(self) -> str:
        """Return the SHA-256 hex of the entries as ``record TAB path NUL``; no path can hold a NUL byte."""
        if not self._digest:
            whole = hashlib.sha256(b"\0".join(map(b"\t".join, zip(self.records, self.paths, strict=True))))
            if self.paths:
                whole.update(b"\0")
            self._digest = whole.hexdigest()
        return self._digest


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

    def entry(self, path: bytes, record: bytes) -> bytes:
        """Return an entry for a ``record`` of :data:`PLAIN` bytes that can be cut as these are."""
        between = self.path_start - self.record_start - PLAIN
        return b"".join((bytes(self.record_start), record, bytes(between), path))
