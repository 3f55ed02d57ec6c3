from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.git.history import GitHistory
from pipeline_kit.adapters.git.worktree import WorkTree, open_tree
from pipeline_kit.adapters.hashing import hash_paths
from pipeline_kit.allowances import SKIP_WORKTREE, SPARSE, SUBMODULE_MISSING
from pipeline_kit.app.unsent import IgnoredByAll
from pipeline_kit.dockerignore import IgnoreRules
from pipeline_kit.errors import CheckoutError, ContextChanged, InputError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, SPECIAL_RECORD, Listing, blob_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fakes.git_checkout import Checkout

    from pipeline_kit.ports.checkout import Unsent


@pytest.fixture(autouse=True, params=["walk", "search"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs twice: as in a small checkout, and as in a large one, where git and find look around."""
    from pipeline_kit.adapters.git import find

    monkeypatch.setattr(find, "LARGE_INDEX", 0 if request.param == "search" else 1 << 60)
    return str(request.param)


def _tree(root: Path, *allowed: str) -> WorkTree:
    tree, history = open_tree(root, allowed=frozenset(allowed))
    assert isinstance(tree, WorkTree)
    assert isinstance(history, GitHistory)
    return tree


def _listing(checkout: Checkout, *directories: str) -> Listing:
    """Return the work tree's listing, having checked that reading every byte gives the same.

    And so does what begins early, guesses once find has ended, and is mended when git has compared what is tracked.
    """
    asked = directories or (".",)
    found = _tree(checkout.root, SKIP_WORKTREE).listing(asked)
    assert found == DirectoryTree(checkout.root).listing(asked)
    early = _tree(checkout.root, SKIP_WORKTREE)
    guess = _guess(early, asked)
    mended = early.listing(asked)
    assert mended == found
    assert mended.digest() == Listing.of(found).digest()
    if guess is not None:
        guess.digest()
        assert mended.under(b"services").digest() == Listing.of(found.under(b"services")).digest()
    return found


def _guess(tree: WorkTree, asked: Sequence[str], unsent: Unsent | None = None) -> Listing | None:
    """Return what the tree presumes when find has ended."""
    tree.start_early()
    search = tree._early[0].search
    if search is not None:
        search.met  # noqa: B018 - waits for find
    return tree.presumed(asked, unsent=unsent)


def _record(mode: str, content: bytes) -> bytes:
    return f"{mode} {blob_id(content)}".encode()


def _hashed_paths(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return which paths a listing reads instead of trusting the index."""
    from pipeline_kit.adapters.git import worktree

    read: list[bytes] = []
    real = hash_paths

    def spy(base: bytes, paths: list[bytes]) -> object:
        read.extend(paths)
        return real(base, paths)

    with monkeypatch.context() as patch:
        patch.setattr(worktree, "hash_paths", spy)
        _tree(checkout.root).listing(["."])
    return sorted(read)


def test_a_clean_tree_is_listed_from_the_index_alone(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is read where git's stat data proves it clean, and the listing is that of the bytes."""
    populated.age()
    found = _listing(populated)
    assert found.get(b"services/api/run.sh") == _record("100755", b"#!/bin/sh\n")
    assert found.get(b"services/web/app") == _record("120000", b"../api")
    assert len(found) == 6
    assert _hashed_paths(populated, monkeypatch) == []


def test_an_edit_reads_only_the_edited_file(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modified bytes are hashed, and nothing else is read."""
    populated.age()
    populated.write("Dockerfile", "FROM busybox\n")
    assert _listing(populated).get(b"Dockerfile") == _record("100644", b"FROM busybox\n")
    assert _hashed_paths(populated, monkeypatch) == [b"Dockerfile"]


def _edit(checkout: Checkout) -> None:
    checkout.write("services/api/app.py", "print(2)\n")


def _chmod(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").chmod(0o755)


def _chmod_unseen(checkout: Checkout) -> None:
    checkout.git("config", "core.fileMode", "false")
    (checkout.root / "services/api/app.py").chmod(0o755)


def _retarget(checkout: Checkout) -> None:
    (checkout.root / "services/web/app").unlink()
    (checkout.root / "services/web/app").symlink_to("../../x")


def _rename(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").rename(checkout.root / "services/api/main.py")


def _delete(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").unlink()


def _empty_a_directory(checkout: Checkout) -> None:
    for path in list((checkout.root / "services/api").iterdir()):
        path.unlink()


def _add_untracked(checkout: Checkout) -> None:
    checkout.write("services/api/new/deep/file", "new")


def _add_ignored(checkout: Checkout) -> None:
    checkout.write(".git/info/exclude", "node_modules\n.env\n")
    checkout.write("services/api/node_modules/m/index.js", "1")
    checkout.write("services/api/.env", "A=1")


def _add_empty_directory(checkout: Checkout) -> None:
    (checkout.root / "services/api/empty/inner").mkdir(parents=True)


def _stage(checkout: Checkout) -> None:
    checkout.write("services/api/app.py", "staged\n")
    checkout.git("add", "--all")
    checkout.write("services/api/app.py", "and edited\n")


def _intent_to_add(checkout: Checkout) -> None:
    checkout.write("services/api/later", "")
    checkout.git("add", "--intent-to-add", "services/api/later")


def _file_to_directory(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").unlink()
    checkout.write("services/api/app.py/inner", "1")


def _directory_to_link(checkout: Checkout) -> None:
    (checkout.root / "services/api").rename(checkout.root / "moved")
    (checkout.root / "services/api").symlink_to("../moved")


def _file_to_link(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").unlink()
    (checkout.root / "services/api/app.py").symlink_to("run.sh")


def _file_to_fifo(checkout: Checkout) -> None:
    (checkout.root / "services/api/app.py").unlink()
    os.mkfifo(checkout.root / "services/api/app.py")


def _add_fifo(checkout: Checkout) -> None:
    os.mkfifo(checkout.root / "services/api/fifo")


def _assume_unchanged(checkout: Checkout) -> None:
    checkout.git("update-index", "--assume-unchanged", "services/api/app.py")
    checkout.write("services/api/app.py", "unseen by git status\n")


def _skip_worktree(checkout: Checkout) -> None:
    checkout.git("update-index", "--skip-worktree", "services/api/app.py")
    checkout.write("services/api/app.py", "unseen by git status\n")


def _forget(checkout: Checkout) -> None:
    checkout.git("rm", "--quiet", "--cached", "services/api/app.py")
    checkout.write("services/api/app.py", "untracked now\n")


def _nested_repository(checkout: Checkout) -> None:
    checkout.write("services/api/vendor/lib.c", "int x;\n")
    checkout.git("init", "--quiet", "services/api/vendor")


def _same_size_and_time(checkout: Checkout) -> None:
    checkout.git("config", "core.trustctime", "false")
    checkout.git("config", "core.checkStat", "minimal")
    target = checkout.root / "services/api/app.py"
    before = target.stat()
    time.sleep(1.1)  # git compares change times by whole seconds
    target.write_bytes(b"print(9)\n")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = [
    _edit,
    _chmod,
    _chmod_unseen,
    _retarget,
    _rename,
    _delete,
    _empty_a_directory,
    _add_untracked,
    _add_ignored,
    _add_empty_directory,
    _stage,
    _intent_to_add,
    _file_to_directory,
    _directory_to_link,
    _file_to_link,
    _file_to_fifo,
    _add_fifo,
    _assume_unchanged,
    _skip_worktree,
    _forget,
    _nested_repository,
    _same_size_and_time,
]


@pytest.mark.parametrize("is_aged", [True, False], ids=["settled", "racy"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_every_change_on_disk_changes_the_listing(
    populated: Checkout, change: Callable[[Checkout], None], is_aged: bool
) -> None:
    """Whatever git status thinks of it, a change on disk is seen, exactly as reading all bytes would show it."""
    if is_aged:
        populated.age()
    before = _listing(populated)
    change(populated)
    after = _listing(populated)
    assert after != before
    assert after.digest() != before.digest()


def test_what_cannot_change_an_image_changes_nothing(populated: Checkout) -> None:
    """Umask, times, commits, branches and the way the index was written are no inputs."""
    before = _listing(populated)
    (populated.root / "Dockerfile").chmod(0o664)
    os.utime(populated.root / "services/api/app.py")
    populated.git("checkout", "--quiet", "-b", "other")
    populated.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    populated.git("update-index", "--index-version", "4")
    assert _listing(populated) == before


def test_special_files_beside_tracked_ones_are_seen(populated: Checkout) -> None:
    """Git itself is blind to FIFOs and sockets; BuildKit sends them."""
    os.mkfifo(populated.root / "services/api/fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(populated.root / "sock"))
        found = _listing(populated)
    assert (found.get(b"services/api/fifo"), found.get(b"sock")) == (SPECIAL_RECORD, b"140000 -")


def test_empty_and_emptied_directories_are_listed(populated: Checkout) -> None:
    """A directory whose files were all deleted is in the image like one that was always empty."""
    (populated.root / "never/filled").mkdir(parents=True)
    for name in ("app.py", "run.sh"):
        (populated.root / "services/api" / name).unlink()
    found = _listing(populated)
    assert found.get(b"never/filled") == found.get(b"services/api") == EMPTY_DIRECTORY_RECORD
    assert found.get(b"services/api/app.py") is None


NAMES = [
    b"new\nline",
    b"tab\there",
    b'"quoted"',
    b"\xff\xfe",
    b"-rf",
    b"--help",
    b" blank ",
    b":(top)x",
    b"*",
    b"a" * 255,
    b"\x01",
    b"\x01d",
    b"\x01dx\x01",
    b"in\x01dside",
    b"\x01d.\x01l",
]


@pytest.mark.parametrize("is_tracked", [True, False], ids=["tracked", "untracked"])
def test_any_name_survives(checkout: Checkout, is_tracked: bool) -> None:
    """Names are bytes from end to end, also as a directory that is asked for."""
    for name in NAMES:
        checkout.write(name + b"/" + name, b"1")
    if is_tracked:
        checkout.commit()
        checkout.age()
    assert _listing(checkout).paths == sorted(name + b"/" + name for name in NAMES)
    for name in NAMES:
        assert _listing(checkout, os.fsdecode(name)).paths == [name + b"/" + name]


def test_names_that_differ_in_case_or_normal_form_are_two(checkout: Checkout) -> None:
    """On Linux these are different files, and so they are here."""
    for name in ("README", "readme", "\u00e9", "e\u0301"):
        checkout.write(name)
    checkout.commit()
    assert len(_listing(checkout)) == 4


def _full_clone(origin: Checkout, target: Path) -> None:
    origin.git("clone", "--quiet", str(origin.root), str(target))


def _depth_one(origin: Checkout, target: Path) -> None:
    origin.git("clone", "--quiet", "--depth", "1", f"file://{origin.root}", str(target))


def _linked_worktree(origin: Checkout, target: Path) -> None:
    origin.git("worktree", "add", "--quiet", "-b", "side", str(target))


def _detached(origin: Checkout, target: Path) -> None:
    _full_clone(origin, target)
    subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=target, check=True)


def _dirty_with_equal_bytes(origin: Checkout, target: Path) -> None:
    _full_clone(origin, target)
    for command in (["rm", "-r", "--cached", "--quiet", "."], ["reset", "--quiet", "HEAD", "Dockerfile"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def _archive(origin: Checkout, target: Path) -> None:
    target.mkdir()
    tar = subprocess.run(["git", "archive", "HEAD"], cwd=origin.root, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "x"], cwd=target, check=True, input=tar)


def _copied(origin: Checkout, target: Path) -> None:
    shutil.copytree(origin.root, target, symlinks=True)


KINDS = [_full_clone, _depth_one, _linked_worktree, _detached, _dirty_with_equal_bytes, _archive, _copied]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.strip("_"))
def test_every_kind_of_checkout_of_equal_bytes_is_equal(
    populated: Checkout, tmp_path: Path, kind: Callable[[Checkout, Path], None]
) -> None:
    """Full, depth 1, linked worktree, detached, dirty, without .git, copied: one listing."""
    target = tmp_path / "target"
    kind(populated, target)
    tree, history = open_tree(target)
    assert isinstance(tree, DirectoryTree) == (history is None) == (kind is _archive)
    assert tree.listing(["."]) == _tree(populated.root).listing(["."])
    assert tree.listing(["services/api"]) == _tree(populated.root).listing(["services/api"])


def test_another_object_format_gives_the_same_listing(populated: Checkout, tmp_path: Path, git_home: Path) -> None:
    """A SHA-256 repository's ids are never used."""
    other = type(populated)(tmp_path / "sha256")
    shutil.copytree(populated.root, other.root, symlinks=True, ignore=lambda *_: [".git"])
    other.git("init", "--quiet", "--object-format=sha256")
    other.commit()
    other.age()
    assert _listing(other) == _listing(populated)


def test_a_tree_below_the_top_level_has_its_own_paths(populated: Checkout) -> None:
    """The configuration's directory is the root, wherever it lies in the repository."""
    populated.age()
    tree = _tree(populated.root / "services")
    assert tree.listing(["."]).paths == [b"api/app.py", b"api/run.sh", b"web/app", b"web/gone", b"web/index.html"]
    assert tree.listing(["web"]).paths == [b"web/app", b"web/gone", b"web/index.html"]
    assert tree.read("web/app/app.py") == b"print(1)\n"
    populated.write("services/web/index.html", "changed")
    assert tree.listing(["."]).get(b"web/index.html") == _record("100644", b"changed")
    with pytest.raises(InputError):
        tree.listing(["../services"])


def test_many_directories_equal_the_sum_of_each(checkout: Checkout) -> None:
    """Beyond a few directories git is asked once for everything; the answer is the same."""
    for number in range(30):
        checkout.write(f"svc/{number:02d}/f", str(number))
        checkout.write(f"other/{number:02d}/f", str(number))
    checkout.commit()
    checkout.age()
    checkout.write("svc/07/f", "edited")
    asked = [f"svc/{number:02d}" for number in range(0, 30, 1)]
    found = _listing(checkout, *asked)
    assert found == _listing(checkout, "svc")
    assert len(found) == 30


def test_git_directories_are_listed_only_when_asked_for(populated: Checkout) -> None:
    """BuildKit sends .git unless it is ignored, so the caller can have it."""
    tree = _tree(populated.root)
    assert not [path for path in tree.listing(["."]).paths if path.startswith(b".git/")]
    with_git = tree.listing(["."], include_git=True)
    assert with_git == DirectoryTree(populated.root).listing(["."], include_git=True)
    assert b".git/HEAD" in with_git.paths


def test_untracked_lists_what_no_commit_has(populated: Checkout) -> None:
    """Ignored and untracked files enter the image; the doctor names them."""
    populated.write(".gitignore", "*.log\n")
    populated.write("services/api/debug.log", "1")
    populated.write("services/api/new.py", "1")
    tree = _tree(populated.root)
    assert tree.untracked(["services/api"]) == [b"services/api/debug.log", b"services/api/new.py"]
    assert tree.untracked(["services/web"]) == []


@pytest.fixture
def with_submodule(populated: Checkout, tmp_path: Path) -> Checkout:
    """Return a repository with an initialised submodule at ``libs/sub``."""
    library = type(populated)(tmp_path / "library")
    library.root.mkdir()
    library.git("init", "--quiet")
    library.write("lib.c", "int x;\n")
    library.commit()
    populated.git("submodule", "--quiet", "add", str(library.root), "libs/sub")
    populated.commit()
    return populated


def test_an_initialised_submodule_counts_by_its_bytes(with_submodule: Checkout) -> None:
    """Its files are inputs, dirty or not, and its .git file is not."""
    with_submodule.age()
    assert _listing(with_submodule, "libs").paths == [b"libs/sub/lib.c"]
    with_submodule.write("libs/sub/lib.c", "int y;\n")
    assert _listing(with_submodule).get(b"libs/sub/lib.c") == _record("100644", b"int y;\n")
    assert _tree(with_submodule.root).untracked(["."]) == []


def test_an_absent_submodule_is_refused_where_it_matters(with_submodule: Checkout, tmp_path: Path) -> None:
    """A clone without its submodules would build another image; contexts beside it are fine."""
    clone = type(with_submodule)(tmp_path / "clone")
    _full_clone(with_submodule, clone.root)
    with pytest.raises(CheckoutError, match="not checked out: libs/sub") as caught:
        _tree(clone.root).listing(["."])
    assert "submodule update" in (caught.value.hint or "")
    assert len(_listing(clone, "services")) == 5


def test_an_absent_submodule_may_be_allowed(with_submodule: Checkout, tmp_path: Path) -> None:
    """Then it is the empty directory that lies there, in a commit as on disk; one that is ignored need not be."""
    clone = type(with_submodule)(tmp_path / "clone")
    _full_clone(with_submodule, clone.root)
    tree, history = open_tree(clone.root, allowed={SUBMODULE_MISSING})
    found = tree.listing(["libs"])
    assert list(found) == [(b"libs/sub", EMPTY_DIRECTORY_RECORD)]
    assert history is not None
    commit = history.commit_tree("HEAD")
    assert commit is not None
    assert commit.listing(["libs"]) == found
    rules = IgnoreRules.parse(b"libs\n", ".dockerignore")
    unsent = IgnoredByAll({b"": [rules.walk()]}, [])
    assert _tree(clone.root).listing(["."], unsent=unsent) == DirectoryTree(clone.root).listing(["."], unsent=unsent)


@pytest.mark.parametrize("asked", [".", "libs/sub", "libs/sub/deep"])
def test_so_is_one_inside_a_submodule(with_submodule: Checkout, tmp_path: Path, asked: str) -> None:
    """A clone with ``--recurse-submodules`` undone halfway leaves empty directories further down."""
    inner = type(with_submodule)(tmp_path / "inner")
    _init(inner)
    sub = type(with_submodule)(with_submodule.root / "libs/sub")
    sub.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(inner.root), "deep/er/most")
    sub.commit()
    sub.write("deep/x", "x\n")
    assert b"libs/sub/deep/er/most/a" in _listing(with_submodule, asked).paths
    sub.git("submodule", "deinit", "--quiet", "--force", "deep/er/most")
    with pytest.raises(CheckoutError, match="not checked out: libs/sub/deep/er/most"):
        _tree(with_submodule.root).listing([asked])
    _tree(with_submodule.root, SUBMODULE_MISSING).listing([asked])
    (sub.root / ".gitmodules").write_text("[broken")
    _tree(with_submodule.root).listing(["services"])


def _init(checkout: Checkout) -> None:
    checkout.root.mkdir()
    checkout.git("init", "--quiet")
    checkout.write("a", "a\n")
    checkout.commit()


def test_a_context_inside_an_untracked_repository(populated: Checkout) -> None:
    """Git shows nothing of it, and a builder is sent it."""
    populated.write("services/api/vendor/lib/lib.c", "int x;\n")
    populated.git("init", "--quiet", "services/api/vendor")
    assert _listing(populated, "services/api/vendor/lib").paths == [b"services/api/vendor/lib/lib.c"]


def test_a_flagged_file_is_refused_where_it_matters(populated: Checkout) -> None:
    """Skip-worktree hides an edit from git status, also from whoever builds."""
    _skip_worktree(populated)
    with pytest.raises(CheckoutError, match=r"skip-worktree.*: services/api/app\.py") as caught:
        _tree(populated.root).listing(["."])
    assert "--allow skip-worktree" in (caught.value.hint or "")
    assert len(_tree(populated.root).listing(["services/web"])) == 3
    rules = IgnoreRules.parse(b"services/api\n", ".dockerignore")
    _tree(populated.root).listing(["."], unsent=IgnoredByAll({b"": [rules.walk()]}, []))


def test_a_missing_sparse_file_may_be_allowed(populated: Checkout) -> None:
    """Then what is not there does not count, as no builder is sent it."""
    populated.git("sparse-checkout", "set", "--cone", "services/web")
    found = _tree(populated.root, SPARSE).listing(["."])
    assert found == DirectoryTree(populated.root).listing(["."])


def test_a_missing_sparse_file_is_refused_where_it_matters(populated: Checkout) -> None:
    """Sparse checkouts hide files from the build without git calling them deleted."""
    populated.git("sparse-checkout", "set", "--cone", "services/web")
    with pytest.raises(CheckoutError, match=r"missing: services/api/app\.py, services/api/run\.sh"):
        _tree(populated.root).listing(["."])
    assert len(_listing(populated, "services/web")) == 3
    populated.write("services/api/app.py", "present")  # on disk and still flagged
    assert _listing(populated, "services/api/app.py").get(b"services/api/app.py") == _record("100644", b"present")


def test_unmerged_files_are_refused_where_they_matter(populated: Checkout) -> None:
    """A conflict's markers are no content anybody wants tagged."""
    populated.git("checkout", "--quiet", "-b", "other")
    populated.write("services/api/app.py", "theirs\n")
    populated.commit()
    populated.git("checkout", "--quiet", "main")
    populated.write("services/api/app.py", "ours\n")
    populated.commit()
    populated.git("merge", "other", check=False)
    for asked in (".", "services/api", "services/api/app.py"):
        with pytest.raises(CheckoutError, match=r"unmerged: services/api/app\.py"):
            _tree(populated.root).listing([asked])
    assert len(_listing(populated, "services/web")) == 3


def test_a_stale_lock_and_a_read_only_repository_do_not_matter(populated: Checkout) -> None:
    """Nothing is written into the repository, not even its index."""
    populated.write(".git/index.lock", "")
    os.utime(populated.root / "Dockerfile")

    def state() -> dict[str, tuple[int, int]]:
        found = (populated.root / ".git").rglob("*")
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = state()
    tree, history = open_tree(populated.root)
    tree.listing(["."])
    assert history is not None
    history.checkout()
    assert state() == before


def test_an_empty_repository_has_a_tree(checkout: Checkout) -> None:
    """Before the first commit everything is untracked, and that is fine."""
    assert len(_listing(checkout)) == 0
    checkout.write("a")
    assert _listing(checkout).paths == [b"a"]


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """A tree needs a directory."""
    with pytest.raises(InputError, match="not a directory"):
        open_tree(tmp_path / "absent")


def test_a_file_that_vanishes_meanwhile_is_reported(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing while somebody writes ends with an error, not with a tag of neither state."""
    from pipeline_kit.adapters.git import worktree

    populated.write("new", "1")

    def delete_then_hash(base: bytes, paths: list[bytes]) -> object:
        (populated.root / "new").unlink()
        return hash_paths(base, paths)

    monkeypatch.setattr(worktree, "hash_paths", delete_then_hash)
    with pytest.raises(ContextChanged, match="new went away"):
        _tree(populated.root).listing(["."])


def test_a_find_that_cannot_count_serves_too(
    populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other systems' find knows no -printf; the walk sees what is special and untracked all the same."""
    real = shutil.which("find")
    assert real is not None
    stand_in = tmp_path / "bin" / "find"
    stand_in.parent.mkdir()
    refusal = 'case " $* " in *" -printf "*) echo "find: -printf: unknown primary or operator" >&2; exit 1;; esac'
    stand_in.write_text(f'#!/bin/sh\n{refusal}\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    assert len(_listing(populated)) > 0
    populated.write("untracked/file", "1")
    os.mkfifo(populated.root / "services" / "pipe")
    assert _listing(populated).get(b"services/pipe") == SPECIAL_RECORD


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _children() -> set[str]:
    """Return this process's children, zombies too; those of another test in the same process may be among them."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found.update((task / "children").read_text().split())
    return found


def test_no_process_or_descriptor_is_left_behind(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the walk, or the search, fails while git is running."""
    from pipeline_kit.adapters.git import beside

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    populated.write("untracked/file", "1")  # without it nothing need be walked
    tree = _tree(populated.root)
    tree.listing(["."])
    before, children = _descriptors(), _children()
    monkeypatch.setattr(beside, "scan", fail)
    monkeypatch.setattr(beside, "is_directory", fail)
    with pytest.raises(KeyboardInterrupt):
        tree.listing(["."])
    assert _descriptors() == before
    assert _children() <= children


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "chmod", "delete", "link", "mkdir", "fifo", "add", "commit", "assume", "rmtree"]),
        st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "d", ".gitattributes", ".gitignore"]),
        st.sampled_from(
            [b"", b"one\n", b"two\n", b"one\r\ntwo\r\n", b"$Id$\n", b"* text=auto\n", b"* ident\na -text\n"]
        ),
    ),
    max_size=12,
)


