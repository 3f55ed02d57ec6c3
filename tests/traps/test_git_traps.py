"""The git side of the traps table: one test a row, named after the row, saying the right behaviour."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import unicodedata
import zipfile
from typing import TYPE_CHECKING

import pytest
from fakes.command_line import run
from fakes.project_files import tag
from fakes.trap_scene import StoringBuilder

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import CheckoutError, DubiousOwnership
from pipeline_kit.reference import is_tag

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trap_scene import TrapScene

ROWS = {
    "rename/move, same bytes": "test_rename_or_move_with_the_same_bytes",
    "exec bit": "test_exec_bit",
    "664 vs 644 (umask)": "test_664_versus_644",
    "symlink retarget": "test_symlink_retarget",
    "assume-unchanged / skip-worktree": "test_assume_unchanged_and_skip_worktree",
    "ignored files in context (node_modules, .env, dist)": "test_ignored_files_in_context",
    "untracked files": "test_untracked_files",
    "empty dirs": "test_empty_directories",
    ".gitattributes eol / autocrlf": "test_eol_and_autocrlf",
    "ident/filters/LFS": "test_ident_filters_and_lfs",
    "submodule not initialised": "test_submodule_not_initialised",
    "sparse checkout": "test_sparse_checkout",
    "shallow clone": "test_shallow_clone",
    "worktree (.git is a file), bare, GIT_DIR": "test_worktree_bare_and_git_dir",
    "no .git (CodePipeline zip)": "test_no_git",
    "dubious ownership (CodeBuild/container root)": "test_dubious_ownership",
    "merge-ref checkout (refs/pull/N/merge), squash": "test_merge_ref_and_squash",
    "names with newline, tab, quote, non-UTF-8, leading dash": "test_odd_names",
    "NFC/NFD, case-only difference": "test_normal_forms_and_case",
    "same size+mtime edit": "test_same_size_and_mtime",
    "export-ignore / git archive contexts": "test_export_ignore",
    "file changes between key and build": "test_file_changes_between_key_and_build",
    "abbreviated hashes": "test_abbreviated_hashes",
}
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def test_every_row_has_its_test() -> None:
    """The table and this file name the same traps, no more and no less, each with its right behaviour."""
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    del tests["test_every_row_has_its_test"]
    assert sorted(tests) == sorted(ROWS.values())
    assert all(test.__doc__ for test in tests.values())


def test_rename_or_move_with_the_same_bytes(scene: TrapScene) -> None:
    """The path relative to the context is in the key, apart from the bytes: no rename, move or swap is missed."""
    found = [scene.tag()]
    for path in ("app/z.txt", "app/lib/a.txt", "app/lib/deep/a.txt", "app/liba.txt"):
        scene.write({path: ""})
        scene.git("mv", "-f", "app/a.txt", path)
        found.append(scene.tag())
        scene.git("mv", path, "app/a.txt")
        shutil.rmtree(scene.app / "lib/deep", ignore_errors=True)
    assert scene.tag() == found[0]
    scene.write({"app/a.txt": "two\n", "app/lib/b.txt": "one\n"})
    found.append(scene.tag())
    assert len(set(found)) == 6
    (scene.root / "app").rename(scene.root / "moved")
    config = scene.root / "pipeline-kit.yaml"
    config.write_text(config.read_text().replace('"app"', '"moved"'))
    assert scene.tag() == found[-1]


def test_exec_bit(scene: TrapScene) -> None:
    """The mode's class, 644 or 755, is in the key; as on disk even where core.fileMode=false hides it from git."""
    before = scene.tag()
    (scene.app / "a.txt").chmod(0o755)
    executable = scene.tag()
    assert executable != before
    scene.git("config", "core.fileMode", "false")
    assert scene.status() == ""
    assert scene.tag() == executable == scene.tag_without_git()
    (scene.app / "a.txt").chmod(0o644)
    assert scene.tag() == before


def test_664_versus_644(scene: TrapScene) -> None:
    """The key knows git's two classes only; doctor warns of other modes, since the builder copies them as they are."""
    before = scene.tag()
    assert "mode-differs" not in scene.doctor()
    (scene.app / "a.txt").chmod(0o664)
    (scene.app / "run.sh").chmod(0o775)
    assert scene.status() == ""
    assert scene.tag() == before == scene.tag_without_git()
    assert scene.doctor()["mode-differs"] == {"app/a.txt", "app/run.sh"}


