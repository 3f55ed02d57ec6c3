"""One commit's files, from git objects alone: nothing of the work tree is looked at.

Blob ids are those of the commit. Where attributes convert line ends or encodings at checkout, the bytes on disk differ
from the blobs and so does the work tree's listing.
"""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import clean_directories, clean_path
from pipeline_kit.adapters.git.conversion import tracked_attributes
from pipeline_kit.adapters.git.index import spans
from pipeline_kit.adapters.hashing import LFS_POINTER_LIMIT, LFS_POINTER_START, refuse, refuse_pointers
from pipeline_kit.allowances import LFS_POINTER, SUBMODULE_MISSING
from pipeline_kit.errors import CheckoutError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, EXECUTABLE, FILE, LINK, Listing, blob_id
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from pipeline_kit.adapters.git.repository import Repository
    from pipeline_kit.ports.checkout import Unsent

# An entry of ls-tree -r: mode SP type SP id TAB path; with -r the types are "blob" and "commit" (a submodule).
_MODE = slice(0, 6)
_BLOB_START = len(b"100644 blob ")
_GITLINK = b"160000"
_MODES = {b"100644": FILE, b"100755": EXECUTABLE, b"120000": LINK}  # old histories also hold 100664
_LINKS_AT_MOST = 40
_BLOBS_A_BATCH = 500
_SHA1_HEX = 40
_PREFETCHED_AT_MOST = 4000
_EXPECTED = re.compile(rb"(?i)(?:.*dockerfile.*|.*\.dockerignore|pipeline-kit\.(?:ya?ml|lock))")


