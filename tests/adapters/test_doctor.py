from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline_kit.adapters.git.worktree import open_tree
from pipeline_kit.app.doctor import diagnosis_document, examine
from pipeline_kit.checkup import PATHS_AT_MOST, RULES, Severity
from pipeline_kit.errors import CheckoutError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.git_checkout import Checkout

    from pipeline_kit.checkup import Finding

CONFIG = """\
version: 1
project: shop
registry: localhost:5000
defaults: {bases: ignore}
images:
  api: {context: api}
  web: {context: web}
"""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.fixture
def shop(checkout: Checkout) -> Checkout:
    """Return a clean checkout with two images, each with a context of its own."""
    checkout.write("pipeline-kit.yaml", CONFIG)
    for name in ("api", "web"):
        checkout.write(f"{name}/Dockerfile", "FROM scratch\nCOPY . /\n")
        checkout.write(f"{name}/src/app.py", "print(1)\n")
        (checkout.root / name).chmod(0o755)
        (checkout.root / name / "src").chmod(0o755)
    checkout.commit("first")
    checkout.age()
    return checkout


def _find(root: Path, *images: str, allowed: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    return examine(root, None, os.environ, images, allowed=allowed).findings


def _rules(root: Path, *images: str) -> set[str]:
    return {finding.rule for finding in _find(root, *images)}


def _lfs_pointer(shop: Checkout) -> None:
    shop.write("api/.gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    shop.write("api/model.bin", POINTER)
    shop.commit()


def _submodule_missing(shop: Checkout) -> Path:
    library = shop.root.parent / "library"
    library.mkdir()
    made = type(shop)(library)
    made.git("init", "--quiet")
    made.write("lib.c", "int x;\n")
    made.commit()
    shop.git("submodule", "add", "--quiet", str(library), "api/lib")
    shop.commit()
    return _clone(shop)


def _clone(shop: Checkout, *options: str) -> Path:
    target: Path = shop.root.parent / "clone"
    shop.git("clone", "--quiet", *options, f"file://{shop.root}", str(target))
    for name in ("api", "web"):
        (target / name).chmod(0o755)
    return target


def _sparse(shop: Checkout) -> None:
    shop.write("api/docs/manual.md")
    shop.commit()
    shop.git("sparse-checkout", "set", "--no-cone", "/*", "!/api/docs/")


def _skip_worktree(shop: Checkout) -> None:
    shop.git("update-index", "--skip-worktree", "api/src/app.py")
    shop.write("api/src/app.py", "print(2)\n")


def _assume_unchanged(shop: Checkout) -> None:
    shop.git("update-index", "--assume-unchanged", "api/src/app.py")


def _unmerged(shop: Checkout) -> None:
    shop.git("checkout", "--quiet", "-b", "other")
    shop.write("api/src/app.py", "print('other')\n")
    shop.commit()
    shop.git("checkout", "--quiet", "main")
    shop.write("api/src/app.py", "print('main')\n")
    shop.commit()
    shop.git("merge", "other", check=False)


def _checked_out_anew(shop: Checkout, path: str) -> None:
    shop.commit()
    (shop.root / path).unlink()
    shop.git("checkout", "--", path)


def _eol_conversion(shop: Checkout) -> None:
    shop.write("api/.gitattributes", "*.txt text eol=crlf\n")
    shop.write("api/notes.txt", "one\ntwo\n")
    _checked_out_anew(shop, "api/notes.txt")


def _autocrlf(shop: Checkout) -> None:
    shop.git("config", "core.autocrlf", "true")
    _checked_out_anew(shop, "api/src/app.py")


def _ident(shop: Checkout) -> None:
    shop.write("api/.gitattributes", "*.h ident\n")
    shop.write("api/version.h", "$Id$\n")
    _checked_out_anew(shop, "api/version.h")


def _filter(shop: Checkout) -> None:
    shop.git("config", "filter.loud.smudge", "tr a-z A-Z")
    shop.git("config", "filter.loud.clean", "tr A-Z a-z")
    shop.write("api/.gitattributes", "*.say filter=loud\n")
    shop.write("api/word.say", "hello\n")
    _checked_out_anew(shop, "api/word.say")


def _encoding(shop: Checkout) -> None:
    shop.write("api/.gitattributes", "*.u16 working-tree-encoding=UTF-16LE\n")
    shop.write("api/text.u16", "hello\n".encode("utf-16-le"))
    _checked_out_anew(shop, "api/text.u16")


def _ignored(shop: Checkout) -> None:
    shop.write(".gitignore", "node_modules/\n")
    shop.commit()
    shop.write("api/node_modules/left-pad/index.js")


def _untracked(shop: Checkout) -> None:
    shop.write("api/notes")


def _secret(shop: Checkout) -> None:
    shop.write("api/.npmrc", "//registry.example/:_authToken=hunter2\n")
    shop.commit()


def _mode(shop: Checkout) -> None:
    (shop.root / "api/src/app.py").chmod(0o664)


def _directory_mode(shop: Checkout) -> None:
    (shop.root / "api/src").chmod(0o775)


def _case(shop: Checkout) -> None:
    shop.write("api/README")
    shop.write("api/Readme")
    shop.commit()


def _unicode(shop: Checkout) -> None:
    for form in ("NFC", "NFD"):
        shop.write(f"api/{unicodedata.normalize(form, 'é')}.txt")
    shop.commit()


def _fifo(shop: Checkout) -> None:
    os.mkfifo(shop.root / "api/pipe", 0o644)


def _git_directory(shop: Checkout) -> None:
    shop.write("Dockerfile", "FROM scratch\n")
    shop.write("pipeline-kit.yaml", CONFIG + "  all: {context: .}\n")
    shop.commit()


def _shallow(shop: Checkout) -> Path:
    shop.commit("second")
    return _clone(shop, "--depth", "1")


def _no_git(shop: Checkout) -> None:
    shutil.rmtree(shop.root / ".git")


def _foreign_worktree(shop: Checkout) -> None:
    shop.git("config", "core.worktree", str(shop.root.parent))


def _bad_dockerfile(shop: Checkout) -> None:
    shop.write("api/Dockerfile", "FROM ${NOWHERE}\n")
    shop.commit()


PROVOKED: list[tuple[str, Callable[[Checkout], Path | None], list[bytes]]] = [
    ("lfs-pointer", _lfs_pointer, [b"api/model.bin"]),
    ("submodule-missing", _submodule_missing, [b"api/lib"]),
    ("sparse", _sparse, [b"api/docs/manual.md"]),
    ("skip-worktree", _skip_worktree, [b"api/src/app.py"]),
    ("unmerged", _unmerged, [b"api/src/app.py"]),
    ("assume-unchanged", _assume_unchanged, [b"api/src/app.py"]),
    ("eol-conversion", _eol_conversion, [b"api/notes.txt"]),
    ("eol-conversion", _autocrlf, [b"api/src/app.py"]),
    ("content-conversion", _ident, [b"api/version.h"]),
    ("content-conversion", _filter, [b"api/word.say"]),
    ("content-conversion", _encoding, [b"api/text.u16"]),
    ("ignored-in-image", _ignored, [b"api/node_modules/left-pad/index.js"]),
    ("untracked-in-image", _untracked, [b"api/notes"]),
    ("secret-in-image", _secret, [b"api/.npmrc"]),
    ("mode-differs", _mode, [b"api/src/app.py"]),
    ("mode-differs", _directory_mode, [b"api/src/"]),
    ("case-clash", _case, [b"api/README", b"api/Readme"]),
    ("unicode-clash", _unicode, ["api/e\N{COMBINING ACUTE ACCENT}.txt".encode(), "api/é.txt".encode()]),
    ("special-file", _fifo, [b"api/pipe"]),
    ("git-directory", _git_directory, [b".git"]),
    ("shallow-clone", _shallow, []),
    ("no-git", _no_git, []),
    ("git-failed", _foreign_worktree, []),
    ("image-unread", _bad_dockerfile, []),
]
_IDS = [provoke.__name__.strip("_") for _, provoke, _ in PROVOKED]


def test_a_clean_checkout_has_no_findings(shop: Checkout) -> None:
    """Nothing is found where nothing is wrong."""
    assert _find(shop.root) == ()


@pytest.mark.parametrize(("rule", "provoke", "paths"), PROVOKED, ids=_IDS)
def test_each_rule_is_found_when_provoked(
    shop: Checkout, rule: str, provoke: Callable[[Checkout], Path | None], paths: list[bytes]
) -> None:
    """Every rule names its paths, its severity and what to do, and is silent before."""
    assert rule not in _rules(shop.root)
    root = provoke(shop) or shop.root
    found = [finding for finding in _find(root) if finding.rule == rule]
    assert len(found) == 1
    assert list(found[0].paths) == paths
    assert found[0].count == len(paths)
    assert found[0].severity is RULES[rule].severity
    assert found[0].message
    assert found[0].hint


@pytest.mark.parametrize(("rule", "provoke", "paths"), PROVOKED, ids=_IDS)
def test_one_cause_makes_one_kind_of_finding(
    shop: Checkout, rule: str, provoke: Callable[[Checkout], Path | None], paths: list[bytes]
) -> None:
    """No rule cries for another's cause, except that a special file is untracked as well."""
    root = provoke(shop) or shop.root
    others = _rules(root) - {rule}
    assert others <= ({"untracked-in-image"} if rule == "special-file" else set())


@pytest.mark.parametrize(
    "provoke", [_lfs_pointer, _submodule_missing, _sparse, _unmerged], ids=lambda provoke: provoke.__name__.strip("_")
)
def test_what_a_tag_is_refused_for_is_an_error(shop: Checkout, provoke: Callable[[Checkout], Path | None]) -> None:
    """Doctor says 5 where computing the tag would, and only for the image concerned."""
    root = provoke(shop) or shop.root
    tree, _ = open_tree(root)
    with pytest.raises(CheckoutError):
        tree.listing(["api"])
    diagnosis = examine(root, None, os.environ)
    assert diagnosis.exit_code == 5
    assert {image for finding in diagnosis.findings for image in finding.images} == {"api"}
    assert _find(root, "web") == ()


def test_findings_do_not_hide_each_other(shop: Checkout) -> None:
    """A checkout with many troubles, an unreadable Dockerfile among them, gets all of them told in one run."""
    _lfs_pointer(shop)
    _unmerged(shop)
    shop.git("update-index", "--skip-worktree", "web/src/app.py")
    (shop.root / "web/src/app.py").unlink()
    shop.git("update-index", "--assume-unchanged", "web/Dockerfile")
    shop.write("web/.env", "A=1")
    shop.write("web/.env.example", "A=")
    shop.write("api/Dockerfile", "FROM ${NOWHERE}\n")
    expected = {"lfs-pointer", "sparse", "unmerged", "image-unread", "secret-in-image", "untracked-in-image"}
    assert _rules(shop.root) == {*expected, "assume-unchanged"}
    secrets = [finding.paths for finding in _find(shop.root) if finding.rule == "secret-in-image"]
    assert secrets == [(b"web/.env",)]


@pytest.mark.parametrize(
    ("provoke", "ignored"),
    [
        (_ignored, "node_modules"),
        (_untracked, "notes"),
        (_secret, ".npmrc"),
        (_mode, "src/app.py"),
        (_case, "R*"),
        (_unicode, "*.txt"),
        (_fifo, "pipe"),
        (_eol_conversion, "*.txt"),
        (_filter, "*.say"),
    ],
)
def test_what_is_not_sent_is_no_finding(
    shop: Checkout, provoke: Callable[[Checkout], Path | None], ignored: str
) -> None:
    """Warnings about images end where .dockerignore keeps the file out."""
    provoke(shop)
    assert _find(shop.root) != ()
    shop.write("api/.dockerignore", f"{ignored}\n")
    shop.git("add", "api/.dockerignore")
    assert _find(shop.root) == ()


def test_an_ignored_git_directory_is_no_finding(shop: Checkout) -> None:
    """`.git` in .dockerignore ends the note."""
    _git_directory(shop)
    shop.write(".dockerignore", ".git\n")
    shop.commit()
    assert _find(shop.root) == ()


def test_content_that_lfs_fetched_is_no_finding(shop: Checkout) -> None:
    """A file with filter=lfs that holds its content differs from the blob on purpose."""
    shop.write("api/.gitattributes", "*.bin filter=lfs\n")
    shop.write("api/model.bin", POINTER)
    shop.commit()
    shop.write("api/model.bin", "the model itself\n")
    assert _find(shop.root) == ()


def test_an_initialised_submodule_is_no_finding(shop: Checkout) -> None:
    """Files of a submodule that is there are not called untracked."""
    root = _submodule_missing(shop)
    type(shop)(root).git("submodule", "update", "--quiet", "--init")
    assert _find(root) == ()


def test_edits_are_no_conversions(shop: Checkout) -> None:
    """A modified file under an eol attribute that changes nothing is an ordinary edit."""
    shop.write("api/.gitattributes", "*.py text eol=lf\n")
    shop.commit()
    shop.write("api/src/app.py", "print(2)\n")
    assert _find(shop.root) == ()


def test_images_that_share_a_context_share_the_finding(shop: Checkout) -> None:
    """One finding names every image it concerns."""
    shop.write("pipeline-kit.yaml", CONFIG + "  jobs: {context: api}\n")
    shop.write("api/notes")
    (finding,) = _find(shop.root)
    assert (finding.rule, finding.images, finding.context) == ("untracked-in-image", ("api", "jobs"), "api")


def test_named_contexts_and_inputs_are_looked_at(shop: Checkout) -> None:
    """A named context is sent like the main one; extra inputs are read, so a pointer beside them is told."""
    shop.write(
        "pipeline-kit.yaml", CONFIG.replace("{context: web}", "{context: web, contexts: {x: x}, inputs: [in/V]}")
    )
    shop.write("x/id_rsa", "key")
    shop.write("in/V", POINTER)
    shop.commit()
    found = {(finding.rule, finding.context): finding.paths for finding in _find(shop.root)}
    assert found == {("secret-in-image", "x"): (b"x/id_rsa",), ("lfs-pointer", "in"): (b"in/V",)}


def test_a_configuration_below_the_top_counts_from_the_top(shop: Checkout) -> None:
    """Paths and contexts are told from the top of the checkout."""
    shop.write("deep/pipeline-kit.yaml", CONFIG.replace("web: {context: web}", "").rstrip() + "\n")
    shutil.copytree(shop.root / "api", shop.root / "deep/api")
    shop.commit()
    shop.write("deep/api/.env", "A=1")
    found = {finding.rule: (finding.context, finding.paths) for finding in _find(shop.root / "deep")}
    assert found == dict.fromkeys(["secret-in-image", "untracked-in-image"], ("deep/api", (b"deep/api/.env",)))


def test_allowed_rules_are_warnings(shop: Checkout) -> None:
    """An allowed error stays visible and no longer fails."""
    _lfs_pointer(shop)
    assert [item.severity for item in _find(shop.root, allowed=("lfs-pointer",))] == [Severity.WARNING]
    assert [item.severity for item in _find(shop.root, allowed=("sparse",))] == [Severity.ERROR]


def test_a_missing_or_old_git_is_an_error(shop: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a usable git the files are examined all the same."""
    shop.write("api/.env", "A=1")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert _rules(shop.root) == {"git-missing", "secret-in-image"}
    old = programs / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    assert _rules(shop.root) == {"git-too-old", "secret-in-image"}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_a_checkout_of_another_user_is_told_with_the_command_that_helps(shop: Checkout) -> None:
    """Dubious ownership is a finding with git's own remedy."""
    for path in (shop.root, shop.root / ".git"):
        os.chown(path, 65534, 65534)
    (finding,) = _find(shop.root)
    assert finding.rule == "dubious-ownership"
    assert "safe.directory" in finding.hint


def test_sockets_do_not_stop_the_walk(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is a special file; it is never opened."""
    monkeypatch.chdir(shop.root / "api")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind("s")
    assert "special-file" in _rules(shop.root)


AS_NOBODY = """
import base64, json, os, pathlib, sys
import yaml
from pipeline_kit.adapters.git import conditions, history, repository
from pipeline_kit.app.doctor import diagnosis_document, examine
if os.geteuid() == 0:
    os.setuid(65534)
print(json.dumps(diagnosis_document(examine(pathlib.Path(sys.argv[1]), None, {}))))
"""


def test_unreadable_files_and_directories_are_all_named() -> None:
    """Neither an unreadable file nor an unreadable directory ends the examination."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "shop"
        for path in ("api/open/.env", "api/closed/file", "api/shut", "api/Dockerfile"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("FROM scratch\n")
        (root / "pipeline-kit.yaml").write_text(CONFIG.replace("  web: {context: web}\n", ""))
        for entry in (Path(place), root, *root.rglob("*")):
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        (root / "api/shut").chmod(0)
        (root / "api/closed").chmod(0)
        command = [sys.executable, "-c", AS_NOBODY, str(root)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
        (root / "api/closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["exit_code"] == 5
    found = {finding["rule"]: finding["paths"] for finding in document["findings"]}
    assert found["unreadable"] == ["api/closed", "api/shut"]
    assert found["secret-in-image"] == ["api/open/.env"]


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline_kit", *words],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode
    return document


def test_the_command_ends_with_0_or_5(shop: Checkout) -> None:
    """Clean: 0; warnings only: 0; an error: 5; allowed: 0; JSON says the same."""
    done = _run(shop.root, "doctor", "--only", "checkout")
    assert (done.returncode, done.stdout) == (0, "no findings\n")
    shop.write("api/notes")
    assert _document(_run(shop.root, "doctor", "--only", "checkout", "--json"))["findings"][0]["severity"] == "warning"
    _lfs_pointer(shop)
    told = _run(shop.root, "doctor", "--only", "checkout")
    assert told.returncode == 5
    assert "lfs-pointer in api (api): 1 path" in told.stdout
    assert "do: git lfs install --local && git lfs pull" in told.stdout
    assert _document(_run(shop.root, "doctor", "--only", "checkout", "--json"))["exit_code"] == 5
    assert _run(shop.root, "doctor", "--only", "checkout", "web").returncode == 0
    assert _run(shop.root, "doctor", "--only", "checkout", "--allow", "lfs-pointer").returncode == 0
    assert _run(shop.root, "doctor", "--only", "checkout", "--allow", "nonsense").returncode == 2


def test_an_unknown_image_is_a_usage_error(shop: Checkout) -> None:
    """Only what the user wrote raises."""
    with pytest.raises(InputError, match="no image 'nothing'"):
        _find(shop.root, "nothing")


def test_hostile_names_are_printable_and_stay_on_their_line(shop: Checkout) -> None:
    """Escape sequences, line ends, bidirectional marks and bytes that are no UTF-8 never reach a terminal."""
    names = (b"\x1b[2J", b"a\nerror    lfs-pointer", b"\xe2\x80\xaegnp", b"\xff\xfe", b"::error::x", b"\r")
    for name in names:
        shop.write(b"api/" + name)
    done = _run(shop.root, "doctor", "--only", "checkout")
    assert done.returncode == 0
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert not any(line.startswith(("error", "::")) for line in done.stdout.splitlines())
    (finding,) = _document(_run(shop.root, "doctor", "--only", "checkout", "--json"))["findings"]
    assert finding["count"] == len(names)
    assert all(path.isprintable() for path in finding["paths"])


def test_long_lists_are_cut_and_counted(shop: Checkout) -> None:
    """A finding names twenty paths and says how many there are."""
    for number in range(50):
        shop.write(f"api/new/{number:02}")
    document = diagnosis_document(examine(shop.root, None, os.environ))
    (finding,) = document["findings"]
    assert (len(finding["paths"]), finding["count"]) == (PATHS_AT_MOST, 50)


def test_a_secret_never_appears(shop: Checkout) -> None:
    """Doctor names the file, never what it holds."""
    _secret(shop)
    done = _run(shop.root, "-v", "doctor", "--only", "checkout")
    assert ".npmrc" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_nothing_is_changed_and_no_program_of_the_repository_runs(shop: Checkout) -> None:
    """Neither the index nor a filter, hook or fsmonitor is touched."""
    marker = shop.root.parent / "ran"
    _filter(shop)
    for key in ("filter.loud.smudge", "filter.loud.clean", "filter.loud.process", "core.fsmonitor"):
        shop.git("config", key, f"touch {marker}")
    os.utime(shop.root / "api/word.say")
    before = (shop.root / ".git/index").read_bytes()
    _find(shop.root)
    assert not marker.exists()
    assert (shop.root / ".git/index").read_bytes() == before


def test_every_rule_is_documented() -> None:
    """docs/doctor.md has one section for each rule."""
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text()
    assert [line[4:].strip("`") for line in page.splitlines() if line.startswith("### ")] == list(RULES)