def test_symlink_retarget(scene: TrapScene) -> None:
    """A link counts by its text and is not followed, except as a source of COPY, where the builder follows it."""
    outside = scene.root / "outside.txt"
    outside.write_text("1")
    before = scene.tag()
    (scene.app / "link").unlink()
    (scene.app / "link").symlink_to("run.sh")
    retargeted = scene.tag()
    (scene.app / "link").unlink()
    (scene.app / "link").symlink_to("../outside.txt")
    leaving = scene.tag()
    assert len({before, retargeted, leaving}) == 3
    outside.write_text("2")
    assert scene.tag() == leaving == scene.tag_without_git()
    (scene.app / "link").unlink()
    (scene.app / "link").symlink_to("lib")
    scene.image("FROM scratch\nCOPY link /x/\n")
    followed = scene.tag()
    (scene.app / "lib/b.txt").write_text("what the link leads to")
    assert scene.tag() != followed


def test_assume_unchanged_and_skip_worktree(scene: TrapScene) -> None:
    """Flags hide an edit from git status, never from the key: the real bytes count, and doctor names the files.

    Files flagged skip-worktree are refused unless they are allowed.
    """
    config = json.loads((scene.root / "pipeline-kit.yaml").read_text())
    scene.write({"pipeline-kit.yaml": json.dumps({**config, "allow": ["skip-worktree"]})})
    scene.commit()
    before = scene.tag()
    scene.git("update-index", "--assume-unchanged", "app/a.txt")
    scene.git("update-index", "--skip-worktree", "app/lib/b.txt")
    assert scene.tag() == before
    (scene.app / "a.txt").write_text("ONE\n")
    one = scene.tag()
    (scene.app / "lib/b.txt").write_text("TWO\n")
    both = scene.tag()
    assert scene.status() == ""
    assert len({before, one, both}) == 3
    assert both == scene.tag_without_git()
    told = scene.doctor()
    assert told["assume-unchanged"] == {"app/a.txt"}
    assert told["skip-worktree"] == {"app/lib/b.txt"}


def test_ignored_files_in_context(scene: TrapScene) -> None:
    """What git ignores and the builder is sent is an input; doctor lists it, and names what looks secret."""
    scene.write({".gitignore": "node_modules/\n.env\ndist\n"})
    scene.commit()
    found = [scene.tag()]
    sent = ("app/node_modules/left-pad/index.js", "app/.env", "app/dist/out.js")
    for path in sent:
        scene.write({path: "x"})
        found.append(scene.tag())
    assert scene.status() == ""
    assert len(set(found)) == 4
    assert found[-1] == scene.tag_without_git()
    told = scene.doctor()
    assert told["ignored-in-image"] == set(sent)
    assert told["secret-in-image"] == {"app/.env"}
    scene.write({"app/.dockerignore": "node_modules\n.env\ndist\n.dockerignore\n"})
    assert scene.tag() == found[0]


def test_untracked_files(scene: TrapScene) -> None:
    """A file that no commit holds is an input like any other, and doctor lists it."""
    before = scene.tag()
    scene.write({"app/new.txt": "x", "elsewhere.txt": "in no context"})
    untracked = scene.tag()
    assert untracked != before
    assert scene.doctor()["untracked-in-image"] == {"app/new.txt"}
    scene.commit()
    assert scene.tag() == untracked


def test_empty_directories(scene: TrapScene) -> None:
    """Git cannot see an empty directory and the image gets it: it is an input."""
    before = scene.tag()
    (scene.app / "spool/mail").mkdir(parents=True)
    assert scene.status() == ""
    assert scene.tag() != before
    assert scene.tag() == scene.tag_without_git()
    (scene.app / "spool/mail").rmdir()
    (scene.app / "spool").rmdir()
    assert scene.tag() == before


