"""A directory as it stands on disk: what BuildKit would send, without any help from git.

Paths are bytes below one root, as in :mod:`pipeline_kit.snapshot`. Links are recorded by their text and never followed,
so neither a loop nor a link to a secret can lead out of the root. FIFOs, sockets and devices are recorded and never
opened. ``.git`` entries (directory or file, at any depth) count only where the caller asks for them: their bytes change
with every commit.
"""

# ruff: noqa: PTH112, PTH114, PTH115, PTH120 - names are bytes, which pathlib does not take
from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.errors import CheckoutError, ContextChanged, InputError, UnreadableFile
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, EXECUTABLE, FILE, LINK, Listing, blob_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline_kit.ports.checkout import Unsent

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LFS_POINTER_LIMIT = 1024
"""A pointer file is smaller than this many bytes (git-lfs specification, docs/spec.md)."""

_CHUNK = 1 << 20
_FILES_WORTH_A_THREAD = 64
_NAMES_IN_A_MESSAGE = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk met, relative to the root: everything that is no directory, and directories holding nothing."""

    leaves: list[bytes] = field(default_factory=list)
    empty: list[bytes] = field(default_factory=list)


def shown(path: bytes) -> str:
    """Return ``path`` for people: printable, on one line, whatever bytes the name holds."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def shown_all(paths: Iterable[bytes]) -> str:
    """Return the first twenty of ``paths`` in byte order, comma-separated, and how many more there are."""
    ordered = sorted(paths)
    more = len(ordered) - _NAMES_IN_A_MESSAGE
    names = ", ".join(shown(path) for path in ordered[:_NAMES_IN_A_MESSAGE])
    return f"{names} and {more} more" if more > 0 else names


def clean_path(path: str) -> bytes:
    """Return a relative POSIX path as bytes without ``.`` components; ``b""`` is the root.

    Raises InputError for absolute paths, ``..`` and NUL: a tree shows nothing outside its root.
    """
    raw = os.fsencode(path)
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    if raw.startswith(b"/") or b".." in parts or b"\0" in raw:
        raise InputError(f"{shown(raw)!r} is not a path below the configuration's directory")
    return b"/".join(parts)


def clean_directories(directories: Iterable[str]) -> list[bytes]:
    """Return the asked directories cleaned and in order, without those that lie inside another."""
    cleaned = {clean_path(directory) for directory in directories}
    if b"" in cleaned:
        return [b""]
    kept: list[bytes] = []
    for path in sorted(cleaned, key=lambda path: path + b"/"):  # a directory comes just before what lies in it
        if not kept or not path.startswith(kept[-1] + b"/"):
            kept.append(path)
    return kept


def base_of(root: Path) -> bytes:
    """Return the real path of ``root`` with a trailing slash, as bytes."""
    real = os.path.realpath(os.fsencode(root))
    return real if real.endswith(b"/") else real + b"/"


def scan(base: bytes, asked: Sequence[bytes], *, include_git: bool, unsent: Unsent | None = None) -> Scan:
    """Walk the ``asked`` paths (cleaned, not nested) below ``base``; what does not exist adds nothing.

    Directories that ``unsent`` names are not entered, and do not count as content of the one they lie in.
    Raises UnreadableFile, ContextChanged when a directory goes away meanwhile, InputError for a link to a directory.
    """
    found = Scan()
    for path in asked:
        if _is_directory(base, path):
            _walk(base, path, found, include_git=include_git, unsent=unsent)
        elif os.path.lexists(base + path):
            found.leaves.append(path)
    return found


def _is_directory(base: bytes, path: bytes) -> bool:
    """Return whether an asked path is a directory; a link on the way would list files under two names."""
    where = os.path.dirname(path)
    outer = base + where if where else base[:-1] or b"/"
    if os.path.realpath(outer) != outer or (os.path.islink(base + path) and os.path.isdir(base + path)):
        target = shown(os.path.realpath(base + path))
        raise InputError(f"{shown(path)!r} goes through a link", hint=f"name the directory itself: {target}")
    return os.path.isdir(base + path)


