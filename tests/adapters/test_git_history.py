from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.git.worktree import open_tree
from pipeline_kit.errors import CheckoutError, InputError
from pipeline_kit.ports.checkout import Checkout as Head

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.git_checkout import Checkout

    from pipeline_kit.adapters.git.commit import CommitTree
    from pipeline_kit.adapters.git.history import GitHistory


def _history(root: Path) -> GitHistory:
    history = open_tree(root)[1]
    assert history is not None
    return history


def _commit_tree(root: Path, rev: str = "HEAD") -> CommitTree:
    tree = _history(root).commit_tree(rev)
    assert tree is not None
    return tree


def test_head_on_a_branch(populated: Checkout) -> None:
    """Commit and short branch name, slashes included."""
    populated.git("checkout", "--quiet", "-b", "feature/x")
    commit = populated.git("rev-parse", "HEAD")
    assert _history(populated.root).checkout() == Head(commit=commit, branch="feature/x", is_shallow=False)


def test_a_branch_named_like_a_tag_keeps_its_name(populated: Checkout) -> None:
    """An ambiguous short name is not lengthened to heads/main."""
    populated.git("tag", "main")
    assert _history(populated.root).checkout().branch == "main"


def test_a_detached_head_has_no_branch(populated: Checkout) -> None:
    """The branch is empty, never "HEAD"."""
    populated.git("checkout", "--quiet", "--detach")
    found = _history(populated.root).checkout()
    assert (found.branch, len(found.commit)) == ("", 40)


def test_an_empty_repository_has_a_branch_and_no_commit(checkout: Checkout) -> None:
    """Before the first commit questions have answers, too."""
    history = _history(checkout.root)
    assert history.checkout() == Head(commit="", branch="main", is_shallow=False)
    assert history.commit_tree("HEAD") is None
    assert history.is_ancestor("HEAD", "main") is None


@pytest.mark.parametrize("rev", ["main", "HEAD", "v1", "refs/heads/main", "HEAD~0"])
def test_revisions_resolve_to_full_ids(populated: Checkout, rev: str) -> None:
    """Branches, tags (also annotated) and expressions name a commit."""
    populated.git("tag", "--annotate", "--message", "one", "v1")
    assert _history(populated.root).resolve(rev) == populated.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    "rev", ["", "absent", "--help", "--all", "-h", "HEAD:Dockerfile", "a\nb", "a\0b", "0" * 40, "^HEAD"]
)
def test_what_names_no_commit_is_none(populated: Checkout, rev: str) -> None:
    """Options, blobs, unknown names and nonsense are simply not known."""
    history = _history(populated.root)
    assert history.resolve(rev) is None
    assert history.commit_tree(rev) is None


def test_ancestry_in_a_full_clone(populated: Checkout) -> None:
    """Reachable, not reachable, itself, unknown."""
    populated.git("checkout", "--quiet", "-b", "side")
    populated.commit("on side")
    populated.git("checkout", "--quiet", "main")
    populated.commit("on main")
    history = _history(populated.root)
    assert history.is_ancestor("main~1", "main") is True
    assert history.is_ancestor("main", "main~1") is False
    assert history.is_ancestor("side", "main") is False
    assert history.is_ancestor("main", "main") is True
    assert history.is_ancestor("f" * 40, "main") is None


def test_ancestry_in_a_shallow_clone(populated: Checkout, tmp_path: Path) -> None:
    """No path in a shallow history proves nothing."""
    first = populated.git("rev-parse", "HEAD")
    for number in range(3):
        populated.commit(str(number))
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "2", f"file://{populated.root}", str(clone)], check=True)
    history = _history(clone)
    assert history.checkout().is_shallow
    assert history.is_ancestor("HEAD~1", "HEAD") is True
    assert history.is_ancestor("HEAD", "HEAD~1") is None
    assert history.is_ancestor(first, "HEAD") is None
    assert history.commit_tree(first) is None


