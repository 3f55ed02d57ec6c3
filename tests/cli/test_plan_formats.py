"""The forms of a plan as they are printed, and what a plan leaves for the steps that follow on GitHub."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import pytest
from fakes.ci_events import github_step
from fakes.cli_shop import IMAGES
from fakes.github_runner import runner_reads
from fakes.strict_pages import assert_flowchart, judge_html

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

BOTH = ["linux/amd64", "linux/arm64"]


@pytest.fixture
def changed(shop: Shop) -> Shop:
    """Give a shop whose api was changed since everything was pushed; it has an alias and a second platform to come."""
    shop.push()
    (shop.root / "api/src/app.py").write_text("print(2)\n")
    return shop


def github(folder: Path) -> dict[str, str]:
    """Return the environment of a step whose run has a page."""
    page = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7"}
    return {**github_step(folder), **page}


@pytest.mark.parametrize("form", ["markdown", "mermaid", "github-matrix"])
def test_each_form(changed: Shop, form: str) -> None:
    """As people and workflows get it; the count of work is told beside it."""
    changed.golden(f"plan-{form}", changed.run("plan", "--format", form))


def test_the_matrix_of_platforms(shop: Shop) -> None:
    """Native runners, a join, and labels of one's own."""
    images = {name: {**image, "platforms": BOTH} for name, image in IMAGES.items() if name != "web"}
    shop.write({**images, "web": IMAGES["web"]})
    words = ("--per-platform", "--runner", "linux/arm64=self-hosted, arm64", "--runner", "aarch64=x")
    shop.golden("plan-github-matrix-platforms", shop.run("plan", "--format", "github-matrix", *words[:3]))
    last = shop.run("plan", "--format", "github-matrix", "--levels", "1", *words)
    level = last.json()["levels"][0]["include"]
    assert [(job["images"], job["platform"], job["runner"]) for job in level] == [
        ("base api", "linux/amd64", "ubuntu-24.04"),
        ("base api", "linux/arm64", "x"),
        ("web", "", "ubuntu-24.04"),
    ]


def test_nothing_to_do(shop: Shop) -> None:
    """An empty list of levels, and a comment that says so."""
    shop.push()
    ran = shop.run("plan", "--format", "github-matrix", "--detailed-exitcode")
    assert (ran.code, ran.json()) == (0, {"count": 0, "levels": [], "join": ""})
    assert "nothing to do, 3 there already" in html.unescape(shop.run("plan", "--format", "markdown").out)


@pytest.mark.parametrize("text", ["arm64", "=x", "linux/arm64=", "linux/arm64=a,,b", "a/b/c/d=x", "linux/arm64=a\nb"])
def test_a_runner_that_is_none_is_refused(shop: Shop, text: str) -> None:
    """Exit 2, before anything is asked."""
    ran = shop.run("plan", "--runner", text)
    assert ran.code == 2
    assert "next: " in ran.err
    assert shop.registry.log == []


@pytest.mark.parametrize("form", ["table", "json", "markdown", "mermaid", "github-matrix"])
def test_on_github_one_plan_is_output_summary_and_comment(changed: Shop, tmp_path: Path, form: str) -> None:
    """Whatever is printed; the outputs are what the forms print, and the registry is asked once."""
    changed.run("plan")
    asked = len(changed.registry.log)
    printed = {one: changed.run("plan", "--format", one, env=github(tmp_path)).out for one in ("markdown", form)}
    for name in ("output", "summary"):
        (tmp_path / name).unlink()
    changed.registry.log.clear()
    ran = changed.run("plan", "--format", form, "--detailed-exitcode", env=github(tmp_path))
    assert ran.code == 10
    assert ran.out == printed[form]
    assert len(changed.registry.log) == asked
    outputs = runner_reads((tmp_path / "output").read_text())
    assert {name: outputs[name] for name in ("has-work", "count", "join", "build", "skip")} == {
        "has-work": "true",
        "count": "1",
        "join": "",
        "build": '["api"]',
        "skip": '["base", "web"]',
    }
    assert outputs["markdown"] == printed["markdown"] == (tmp_path / "summary").read_text()
    assert "by [this run](<https://github.example/acme/shop/actions/runs/7>)" in outputs["markdown"]
    matrix = json.loads(outputs["matrix"])
    assert json.loads(outputs["levels"]) == matrix["levels"]
    assert set(outputs) == {"has-work", "count", "join", "build", "skip", "levels", "matrix", "markdown"}
    assert all("\n" not in value for name, value in outputs.items() if name != "markdown")
    if form == "github-matrix":
        assert json.loads(ran.out) == matrix
    if form == "mermaid":
        assert_flowchart(ran.out)


def test_a_summary_that_is_stdout_is_written_once(changed: Shop, tmp_path: Path) -> None:
    """``plan --format markdown >> "$GITHUB_STEP_SUMMARY"``."""
    env = github(tmp_path)
    with (tmp_path / "summary").open("ab") as file:
        assert changed.run("plan", "--format", "markdown", env=env, stdout=file).code == 0
    assert (tmp_path / "summary").read_text().count("### pipeline-kit") == 1


def test_an_output_that_cannot_be_written_is_said_and_the_others_are(changed: Shop, tmp_path: Path) -> None:
    """Exit 1 where it would have been 0 or 10; stdout and summary are there all the same."""
    env = {**github(tmp_path), "GITHUB_OUTPUT": "/dev/full"}
    ran = changed.run("plan", "--detailed-exitcode", env=env)
    assert ran.code == 1
    assert "outputs not written" in ran.err
    assert "api" in ran.out
    assert "### pipeline-kit" in (tmp_path / "summary").read_text()


def test_the_page_of_a_plan(changed: Shop, tmp_path: Path) -> None:
    """What the plan says; build --dry-run writes it as well."""
    for words in (("plan",), ("build", "--dry-run")):
        page = tmp_path / "page.html"
        assert changed.run(*words, "--html", str(page)).code == 0
        text = "".join(judge_html(page.read_text()).itertext())
        assert "1 to build, 2 there already" in text
        assert "src/app.py changed" in text
        page.unlink()


def test_the_page_of_a_run(shop: Shop, tmp_path: Path) -> None:
    """Digests of what is there, also with what others spent on it; a page replaces the one before."""
    shop.push()
    page = tmp_path / "page.html"
    page.write_text("before")
    for command in ("build", "join"):
        ran = shop.run(command, "--json", "--html", str(page))
        assert ran.code == 0
        text = "".join(judge_html(page.read_text()).itertext())
        assert "3 skipped" in text
        assert all(item["digest"] in text for item in ran.json()["images"].values())
        assert ran.json()["images"]["api"]["needs"] == ["base"]
        assert shop.registry.requests(path="/referrers/")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".page")] == []


@pytest.mark.parametrize("command", ["plan", "build", "join"])
def test_a_page_that_cannot_be_written_is_said(shop: Shop, tmp_path: Path, command: str) -> None:
    """Exit 1; build and join say so before they work."""
    shop.push()
    ran = shop.run(command, "--html", str(tmp_path / "no/page.html"))
    assert ran.code == 1
    assert "no/page.html" in ran.err
    assert command == "plan" or shop.registry.log == []
