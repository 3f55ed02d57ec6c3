"""A directory as it stands on disk: what BuildKit would send, without any help from git.

Paths are bytes below one root, as in :mod:`pipeline_kit.snapshot`. Links are recorded by their text and never followed,
so neither a loop nor a link to a secret can lead out of the root. FIFOs, sockets and devices are recorded and never
opened. ``.git`` entries (directory or file, at any depth) count only where the caller asks for them: their bytes change
with every commit.
"""

# ruff: noqa: PTH112, PTH114, PTH115, PTH120 - names are bytes, which pathlib does not take
from __future__ import annotations

import errno
import os
import stat
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pipeline_kit.errors import CheckoutError, ContextChanged, InputError, UnreadableFile
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline_kit.ports.checkout import Unsent


_DESCRIPTORS = b"/proc/self/fd"
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAMES_IN_A_MESSAGE = 20
_PIECE = 1 << 16


@value_class()
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


@lru_cache(maxsize=1 << 14)
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
        if is_directory(base, path):
            _walk(base, path, found, include_git=include_git, unsent=unsent)
        elif os.path.lexists(base + path):
            found.leaves.append(path)
    return found


def is_directory(base: bytes, path: bytes) -> bool:
    """Return whether an asked path is a directory.

    Raises InputError for a link on the way: it would list files under two names.
    """
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
            raise translated(error, prefix) from error
        if is_empty and prefix:
            found.empty.append(prefix[:-1])


def is_bare(base: bytes, directory: bytes, unsent: Unsent | None) -> bool:
    """Return whether a walk of ``directory`` meets nothing in it that counts as its content. Raises as :func:`scan`."""
    try:
        with os.scandir(base + directory) as entries:
            return all(entry.name == b".git" or _is_closed(entry, directory, unsent) for entry in entries)
    except OSError as error:
        raise translated(error, directory) from error


def _is_closed(entry: os.DirEntry[bytes], directory: bytes, unsent: Unsent | None) -> bool:
    path = directory + b"/" + entry.name
    return entry.is_dir(follow_symlinks=False) and unsent is not None and unsent(path, is_directory=True)


def translated(error: OSError, path: bytes) -> CheckoutError:
    """Return the error for a path that the walk had just seen."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ContextChanged(f"{shown(path)} went away while it was being read", hint="run again when nothing writes")
    reason = error.strerror or type(error).__name__
    return UnreadableFile(f"cannot read {shown(path)}: {reason}", hint="make it readable, or list it in .dockerignore")


def read_inside(base: bytes, path: str) -> bytes | None:
    """Return the bytes of the regular file at ``path`` below ``base``, following links that stay below it.

    ``None`` where there is no such file: absent, a directory, a FIFO, a link that leads out or in circles. Raises
    UnreadableFile and, for ``..`` or an absolute path, InputError.
    """
    clean = clean_path(path)
    try:
        handle = _open_inside(base, clean)
    except PermissionError as error:
        raise translated(error, clean) from error
    except OSError:  # absent, a loop of links, a socket, a name too long to exist
        return None
    return _content(handle) if handle is not None else None


def look_inside(base: bytes, path: str) -> bytes | str | None:
    """Return what :func:`read_inside` does, but where ``path`` itself is a link its text. Raises the same."""
    try:
        handle = _open_plain(base, clean_path(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # which reading it tells
        handle = None
    return _content(handle) if handle is not None else link_text(base, path) or read_inside(base, path)


def _content(handle: int) -> bytes | None:
    """Return the bytes of the regular file that is open, ``None`` for anything else, and close it."""
    try:
        status = os.fstat(handle)
        return _read_all(handle, status.st_size) if stat.S_ISREG(status.st_mode) else None
    finally:
        os.close(handle)


def _read_all(handle: int, size: int) -> bytes:
    pieces = [os.read(handle, size + 1)]
    if len(pieces[0]) == size:  # and nothing comes after it
        return pieces[0]
    while piece := os.read(handle, _PIECE):
        pieces.append(piece)
    return b"".join(pieces)


def _open_inside(base: bytes, path: bytes) -> int | None:
    """Open what ``path`` leads to, ``None`` where that is outside; opens nothing outside but a plain last name."""
    handle = _open_plain(base, path)
    if handle is not None:
        return handle
    full = os.path.realpath(base + path)
    return os.open(full, _FLAGS) if full.startswith(base) else None


def _open_plain(base: bytes, path: bytes) -> int | None:
    """Open what lies at ``path`` itself, ``None`` where that is a link, or behind one, or where it cannot be told.

    One question to the kernel instead of one for each directory on the way.
    """
    if not _shows_descriptors():
        return None
    try:
        handle = os.open(base + path, _FLAGS)
    except OSError as error:
        if error.errno != errno.ELOOP:  # else a link
            raise
        return None
    return handle if _is_at(handle, base + path) else None


def _is_at(handle: int, full: bytes) -> bool:
    """Return whether what is open is what lies at ``full`` and behind no link; closes it where it does not."""
    is_there = False
    try:
        is_there = os.readlink(_DESCRIPTORS + b"/%d" % handle) == full
    finally:
        if not is_there:
            os.close(handle)
    return is_there


@cache
def _shows_descriptors() -> bool:
    return os.path.isdir(_DESCRIPTORS)


def link_text(base: bytes, path: str) -> str:
    """Return the text of the link at ``path`` below ``base``, ``""`` when there is none."""
    try:
        return os.fsdecode(os.readlink(base + clean_path(path)))
    except OSError:
        return ""
