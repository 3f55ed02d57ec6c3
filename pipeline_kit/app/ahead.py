"""Let git look at the checkout while the rest of the program is still being loaded.

Loading the command line takes as long as git needs for thousands of files, so the two go on at once. What is found out
here is only where the checkout is; whatever is odd is left to the command, which meets it again and tells it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.adapters.git.questions import is_large
from pipeline_kit.adapters.git.repository import find_toplevel
from pipeline_kit.adapters.git.worktree import WorkTree, open_tree
from pipeline_kit.app.project import MANY_IMAGES, find_config
from pipeline_kit.errors import PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.adapters.git.history import GitHistory

_LISTING = frozenset(
    {"alias", "build", "codepipeline", "ecs", "emit", "explain", "join", "plan", "promote", "scan", "tag"}
)
"""Commands that begin with the tags of the work tree."""
_TELLING = frozenset({"plan", "build"})
"""Of these, those that say why an image is not there yet."""
_FLAGS = frozenset({"-v", "-q", "--verbose", "--quiet", "--color", "--no-color"})
_VALUED = frozenset({"-C", "--config", "--log-format"})


class Ahead(NamedTuple):
    """A checkout that git already looks at; ``allowed`` is the tree's own set, which may still grow."""

    tree: WorkTree
    history: GitHistory | None
    allowed: set[str]

    def close(self) -> None:
        """End what nobody used."""
        self.tree.close()


def begin(arguments: Sequence[str], environ: Mapping[str, str]) -> Ahead | None:
    """Start git for the command in ``arguments``, where it will most likely list the whole checkout; else ``None``.

    A few images of a large checkout are asked for by themselves, once they are known.
    """
    place = _place(arguments, environ)
    if place is None:
        return None
    directory, named = place
    try:
        config = find_config(directory, named)
        home = Path(os.path.realpath(config.parent))
        root = find_toplevel(home)
        if root is None or (config.stat().st_size <= MANY_IMAGES and is_large(root)):
            return None
        allowed: set[str] = set()
        tree, history = open_tree(root, allowed=allowed)
        if not isinstance(tree, WorkTree):
            return None
        tree.start_early()
        if not _TELLING.isdisjoint(arguments):
            tree.look_back()
    except (PipelineKitError, OSError, ValueError):
        return None
    return Ahead(tree, history, allowed)


def _place(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[Path, str | None] | None:
    """Return the directory and the configuration's name that the global options give, ``None`` for another command."""
    if "PIPELINE_KIT_DIRECTORY" in environ or "PIPELINE_KIT_CONFIG" in environ:
        return None
    given: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if word in _VALUED:
            given[word] = next(words, "")
        elif word not in _FLAGS:
            is_listing = word in _LISTING and not {"-h", "--help", "--commit"}.intersection(arguments)
            return (Path(given.get("-C", ".")), given.get("--config")) if is_listing else None
    return None
