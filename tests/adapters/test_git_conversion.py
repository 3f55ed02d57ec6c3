from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.git import questions, worktree
from pipeline_kit.adapters.git.conversion import Mentions, Settings, find_mentions, read_settings, tracked_attributes
from pipeline_kit.adapters.git.worktree import WorkTree, open_tree
from pipeline_kit.adapters.hashing import hash_paths
from pipeline_kit.errors import CheckoutError
from pipeline_kit.snapshot import blob_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fakes.git_checkout import Checkout

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"


def _read(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, *directories: str, below: str = "") -> list[bytes]:
    """Return which paths a listing reads, having compared it with reading everything."""
    read: list[bytes] = []
    real = hash_paths

    def spy(base: bytes, paths: Sequence[bytes]) -> object:
        read.extend(paths)
        return real(base, paths)

    root = checkout.root / below
    with monkeypatch.context() as patch:
        patch.setattr(worktree, "hash_paths", spy)
        tree, _ = open_tree(root)
        assert isinstance(tree, WorkTree)
        found = tree.listing(directories or ["."])
    assert found == DirectoryTree(root).listing(directories or ["."])
    return sorted(read)


def _commit_aged(checkout: Checkout) -> None:
    checkout.commit()
    checkout.age()


ATTRIBUTES = {
    "text=auto": b"* text=auto\n",
    "text": b"*.txt text\n",
    "eol": b"* eol=lf\n",
    "crlf": b"* crlf=input\n",
    "binary-but-one": b"* binary\nb.txt text\n",
}


@pytest.mark.parametrize("attributes", ATTRIBUTES.values(), ids=ATTRIBUTES.keys())
def test_line_ends_that_git_hides_are_seen(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, attributes: bytes
) -> None:
    """Git stores LF and calls a CRLF file clean; only such files are read."""
    checkout.write(".gitattributes", attributes)
    checkout.write("a.txt", b"one\ntwo\n")
    checkout.write("b.txt", b"one\r\ntwo\r\n")
    _commit_aged(checkout)
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("rev-parse", "HEAD:b.txt") != blob_id(b"one\r\ntwo\r\n")
    assert _read(checkout, monkeypatch) == [b"b.txt"]


@pytest.mark.parametrize("scope", ["--local", "--global", "--system"])
def test_autocrlf_is_seen_in_every_scope(
    checkout: Checkout, git_home: Path, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    """CRLF on disk is what BuildKit sends, whoever asked git for it."""
    if scope == "--system":
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(git_home / "system"))
        monkeypatch.setattr(questions, "read_settings", lambda _: Settings(autocrlf=True))
    checkout.git("config", scope, "core.autocrlf", "true")
    checkout.write("a.txt", b"one\r\n")
    checkout.write("b.bin", b"\0\r\n")
    _commit_aged(checkout)
    assert _read(checkout, monkeypatch) == [b"a.txt"]


