"""Let git look at the checkout while the rest of the program is still being loaded.

Whatever is odd is left to the command, which meets it again and tells it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.beside import take_over
from pipeline_kit.adapters.git.worktree import WorkTree, open_tree
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pipeline_kit.adapters.git.history import GitHistory
    from pipeline_kit.app.outset import Outset


class Ahead(NamedTuple):
    """A checkout that git already looks at; ``allowed`` is the tree's own set, which may still grow."""

    tree: WorkTree
    history: GitHistory | None
    allowed: set[str]

    def close(self) -> None:
        """End what nobody used."""
        self.tree.close()


def begin(outset: Outset) -> Ahead | None:
    """Start git at the whole checkout, ``None`` where it cannot be; then nothing is at work there any more."""
    left = outset.finding
    try:
        allowed: set[str] = set()
        tree, history = open_tree(Path(outset.root), allowed=allowed)
        if not isinstance(tree, WorkTree):
            return None
        finding, left = left, None
        tree.start_early(finding)
        if outset.tells_why:
            tree.look_back()
    except (PipelineKitError, OSError, ValueError):
        return None
    finally:
        if left is not None:
            take_over(left, Path(outset.root)).close()
    return Ahead(tree, history, allowed)


class Beginning:
    """:func:`begin` beside what the caller does meanwhile: git is mostly waited for."""

    def __init__(self, outset: Outset) -> None:
        self._begun: list[Ahead | None] = []
        self._thread = threading.Thread(target=lambda: self._begun.append(begin(outset)), name="ahead", daemon=True)
        self._thread.start()

    def wait(self) -> Ahead | None:
        """Wait for git to be started and return the checkout."""
        self._thread.join()
        return self._begun[0] if self._begun else None

    def close(self) -> None:
        """End what nobody used."""
        ahead = self.wait()
        if ahead is not None:
            ahead.close()