def _walk(base: bytes, start: bytes, found: Scan, *, include_git: bool, unsent: Unsent | None) -> None:
    """Add everything below the directory ``start``; about 1 µs an entry, hence the plain loop."""
    pending = [start + b"/" if start else b""]
    add, push, open_directory = found.leaves.append, pending.append, os.scandir
    while pending:
        prefix = pending.pop()
        is_empty = True
        try:
            with open_directory(base + prefix) as entries:
                for entry in entries:
                    name = entry.name
                    if name == b".git" and not include_git:
                        continue
                    if not entry.is_dir(follow_symlinks=False):
                        add(prefix + name)
                    elif unsent is None or not unsent(prefix + name, is_directory=True):
                        push(prefix + name + b"/")
                    else:
                        continue
                    is_empty = False
        except OSError as error:
            raise _translated(error, prefix) from error
        if is_empty and prefix:
            found.empty.append(prefix[:-1])


def _translated(error: OSError, path: bytes) -> CheckoutError:
    """Return the error for a path that the walk had just seen."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ContextChanged(f"{shown(path)} went away while it was being read", hint="run again when nothing writes")
    reason = error.strerror or type(error).__name__
    return UnreadableFile(f"cannot read {shown(path)}: {reason}", hint="make it readable, or list it in .dockerignore")


@dataclass(frozen=True, slots=True)
class Hashed:
    """Records by path, and the paths whose bytes are Git LFS pointers."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    pointers: list[bytes] = field(default_factory=list)


