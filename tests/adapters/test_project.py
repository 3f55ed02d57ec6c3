"""What lies at the paths of a configuration, and what a tree holds at one, links followed and told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters import filesystem
from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.git.worktree import open_tree
from pipeline_kit.app.project import PathProbe
from pipeline_kit.config import PathKind

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.git_checkout import Checkout

PLACES = {
    "config/app": PathKind.DIRECTORY,
    "config/app/file": PathKind.FILE,
    "config/to-file": PathKind.FILE,
    "config/to-app/file": PathKind.FILE,
    "config/to-app/../app": PathKind.DIRECTORY,
    "config/to-above": PathKind.DIRECTORY,
    "config/to-above/config/app/file": PathKind.FILE,
    "config/to-outside": PathKind.OUTSIDE,
    "config/to-outside/file": PathKind.OUTSIDE,
    "config/to-outside/absent": PathKind.OUTSIDE,
    "config/to-outside/../place/config/app": PathKind.DIRECTORY,
    "config/to-link": PathKind.FILE,
    "config/loop": PathKind.MISSING,
    "config/loop/file": PathKind.MISSING,
    "config/absent": PathKind.MISSING,
    "config/absent/file": PathKind.MISSING,
    "config/app/file/below": PathKind.MISSING,
    "config/fifo": PathKind.MISSING,
    "config/..": PathKind.DIRECTORY,
    "config/../..": PathKind.OUTSIDE,
    "config/app/": PathKind.DIRECTORY,
    "config/" + "app/" * 1500 + "x": PathKind.MISSING,
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a directory with links of every kind, beside one with another file."""
    root = tmp_path / "place"
    home = root / "config"
    (home / "app").mkdir(parents=True)
    (home / "app/file").write_text("content")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("secret")
    for name, target in {
        "to-file": "app/file",
        "to-app": "app",
        "to-above": "..",
        "to-outside": "../../outside",
        "to-link": "to-file",
        "loop": "loop",
    }.items():
        (home / name).symlink_to(target)
    os.mkfifo(home / "fifo")
    return root


@pytest.mark.parametrize("order", [1, -1])
def test_every_path_is_followed_to_its_end(repository: Path, order: int) -> None:
    """In whatever order they are asked; the same again, and as absolute paths."""
    probe = PathProbe(repository / "config", repository)
    asked = list(PLACES.items())[::order]
    for path, kind in asked + asked:
        assert probe(path.removeprefix("config/")) is kind, path
        assert probe(f"{repository}/{path}") is kind, path


@pytest.mark.parametrize("shows_descriptors", [True, False])
def test_a_tree_tells_a_link_from_a_file(
    repository: Path, checkout: Checkout, shows_descriptors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a directory, a work tree and a commit, with and without the kernel's list of open files."""
    monkeypatch.setattr(filesystem, "_shows_descriptors", lambda: shows_descriptors)
    (repository / "config/fifo").unlink()
    repository.rename(checkout.root / "place")
    checkout.commit()
    tree, history = open_tree(checkout.root)
    assert history is not None
    commit = history.commit_tree(checkout.git("rev-parse", "HEAD").strip())
    assert commit is not None
    for found in (tree, commit, DirectoryTree(checkout.root)):
        assert found.look("place/config/app/file") == b"content"
        assert found.look("place/config/to-app/file") == b"content"
        assert found.look("place/config/to-file") == "app/file"
        assert found.look("place/config/loop") == "loop"
        assert found.look("place/config/to-outside") == "../../outside"
        assert found.look("place/config/to-outside/file") is None
        assert found.look("place/config/app") is None
        assert found.look("place/config/absent") is None
        assert found.look("place/config/app/file/below") is None
