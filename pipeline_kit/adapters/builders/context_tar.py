"""A build context as a tar stream made here, so that what is sent is what the ignore rules of this project say.

docker-py's own (``exclude_paths``) differ from BuildKit's in a dozen ways.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING

from pipeline_kit.errors import ContextChanged, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline_kit.ports.builder import ContextFile

_IGNORE = b".dockerignore"


def write_context(files: Iterable[ContextFile], dockerfile: bytes, in_context: bytes | None) -> tuple[IO[bytes], str]:
    """Return the context as an open, already unlinked file at its beginning, and the Dockerfile's name inside it.

    ``in_context`` is the path at which the very bytes of ``dockerfile`` are among ``files``; with ``None`` they are
    added under a name of their own, with a ``.dockerignore`` that makes the engine drop both before the first COPY (so
    that a ``.dockerignore`` of the context's own does not enter the image). Raises UnreadableFile and ContextChanged.
    """
    target = tempfile.TemporaryFile(prefix="pipeline-kit-context-")  # noqa: SIM115 - the caller closes it
    try:
        with tarfile.open(
            fileobj=target, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for file in files:
                if in_context is not None or file.path != _IGNORE:
                    _add(archive, file)
            name = in_context if in_context is not None else _add_dockerfile(archive, dockerfile)
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return target, os.fsdecode(name)


def _add_dockerfile(archive: tarfile.TarFile, dockerfile: bytes) -> bytes:
    name = f".pipeline-kit-{hashlib.sha256(dockerfile).hexdigest()[:20]}".encode()
    for path, data in ((name, dockerfile), (_IGNORE, _IGNORE + b"\n" + name + b"\n")):
        entry = tarfile.TarInfo(os.fsdecode(path))
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return name


def _add(archive: tarfile.TarFile, file: ContextFile) -> None:
    entry = tarfile.TarInfo(os.fsdecode(file.path))
    entry.mode = stat.S_IMODE(file.mode)
    if stat.S_ISDIR(file.mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif stat.S_ISLNK(file.mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.fsdecode(file.link)
        archive.addfile(entry)
    else:
        _add_regular(archive, entry, file)


def _add_regular(archive: tarfile.TarFile, entry: tarfile.TarInfo, file: ContextFile) -> None:
    shown = file.path.decode("utf-8", "backslashreplace")
    try:
        # Neither following a link nor waiting for a FIFO that has taken the file's place since it was listed.
        descriptor = os.open(file.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableFile(f"{shown} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as source:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ContextChanged(f"{shown} is no regular file any more")
        entry.size, entry.mtime = status.st_size, int(status.st_mtime)
        try:
            archive.addfile(entry, source)
        except OSError as error:
            raise ContextChanged(f"{shown} changed while it was sent: {error}") from error
