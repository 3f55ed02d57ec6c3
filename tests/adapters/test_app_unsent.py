"""Leaving ignored files unread changes no listing that a build is sent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.app.unsent import IgnoredByAll
from pipeline_kit.dockerignore import IgnoreRules

_NAMES = st.sampled_from(["a", "b", "c.txt", "node_modules"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_LINES = st.sampled_from(
    ["a", "b/", "*.txt", "**/c.txt", "node_modules", "**/node_modules", "!a/b", "!**/c.txt", "*", "a/*", "a/**", "!a"]
)


def _make(root: Path, paths: list[str], directories: list[str]) -> None:
    for path in directories:
        (root / path).mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = root / path
        if not target.exists() and not any(parent.is_file() for parent in target.parents):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path)


@settings(max_examples=150, deadline=None)
@example(paths=["a/c.txt", "a/a/c.txt"], directories=[], lines=["**/c.txt"])
@given(st.lists(_PATHS, max_size=12), st.lists(_PATHS, max_size=4), st.lists(_LINES, max_size=5))
def test_pruned_listing_filters_to_the_same(paths: list[str], directories: list[str], lines: list[str]) -> None:
    """For any tree and rules: what is sent is the same whether ignored files were read or not."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _make(root, paths, directories)
        rules = IgnoreRules.parse("\n".join(lines).encode(), ".dockerignore")
        tree = DirectoryTree(root)
        pruned = tree.listing(["."], unsent=IgnoredByAll({b"": [rules.walk()]}, ()))
        assert rules.filter(pruned) == rules.filter(tree.listing(["."]))


def test_a_file_counts_when_any_context_is_sent_it() -> None:
    """Two images share a directory with different rules: only what both ignore is left unread."""
    first, second = (IgnoreRules.parse(line, "x").walk() for line in (b"*.log\nbuild", b"*.log"))
    unsent = IgnoredByAll({b"": [first, second]}, ())
    assert unsent(b"a.log", is_directory=False)
    assert not unsent(b"build", is_directory=True)


def test_inputs_count_whatever_is_ignored() -> None:
    """An image's inputs are read although its context ignores them."""
    walk = IgnoreRules.parse(b"*", "x").walk()
    unsent = IgnoredByAll({b"": [walk]}, {b"docs/VERSION"})
    assert not unsent(b"docs", is_directory=True)
    assert not unsent(b"docs/VERSION", is_directory=False)
    assert unsent(b"other", is_directory=True)


def test_a_context_below_an_ignored_directory_is_entered() -> None:
    """The root's rules ignore what is another image's context."""
    root, inner = IgnoreRules.parse(b"services", "x").walk(), IgnoreRules.EMPTY.walk()
    unsent = IgnoredByAll({b"": [root], b"services/api": [inner]}, ())
    assert not unsent(b"services", is_directory=True)
    assert not unsent(b"services/api/src", is_directory=True)
    assert unsent(b"services/web", is_directory=True)


def test_ignored_directories_are_not_entered(tmp_path: Path) -> None:
    """A private directory of a database, ignored, is neither listed nor read."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "db").write_text("x")
    (tmp_path / "app").write_text("x")
    walk = IgnoreRules.parse(b"data", "x").walk()
    listing = DirectoryTree(tmp_path).listing(["."], unsent=IgnoredByAll({b"": [walk]}, ()))
    assert listing.paths == [b"app"]