def _apply(checkout: Checkout, action: str, path: str, content: bytes) -> None:
    target = checkout.root / path
    is_file = target.is_file() and not target.is_symlink()
    if action == "add":
        checkout.git("add", "--all", check=False)
    elif action == "commit":
        checkout.git("commit", "--quiet", "--allow-empty", "-m", "x")
    elif action == "assume":
        checkout.git("update-index", "--assume-unchanged", path, check=False)
    elif action == "chmod" and is_file:
        target.chmod(target.stat().st_mode ^ stat.S_IXUSR)
    elif action in ("delete", "rmtree") and os.path.lexists(target):
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    elif action in ("write", "link", "mkdir") or (action == "fifo" and not path.startswith(".git")):
        _create(checkout, action, target, content)


def _create(checkout: Checkout, action: str, target: Path, content: bytes) -> None:
    for parent in reversed(target.relative_to(checkout.root).parents):
        above = checkout.root / parent
        if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
            above.unlink()
        above.mkdir(exist_ok=True)
    if os.path.lexists(target):
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    if action == "write":
        target.write_bytes(content)
    elif action == "link":
        target.symlink_to("a" if content else ".")
    elif action == "mkdir":
        target.mkdir()
    else:
        os.mkfifo(target)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_random_edits_never_part_git_and_disk(
    git_home: Path, populated: Checkout, edits: list[tuple[str, str, bytes]]
) -> None:
    """Whatever is done to a work tree, its listing is that of its bytes on disk."""
    with tempfile.TemporaryDirectory() as made:
        checkout = type(populated)(Path(made))
        checkout.git("init", "--quiet")
        for edit in edits:
            _apply(checkout, *edit)
        _listing(checkout)
        _listing(checkout, *(name for name in ("d", "a") if not (checkout.root / name).is_symlink()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=EDITS,
    patterns=st.lists(st.sampled_from(["d", "d/e", "!d/e/a", "a", "*", "!d", "d/*", "**/a", "!b"]), max_size=3),
)
def test_leaving_out_what_no_build_is_sent_changes_no_context(
    git_home: Path, populated: Checkout, edits: list[tuple[str, str, bytes]], patterns: list[str]
) -> None:
    """Ignore rules applied to a listing that skipped what they exclude give the same as applied to everything."""
    with tempfile.TemporaryDirectory() as made:
        checkout = type(populated)(Path(made))
        checkout.git("init", "--quiet")
        for edit in edits:
            _apply(checkout, *edit)
        rules = IgnoreRules.parse("\n".join(patterns).encode(), ".dockerignore")
        short = _tree(checkout.root).listing(["."], unsent=IgnoredByAll({b"": [rules.walk()]}, []))
        assert rules.filter(short) == rules.filter(DirectoryTree(checkout.root).listing(["."]))


def test_what_changed_since_a_commit_is_told_without_listing_it(populated: Checkout) -> None:
    """Committed, staged, edited, deleted and untracked paths may differ, each with its record then; clean ones not."""
    before = populated.git("rev-parse", "HEAD").strip()

    def then(*paths: str) -> dict[bytes, bytes]:
        told = (populated.git("ls-tree", before, path).split() for path in paths)
        return {path.encode(): f"{words[0]} {words[2]}".encode() for words, path in zip(told, paths, strict=True)}

    populated.write("committed", "1")
    populated.commit()
    populated.age()
    tree = _tree(populated.root)
    assert tree.changed_since(before, "Dockerfile") is None
    tree.listing(["."])
    assert tree.changed_since(before, "Dockerfile") == ({b"committed": None}, True)
    populated.write("Dockerfile", "FROM other\n")
    populated.write("untracked", "1")
    populated.write("services/api/run.sh", "edited")
    (populated.root / "services/web/index.html").unlink()
    assert tree.changed_since(before, "Dockerfile") == ({b"committed": None, **then("Dockerfile")}, True)
    tree.listing(["services"])
    edited = then("Dockerfile", "services/api/run.sh", "services/web/index.html")
    assert tree.changed_since(before, "Dockerfile") == ({b"committed": None, **edited}, True)
    populated.git("mv", "services/api/app.py", "services/api/moved.py")
    tree.listing(["services"])
    moved = {b"services/api/moved.py": None, **then("services/api/app.py")}
    assert tree.changed_since(before, "Dockerfile") == ({b"committed": None, **edited, **moved}, True)
    populated.git("update-index", "--assume-unchanged", "services/api/run.sh")
    tree.listing(["services"])
    assert (since := tree.changed_since(before, "Dockerfile")) is not None
    assert not since.is_exact


def test_a_filter_of_the_repository_is_never_run_to_tell_what_changed(populated: Checkout, tmp_path: Path) -> None:
    """Also for a file too young for its stat data to prove anything."""
    populated.write(".gitattributes", "Dockerfile filter=evil\n")
    populated.commit()
    populated.git("config", "filter.evil.clean", f"touch {tmp_path}/marker; cat")
    populated.write("Dockerfile", (populated.root / "Dockerfile").read_text())
    tree = _tree(populated.root)
    tree.listing(["."])
    tree.changed_since(populated.git("rev-parse", "HEAD").strip(), "Dockerfile")
    assert not (tmp_path / "marker").exists()


def test_what_is_presumed_is_the_listing_where_nothing_changed(populated: Checkout, way: str) -> None:
    """The very object; an edit is in the listing all the same, which shares with the guess what is the same."""
    populated.age()
    tree = _tree(populated.root)
    assert tree.presumed(["."]) is None
    tree.start_early()
    presumed = tree.presumed(["."])
    assert (presumed is None) is (way == "walk")
    found = tree.listing(["."])
    assert presumed is None or found is presumed
    populated.write("Dockerfile", "FROM edited\n")
    tree.start_early()
    guess = tree.presumed(["."])
    found = tree.listing(["."])
    assert found == DirectoryTree(populated.root).listing(["."]) != guess
    assert guess is None or found.under(b"services") is guess.under(b"services")
    tree.close()


@pytest.mark.parametrize("is_there", [True, False])
def test_attributes_above_do_not_stand_for_a_file_that_is_new(populated: Checkout, is_there: bool) -> None:
    """Git is asked for them too, so that as many files are listed as find meets in the directory alone."""
    populated.write(".gitattributes", "*.bin -text\n")
    populated.commit()
    populated.age()
    if not is_there:
        (populated.root / ".gitattributes").unlink()
    populated.write("services/new", "1")
    assert _listing(populated, "services").get(b"services/new") == _record("100644", b"1")


def test_what_find_met_is_presumed_too(populated: Checkout, way: str) -> None:
    """What git then finds changed is mended; a guess of something else, or for other images, is not used."""
    populated.age()
    populated.write("services/new", "1")
    populated.write("Dockerfile", "FROM edited\n")
    tree, other, ignoring = (_tree(populated.root) for _ in range(3))
    guess = _guess(tree, ["."])
    found = tree.listing(["."])
    assert found == DirectoryTree(populated.root).listing(["."])
    if way == "search":
        assert guess is not None
        assert guess.get(b"services/new") == _record("100644", b"1")
        assert found.under(b"services") is guess.under(b"services")
    _guess(other, ["services"])
    assert other.listing(["."]) == found
    _guess(ignoring, ["."], IgnoredByAll({b"": [IgnoreRules.parse(b"services/new", "x").walk()]}, ()))
    assert ignoring.listing(["."]) == found


def test_what_differs_from_head_can_be_begun_early(populated: Checkout) -> None:
    """The same answer as later; of another commit, and before the first one, it is asked anew."""
    first = populated.git("rev-parse", "HEAD")
    populated.write("staged", "1")
    populated.git("add", "staged")
    tree = _tree(populated.root)
    tree.look_back()
    tree.listing(["."])
    later = _tree(populated.root)
    later.listing(["."])
    assert tree.changed_since(first, "Dockerfile", is_head=True) == later.changed_since(first, "Dockerfile")
    second = populated.commit()
    assert later.changed_since(second, "Dockerfile") == ({}, True)
    assert tree.changed_since(first, "Dockerfile") == later.changed_since(first, "Dockerfile")
    tree.close()


def test_before_the_first_commit_nothing_is_begun_in_vain(checkout: Checkout) -> None:
    """Git's complaint about HEAD is nobody's."""
    checkout.write("a")
    tree = _tree(checkout.root)
    tree.look_back()
    assert len(tree.listing(["."])) == 1
    tree.close()
