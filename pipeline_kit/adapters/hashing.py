"""Files' bytes as git's blob ids, read without following a link or waiting for a FIFO."""

# ruff: noqa: PTH115 - names are bytes, which pathlib does not take
from __future__ import annotations

import hashlib
import math
import os
import stat
import threading
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import shown, shown_all, translated
from pipeline_kit.errors import CheckoutError, ContextChanged
from pipeline_kit.snapshot import EXECUTABLE, FILE, LINK, blob_id
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LFS_POINTER_START = b"version https://git-lfs.github.com/spec/"
LFS_POINTER_LIMIT = 1024
"""A pointer file is smaller than this many bytes (git-lfs specification, docs/spec.md)."""
_CHUNK = 1 << 20
_LARGE = 1 << 16
"""Bytes from which on a file is worth a thread: below, threads only wait for the interpreter's lock."""


@value_class()
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
    large: list[bytes] = []

    def work(queue: Iterator[bytes], *, limit: float = math.inf) -> None:
        for path in queue:
            try:
                status = os.lstat(base + path)
                if status.st_size >= limit:
                    large.append(path)
                    continue
                hashed.records[path], is_pointer = _record(base + path, path, status)
            except (OSError, CheckoutError) as error:
                failures[path] = error
                return
            if is_pointer:
                hashed.pointers.append(path)

    work(iter(paths), limit=_LARGE)
    queue = iter(large)
    count = min(os.cpu_count() or 1, 8, len(large))
    threads = [threading.Thread(target=work, args=(queue,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        path, failure = min(failures.items(), key=lambda item: item[0])
        raise translated(failure, path) if isinstance(failure, OSError) else failure
    return hashed


def _record(full: bytes, path: bytes, status: os.stat_result) -> tuple[bytes, bool]:
    """Return the record of one path, and whether it is an LFS pointer; opens regular files only."""
    mode = status.st_mode
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
        data = os.read(handle, min(_CHUNK, before.st_size + 1))  # what is made room for takes time
        head, size = data[: len(LFS_POINTER_START)], 0
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
    is_pointer = head == LFS_POINTER_START and size < LFS_POINTER_LIMIT
    return mode + b" " + digest.hexdigest().encode(), is_pointer


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _changed(path: bytes) -> ContextChanged:
    return ContextChanged(f"{shown(path)} changed while it was being read", hint="run again when nothing writes")


def refuse_pointers(pointers: Sequence[bytes]) -> None:
    """Raise CheckoutError when any file is a Git LFS pointer: the image would hold the pointer, not the content."""
    refuse(pointers, "Git LFS pointers instead of content", "git lfs install --local && git lfs pull")


def refuse(paths: Sequence[bytes], what: str, hint: str) -> None:
    """Raise CheckoutError where there are any ``paths``, of which ``what`` is true."""
    if paths:
        raise CheckoutError(f"{what}: {shown_all(paths)}", hint=hint)


def regular_sizes(base: bytes, paths: Iterable[bytes]) -> Iterator[int]:
    """Yield the size in bytes of each path without following links, -1 where it is gone."""
    for path in paths:
        try:
            yield os.lstat(base + path).st_size
        except OSError:
            yield -1