def test_eol_and_autocrlf(scene: TrapScene) -> None:
    """The bytes on disk count, since they are sent: CRLF that git converted is never taken for the blob's LF."""
    unix = scene.tag()
    scene.write({".gitattributes": "*.txt text eol=crlf\n"})
    scene.git("rm", "--quiet", "--cached", "-r", "app")
    shutil.rmtree(scene.app / "lib")
    (scene.app / "a.txt").unlink()
    scene.git("reset", "--quiet")
    scene.git("checkout", "--", "app")
    scene.commit()
    assert (scene.app / "a.txt").read_bytes() == b"one\r\n"
    assert (scene.status(), scene.git("cat-file", "blob", "HEAD:app/a.txt")) == ("", "one")
    windows = scene.tag()
    assert windows != unix
    assert windows == scene.tag_without_git()
    assert scene.doctor()["eol-conversion"] == {"app/a.txt", "app/lib/b.txt"}
    scene.git("clone", "--quiet", "-c", "core.autocrlf=true", ".", "../clone")
    (scene.root.parent / "clone/app/Dockerfile").write_bytes((scene.app / "Dockerfile").read_bytes())
    (scene.root.parent / "clone/app/run.sh").write_bytes((scene.app / "run.sh").read_bytes())
    assert tag(scene.root.parent / "clone") == windows


def test_ident_filters_and_lfs(scene: TrapScene) -> None:
    """The bytes sent are hashed, not the blob before ident or a filter; an LFS pointer is an error, not content."""
    scene.write({".gitattributes": "*.c ident\n*.up filter=upper\n", "app/m.c": "$Id$\n", "app/x.up": "abc\n"})
    scene.git("config", "filter.upper.smudge", "tr a-z A-Z")
    scene.git("config", "filter.upper.clean", "tr A-Z a-z")
    plain = scene.tag()
    scene.commit()
    for name in ("m.c", "x.up"):
        (scene.app / name).unlink()
    scene.git("checkout", "--", "app")
    assert scene.status() == ""
    assert (scene.app / "m.c").read_text() != "$Id$\n"
    assert (scene.app / "x.up").read_text() == "ABC\n"
    assert scene.tag() != plain
    assert scene.tag() == scene.tag_without_git()
    assert scene.doctor()["content-conversion"] == {"app/m.c", "app/x.up"}
    scene.write({"app/model.bin": POINTER})
    with pytest.raises(CheckoutError, match=r"LFS.*app/model\.bin") as caught:
        scene.tag()
    assert (caught.value.exit_code, caught.value.hint) == (5, "git lfs install --local && git lfs pull")
    scene.write({"app/.dockerignore": "*.bin\n"})
    assert scene.tag()


def test_submodule_not_initialised(scene: TrapScene, tmp_path: Path) -> None:
    """A submodule that is not there is an error; one that is there counts by its own files, its dirt included."""
    library = tmp_path / "library"
    library.mkdir()
    part = type(scene.checkout)(library)
    part.git("init", "--quiet")
    part.write("lib.c", "int x;\n")
    part.commit()
    scene.git("submodule", "add", "--quiet", str(library), "app/vendor")
    scene.commit()
    complete = scene.tag()
    clone = tmp_path / "clone"
    scene.git("clone", "--quiet", str(scene.root), str(clone))
    assert list((clone / "app/vendor").iterdir()) == []
    with pytest.raises(CheckoutError, match=r"submodules are not checked out: app/vendor") as caught:
        tag(clone)
    assert (caught.value.exit_code, caught.value.hint) == (5, "git submodule update --init --recursive")
    cloned = type(scene.checkout)(clone)
    cloned.git("submodule", "--quiet", "update", "--init", "--recursive")
    assert tag(clone) == complete
    cloned.write("app/vendor/lib.c", "int y;\n")
    dirty = tag(clone)
    cloned.write("app/vendor/new.c", "int z;\n")
    assert len({complete, dirty, tag(clone)}) == 3


def test_sparse_checkout(scene: TrapScene) -> None:
    """Tracked files that a sparse checkout leaves out of a context are an error; outside of it nobody misses them."""
    scene.write({"docs/guide.md": "x", "app/docs/help.md": "x"})
    scene.commit()
    complete = scene.tag()
    scene.git("sparse-checkout", "set", "--no-cone", "/*", "!/docs")
    assert not (scene.root / "docs").exists()
    assert scene.tag() == complete
    scene.git("sparse-checkout", "set", "--no-cone", "/*", "!docs")
    assert (scene.status(), (scene.app / "docs").exists()) == ("", False)
    with pytest.raises(CheckoutError, match=r"sparse.*app/docs/help\.md") as caught:
        scene.tag()
    assert (caught.value.exit_code, caught.value.hint) == (5, "git sparse-checkout disable")


