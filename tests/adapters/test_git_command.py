from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pipeline_kit.adapters.directory import DirectoryTree
from pipeline_kit.adapters.git.command import Git, find_git, hardened_environment, inherited_safe_directories
from pipeline_kit.adapters.git.worktree import WorkTree, open_tree
from pipeline_kit.errors import CheckoutError, DubiousOwnership, GitUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.git_checkout import Checkout

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


def _config(environment: dict[str, str]) -> dict[str, str]:
    count = int(environment["GIT_CONFIG_COUNT"])
    return {environment[f"GIT_CONFIG_KEY_{n}"]: environment[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}


def test_the_environment_is_made_here_and_not_inherited() -> None:
    """Variables that hooks and CI set do not reach git; the user's own configuration file does."""
    inherited = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "GIT_DIR": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere/index",
        "GIT_EXTERNAL_DIFF": "evil",
        "GIT_SSH_COMMAND": "evil",
        "GIT_CONFIG_PARAMETERS": "'core.fsmonitor=evil'",
        "GIT_CONFIG_GLOBAL": "/home/me/config",
        "LC_ALL": "de_DE.UTF-8",
    }
    made = hardened_environment(inherited, toplevel="/src/repo", config=[("filter.lfs.clean", "")])
    assert {name: made[name] for name in ("PATH", "HOME", "GIT_CONFIG_GLOBAL", "LC_ALL", "GIT_CONFIG_NOSYSTEM")} == {
        "PATH": "/bin",
        "HOME": "/home/me",
        "GIT_CONFIG_GLOBAL": "/home/me/config",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    assert not {"GIT_DIR", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_CONFIG_PARAMETERS"} & set(
        made
    )
    assert made["GIT_CEILING_DIRECTORIES"] == "/src"
    config = _config(made)
    assert config["safe.bareRepository"] == "explicit"
    assert config["core.fsmonitor"] == "false"
    assert config["core.hooksPath"] == "/dev/null"
    assert config["filter.lfs.clean"] == ""
    assert "*" not in config.values()


def test_only_trust_passes_from_inherited_settings() -> None:
    """GIT_CONFIG_COUNT is the caller's own; of it only safe.directory is kept."""
    inherited = {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "Safe.Directory",
        "GIT_CONFIG_VALUE_0": "/src",
        "GIT_CONFIG_KEY_1": "core.fsmonitor",
        "GIT_CONFIG_VALUE_1": "evil",
    }
    assert inherited_safe_directories(inherited) == ("/src",)
    assert _config(hardened_environment(inherited, toplevel="/src"))["core.fsmonitor"] == "false"


@pytest.mark.parametrize("count", ["", "-1", "x", "99999999999", "\u0663"])
def test_a_broken_inherited_count_is_nothing(count: str) -> None:
    """Nonsense in the environment is no reason to fail."""
    assert inherited_safe_directories({"GIT_CONFIG_COUNT": count}) == ()


def test_git_is_never_taken_from_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative entries of PATH would find a program in the directory where git runs."""
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for search_path in ("", ".", ":", "./:relative"):
        with pytest.raises(GitUnavailable, match="no git found"):
            find_git(search_path)
    assert find_git(f".:/nonexistent:{tmp_path}") == str(fake)


def test_a_missing_git_is_said(populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout without a git binary is exit 5 with a hint; a directory without .git needs none."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(GitUnavailable, match="no git found") as caught:
        open_tree(populated.root)
    assert "2.35" in (caught.value.hint or "")
    plain = tmp_path / "plain"
    plain.mkdir()
    assert open_tree(plain)[0].listing(["."]).paths == []


def _install_git(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    (directory / "git").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("version", "found"),
    [("git version 2.30.2", "2.30"), ("git version 1.8.3.1", "1.8"), ("git version v3", "0.0"), ("", "0.0")],
)
def test_an_old_git_is_refused(
    populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, found: str
) -> None:
    """Old versions ignore the hardened settings, so nothing runs with them."""
    _install_git(tmp_path / "bin", f"echo '{version}'", monkeypatch)
    with pytest.raises(GitUnavailable, match=f"git {found} is too old"):
        open_tree(populated.root)


def test_a_git_that_cannot_start_is_said(populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken binary is reported with the system's reason."""
    _install_git(tmp_path / "bin", "", monkeypatch)
    (tmp_path / "bin/git").write_bytes(b"not a program")
    with pytest.raises(GitUnavailable, match="cannot run git"):
        open_tree(populated.root)


def test_hook_variables_do_not_mislead(populated: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a git hook, GIT_DIR and GIT_INDEX_FILE name another repository's files."""
    expected = open_tree(populated.root)[0].listing(["."])
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(populated.root))
    tree, history = open_tree(populated.root / "services")
    assert tree.listing(["."]) == expected.under(b"services")
    assert history is not None
    assert history.checkout().branch == "main"


def _make_bare_trap(directory: Path, marker: Path) -> None:
    """Make ``directory`` look like a bare repository whose configuration runs a program."""
    for name in ("objects", "refs"):
        (directory / name).mkdir(parents=True)
        (directory / name / "keep").write_text("")
    (directory / "HEAD").write_text("ref: refs/heads/main\n")
    (directory / "config").write_text(
        f'[core]\nrepositoryformatversion = 0\nbare = false\nworktree = "{directory}"\n'
        f'fsmonitor = "touch {marker}; false"\n'
    )


def test_a_context_that_is_a_bare_repository_runs_nothing(populated: Checkout, tmp_path: Path) -> None:
    """A pull request may commit such a directory; it is a directory like any other."""
    marker = tmp_path / "marker"
    trap = populated.root / "services/trap"
    _make_bare_trap(trap, marker)
    subprocess.run(["git", "status"], cwd=trap, check=False, capture_output=True)
    assert marker.exists(), "the trap works when git is used naively"
    marker.unlink()
    populated.commit()
    for root in (populated.root, populated.root / "services", trap):
        tree, history = open_tree(root)
        assert isinstance(tree, WorkTree)
        assert tree.listing(["."]) == DirectoryTree(root).listing(["."])
        assert history is not None
        history.checkout()
    assert not marker.exists()


def test_a_bare_repository_outside_any_checkout_is_a_directory(tmp_path: Path, git_home: Path) -> None:
    """Without a .git there is no git, whatever the files look like."""
    _make_bare_trap(tmp_path / "trap", tmp_path / "marker")
    tree, history = open_tree(tmp_path / "trap")
    assert isinstance(tree, DirectoryTree)
    assert history is None
    assert b"HEAD" in tree.listing(["."]).paths
    assert not (tmp_path / "marker").exists()


def test_programs_of_the_repository_configuration_do_not_run(populated: Checkout, tmp_path: Path) -> None:
    """fsmonitor, hooks, filters, external diffs, textconv, pagers, aliases: none of them."""
    marker = tmp_path / "marker"
    command = f"touch {marker}; false"
    populated.age()
    before = open_tree(populated.root)[0].listing(["."])
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "alias.ls-files",
    ):
        populated.git("config", key, f"!{command}" if key.startswith("alias") else command)
    populated.git("config", "filter.evil.required", "true")
    populated.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    populated.write(".git/info/attributes", "* filter=evil diff=evil\n")
    _install_hooks(tmp_path / "hooks", command)
    for path in populated.root.rglob("*.py"):  # too young for stat data: git reads them, through a filter if it may
        os.utime(path)
    tree, history = open_tree(populated.root)
    assert tree.listing(["."]) == before
    assert history is not None
    assert history.is_ancestor("HEAD", "main") is True
    commit = history.commit_tree("HEAD")
    assert commit is not None
    assert commit.listing(["."]) == before
    assert not marker.exists()


