"""Phase one: the configuration and the tree it describes."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.config import PathKind, load
from pipeline_kit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.config import Config
    from pipeline_kit.ports import History, Tree

CONFIG_NAMES = ("pipeline-kit.yaml", "pipeline-kit.yml")
_MAX_CONFIG = 1 << 20


@dataclass(frozen=True, slots=True)
class Project:
    """A configuration, the tree it lies in, and where the one is in the other."""

    config: Config
    config_path: Path
    root: Path
    """The tree's root: git's top level, or the configuration's directory where there is no git."""
    prefix: str
    """The configuration's directory relative to ``root``; ``.`` at the root."""
    tree: Tree
    history: History | None

    def in_tree(self, path: str) -> str:
        """Return a configuration path relative to the tree's root."""
        return in_tree(self.prefix, path)

    def absolute(self, path: str) -> Path:
        """Return a configuration path as an absolute path of this machine."""
        return self.root / self.in_tree(path)


def in_tree(prefix: str, path: str) -> str:
    """Return ``path``, written in a configuration in directory ``prefix``, relative to the tree's root."""
    return posixpath.normpath(posixpath.join(prefix, path))


def find_config(directory: Path, named: str | None) -> Path:
    """Return the configuration file: ``named``, or the nearest one in ``directory`` or above.

    Raises InputError when there is none.
    """
    if named is not None:
        path = directory / named
        if not path.is_file():
            raise InputError(f"{named}: no such file", hint="give the configuration with --config FILE")
        return path
    start = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would follow a linked directory
    for place in (start, *start.parents):
        for name in CONFIG_NAMES:
            if (place / name).is_file():
                return place / name
        if (place / ".git").exists():
            break
    raise InputError(
        f"no {CONFIG_NAMES[0]} in {directory} or above it", hint="write one, or name it with --config FILE"
    )


def read_config_bytes(path: Path) -> bytes:
    """Return the bytes of a configuration file. Raises InputError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_CONFIG + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def open_project(directory: Path, named: str | None, environ: Mapping[str, str]) -> Project:
    """Read and check the configuration and open the tree around it.

    Raises ConfigError, InputError or a CheckoutError subclass.
    """
    from pipeline_kit.adapters.git.repository import find_toplevel
    from pipeline_kit.adapters.git.worktree import open_tree

    path = find_config(directory, named)
    home = Path(os.path.realpath(path.parent))
    root = find_toplevel(home) or home
    tree, history = open_tree(root)
    shown = os.path.relpath(path, directory) if named is None else named
    config = load(read_config_bytes(path), shown, environ=environ, exists=PathProbe(home, root))
    return Project(config, path, root, home.relative_to(root).as_posix(), tree, history)


def load_at(project: Project, tree: Tree, environ: Mapping[str, str]) -> Project:
    """Return ``project`` as another tree of the same repository holds it. Raises InputError and ConfigError."""
    path = (Path(os.path.realpath(project.config_path.parent)) / project.config_path.name).relative_to(project.root)
    data = tree.read(path.as_posix())
    if data is None:
        raise InputError(f"{tree.describe()} has no {path.as_posix()}")
    config = load(data, project.config.file, environ=environ, exists=_exists(tree, project.prefix))
    return replace(project, config=config, tree=tree)


def _exists(tree: Tree, prefix: str) -> Callable[[str], PathKind]:
    whole = tree.listing(["."])

    def kind(path: str) -> PathKind:
        place = in_tree(prefix, path)
        if place == ".." or place.startswith("../"):
            return PathKind.OUTSIDE
        name = place.encode("utf-8", "surrogateescape")
        if whole.get(name) is not None:
            return PathKind.FILE
        return PathKind.DIRECTORY if whole.under(name).paths else PathKind.MISSING

    return kind


@dataclass(frozen=True, slots=True)
class PathProbe:
    """Answers what lies at a path, links followed, for the configuration's checks."""

    home: Path
    root: Path

    def __call__(self, path: str) -> PathKind:
        """Return what ``path``, relative to ``home``, leads to; OUTSIDE where that is not below ``root``."""
        real = Path(os.path.realpath(self.home / path))
        if real != self.root and self.root not in real.parents:
            return PathKind.OUTSIDE
        if real.is_dir():
            return PathKind.DIRECTORY
        return PathKind.FILE if real.is_file() else PathKind.MISSING
