"""A checkout that is not what it seems: exit code 5, unless the user allows it by flag or configuration (design D4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.command_line import run
from fakes.project_files import WHOLE, config_text, tag, write_files

from pipeline_kit.allowances import ALLOWABLE
from pipeline_kit.checkup import RULES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fakes.git_checkout import Checkout

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def _pointer(shop: Checkout) -> Path:
    shop.write("api/model.bin", POINTER)
    return shop.root


def _absent_submodule(shop: Checkout) -> Path:
    library = type(shop)(shop.root.parent / "library")
    library.root.mkdir()
    library.git("init", "--quiet")
    library.write("lib.c", "int x;\n")
    library.commit()
    shop.git("submodule", "add", "--quiet", str(library.root), "api/lib")
    shop.git("commit", "--quiet", "--message", "submodule")
    clone = shop.root.parent / "clone"
    shop.git("clone", "--quiet", str(shop.root), str(clone))
    return clone


def _sparse(shop: Checkout) -> Path:
    shop.write("api/docs/manual.md")
    shop.commit()
    shop.git("sparse-checkout", "set", "--no-cone", "/*", "!/api/docs/")
    return shop.root


def _flagged(shop: Checkout) -> Path:
    shop.git("update-index", "--skip-worktree", "api/a")
    shop.write("api/a", "other\n")
    return shop.root


def _unmerged(shop: Checkout) -> Path:
    for branch, text in (("other", "theirs\n"), ("main", "ours\n")):
        shop.git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        shop.write("api/a", text)
        shop.commit()
    shop.git("merge", "other", check=False)
    return shop.root


PROVOKED: dict[str, Callable[[Checkout], Path]] = {
    "lfs-pointer": _pointer,
    "submodule-missing": _absent_submodule,
    "sparse": _sparse,
    "skip-worktree": _flagged,
}


@pytest.fixture
def shop(checkout: Checkout) -> Checkout:
    """A project with one image."""
    files = {"pipeline-kit.yaml": config_text({"api": {"context": "api"}}), "api/Dockerfile": WHOLE, "api/a": "one\n"}
    write_files(checkout.root, files)
    checkout.commit()
    return checkout


def test_what_may_be_allowed_are_rules_of_doctor() -> None:
    """One name for one thing; each is an error unless it is allowed."""
    assert set(PROVOKED) == set(ALLOWABLE) <= RULES.keys()
    assert {str(RULES[rule].severity) for rule in ALLOWABLE} == {"error"}


@pytest.mark.parametrize("rule", PROVOKED)
def test_tag_plan_build_and_explain_end_with_5(shop: Checkout, rule: str) -> None:
    """Before anything is asked or built; doctor says so too."""
    root = PROVOKED[rule](shop)
    for words in (("tag",), ("plan", "--offline"), ("build", "--no-push"), ("explain", "api"), ("doctor",)):
        assert (words, run(root, *words).code) == (words, 5)


@pytest.mark.parametrize("rule", PROVOKED)
def test_the_flag_lets_pass_what_it_names_and_nothing_else(shop: Checkout, rule: str) -> None:
    """Then the files count as they lie on disk: a copy without git has the same tag."""
    root = PROVOKED[rule](shop)
    wrong = [word for other in ALLOWABLE if other != rule for word in ("--allow", other)]
    assert run(root, "tag", *wrong).code == 5
    told = run(root, "tag", "--json", "--allow", rule)
    assert told.code == 0
    assert run(root, "plan", "--offline", "--allow", rule).code == 0
    assert run(root, "explain", "api", "--allow", rule).code == 0
    assert run(root, "tag", env={"PIPELINE_KIT_TAG_ALLOW": rule}).code == 0
    plain = root.parent / "plain"
    (root / "api").rename(plain)
    (plain / "lib/.git").unlink(missing_ok=True)
    write_files(root.parent / "copy", {"pipeline-kit.yaml": config_text({"api": {"context": "api"}})})
    plain.rename(root.parent / "copy/api")
    expected = run(root.parent / "copy", "tag", "--json", "--allow", "lfs-pointer").json()
    assert told.json() == expected


@pytest.mark.parametrize("rule", PROVOKED)
def test_so_does_the_configuration(shop: Checkout, rule: str) -> None:
    """``allow:`` holds for every command and for the API."""
    root = PROVOKED[rule](shop)
    allowing = config_text({"api": {"context": "api"}}, allow=[rule])
    (root / "pipeline-kit.yaml").write_text(allowing)
    assert run(root, "tag").out.split()[-1].endswith(tag(root))
    assert json.loads(run(root, "config").out)["allow"] == [rule]


def test_an_unmerged_index_cannot_be_allowed(shop: Checkout) -> None:
    """Nobody means to build conflict markers."""
    root = _unmerged(shop)
    assert run(root, "tag").code == 5
    assert run(root, "tag", "--allow", "unmerged").code == 2
    (root / "pipeline-kit.yaml").write_text(config_text({"api": {"context": "api"}}, allow=["unmerged"]))
    assert run(root, "tag").code == 2
