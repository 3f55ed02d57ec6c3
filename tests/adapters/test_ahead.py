"""Git is at work before the command line is loaded, and nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.git import find
from pipeline_kit.app import ahead as ahead_module
from pipeline_kit.app import outset
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags

if TYPE_CHECKING:
    from fakes.git_checkout import Checkout

    from pipeline_kit.adapters.git.worktree import WorkTree

_CONFIG = "version: 1\nproject: p\nregistry: 127.0.0.1:1\nimages: {app: {context: app}}\n" + "# more\n" * 700


def begin(words: list[str], environ: dict[str, str]) -> ahead_module.Beginning | None:
    """Start as the command line does."""
    begun = outset.set_out(words, environ)
    return ahead_module.Beginning(begun) if begun is not None else None


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _tree(begun: ahead_module.Beginning) -> WorkTree:
    ahead = begun.wait()
    assert ahead is not None
    return ahead.tree


@pytest.fixture
def large(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout whose configuration is as long as that of a hundred images; it is the current directory."""
    checkout.write("pipeline-kit.yaml", _CONFIG)
    checkout.write("app/Dockerfile", "FROM scratch\nCOPY . /\n")
    checkout.write("app/file", "1")
    checkout.commit()
    monkeypatch.chdir(checkout.root)
    return checkout


@pytest.mark.parametrize(
    "words",
    [
        ["tag"],
        ["-C", ".", "tag", "--json"],
        ["-v", "--config", "pipeline-kit.yaml", "--log-format", "json", "plan", "--offline"],
    ],
)
def test_git_begins_for_commands_that_list(large: Checkout, words: list[str]) -> None:
    """And what it finds is what the command uses."""
    begun = begin(words, {})
    assert begun is not None
    try:
        with open_session(Path(), None, {}, ahead=begun) as session:
            assert session.project.tree is _tree(begun)
            tagged = compute_tags(session.project, ("app",), session.around, None)
        with open_session(Path(), None, {}) as session:
            again = compute_tags(session.project, ("app",), session.around, None)
    finally:
        begun.close()
    assert tagged.keyed["app"].key == again.keyed["app"].key
    assert large.root.is_dir()


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        ([], {}),
        (["login"], {}),
        (["tag", "--help"], {}),
        (["tag", "-h"], {}),
        (["tag", "--commit", "HEAD"], {}),
        (["--unknown", "tag"], {}),
        (["-C"], {}),
        (["-C", "/", "tag"], {}),
        (["--config", "absent.yaml", "tag"], {}),
        (["tag"], {"PIPELINE_KIT_DIRECTORY": "elsewhere"}),
        (["tag"], {"PIPELINE_KIT_CONFIG": "other.yaml"}),
    ],
)
@pytest.mark.usefixtures("large")
def test_whatever_is_odd_is_left_to_the_command(words: list[str], environ: dict[str, str]) -> None:
    """Nothing is started, and nothing is raised."""
    assert begin(words, environ) is None


@pytest.mark.parametrize(("index", "begins"), [(1 << 60, True), (0, False)])
@pytest.mark.usefixtures("large")
def test_few_images_of_a_large_checkout_are_asked_for_alone(
    index: int, begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a small one the whole is no more work."""
    monkeypatch.setattr(outset, "MANY_IMAGES", len(_CONFIG))
    monkeypatch.setattr(find, "LARGE_INDEX", index)
    begun = begin(["tag"], {})
    assert (begun is not None) is begins
    if begun is not None:
        begun.close()


@pytest.mark.usefixtures("large")
def test_what_was_begun_serves_the_image_that_was_named() -> None:
    """The same tag as without, and nothing is asked twice."""
    begun = begin(["tag", "app"], {})
    assert begun is not None
    with open_session(Path(), None, {}, ahead=begun) as session:
        assert _tree(begun)._early
        tagged = compute_tags(session.project, ("app",), session.around, None)
        assert not _tree(begun)._early
    with open_session(Path(), None, {}) as session:
        assert tagged.keyed["app"].key == compute_tags(session.project, ("app",), session.around, None).keyed["app"].key


@pytest.mark.usefixtures("large")
def test_a_directory_without_git_has_nothing_to_begin(tmp_path: Path) -> None:
    """No git is looked for."""
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "pipeline-kit.yaml").write_text(_CONFIG, encoding="utf-8")
    assert begin(["-C", str(plain), "tag"], {}) is None


def test_another_checkout_is_opened_anew(large: Checkout, tmp_path: Path) -> None:
    """What was begun elsewhere is not used."""
    begun = begin(["tag"], {})
    assert begun is not None
    large.git("clone", "--quiet", ".", str(tmp_path / "other"))
    with open_session(tmp_path / "other", None, {}, ahead=begun) as session:
        assert session.project.root == (tmp_path / "other").resolve()
        assert session.project.tree is not _tree(begun)
    begun.close()


@pytest.mark.parametrize("place", [".", "app", ".."])
def test_find_begins_in_a_large_checkout_wherever_one_stands(
    large: Checkout, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its names are those below the top level, and what it meets is in the listing."""
    large.write("app/new", "1")
    large.write("app/deep/new", "1")
    monkeypatch.chdir(large.root / place)
    monkeypatch.setattr(find, "LARGE_INDEX", 0)
    words = ["-C", os.path.relpath(large.root), "tag"] if place == ".." else ["tag"]
    begun = outset.set_out(words, {})
    assert begun is not None
    assert begun.finding is not None
    ahead = ahead_module.Beginning(begun)
    tree = _tree(ahead)
    search = tree._early[0].search
    assert search is not None
    assert search.met is not None
    assert {b"app/new", b"app/deep/new", b"app/file"} <= search.met.names()
    assert tree.listing(["."]) == DirectoryTree(large.root).listing(["."])


def test_a_checkout_may_be_called_like_what_find_marks(
    large: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its own name stands before every path, what is no file cannot be told from what is."""
    moved = large.root.rename(tmp_path / f"{find.MARK}d")
    (moved / "app/new").write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(find, "LARGE_INDEX", 0)
    begun = outset.set_out(["-C", moved.name, "tag"], {})
    assert begun is not None
    assert begun.finding is None
    tree = _tree(ahead_module.Beginning(begun))
    assert tree.listing(["."]) == DirectoryTree(moved).listing(["."])


def test_find_ends_where_git_cannot_begin(large: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process and no descriptor is left; the command meets the error again."""
    monkeypatch.setattr(find, "LARGE_INDEX", 0)
    before = _descriptors()
    begun = outset.set_out(["tag"], {})
    assert begun is not None
    assert begun.finding is not None
    monkeypatch.setenv("PATH", str(large.root / "empty"))
    ahead = ahead_module.Beginning(begun)
    assert ahead.wait() is None
    ahead.close()
    assert _descriptors() == before
    with pytest.raises(ProcessLookupError):
        os.kill(begun.finding.pid, 0)


def test_without_find_git_begins_all_the_same(large: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk serves then."""
    monkeypatch.setattr(find, "LARGE_INDEX", 0)
    monkeypatch.setattr(find, "find_program", lambda _name, _path: None)
    begun = outset.set_out(["tag"], {})
    assert begun == (str(large.root.resolve()), False, None)
