"""Where a checkout is, and find at work in it. Loads next to nothing: find begins before the rest is loaded."""

# ruff: noqa: PTH113, PTH116, PTH118, PTH120 - pathlib takes long to load
from __future__ import annotations

import os

from pipeline_kit.adapters.programs import find_program
from pipeline_kit.named_tuple import NamedTuple

MARK = "\x01"
"""Stands before what is no file: one byte that few names hold, and none begins with here, is found at once."""
# The commonest first: a name is compared only of what is no file.
TESTS = ("-type", "f", "-print0", "-o", "-name", ".git", "-prune", "-o", "-printf", f"\\{ord(MARK):03o}%y%p\\0")
"""What find is asked (find(1)); BSD's knows no ``-printf``. What is called ``.git`` and is no file it passes by."""
LARGE_INDEX = 1 << 20
"""Bytes of an index, about 10,000 files, from which on find looks for what lies beside it."""


class Finding(NamedTuple):
    """find, looking at the whole of a directory from outside: its process id and what its streams go to.

    Of the paths that it writes, each that of the directory and what follows, the first ``cut`` bytes do not count.
    """

    pid: int
    stdout: int
    stderr: int
    cut: int


def toplevel_above(start: str) -> str | None:
    """Return the nearest directory at or above ``start`` (a real path) that holds a ``.git``, or ``None``.

    A directory that looks like a bare repository is never taken for one, unlike git's own search: a build context may
    be made to look so. A ``.git`` directory without ``HEAD`` is none for git either.
    """
    directory, above = start, os.path.dirname(start)
    while True:
        dot_git = os.path.join(directory, ".git")
        if os.path.lexists(f"{dot_git}/HEAD") or os.path.isfile(dot_git):
            return directory
        if above == directory:
            return None
        directory, above = above, os.path.dirname(above)


def is_large(toplevel: str) -> bool:
    """Return whether more processes cost less than a walk, and a part of it less than the whole checkout.

    Where the index lies elsewhere, most likely.
    """
    try:
        return os.stat(f"{toplevel}/.git/index").st_size >= LARGE_INDEX
    except NotADirectoryError:  # a linked worktree
        return True
    except OSError:
        return False


def spawn_find(directory: str) -> Finding | None:
    """Let find look at ``directory``, ``None`` where there is no find, or nowhere to write to."""
    program = find_program("find", os.environ.get("PATH", os.defpath))
    start = os.path.relpath(directory)
    if program is None or start.startswith(("-", MARK)) or not hasattr(os, "memfd_create"):
        return None
    stdout, stderr = (os.memfd_create("output", os.MFD_CLOEXEC) for _ in range(2))
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    try:
        pid = os.posix_spawn(program, [program, start, *TESTS], os.environ, file_actions=actions)
    except OSError:
        os.close(stdout)
        os.close(stderr)
        return None
    return Finding(pid, stdout, stderr, len(os.fsencode(start)) + 1)
