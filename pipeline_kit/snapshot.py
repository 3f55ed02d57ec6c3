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
from typing import TYPE_CHECKING, Any

from pipeline_kit.uncut import PLAIN, Uncut, text_of

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
_PARTS_CUT_OUT = 16
"""Parts of a listing whose text is looked for in that of the whole."""


def blob_id(data: bytes) -> str:
    """Return git's SHA-1 blob id of ``data``: 40 lower-case hex digits (git-hash-object, object format sha1)."""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def directories_above(path: bytes) -> Iterator[bytes]:
    """Yield every directory that ``path`` lies in, the outermost first; not the root."""
    at = path.find(b"/")
    while at != -1:
        yield path[:at]
        at = path.find(b"/", at + 1)


class Listing:
    """Paths in byte order and, at the same positions, their records (see the module's docstring).

    A value: neither list is changed once the listing was asked for anything.
    """

    __slots__ = (
        "_cut",
        "_digest",
        "_directories",
        "_is_uncut",
        "_origin",
        "_part_of",
        "_paths",
        "_records",
        "_text",
        "parts",
    )
    _cut: Uncut | None
    """Left empty in a listing that was patched, until it is asked for: of the whole, single paths and parts are."""

    def __init__(self, paths: list[bytes] | None = None, records: list[bytes] | None = None) -> None:
        self._paths: list[bytes] | None = [] if paths is None else paths
        self._records: list[bytes] | None = [] if records is None else records
        self._cut = None
        self._is_uncut = False
        self._digest = ""
        self._text: bytes | None = None
        self._origin: tuple[Listing, list[bytes], Mapping[bytes, bytes | None]] | None = None
        """What this one was patched from, and the patches with their paths in order: the rest is the same."""
        self._part_of: tuple[Listing, list[slice]] | None = None
        """What this one was :meth:`joined` from, and where its entries stand there."""
        self._directories: dict[bytes, Listing] = {}
        """What lies :meth:`under` those that were asked for."""
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
        made._is_uncut = True
        made._cut = uncut
        return made

    def __getattr__(self, name: str) -> Uncut:
        """Return what is left empty until it is asked for."""
        if name != "_cut" or self._origin is None:
            raise AttributeError(name)
        before, ordered, changes = self._origin
        self._cut = before._patched_uncut(changes, ordered)  # noqa: SLF001 - of this very class
        return self._cut

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

    @property
    def as_held(self) -> tuple[list[bytes], int]:
        """Return something for each entry in which its path stands at the end, and where each path begins there."""
        return (self._cut.entries, self._cut.path_start) if self._cut is not None else (self.paths, 0)

    @property
    def added(self) -> Sequence[bytes] | None:
        """Return the paths with other records than in :attr:`before`, ``None`` where there is no such listing."""
        return self._origin[1] if self._origin is not None else None

    @property
    def before(self) -> Listing | None:
        """Return what this one was :meth:`patched` from."""
        return self._origin[0] if self._origin is not None else None

    def patched(self, changes: Mapping[bytes, bytes | None]) -> Listing:
        """Return this listing with other records at some paths; ``None`` takes a path out.

        What lies between the changes is copied in pieces: a few edits among 100,000 files cost next to nothing.
        """
        ordered = sorted(changes)
        if self._is_uncut and all(record is None or len(record) == PLAIN for record in changes.values()):
            made = Listing()
            made._paths = made._records = None
            made._is_uncut = True
            del made._cut
        else:
            made = self._patched_lists(changes, ordered)
        made._origin = self, ordered, changes  # noqa: SLF001 - of this very class
        return made

    def _patched_uncut(self, changes: Mapping[bytes, bytes | None], ordered: Sequence[bytes]) -> Uncut:
        cut = self._cut
        assert cut is not None  # noqa: S101 - else lists are patched
        entries: list[bytes] = []
        for part, path in self._around(ordered):
            entries += cut.entries[part]
            record = changes[path] if path is not None else None
            if path is not None and record is not None:
                entries.append(cut.entry(path, record))
        return cut.of(entries)

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
            at = self.at(path, start)
            yield slice(start, at), path
            start = at + self.is_at(at, path)
        yield slice(start, None), None

    def joined(self, parts: Iterable[slice]) -> Listing:
        """Return the entries at the positions ``parts``, each once."""
        ordered: list[slice] = []
        end = 0
        for part in sorted(parts, key=lambda part: part.start):
            start = max(part.start, end)
            if start < part.stop:
                ordered.append(slice(start, part.stop))
                end = part.stop
        if self._cut is not None:
            entries: list[bytes] = []
            for part in ordered:
                entries += self._cut.entries[part]
            made = Listing.of_entries(self._cut.of(entries))
        else:
            made = Listing(
                [path for part in ordered for path in self.paths[part]],
                [record for part in ordered for record in self.records[part]],
            )
        made._part_of = self, ordered
        return made

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

    def at(self, path: bytes, low: int = 0, high: int | None = None) -> int:
        """Return the position, of those from ``low`` to ``high``, where ``path`` stands or would stand."""
        if self._cut is not None:
            return bisect_left(self._cut.entries, path, low, high, key=self._cut.path_of)
        return bisect_left(self.paths, path, low, high)

    def is_at(self, at: int, path: bytes) -> bool:
        """Return whether ``path`` stands at a position."""
        return at < len(self) and self.path_at(at) == path

    def is_in(self, at: int, directory: bytes) -> bool:
        """Return whether there is a position ``at`` and what stands there lies in ``directory`` (with its slash)."""
        return at < len(self) and self.path_at(at).startswith(directory)

    def path_at(self, at: int) -> bytes:
        """Return the path at a position."""
        return self._cut.path_of(self._cut.entries[at]) if self._cut is not None else self.paths[at]

    def record_at(self, at: int) -> bytes:
        """Return the record at a position."""
        return self._cut.record_of(self._cut.entries[at]) if self._cut is not None else self.records[at]

    @property
    def holds_directories(self) -> bool:
        """Return whether any entry is a directory without files."""
        if self._is_uncut:  # their records are shorter than those that can be cut
            return False
        if DIRECTORY not in self.parts:
            self.parts[DIRECTORY] = any(record.startswith(DIRECTORY) for record in self.records)
        return bool(self.parts[DIRECTORY])

    def get(self, path: bytes) -> bytes | None:
        """Return the record at ``path``, or ``None``."""
        if self._origin is not None:
            before, _, changes = self._origin
            return changes[path] if path in changes else before.get(path)
        directory, _, name = path.rpartition(b"/")
        part = self._directories.get(directory)
        if part is not None:  # cut out already, and far smaller
            return part.get(name)
        if self._cut is not None:
            return self._cut.get(path)
        at = self.at(path)
        return self.records[at] if self.is_at(at, path) else None

    def under(self, directory: bytes) -> Listing:
        """Return what lies below ``directory`` with paths relative to it; ``b""`` or ``b"."`` is the whole."""
        if directory in (b"", b"."):
            return self
        found = self._directories.get(directory)
        if found is None:
            found = self._directories[directory] = self._under(directory + b"/")
        return found

    def _under(self, prefix: bytes) -> Listing:
        if self._origin is not None:
            before, ordered, changes = self._origin
            low, high = bisect_left(ordered, prefix), bisect_left(ordered, prefix[:-1] + b"0")
            part = before.under(prefix[:-1])
            return (
                part.patched({path[len(prefix) :]: changes[path] for path in ordered[low:high]}) if low < high else part
            )
        low = self.at(prefix)
        high = self.at(prefix[:-1] + b"0", low)  # "0" is the byte after "/"
        if self._cut is not None:
            return Listing.of_entries(self._cut.between(low, high, len(prefix)))
        cut = len(prefix)
        return Listing([path[cut:] for path in self.paths[low:high]], self.records[low:high])

    def paths_in(self, directory: bytes) -> Iterator[bytes]:
        """Yield the paths below ``directory`` in byte order; they are looked for one by one."""
        inside = directory + b"/"
        at = self.at(inside)
        while self.is_in(at, inside):
            yield self.path_at(at)
            at += 1

    def spans(self, path: bytes) -> list[slice]:
        """Return where ``path`` itself and everything below it stand, as slices of the two lists."""
        own = self.at(path)
        found = [slice(own, own + 1)] if self.is_at(own, path) else []
        low = self.at(path + b"/", own)
        high = self.at(path + b"0", low)
        return [*found, slice(low, high)] if low < high else found

    @property
    def has_text(self) -> bool:
        """Return whether :attr:`text` has been put together already."""
        return self._text is not None

    @property
    def text(self) -> bytes:
        """Return the entries as ``record TAB path``, with a NUL byte between any two; no path can hold one."""
        if self._text is None:
            if self._origin is not None and self._origin[0].has_text:
                self._text = _spliced(*self._origin)
            elif self._cut is not None:
                self._text = self._cut.text()
            else:
                self._text = text_of(len(self.paths), self.records, self.paths)
        return self._text

    def offset(self, at: int, low: int = 0) -> int:
        """Return where in :attr:`text` the entry at a position begins, not before ``low``; past the end one byte on."""
        if not at or at == len(self):
            return len(self.text) + 1 if at else 0
        line = b"%b\t%b" % (self.record_at(at), self.path_at(at))
        found = self.text.find(b"\0" + line + b"\0", max(0, low - 1))
        return found + 1 if found != -1 else len(self.text) - len(line)

    def _pieces(self) -> Iterator[bytes | memoryview]:
        """Yield what :attr:`text` is made of, each behind a NUL byte: at best, parts of what is joined already."""
        whole, parts = self._part_of or (self, [])
        is_at_hand = whole.has_text or (whole.before is not None and whole.before.has_text)
        if not is_at_hand or not 0 < len(parts) <= _PARTS_CUT_OUT:
            if len(self):
                yield self.text
            return
        text = memoryview(whole.text)
        begin = 0
        for part in parts:
            begin = whole.offset(part.start, begin)
            end = whole.offset(part.stop, begin)
            yield text[begin : end - 1]

    def digest(self) -> str:
        """Return the SHA-256 hex of the entries as ``record TAB path NUL``."""
        if not self._digest:
            whole = hashlib.sha256()
            for piece in self._pieces():
                whole.update(piece)
                whole.update(b"\0")
            self._digest = whole.hexdigest()
        return self._digest


def _spliced(before: Listing, ordered: Sequence[bytes], changes: Mapping[bytes, bytes | None]) -> bytes:
    """Return the text of a listing patched at the paths ``ordered``, by that of the one before."""
    pieces: list[bytes] = []
    start = 0
    for path in ordered:
        at, record = before.at(path), changes[path]
        end = before.offset(at, start)
        pieces += [before.text[start : end - 1]] if start < end else []
        pieces += [b"%b\t%b" % (record, path)] if record is not None else []
        start = end + len(before.record_at(at)) + len(path) + len(b"\t\0") if before.is_at(at, path) else end
    pieces += [before.text[start:]] if start < len(before.text) else []
    return b"\0".join(pieces)