def test_shallow_clone(scene: TrapScene, tmp_path: Path) -> None:
    """No history is in the key: a clone of depth one has the tag of the whole one."""
    for number in range(3):
        scene.write({"README.md": f"{number}\n"})
        scene.commit()
    scene.git("clone", "--quiet", "--depth=1", scene.root.as_uri(), str(tmp_path / "shallow"))
    shallow = type(scene.checkout)(tmp_path / "shallow")
    assert shallow.git("rev-list", "--count", "HEAD") == "1"
    assert tag(shallow.root) == scene.tag()


def test_worktree_bare_and_git_dir(scene: TrapScene, tmp_path: Path) -> None:
    """Git finds the repository wherever it lies; a bare one inside a context is files; GIT_DIR leads nowhere else."""
    expected = scene.tag()
    scene.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    scene.git("clone", "--quiet", "--separate-git-dir", str(tmp_path / "apart"), ".", str(tmp_path / "separate"))
    scene.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    for name in ("worktree", "separate"):
        assert (tmp_path / name / ".git").is_file()
        assert tag(tmp_path / name) == expected
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        ran = run(scene.root, "tag", env={variable: str(tmp_path / "bare.git")})
        assert ran.out.endswith(f":{expected}\n"), ran.err
    shutil.copytree(tmp_path / "bare.git", scene.app / "fixture.git")
    with_bare = scene.tag()
    assert with_bare != expected
    assert with_bare == scene.tag_without_git()
    (scene.app / "fixture.git/description").write_text("other\n")
    assert scene.tag() != with_bare


def test_no_git(scene: TrapScene, tmp_path: Path) -> None:
    """Files alone give the same tag; where a zip lost the modes the tag is another, as the image would be."""
    expected = scene.tag()
    archive = tmp_path / "source.zip"
    scene.git("archive", "--format=zip", "--output", str(archive), "HEAD")
    good, lossy = tmp_path / "good", tmp_path / "lossy"
    subprocess.run(["unzip", "-q", str(archive), "-d", str(good)], check=True)
    assert tag(good) == expected
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(lossy)
    (lossy / "app/link").unlink()
    (lossy / "app/link").symlink_to("a.txt")
    assert tag(lossy) != expected
    (lossy / "app/run.sh").chmod(0o755)
    assert tag(lossy) == expected
    assert "no-git" in {
        finding["rule"] for finding in run(good, "doctor", "--only", "checkout", "--json").json()["findings"]
    }


