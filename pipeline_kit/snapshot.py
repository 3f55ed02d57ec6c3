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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE = b"100644"
EXECUTABLE = b"100755"
LINK = b"120000"
DIRECTORY = b"040000"
SPECIAL = b"010000"
SPECIAL_KINDS = (SPECIAL, b"140000", b"020000", b"060000")
"""What a record of a special file begins with; BuildKit makes something else of each kind."""
EMPTY_DIRECTORY_RECORD = b"040000 -"
SPECIAL_RECORD = b"010000 -"


def blob_id(data: bytes) -> str:
    """Return git's SHA-1 blob id of ``data``: 40 lower-case hex digits (git-hash-object, object format sha1)."""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Listing:
    """Paths in byte order and, at the same positions, their records (see the module's docstring)."""

    paths: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    _digest: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    """The digest once it was asked for: many images share one context."""

    @classmethod
    def of(cls, entries: Iterable[tuple[bytes, bytes]]) -> Listing:
        """Build a listing from ``(path, record)`` pairs in any order; the last of equal paths wins."""
        pairs = sorted(dict(entries).items())
        return cls([path for path, _ in pairs], [record for _, record in pairs])

    def patched(self, changes: Mapping[bytes, bytes | None]) -> Listing:
        """Return this listing with other records at some paths; ``None`` takes a path out.

        What lies between the changes is copied in pieces: a few edits among 100,000 files cost next to nothing.
        """
        paths: list[bytes] = []
        records: list[bytes] = []
        start = 0
        for path in sorted(changes):
            at = bisect_left(self.paths, path, start)
            paths += self.paths[start:at]
            records += self.records[start:at]
            start = at + (at < len(self.paths) and self.paths[at] == path)
            record = changes[path]
            if record is not None:
                paths.append(path)
                records.append(record)
        return Listing(paths + self.paths[start:], records + self.records[start:])

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield ``(path, record)`` in byte order of the paths."""
        return zip(self.paths, self.records, strict=True)

    def get(self, path: bytes) -> bytes | None:
        """Return the record at ``path``, or ``None``."""
        at = bisect_left(self.paths, path)
        return self.records[at] if at < len(self.paths) and self.paths[at] == path else None

    def under(self, directory: bytes) -> Listing:
        """Return what lies below ``directory`` with paths relative to it; ``b""`` or ``b"."`` is the whole."""
        if directory in (b"", b"."):
            return self
        prefix = directory + b"/"
        low = bisect_left(self.paths, prefix)
        high = bisect_left(self.paths, directory + b"0")  # "0" is the byte after "/"
        cut = len(prefix)
        return Listing([path[cut:] for path in self.paths[low:high]], self.records[low:high])

    def spans(self, path: bytes) -> list[slice]:
        """Return where ``path`` itself and everything below it stand, as slices of the two lists."""
        own = bisect_left(self.paths, path)
        found = [slice(own, own + 1)] if own < len(self.paths) and self.paths[own] == path else []
        low, high = bisect_left(self.paths, path + b"/"), bisect_left(self.paths, path + b"0")
        return [*found, slice(low, high)] if low < high else found

    def digest(self) -> str:
        """Return the SHA-256 hex of the entries as ``record TAB path NUL``; no path can hold a NUL byte."""
        if not self._digest:
            joined = b"".join([b"%b\t%b\0" % pair for pair in zip(self.records, self.paths, strict=True)])
            self._digest.append(hashlib.sha256(joined).hexdigest())
        return self._digest[0]
