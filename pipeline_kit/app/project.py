"""Phase one: the configuration and the tree it describes."""

from __future__ import annotations

import os
import stat
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.app.outset import CONFIG_NAMES, MANY_IMAGES, config_above, config_named
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pipeline_kit.adapters.directory import DirectoryTree
    from pipeline_kit.app.ahead import Beginning
    from pipeline_kit.config import Config, PathKind
    from pipeline_kit.ports.checkout import History, Tree

_MAX_CONFIG = 1 << 20
_MOST_LEVELS = 100
"""Directories on the way to a path that are remembered one by one."""


class Project(NamedTuple):
    """A configuration, the tree it lies in, and where the one is in the other."""

    config: Config
    config_path: Path
    root: Path
    """The tree's root: git's top level, or the configuration's directory where there is no git."""
    prefix: str
    """The configuration's directory relative to ``root``; ``.`` at the root."""
    tree: Tree
    history: History | None

    def close(self) -> None:
        """End what git was asked ahead of time and nobody used."""
        from pipeline_kit.adapters.git.worktree import WorkTree

        if isinstance(self.tree, WorkTree):
            self.tree.close()

    def in_tree(self, path: str) -> str:
        """Return a configuration path relative to the tree's root."""
        return in_tree(self.prefix, path)

    def absolute(self, path: str) -> Path:
        """Return a configuration path as an absolute path of this machine."""
        return self.root / self.in_tree(path)


@lru_cache(maxsize=1 << 16)
def in_tree(prefix: str, path: str) -> str:
    """Return ``path``, written in a configuration in directory ``prefix``, relative to the tree's root."""
    from pipeline_kit.config.paths import join

    return join(prefix, path)


def find_config(directory: Path, named: str | None) -> Path:
    """Return the configuration file: ``named``, or the nearest one in ``directory`` or above.

    Raises InputError when there is none.
    """
    if named is not None:
        found = config_named(str(directory), named)
        if found is None:
            raise InputError(f"{named}: no such file", hint="give the configuration with --config FILE")
        return Path(found)
    found = config_above(str(directory))
    if found is None:
        raise InputError(
            f"no {CONFIG_NAMES[0]} in {directory} or above it",
            hint="pipeline-kit init writes one; or name it with --config FILE",
        )
    return Path(found)


