"""Output files: written whole or not at all.

Every failure is an OutputFailed that names the file and the system's reason; what was there before stays intact.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline_kit.errors import OutputFailed

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file holding ``data``, keeping an existing file's permissions.

    A temporary file in the same directory is written, synced and renamed, so readers see the old bytes or the new ones.
    A symbolic link at ``path`` is replaced, not followed; a device or pipe (``/dev/stdout``) is written to directly.
    Raises OutputFailed.
    """
    try:
        kind = _kind(path)
        if kind is not None and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            append(path, data)
            return
        _replace(path, data, kind)
    except OSError as error:
        raise OutputFailed(f"cannot write {str(path)!r}: {_reason(error)}", hint=_hint(path, error)) from error


def check_writable(path: Path) -> None:
    """Raise OutputFailed now for a file that could not be written later, after all the work."""
    if path.is_dir():
        raise OutputFailed(f"cannot write {str(path)!r}: it is a directory", hint="name a file")
    if not os.access(path.parent, os.W_OK):
        why = "its directory cannot be written to" if path.parent.exists() else "its directory does not exist"
        raise OutputFailed(f"cannot write {str(path)!r}: {why}", hint="make the directory first, or name another")


def make_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it. Raises OutputFailed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"cannot make the directory {str(path)!r}: {_reason(error)}") from error


def append(path: Path, data: bytes, *, what: str = "") -> None:
    """Append ``data`` to ``path``, creating it if need be; after a failure nothing of ``data`` is left there.

    ``what`` describes the file in messages. A last line without its newline is ended first. Raises OutputFailed.
    """
    named = f"{what} ({str(path)!r})" if what else repr(str(path))
    try:
        handle = _open_to_append(path)
        try:
            _append(handle, data)
        finally:
            os.close(handle)
    except OSError as error:
        raise OutputFailed(f"cannot write {named}: {_reason(error)}", hint=_hint(path, error)) from error


def _open_to_append(path: Path) -> int:
    kind = _kind(path)
    access = os.O_RDWR if kind is None or stat.S_ISREG(kind) else os.O_WRONLY
    # Opened without blocking, so that a pipe without a reader is an error and not a wait.
    handle = os.open(path, access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    os.set_blocking(handle, True)
    return handle


def _append(handle: int, data: bytes) -> None:
    status = os.fstat(handle)
    is_regular = stat.S_ISREG(status.st_mode)
    size = status.st_size
    if is_regular and size and os.pread(handle, 1, size - 1) != b"\n":
        data = b"\n" + data
    try:
        _write_all(handle, data)
    except OSError:
        if is_regular:
            with suppress(OSError):
                os.ftruncate(handle, size)
        raise


def _replace(path: Path, data: bytes, kind: int | None) -> None:
    # The name is random, not a fixed ".tmp", because other processes may write the same file at the same time.
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if kind is not None and stat.S_ISREG(kind):
                os.fchmod(handle, stat.S_IMODE(kind))
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_directory(path: Path) -> None:
    # Some file systems cannot sync a directory; the file itself is already safe there.
    with suppress(OSError):
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _kind(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _hint(path: Path, error: OSError) -> str | None:
    if isinstance(error, FileNotFoundError):
        return f"the directory {str(path.parent)!r} must exist"
    return "name a file, not a directory" if isinstance(error, IsADirectoryError) else None
