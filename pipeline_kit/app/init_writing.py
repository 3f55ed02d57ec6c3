"""New files, all of them or none."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.files import check_writable, make_directory, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class NewFile(NamedTuple):
    """A file to write."""

    path: Path
    data: bytes


def refuse_existing(paths: Sequence[Path]) -> None:
    """Raise InputError where something lies at one of ``paths``."""
    there = [path for path in paths if os.path.lexists(path)]
    if there:
        names = ", ".join(map(str, there))
        raise InputError(f"{names}: there already; nothing was written", hint="--force replaces, --print only shows")


def refuse_outside(paths: Sequence[Path], root: Path) -> None:
    """Raise InputError where a directory on the way to one of ``paths`` leads out of ``root`` (a real path)."""
    for path in paths:
        real = os.path.realpath(path.parent)
        if real != str(root) and not real.startswith(f"{str(root).rstrip('/')}/"):
            raise InputError(f"{path}: its directory leads out of the repository, to {real}")


def write_all(files: Sequence[NewFile]) -> None:
    """Write every file, or none of those that were not there before.

    Each appears whole under its name. When writing fails or is interrupted in between, those that this wrote and that
    replaced nothing go again, so that the same command can be given once more. Raises OutputFailed.
    """
    new: list[Path] = []
    made: list[Path] = []
    try:
        for file in files:
            made += _make_parents(file.path.parent)
            check_writable(file.path)
        for file in files:
            if not os.path.lexists(file.path):
                new.append(file.path)
            write_atomically(file.path, file.data)
    except BaseException:
        for path in new:
            with suppress(OSError):
                path.unlink()
        for directory in reversed(made):
            with suppress(OSError):
                directory.rmdir()
        raise


def _make_parents(directory: Path) -> list[Path]:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    make_directory(directory)
    return missing[::-1]
