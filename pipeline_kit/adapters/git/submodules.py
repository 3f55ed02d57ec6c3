"""Submodules that are not checked out, those inside of submodules included."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline_kit.adapters.git.command import Git

_DOT_GIT = b"/.git"
_FILE = b".gitmodules"
_PATHS = r"^submodule\..*\.path$"


def absent_submodules(git: Git, base: bytes, modules: Iterable[bytes], asked: Sequence[bytes]) -> list[bytes]:
    """Return, in byte order, the submodules that hold no checkout; all paths are below ``base`` (with its slash).

    Of the tree itself these are among ``modules``, the index's; inside a submodule that is there, also one that holds
    an ``asked`` path, ``.gitmodules`` names them, and ``git clone`` has left an empty directory in the place of each.
    """
    own = frozenset(modules)
    waiting = [*own]
    if os.path.lexists(os.fsencode(git.toplevel) + b"/" + _FILE):
        waiting += repositories_around(base, asked)
    absent: set[bytes] = set()
    seen: set[bytes] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if os.path.lexists(base + module + _DOT_GIT):
            waiting += _inside(git, base, module)
        elif module in own or _is_empty(base + module):
            absent.add(module)
    return sorted(absent)


def repositories_around(base: bytes, asked: Iterable[bytes]) -> Iterator[bytes]:
    """Yield every repository inside the tree, submodule or not, in which an asked path lies: git itself stops there."""
    for path in asked:
        parts = path.split(b"/") if path else []
        for count in range(1, len(parts) + 1):
            directory = b"/".join(parts[:count])
            if os.path.lexists(base + directory + _DOT_GIT):
                yield directory


def _inside(git: Git, base: bytes, module: bytes) -> list[bytes]:
    """Return where the ``.gitmodules`` of a submodule puts its own; a broken file names none."""
    file = base + module + b"/" + _FILE
    if not os.path.lexists(file):
        return []
    answer = git.ask(["config", "-z", "--file", file, "--get-regexp", _PATHS])
    values = [entry.partition(b"\n")[2] for entry in answer.stdout.split(b"\0")[:-1]] if answer.status == 0 else []
    return [module + b"/" + value.strip(b"/") for value in values if b".." not in value.split(b"/")]


def _is_empty(directory: bytes) -> bool:
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is None
    except OSError:
        return False
