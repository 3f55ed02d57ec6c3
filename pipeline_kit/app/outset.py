"""The outset of a command: where its configuration and checkout are. Loads next to nothing.

Loading the command line takes as long as find and git need for thousands of files, so they go on at once. What is found
out here is only where to look; whatever is odd is left to the command, which meets it again and tells it.
"""

# ruff: noqa: PTH100, PTH110, PTH113, PTH116, PTH118, PTH120 - pathlib takes long to load
from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.find import is_large, spawn_find, toplevel_above
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.adapters.git.find import Finding

CONFIG_NAMES = ("pipeline-kit.yaml", "pipeline-kit.yml")
MANY_IMAGES = 4096
"""Bytes of a configuration whose images most likely cover the checkout: git may begin before they are known."""
_LISTING = frozenset(
    {"alias", "build", "codepipeline", "ecs", "emit", "explain", "join", "plan", "promote", "scan", "tag"}
)
"""Commands that begin with the tags of the work tree."""
_TELLING = frozenset({"plan", "build"})
"""Of these, those that say why an image is not there yet."""
_FLAGS = frozenset({"-v", "-q", "--verbose", "--quiet", "--color", "--no-color"})
_VALUED = frozenset({"-C", "--config", "--log-format"})


class Outset(NamedTuple):
    """A command that will most likely list the whole checkout ``root`` (a real path), where find may be at work.

    ``tells_why``: what differs from HEAD will be asked as well.
    """

    root: str
    tells_why: bool
    finding: Finding | None


def set_out(arguments: Sequence[str], environ: Mapping[str, str]) -> Outset | None:
    """Return the outset of the command in ``arguments``, ``None`` where it lists nothing, or a part of the checkout.

    A few images of a large checkout are asked for by themselves, once they are known.
    """
    place = _place(arguments, environ)
    if place is None:
        return None
    directory, named = place
    try:
        config = config_named(directory, named) if named is not None else config_above(directory)
        root = toplevel_above(os.path.realpath(os.path.dirname(config))) if config is not None else None
        if config is None or root is None:
            return None
        large = is_large(root)
        if large and os.stat(config).st_size <= MANY_IMAGES:
            return None
        return Outset(root, not _TELLING.isdisjoint(arguments), spawn_find(root) if large else None)
    except (OSError, ValueError):
        return None


def config_named(directory: str, name: str) -> str | None:
    """Return the configuration file ``name`` of ``directory``, ``None`` where it is no file."""
    path = os.path.join(directory, name)
    return path if os.path.isfile(path) else None


def config_above(directory: str) -> str | None:
    """Return the nearest configuration file in ``directory`` or above, ``None`` where the checkout has none there."""
    place = os.path.abspath(directory)  # its real path would follow a linked directory
    while True:
        for name in CONFIG_NAMES:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                return path
        above = os.path.dirname(place)
        if os.path.exists(os.path.join(place, ".git")) or above == place:
            return None
        place = above


def _place(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, str | None] | None:
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
            return (given.get("-C", "."), given.get("--config")) if is_listing else None
    return None