def test_ancestry_in_other_repositories(populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked work trees and SHA-256 repositories answer alike, whatever GIT_* the caller has."""
    populated.commit("second")
    populated.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    other = type(populated)(tmp_path / "sha256")
    other.root.mkdir()
    other.git("init", "--quiet", "--object-format=sha256")
    other.commit("first")
    other.commit("second")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_COMMON_DIR", "/nonexistent")
    for root in (tmp_path / "linked", other.root):
        assert _history(root).is_ancestor("HEAD~1", "HEAD") is True
        assert _history(root).is_ancestor("HEAD", "HEAD~1") is False


def test_a_broken_history_is_an_error(populated: Checkout) -> None:
    """A missing object is neither yes nor no."""
    first = populated.git("rev-parse", "HEAD")
    populated.commit("second")
    populated.commit("third")
    middle = populated.git("rev-parse", "HEAD~1")
    (populated.root / ".git/objects" / middle[:2] / middle[2:]).unlink()
    with pytest.raises(CheckoutError, match="cannot compare"):
        _history(populated.root).is_ancestor(first, "HEAD")


def test_gitpython_loads_only_for_ancestry(populated: Checkout) -> None:
    """The common questions do not pay for the import."""
    script = (
        "import sys, pathlib\n"
        "from pipeline_kit.adapters.git.worktree import open_tree\n"
        "tree, history = open_tree(pathlib.Path(sys.argv[1]))\n"
        "tree.listing(['.']); history.checkout(); history.commit_tree('HEAD').listing(['.'])\n"
        "assert 'git' not in sys.modules\n"
        "assert history.is_ancestor('HEAD', 'HEAD')\n"
        "assert 'git' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(populated.root)], check=True)


def test_a_commit_lists_like_its_clean_checkout(populated: Checkout) -> None:
    """Objects alone give the listing of the files, wherever the tree's root lies."""
    for below in ("", "services"):
        tree, _ = open_tree(populated.root / below)
        for asked in (["."], ["api"], ["services/api", "Dockerfile"], [f"d{n}" for n in range(20)] + ["services"], []):
            assert _commit_tree(populated.root / below).listing(asked) == tree.listing(asked)


def test_a_commit_does_not_see_the_work_tree(populated: Checkout) -> None:
    """Edits, staged changes and untracked files are not in a commit; older commits stay as they were."""
    before = _commit_tree(populated.root).listing(["."])
    populated.write("Dockerfile", "FROM other\n")
    populated.write("new", "1")
    populated.git("add", "--all")
    assert _commit_tree(populated.root).listing(["."]) == before
    populated.git("commit", "--quiet", "--message", "next")
    assert _commit_tree(populated.root, "HEAD~1").listing(["."]) == before
    assert len(_commit_tree(populated.root).listing(["."])) == len(before) + 1


def test_a_commit_of_another_object_format_lists_alike(populated: Checkout, tmp_path: Path) -> None:
    """SHA-256 ids are replaced by those of the bytes; more blobs than one batch holds."""
    for number in range(600):
        populated.write(f"many/{number}", str(number))
    populated.commit()
    other = type(populated)(tmp_path / "sha256")
    shutil.copytree(populated.root, other.root, symlinks=True, ignore=lambda *_: [".git"])
    other.git("init", "--quiet", "--object-format=sha256")
    other.commit()
    assert _commit_tree(other.root).listing(["."]) == _commit_tree(populated.root).listing(["."])


def test_a_commit_with_a_submodule_is_refused_where_it_matters(populated: Checkout) -> None:
    """Its files are in another repository."""
    commit = populated.git("rev-parse", "HEAD")
    populated.git("update-index", "--add", "--cacheinfo", f"160000,{commit},libs/sub")
    populated.git("commit", "--quiet", "--message", "submodule")
    with pytest.raises(CheckoutError, match="libs/sub"):
        _commit_tree(populated.root).listing(["."])
    assert len(_commit_tree(populated.root).listing(["services"])) == 5
    assert _commit_tree(populated.root).read("libs/sub") is None


def test_reading_from_a_commit_equals_reading_from_disk(populated: Checkout) -> None:
    """Links are followed inside the tree, out of it never, in circles never."""
    links = {
        "in": "services/web/app/run.sh",
        "up": "services/../Dockerfile",
        "chain": "in",
        "out": "../outside",
        "abs": "/etc/passwd",
        "me": "me",
        "dir": "services/web",
        "empty-parts": "services//./api/app.py",
    }
    for name, target in links.items():
        (populated.root / name).symlink_to(target)
    (populated.root.parent / "outside").write_text("secret")
    populated.write("-rf", "dash")
    populated.write(b"\xff\n", "bytes")
    populated.commit()
    tree, _ = open_tree(populated.root)
    commit = _commit_tree(populated.root)
    paths = [*links, "Dockerfile", "./Dockerfile", "dir/app/app.py", "dir/nothing", "services", "Dockerfile/x", "-rf"]
    paths += ["\udcff\n", ".", "", "absent"]
    assert {path: commit.read(path) for path in paths} == {path: tree.read(path) for path in paths}
    assert commit.read("chain") == b"#!/bin/sh\n"
    assert commit.read("out") is commit.read("abs") is commit.read("me") is None
    with pytest.raises(InputError):
        commit.read("../outside")
    assert _commit_tree(populated.root / "services").read("web/app/app.py") == b"print(1)\n"


def test_trees_say_what_they_are(populated: Checkout) -> None:
    """People see which files a tag was computed from."""
    commit = _commit_tree(populated.root)
    assert commit.describe() == f"commit {populated.git('rev-parse', 'HEAD')[:7]}"
    assert open_tree(populated.root)[0].describe() == "work tree"


def test_the_time_of_a_commit_is_its_committer_s(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the message says; of an unknown commit there is none."""
    checkout.write("a")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1700000000 +0130")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1600000000 +0000")
    commit = checkout.commit("x\n\ncommitter A <a> 1234567890 +0000")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    history = _history(checkout.root)
    assert history.commit_time(commit) == history.commit_time("HEAD") == 1_700_000_000
    assert history.commit_time("nope") is None


def test_a_line_of_commits_follows_first_parents(checkout: Checkout) -> None:
    """Oldest first, without the start; what a branch brought in counts as its merge."""
    start = checkout.commit("start")
    checkout.git("checkout", "--quiet", "-b", "topic")
    checkout.commit("topic")
    checkout.git("checkout", "--quiet", "main")
    own = checkout.commit("own")
    checkout.git("merge", "--quiet", "--no-ff", "--no-edit", "topic")
    merge = checkout.git("rev-parse", "HEAD")
    history = _history(checkout.root)
    assert history.line(start, "main") == (own, merge)
    assert history.line("main", "main") == ()
    assert history.line("nope", "main") is None
    assert history.line(start, "--all") is None