@value_class()
class CommitTree:
    """The tree of the commit with the full id ``commit``; implements :class:`pipeline_kit.ports.Tree`."""

    repository: Repository
    commit: str
    allowed: AbstractSet[str] = field(default=frozenset(), compare=False)
    """Of :data:`pipeline_kit.allowances.ALLOWABLE`."""
    _entries: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict, repr=False, compare=False)
    _whole: list[Listing] = field(default_factory=list, repr=False, compare=False)
    _contents: dict[bytes, bytes] = field(default_factory=dict, repr=False, compare=False)

    def listing(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing:  # noqa: ARG002 - all is at hand
        """Return everything below ``directories``; raises CheckoutError for submodules and LFS pointers."""
        asked = clean_directories(directories)
        if asked != [b""]:
            return self._listing(asked)
        if not self._whole:
            self._whole.append(self._listing(asked))
        return self._whole[0]

    def _listing(self, asked: list[bytes]) -> Listing:
        pathspecs = self.repository.pathspecs(asked)
        raw = self._list([*pathspecs, *(self.repository.attributes_above(asked) if pathspecs else ())])
        entries, paths = self._below(raw, asked)
        modules = [path for entry, path in zip(entries, paths, strict=True) if entry.startswith(_GITLINK)]
        if modules:
            if SUBMODULE_MISSING not in self.allowed:
                what = "submodules hold files that are not in this commit"
                refuse(modules, what, "check the commit out with its submodules")
            kept = [pair for pair in zip(entries, paths, strict=True) if not pair[0].startswith(_GITLINK)]
            entries, paths = [entry for entry, _ in kept], [path for _, path in kept]
        ids = [self._id(entry) for entry in entries]
        if LFS_POINTER not in self.allowed:
            self._refuse_pointers(raw, paths, ids)
        if self.repository.id_length != _SHA1_HEX:
            ids = [blob_id(data).encode() for data in self._blobs(ids)]
        modes = [_MODES.get(entry[_MODE], FILE) for entry in entries]
        listing = Listing(paths, [mode + b" " + blob for mode, blob in zip(modes, ids, strict=True)])
        # A submodule that is not checked out is an empty directory.
        return listing.patched(dict.fromkeys(modules, EMPTY_DIRECTORY_RECORD)) if modules else listing

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> None:  # noqa: ARG002 - the port's signature
        """Return ``None``: a listing takes no longer."""
        return

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside the tree; ``None`` if absent."""
        self._load()
        blob = self._resolve(clean_path(path))
        if blob is None:
            return None
        return self._contents[blob] if blob in self._contents else self._blob(blob)

    def look(self, path: str) -> bytes | str | None:
        """Return the text of the link at ``path``, else what :meth:`read` does."""
        self._load()
        mode, blob = self._entries.get(clean_path(path), (b"", b""))
        return os.fsdecode(self._blob(blob)) if mode == LINK else self.read(path)

    def _load(self) -> None:
        if not self._entries:
            entries, paths = self._below(self._list(self.repository.pathspecs([b""])), [b""])
            found = ((entry[_MODE], self._id(entry)) for entry in entries)
            self._entries.update(zip(paths, found, strict=True))
            self._prefetch()

    def _prefetch(self) -> None:
        """Read in one process what will be asked for, one by one: every Dockerfile, ignore file and configuration."""
        names = (path for path in self._entries if _EXPECTED.fullmatch(path.rpartition(b"/")[2]))
        ids = list(dict.fromkeys(self._entries[name][1] for name in islice(names, _PREFETCHED_AT_MOST)))
        self._contents.update(zip(ids, self._blobs(ids), strict=True))

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> None:
        """Return ``None``: only comparing the listings can tell."""

    def describe(self) -> str:
        """Return what this is, for people."""
        return f"commit {self.commit[:7]}"

    def _list(self, paths: Sequence[bytes]) -> bytes:
        return self.repository.git.run(["ls-tree", "-r", "-z", "--full-tree", self.commit, "--", *paths])

    def _below(self, raw: bytes, asked: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Return entries and their paths below the tree's root, cut to the ``asked`` ones."""
        prefix = self.repository.prefix
        entries = raw.split(b"\0")
        entries.pop()
        pairs = [(entry, entry.partition(b"\t")[2]) for entry in entries]
        if prefix:
            pairs = [(entry, path[len(prefix) :]) for entry, path in pairs if path.startswith(prefix)]
        if b"" not in asked:
            pairs = [pair for part in spans([path for _, path in pairs], asked) for pair in pairs[part]]
        return [entry for entry, _ in pairs], [path for _, path in pairs]

    def _id(self, entry: bytes) -> bytes:
        return entry[_BLOB_START : _BLOB_START + self.repository.id_length]

    def _resolve(self, path: bytes) -> bytes | None:
        """Return the blob id of the regular file that ``path`` leads to (path_resolution(7)), or ``None``."""
        pending = path.split(b"/")[::-1]
        current: list[bytes] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == b".." and not current:
                return None
            if part == b"..":
                current.pop()
            elif part not in (b"", b"."):
                current.append(part)
            mode, blob = self._entries.get(b"/".join(current), (b"", b""))
            if mode == LINK:
                target, links = self._blob(blob), links + 1
                if target.startswith(b"/") or links > _LINKS_AT_MOST:
                    return None
                current.pop()
                pending += target.split(b"/")[::-1]
        mode, blob = self._entries.get(b"/".join(current), (b"", b""))
        return blob if mode and mode != _GITLINK else None

    def _blob(self, blob: bytes) -> bytes:
        return self.repository.git.run(["cat-file", "blob", blob])

    def _blobs(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the contents of many blobs, some hundred at a time (git-cat-file(1), "BATCH OUTPUT")."""
        for start in range(0, len(ids), _BLOBS_A_BATCH):
            batch = ids[start : start + _BLOBS_A_BATCH]
            answer = self.repository.git.run(["cat-file", "--batch"], b"".join(blob + b"\n" for blob in batch))
            at = 0
            for blob in batch:
                end = answer.index(b"\n", at)
                header = answer[at:end].split(b" ")
                if len(header) < len(("id", "type", "size")):
                    raise CheckoutError(f"git object {blob.decode()} is missing", hint="fetch the whole history")
                at = end + 1 + int(header[2]) + 1
                yield answer[end + 1 : at - 1]

    def _refuse_pointers(self, raw: bytes, paths: list[bytes], ids: list[bytes]) -> None:
        """Raise CheckoutError for LFS pointers; looks only where an attributes file of the commit sets a filter."""
        wanted = set(tracked_attributes(raw))
        entries = [entry for entry in raw.split(b"\0") if entry.partition(b"\t")[2] in wanted] if wanted else []
        if not any(b"filter" in text for text in self._blobs([self._id(entry) for entry in entries])):
            return
        stdin = b"".join(blob + b"\n" for blob in ids)
        sizes = self.repository.git.run(["cat-file", "--batch-check=%(objectsize)", "--buffer"], stdin).split(b"\n")
        small = [
            (path, blob)
            for path, blob, size in zip(paths, ids, sizes, strict=False)
            if size.isdigit() and int(size) < LFS_POINTER_LIMIT
        ]
        texts = self._blobs([blob for _, blob in small])
        refuse_pointers(
            [path for (path, _), text in zip(small, texts, strict=True) if text.startswith(LFS_POINTER_START)]
        )
