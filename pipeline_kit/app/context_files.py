"""What a context sends, entry by entry, for builders that are handed a tar: the same listing the key was made from."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline_kit.errors import ContextChanged
from pipeline_kit.ports.builder import ContextFile
from pipeline_kit.snapshot import SPECIAL_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.snapshot import Listing


def context_files(context: Path, listing: Listing) -> Iterator[ContextFile]:
    """Yield the entries of ``listing`` below ``context``, each directory before what it holds.

    FIFOs and other special files stay out. Raises ContextChanged when an entry is gone.
    """
    base = os.fsencode(context)
    seen: set[bytes] = set()
    for path, record in listing:
        for directory in _above(path):
            if directory not in seen:
                seen.add(directory)
                yield _entry(base, directory)
        if not record.startswith(SPECIAL_KINDS):
            yield _entry(base, path)


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")[:-1]
    return [b"/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _entry(base: bytes, path: bytes) -> ContextFile:
    full = base + b"/" + path
    try:
        mode = os.lstat(full).st_mode
        link = os.readlink(full) if stat.S_ISLNK(mode) else b""  # noqa: PTH115 - bytes
    except OSError as error:
        raise ContextChanged(f"{os.fsdecode(path)!r} went away while it was read", hint="build again") from error
    return ContextFile(path, mode, full, link)