def hash_paths(base: bytes, paths: Sequence[bytes]) -> Hashed:
    """Read every path (none of them a directory) and return its record.

    Large files are hashed on several threads, since neither reading nor SHA-1 holds the interpreter's lock. Raises
    UnreadableFile, or ContextChanged for a file that vanished or changed while it was read; of several failures the
    first path's.
    """
    hashed = Hashed()
    failures: dict[bytes, OSError | CheckoutError] = {}
    queue = iter(paths)

    def work() -> None:
        for path in queue:
            try:
                hashed.records[path], is_pointer = _record(base + path, path)
            except (OSError, CheckoutError) as error:
                failures[path] = error
                return
            if is_pointer:
                hashed.pointers.append(path)

    count = min(os.cpu_count() or 1, 8, len(paths) // _FILES_WORTH_A_THREAD)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    if not threads:
        work()
    for thread in threads:
        thread.join()
    if failures:
        path, failure = min(failures.items(), key=lambda item: item[0])
        raise _translated(failure, path) if isinstance(failure, OSError) else failure
    return hashed


def _record(full: bytes, path: bytes) -> tuple[bytes, bool]:
    """Return the record of one path, and whether it is an LFS pointer; opens regular files only."""
    mode = os.lstat(full).st_mode
    if stat.S_ISREG(mode):
        return _regular_record(full, path)
    if stat.S_ISLNK(mode):
        return LINK + b" " + blob_id(os.readlink(full)).encode(), False
    if stat.S_ISDIR(mode):
        raise _changed(path)
    return b"%06o -" % stat.S_IFMT(mode), False


def _regular_record(full: bytes, path: bytes) -> tuple[bytes, bool]:
    # O_NOFOLLOW and O_NONBLOCK: a link or a FIFO may have taken the file's place since lstat.
    handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise _changed(path)
        digest = hashlib.sha1(b"blob %d\0" % before.st_size, usedforsecurity=False)
        data = os.read(handle, _CHUNK)
        head, size = data[: len(LFS_POINTER)], 0
        while data:
            digest.update(data)
            size += len(data)
            data = os.read(handle, _CHUNK) if size < before.st_size else b""
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if size != before.st_size or _stamp(before) != _stamp(after):
        raise _changed(path)
    mode = EXECUTABLE if before.st_mode & stat.S_IXUSR else FILE
    is_pointer = head == LFS_POINTER and size < LFS_POINTER_LIMIT
    return mode + b" " + digest.hexdigest().encode(), is_pointer


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _changed(path: bytes) -> ContextChanged:
    return ContextChanged(f"{shown(path)} changed while it was being read", hint="run again when nothing writes")


def refuse_pointers(pointers: Sequence[bytes]) -> None:
    """Raise CheckoutError when any file is a Git LFS pointer: the image would hold the pointer, not the content."""
    if pointers:
        raise CheckoutError(
            f"Git LFS pointers instead of content: {shown_all(pointers)}",
            hint="git lfs install --local && git lfs pull",
        )


def read_inside(base: bytes, path: str) -> bytes | None:
    """Return the bytes of the regular file at ``path`` below ``base``, following links that stay below it.

    ``None`` where there is no such file: absent, a directory, a FIFO, a link that leads out or in circles. Raises
    UnreadableFile and, for ``..`` or an absolute path, InputError.
    """
    clean = clean_path(path)
    full = os.path.realpath(base + clean)
    if not full.startswith(base):
        return None
    try:
        handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise _translated(error, clean) from error
    except OSError:  # absent, a loop of links, a socket, a name too long to exist
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(handle)


def link_text(base: bytes, path: str) -> str:
    """Return the text of the link at ``path`` below ``base``, ``""`` when there is none."""
    try:
        return os.fsdecode(os.readlink(base + clean_path(path)))
    except OSError:
        return ""


def merged(records: dict[bytes, bytes], empty: Iterable[bytes]) -> Listing:
    """Return the listing of ``records`` (of leaves) and of ``empty`` directories."""
    records.update(dict.fromkeys(empty, EMPTY_DIRECTORY_RECORD))
    paths = sorted(records)
    return Listing(paths, [records[path] for path in paths])


def split_unsent(paths: Sequence[bytes], unsent: Unsent | None) -> tuple[list[bytes], list[bytes]]:
    """Return the files that some build may be sent, and the others, which need not be read."""
    if unsent is None:
        return list(paths), []
    wanted: list[bytes] = []
    dropped: list[bytes] = []
    for path in paths:
        (dropped if unsent(path, is_directory=False) else wanted).append(path)
    return wanted, dropped


def with_emptied(listing: Listing, dropped: Sequence[bytes]) -> Listing:
    """Return ``listing`` with the directories in which nothing is left after leaving out the ``dropped`` files."""
    parents = {parent for path in dropped if (parent := path.rpartition(b"/")[0])}
    emptied = [parent for parent in parents if not listing.spans(parent)]
    if not emptied:
        return listing
    return Listing.of([*listing, *((parent, EMPTY_DIRECTORY_RECORD) for parent in emptied)])


@dataclass(frozen=True, slots=True)
class DirectoryTree:
    """A directory without git, such as a CodePipeline source bundle; implements :class:`pipeline_kit.ports.Tree`.

    Every byte is read, so it is slower than a work tree; the listing is the same.
    """

    root: Path
    allow_lfs_pointers: bool = False

    def listing(
        self, directories: Sequence[str], *, include_git: bool = False, unsent: Unsent | None = None
    ) -> Listing:
        """Return everything below ``directories``; raises CheckoutError subclasses, InputError for paths outside."""
        base = base_of(self.root)
        found = scan(base, clean_directories(directories), include_git=include_git, unsent=unsent)
        wanted, dropped = split_unsent(found.leaves, unsent)
        hashed = hash_paths(base, wanted)
        if not self.allow_lfs_pointers:
            refuse_pointers(hashed.pointers)
        return with_emptied(merged(hashed.records, found.empty), dropped)

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside the root; ``None`` if absent."""
        return read_inside(base_of(self.root), path)

    def read_link(self, path: str) -> str:
        """Return the text of the link at ``path``, ``""`` when there is none."""
        return link_text(base_of(self.root), path)

    def describe(self) -> str:
        """Return what this is, for people."""
        return "directory without git"


def regular_sizes(base: bytes, paths: Iterable[bytes]) -> Iterator[int]:
    """Yield the size in bytes of each path without following links, -1 where it is gone."""
    for path in paths:
        try:
            yield os.lstat(base + path).st_size
        except OSError:
            yield -1