def test_ident_is_seen(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expanded $Id$ is on disk and not in the blob."""
    checkout.write(".gitattributes", b"*.c ident\n")
    checkout.write("a.c", b"/* $Id$ */\n")
    checkout.write("b.c", b"int b;\n")
    checkout.commit()
    (checkout.root / "a.c").unlink()
    checkout.git("checkout", "--", "a.c")
    checkout.age()
    assert (checkout.root / "a.c").read_bytes() != b"/* $Id$ */\n"
    assert _read(checkout, monkeypatch) == [b"a.c"]


def test_encodings_are_seen(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in UTF-16 on disk is UTF-8 in the blob."""
    checkout.write(".gitattributes", b"*.rc working-tree-encoding=UTF-16\n")
    checkout.write("a.rc", "text\n".encode("utf-16"))
    checkout.write("b.c", b"int b;\n")
    _commit_aged(checkout)
    assert _read(checkout, monkeypatch) == [b"a.rc"]


def test_filters_of_equal_size_are_seen(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter may keep the size; every file that has one is read, and the filter does not run."""
    checkout.git("config", "filter.swap.clean", "tr ab ba")
    checkout.write(".gitattributes", b"*.x filter=swap\n*.y -filter\n")
    checkout.write("a.x", b"aabb\n")
    checkout.write("b.y", b"aabb\n")
    _commit_aged(checkout)
    assert checkout.git("rev-parse", "HEAD:a.x") == blob_id(b"bbaa\n")
    assert _read(checkout, monkeypatch) == [b"a.x"]


@pytest.mark.parametrize("is_aged", [True, False], ids=["settled", "racy"])
def test_a_filter_driver_never_runs(checkout: Checkout, tmp_path: Path, is_aged: bool) -> None:
    """Also not for files so young that git compares their content."""
    marker = tmp_path / "marker"
    checkout.git("config", "filter.evil.clean", "cat")
    checkout.write(".gitattributes", b"* filter=evil\n")
    checkout.write("a", b"1\n")
    checkout.commit()
    checkout.git("config", "filter.evil.clean", f"touch {marker}; cat")
    checkout.git("config", "filter.evil.process", f"touch {marker}")
    checkout.git("config", "filter.evil.required", "true")
    if is_aged:
        os.utime(checkout.root / "a", (1_500_000_000, 1_500_000_000))
    tree, _ = open_tree(checkout.root)
    assert tree.listing(["."]) == DirectoryTree(checkout.root).listing(["."])
    assert not marker.exists()


def test_attributes_without_conversion_cost_nothing(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that only speaks of exports, merges and languages is no reason to look closer."""
    checkout.write(".gitattributes", b"docs export-ignore\n*.lock merge=union linguist-generated\n")
    checkout.write("a.txt", b"1\r\n")
    _commit_aged(checkout)

    def fail(*_: object) -> None:
        pytest.fail("looked closer")

    monkeypatch.setattr(worktree, "suspects", fail)
    assert _read(checkout, monkeypatch) == []


@pytest.mark.parametrize("where", ["root", "untracked", "deleted", "info", "user", "nested"])
def test_attributes_are_found_wherever_git_reads_them(
    checkout: Checkout, git_home: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Above the tree's root, untracked, only in the index, in info/attributes, in the user's file, in a directory."""
    places = {
        "root": ".gitattributes",
        "untracked": ".gitattributes",
        "deleted": ".gitattributes",
        "info": ".git/info/attributes",
        "nested": "services/.gitattributes",
    }
    if where == "user":
        (git_home / "xdg/git").mkdir(parents=True)
        (git_home / "xdg/git/attributes").write_bytes(b"* text\n")
    else:
        checkout.write(places[where], b"* text\n")
    checkout.write("services/api/a.txt", b"1\r\n")
    checkout.git("add", "services" if where == "untracked" else ".")
    checkout.git("commit", "--quiet", "--message", "x")
    checkout.age()
    if where == "deleted":
        (checkout.root / ".gitattributes").unlink()
    assert checkout.git("rev-parse", "HEAD:services/api/a.txt") == blob_id(b"1\n")
    assert _read(checkout, monkeypatch, below="services/api") == [b"a.txt"]
    assert b"services/api/a.txt" in _read(checkout, monkeypatch, "services/api")


def test_a_missing_blob_means_reading_the_file(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a partial clone a blob's size is unknown; then the file's bytes decide."""
    checkout.write(".gitattributes", b"* text=auto\n")
    checkout.write("a.txt", b"1\n")
    _commit_aged(checkout)
    blob = blob_id(b"1\n")
    (checkout.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert _read(checkout, monkeypatch) == [b"a.txt"]


def test_a_missing_promised_blob_means_reading_the_files(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git would fetch, and may not, it fails; then everything in doubt is read."""
    test_a_missing_blob_means_reading_the_file(checkout, monkeypatch)
    checkout.git("config", "core.repositoryFormatVersion", "1")
    checkout.git("config", "extensions.partialClone", "origin")
    checkout.git("config", "remote.origin.url", "file:///nonexistent")
    checkout.git("config", "remote.origin.promisor", "true")
    assert b"a.txt" in _read(checkout, monkeypatch)


def test_lfs_pointers_are_refused_where_they_matter(checkout: Checkout) -> None:
    """A clone without git-lfs holds pointers; contexts that have none are fine."""
    checkout.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    checkout.write("models/a.bin", POINTER)
    checkout.write("src/a.py", b"1\n")
    _commit_aged(checkout)
    tree, history = open_tree(checkout.root)
    assert history is not None
    commit = history.commit_tree("HEAD")
    assert commit is not None
    for refusing in (tree, commit, DirectoryTree(checkout.root)):
        for asked in (".", "models"):
            with pytest.raises(CheckoutError, match=r"models/a\.bin") as caught:
                refusing.listing([asked])
            assert "git lfs pull" in (caught.value.hint or "")
        assert len(refusing.listing(["src"])) == 1
    allowed, _ = open_tree(checkout.root, allowed={"lfs-pointer"})
    assert len(allowed.listing(["."])) == 3


def test_settings_are_read_as_git_writes_them(checkout: Checkout) -> None:
    """Names keep their case and dots; the last value of a key wins; a key without a value is true."""
    assert read_settings(worktree.open_tree(checkout.root)[0].repository.git) == Settings()  # type: ignore[union-attr]
    with (checkout.root / ".git/config").open("a") as stream:
        stream.write(
            '[core]\nautocrlf = false\nattributesFile = ~/attrs\n[filter "Git.LFS x"]\nclean = a\nsmudge = b\n'
        )
        stream.write("[core]\nautocrlf\n")
    git = worktree.open_tree(checkout.root)[0].repository.git  # type: ignore[union-attr]
    found = read_settings(git)
    assert found == Settings(True, os.path.expanduser("~/attrs"), ("Git.LFS x",))  # noqa: PTH111 - text
    applied = dict(found.applied(git).config)
    assert applied["filter.Git.LFS x.clean"] == applied["filter.Git.LFS x.process"] == ""
    assert applied["filter.Git.LFS x.required"] == "false"


def test_an_unreadable_attributes_file_mentions_everything(tmp_path: Path, git_home: Path) -> None:
    """What cannot be read is assumed to ask for every conversion; a file that is not there asks for none."""
    os.mkfifo(tmp_path / "fifo")
    everything = Mentions(by_size=True, by_bytes=True)
    absent = os.fsencode(tmp_path / "absent")
    assert find_mentions(Settings(), [absent], []) == everything
    assert find_mentions(Settings(), [], [os.fsencode(tmp_path / "fifo")]) == everything
    assert find_mentions(Settings(attributes_file="/dev/null"), [], [absent]) == Mentions()
    assert find_mentions(Settings(autocrlf=True), [], []) == Mentions(by_size=True)


def test_attributes_files_are_found_among_entries() -> None:
    """Names that only end alike are other files."""
    raw = b"H 100644 0 0\t.gitattributes\0H 100644 0 0\ta/.gitattributes\0H 100644 0 0\ta/x.gitattributes\0"
    assert tracked_attributes(raw) == [b".gitattributes", b"a/.gitattributes"]
    assert tracked_attributes(b"H 100644 0 0\tx\0") == []