def read_config_bytes(path: Path) -> bytes:
    """Return the bytes of a configuration file. Raises InputError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_CONFIG + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def open_project(
    directory: Path,
    named: str | None,
    environ: Mapping[str, str],
    *,
    allowed: Iterable[str] = (),
    ahead: Beginning | None = None,
) -> Project:
    """Read and check the configuration and open the tree around it; ``allowed`` goes beyond what the file allows.

    ``ahead`` is used where it is of the same checkout. Raises ConfigError, InputError or a CheckoutError subclass.
    """
    from pipeline_kit.adapters.git.repository import find_toplevel
    from pipeline_kit.adapters.git.worktree import WorkTree, open_tree

    path = find_config(directory, named)
    data = read_config_bytes(path)
    home = Path(os.path.realpath(path.parent))
    root = find_toplevel(home) or home
    tree: WorkTree | DirectoryTree
    begun = ahead.wait() if ahead is not None else None
    if begun is not None and begun.tree.root == root:
        rules, tree, history = begun.allowed, begun.tree, begun.history
    else:
        rules = set()
        tree, history = open_tree(root, allowed=rules)
    rules.update(allowed)
    try:
        if isinstance(tree, WorkTree) and len(data) > MANY_IMAGES:
            tree.start_early()
        shown = os.path.relpath(path, directory) if named is None else named
        config = _load(data, shown, environ, PathProbe(home, root), disk_reader(home))
        rules.update(config.allow)
    except BaseException:
        if isinstance(tree, WorkTree):
            tree.close()
        raise
    return Project(config, path, root, home.relative_to(root).as_posix(), tree, history)


def read_config(directory: Path, named: str | None, environ: Mapping[str, str]) -> Config:
    """Return the configuration alone, without opening the tree. Raises ConfigError or InputError."""
    from pipeline_kit.adapters.git.repository import find_toplevel

    path = find_config(directory, named)
    home = Path(os.path.realpath(path.parent))
    shown = os.path.relpath(path, directory) if named is None else named
    probe = PathProbe(home, find_toplevel(home) or home)
    return _load(read_config_bytes(path), shown, environ, probe, disk_reader(home))


def disk_reader(home: Path) -> Callable[[str], bytes | None]:
    """Return what reads files beside a configuration in ``home``; it answers ``None`` for one that is not there."""

    def read(path: str) -> bytes | None:
        return read_config_bytes(home / path) if (home / path).is_file() else None

    return read


def _load(
    data: bytes,
    name: str,
    environ: Mapping[str, str],
    exists: Callable[[str], PathKind],
    read: Callable[[str], bytes | None],
) -> Config:
    from pipeline_kit.app.imports import ImportedFiles
    from pipeline_kit.config import load  # takes a while, in which git is at work already

    return load(data, name, environ=environ, exists=exists, source=ImportedFiles(read, environ))


def load_at(project: Project, tree: Tree, environ: Mapping[str, str]) -> Project:
    """Return ``project`` as another tree of the same repository holds it. Raises InputError and ConfigError."""
    path = (Path(os.path.realpath(project.config_path.parent)) / project.config_path.name).relative_to(project.root)
    data = tree.read(path.as_posix())
    if data is None:
        raise InputError(f"{tree.describe()} has no {path.as_posix()}")

    def read(path: str) -> bytes | None:
        return tree.read(in_tree(project.prefix, path))

    config = _load(data, project.config.file, environ, _exists(tree, project.prefix), read)
    return project._replace(config=config, tree=tree)


def _exists(tree: Tree, prefix: str) -> Callable[[str], PathKind]:
    from pipeline_kit.config import PathKind

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


@value_class()
class PathProbe:
    """Answers what lies at a path, links followed, for the configuration's checks."""

    home: Path
    root: Path
    _met: dict[str, tuple[str, int]] = field(default_factory=dict, repr=False, compare=False)
    """Absolute paths, each with where it really is and with its mode; the directories of a thousand paths are few."""

    @cached_property
    def _ends(self) -> tuple[str, str]:
        """Return both directories with a slash at their ends."""
        home, root = (os.fspath(path).rstrip("/") + "/" for path in (self.home, self.root))
        return home, root

    def __call__(self, path: str) -> PathKind:
        """Return what ``path``, relative to ``home``, leads to; OUTSIDE where that is not below ``root``."""
        from pipeline_kit.config import PathKind

        home, root = self._ends
        real, mode = self._look(path if path.startswith("/") else home + path)
        if real != root[:-1] and not real.startswith(root):
            return PathKind.OUTSIDE
        if stat.S_ISDIR(mode):
            return PathKind.DIRECTORY
        return PathKind.FILE if stat.S_ISREG(mode) else PathKind.MISSING

    def _look(self, path: str) -> tuple[str, int]:
        """Return where ``path`` leads, every link followed, and the mode there, 0 where nothing is."""
        if path not in self._met:
            parent, _, name = path.rpartition("/")
            is_plain = parent and name not in ("", ".", "..") and parent.count("/") < _MOST_LEVELS
            real = f"{self._look(parent)[0].rstrip('/')}/{name}" if is_plain else os.path.realpath(path)
            try:
                mode = os.lstat(real).st_mode
                if stat.S_ISLNK(mode):
                    real = os.path.realpath(real)
                    mode = os.stat(real).st_mode  # noqa: PTH116 - text, asked a thousand times
            except OSError:
                mode = 0
            self._met[path] = real, mode
        return self._met[path]
