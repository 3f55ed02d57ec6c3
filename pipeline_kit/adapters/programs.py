"""Programs of this machine. Loads next to nothing: some are started before the rest of the program is loaded."""

# ruff: noqa: PTH113, PTH117, PTH118 - pathlib takes long to load
from __future__ import annotations

import os

_PATIENCE = 19
"""Steps of niceness, a tenth of a processor that is wanted: one process of git has twenty threads, and we have one."""


def find_program(name: str, search_path: str) -> str | None:
    """Return the absolute path of program ``name`` in ``search_path`` (like ``PATH``), or ``None``.

    Relative entries are skipped: a process may start inside the checkout, where ``.`` could hold somebody's program.
    """
    for directory in search_path.split(os.pathsep):
        candidate = os.path.join(directory, name)
        if os.path.isabs(directory) and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


def make_patient(pid: int) -> None:
    """Let others go before a process: what it finds out is wanted later than what we do meanwhile."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _PATIENCE)
    except OSError:
        return
