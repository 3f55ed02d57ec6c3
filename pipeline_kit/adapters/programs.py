"""Programs of this machine. Loads next to nothing: some are started before the rest of the program is loaded."""

# ruff: noqa: PTH113, PTH117, PTH118 - pathlib takes long to load
from __future__ import annotations

import os


def find_program(name: str, search_path: str) -> str | None:
    """Return the absolute path of program ``name`` in ``search_path`` (like ``PATH``), or ``None``.

    Relative entries are skipped: a process may start inside the checkout, where ``.`` could hold somebody's program.
    """
    for directory in search_path.split(os.pathsep):
        candidate = os.path.join(directory, name)
        if os.path.isabs(directory) and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None