def _install_hooks(directory: Path, command: str) -> None:
    directory.mkdir()
    for name in ("post-index-change", "post-checkout", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"):
        (directory / name).write_text(f"#!/bin/sh\n{command}\n")
        (directory / name).chmod(0o755)


@as_root
def test_dubious_ownership_names_path_and_remedy(populated: Checkout) -> None:
    """Git refuses another user's checkout; the message has the exact command, and nothing is trusted silently."""
    target = populated.root.rename(populated.root.parent / "it's a repo")
    subprocess.run(["chown", "-R", "1234", str(target)], check=True)
    with pytest.raises(DubiousOwnership, match="belongs to another user") as caught:
        open_tree(target)
    hint = caught.value.hint or ""
    assert str(target) in caught.value.message
    subprocess.run(shlex.split(hint), check=True)
    assert hint.startswith("git config --global --add safe.directory ")
    assert len(open_tree(target)[0].listing(["."])) == 6


@as_root
def test_trust_in_the_callers_environment_is_honoured(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI systems pass safe.directory through GIT_CONFIG_COUNT."""
    subprocess.run(["chown", "-R", "1234", str(populated.root)], check=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(populated.root))
    assert len(open_tree(populated.root)[0].listing(["."])) == 6


@as_root
def test_trust_in_the_system_configuration_is_honoured(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI images set safe.directory in the system configuration, which is otherwise not read."""
    subprocess.run(["chown", "-R", "1234", str(populated.root)], check=True)
    system = (("safe.directory", str(populated.root)),)
    monkeypatch.setattr(Git, "system_safe_directories", lambda _: system)
    assert len(open_tree(populated.root)[0].listing(["."])) == 6


def test_system_trust_is_read_from_the_system_scope(
    git_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one question that reads the system configuration gets its entries and nobody else's."""
    answers = tmp_path / "answers"
    real = shutil.which("git")
    _install_git(tmp_path / "bin", f'echo "$@" "[$GIT_CONFIG_NOSYSTEM]" >> {answers}\nexec {real} "$@"', monkeypatch)
    found = Git(tmp_path).system_safe_directories()
    assert answers.read_text() == "config --system -z --get-all safe.directory []\n"
    assert all(key == "safe.directory" for key, _ in found)


def test_a_broken_gitfile_is_said(tmp_path: Path, git_home: Path) -> None:
    """A linked worktree mounted without its repository cannot be trusted to be without git."""
    (tmp_path / ".git").write_text("gitdir: /nonexistent/worktrees/x\n")
    with pytest.raises(CheckoutError, match="rev-parse failed"):
        open_tree(tmp_path)


def test_an_empty_git_directory_is_none(tmp_path: Path, git_home: Path) -> None:
    """Git looks further up then, and so do we."""
    (tmp_path / "a/.git").mkdir(parents=True)
    assert isinstance(open_tree(tmp_path / "a")[0], DirectoryTree)


def test_a_work_tree_elsewhere_is_refused(populated: Checkout, tmp_path: Path) -> None:
    """core.worktree would make git compare another directory than the one that is built."""
    (tmp_path / "other").mkdir()
    populated.git("config", "core.worktree", str(tmp_path / "other"))
    with pytest.raises(CheckoutError, match="top level"):
        open_tree(populated.root)


def test_a_missing_object_is_never_fetched(populated: Checkout, tmp_path: Path) -> None:
    """A partial clone's promisor may name any program as transport; it is not asked."""
    marker = tmp_path / "marker"
    blob = populated.git("rev-parse", "HEAD:Dockerfile")
    (populated.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    populated.git("config", "core.repositoryFormatVersion", "1")
    populated.git("config", "extensions.partialClone", "evil")
    populated.git("config", "remote.evil.url", f"ext::sh -c 'touch {marker}'")
    populated.git("config", "remote.evil.promisor", "true")
    populated.git("config", "protocol.ext.allow", "always")
    _, history = open_tree(populated.root)
    assert history is not None
    commit = history.commit_tree("HEAD")
    assert commit is not None
    with pytest.raises(CheckoutError, match="is missing"):
        commit.read("Dockerfile")
    assert not marker.exists()


def test_a_failed_command_gives_gits_reason(populated: Checkout) -> None:
    """The error names the command, the place and git's last line."""
    with pytest.raises(CheckoutError, match=r"git cat-file failed in .*: fatal: Not a valid object name nonsense"):
        Git(populated.root).run(["cat-file", "blob", "nonsense"])


def test_large_input_and_output_pass(populated: Checkout) -> None:
    """More than a pipe holds goes in and comes out."""
    names = b"".join(b"%040d\n" % number for number in range(20_000))
    answer = Git(populated.root).run(["cat-file", "--batch-check=%(objectname)"], names)
    assert answer == names.replace(b"\n", b" missing\n")


def test_memory_files_fall_back_to_temporary_ones(populated: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no memfd, a temporary file serves."""
    monkeypatch.delattr(os, "memfd_create")
    assert Git(populated.root).run(["rev-parse", "--show-toplevel"]) == os.fsencode(populated.root) + b"\n"
    assert len(open_tree(populated.root)[0].listing(["."])) == 6