def test_dubious_ownership(scene: TrapScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of another user is refused with the safe.directory that helps; without .git its files are enough."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    expected = scene.tag()
    for path in (scene.root, scene.root / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(DubiousOwnership) as caught:
        scene.tag()
    assert caught.value.exit_code == 5
    command = str(caught.value.hint)
    assert f"safe.directory {scene.root}" in command
    assert scene.tag_without_git() == expected
    monkeypatch.chdir(scene.root.parent)
    found = re.search(r"git config --global --add safe\.directory \S+", command)
    assert found is not None
    subprocess.run(found[0].split(), check=True)
    assert scene.tag() == expected


def test_merge_ref_and_squash(scene: TrapScene) -> None:
    """Content decides, not the commit: a branch, its merge ref and its squashed commit on main share one tag."""
    main = scene.git("rev-parse", "HEAD")
    scene.git("checkout", "--quiet", "-b", "feature")
    scene.write({"app/a.txt": "better\n"})
    scene.commit()
    found = {scene.tag()}
    scene.git("checkout", "--quiet", "--detach", main)
    scene.git("merge", "--quiet", "--no-ff", "--message", "Merge feature into main", "feature")
    found.add(scene.tag())
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "--squash", "feature")
    scene.git("commit", "--quiet", "--message", "Better (#1)")
    found.add(scene.tag())
    assert len(found) == 1
    assert len(set(scene.git("rev-parse", "feature", "main").split())) == 2


ODD_NAMES = (b"new\nline", b"tab\there", b'quo"te', b"not \xff utf-8", b"-rf", b"--", b"back\\slash", b" ", b":(top)x")


def test_odd_names(scene: TrapScene) -> None:
    """Names are bytes from end to end: every one of these counts, tracked or not, and every edit of it is seen."""
    before = scene.tag()
    found = {before}
    for name in ODD_NAMES:
        scene.checkout.write(b"app/" + name, b"x")
        found.add(scene.tag())
    assert len(found) == len(ODD_NAMES) + 1
    untracked = scene.tag()
    scene.commit()
    assert scene.tag() == untracked == scene.tag_without_git()
    for name in ODD_NAMES:
        scene.checkout.write(b"app/" + name, b"y")
        found.add(scene.tag())
    assert len(found) == 2 * len(ODD_NAMES) + 1
    assert scene.tag() == scene.tag_without_git()
    for words in (["explain", "api"], ["explain", "--json", "api"], ["explain", "--against", "HEAD", "api"], ["plan"]):
        assert run(scene.root, *words).code == 0


def test_normal_forms_and_case(scene: TrapScene) -> None:
    """Names are sorted and compared as bytes, in any locale; doctor warns where macOS would merge two of them."""
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    scene.write({f"app/{composed}": "1", f"app/{decomposed}": "2", "app/README": "1", "app/readme": "2"})
    scene.commit()
    before = scene.tag()
    assert before == scene.tag_without_git()
    scene.write({f"app/{composed}": "2", f"app/{decomposed}": "1"})
    swapped = scene.tag()
    scene.write({"app/README": "2", "app/readme": "1"})
    assert len({before, swapped, scene.tag()}) == 3
    assert len({run(scene.root, "tag", env={"LC_ALL": locale}).out for locale in ("C", "C.UTF-8")}) == 1
    told = scene.doctor()
    assert told["case-clash"] == {"app/README", "app/readme"}
    assert told["unicode-clash"] == {f"app/{composed}", f"app/{decomposed}"}


def test_same_size_and_mtime(scene: TrapScene) -> None:
    """An edit that keeps size and mtime is seen, core.trustctime=false or not; without git every byte is read."""
    scene.git("config", "core.trustctime", "false")
    before, copied = scene.tag(), scene.tag_without_git()
    target = scene.app / "a.txt"
    old = target.stat()
    time.sleep(1.1)  # git compares change times by whole seconds
    target.write_text("ONE\n")
    os.utime(target, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (target.stat().st_size, target.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    assert scene.tag() != before == copied
    assert scene.tag_without_git() == scene.tag()


def test_export_ignore(scene: TrapScene, tmp_path: Path) -> None:
    """The tree decides, in the checkout and of a commit: what git archive leaves out or rewrites counts as it is."""
    scene.write({".gitattributes": "*.md export-ignore\n*.ver export-subst\n"})
    scene.write({"app/notes.md": "1\n", "app/own.ver": "$Format:%H$\n"})
    first = scene.commit()
    before = scene.tag()
    scene.write({"app/notes.md": "2\n"})
    scene.commit()
    assert scene.tag() != before
    assert run(scene.root, "tag", "--commit", first).out.endswith(f":{before}\n")
    archive = subprocess.run(["git", "archive", first], cwd=scene.root, check=True, capture_output=True).stdout
    (tmp_path / "archive").mkdir()
    subprocess.run(["tar", "-x"], cwd=tmp_path / "archive", input=archive, check=True)
    assert not (tmp_path / "archive/app/notes.md").exists()
    assert tag(tmp_path / "archive") != before


def test_file_changes_between_key_and_build(scene: TrapScene) -> None:
    """The context is hashed again after the build: an image of other bytes never gets the tag."""
    builder = StoringBuilder(scene.registry, lambda: (scene.app / "a.txt").write_text("changed meanwhile\n"))
    before = scene.tag()
    report = scene.build(builder)
    assert [image.status.value for image in report.images] == ["failed"]
    assert report.exit_code == 5
    assert scene.registry.tags.get("shop/api", {}) == {}
    again = StoringBuilder(scene.registry)
    assert scene.build(again).exit_code == 0
    assert set(scene.registry.tags["shop/api"]) == {scene.tag()}
    assert scene.tag() != before


def test_abbreviated_hashes(scene: TrapScene) -> None:
    """A tag is a legal tag of at least 96 bits, the same whatever core.abbrev says; the label holds the whole key."""
    before = scene.tag()
    scene.git("config", "core.abbrev", "4")
    assert scene.tag() == before
    assert re.fullmatch(r"[0-9a-f]{24,128}", before)
    assert is_tag(before)
    builder = StoringBuilder(scene.registry)
    scene.build(builder)
    label = builder.requests[0].labels[KEY_LABEL]
    assert re.fullmatch(r"[0-9a-f]{64}", label)
    assert label.startswith(before)
    assert set(scene.registry.tags["shop/api"]) == {before}
