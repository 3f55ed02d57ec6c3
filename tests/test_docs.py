"""The documentation says what the program does: compared with the program itself, not with a memory of it."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import write_docs
import yaml
from click.testing import CliRunner
from markdown_it import MarkdownIt

from pipeline_kit import errors
from pipeline_kit.cli.main import main as command_line
from pipeline_kit.cli.plan_shown import FORMATS
from pipeline_kit.config import PLACEHOLDERS, PathKind, keys, load
from pipeline_kit.outputs.github_files import github_outputs
from pipeline_kit.outputs.plan_markdown import Origin
from pipeline_kit.outputs.plan_outputs import plan_outputs
from pipeline_kit.outputs.report import RunReport
from pipeline_kit.plan import Action, Plan, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "actions/*/*.md", "examples/*/README.md") for path in ROOT.glob(pattern)
)
_ROW = re.compile(r"^\| (`[^|]+`|\d[\d, ]*) \|", re.MULTILINE)


def _tokens(path: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def _shell_lines(path: Path) -> Iterator[str]:
    for token in _tokens(path):
        is_shell = token.type == "code_block" or (token.type == "fence" and token.info in ("sh", "bash"))
        if is_shell or token.type == "code_inline":
            yield from (line.strip() for line in token.content.splitlines())


def _commands(path: Path, program: str) -> Iterator[list[str]]:
    for line in _shell_lines(path):
        if line.startswith(f"{program} "):
            words = shlex.split(line.partition(" > ")[0], comments=True)
            yield words[1:]


def _first_cells(page: str) -> set[str]:
    cells = _ROW.findall((DOCS / page).read_text(encoding="utf-8"))
    return {word.strip("` ") for cell in cells for word in cell.split(",")}


@pytest.mark.parametrize("name", write_docs.generated())
def test_generated_files_are_up_to_date(name: str) -> None:
    """What `make docs` writes is what stands below docs/."""
    assert (DOCS / name).read_text(encoding="utf-8") == write_docs.generated()[name], "run: make docs"


def test_every_command_and_option_is_explained() -> None:
    """No command without a sentence, no option without a help text."""
    silent = []
    for name, command, _ in write_docs.commands():
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        silent += [f"{name} {option.opts[0]}" for option in options if not option.help]
        silent += [] if command.help else [name]
    assert silent == []


def test_the_list_of_commands_says_what_each_commands_own_help_is_about() -> None:
    """The short texts, which are kept apart so that nothing is imported for them, cover every command."""
    shown = CliRunner().invoke(command_line, ["--help"]).stdout.partition("Commands:")[2]
    listed = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert listed == command_line.list_commands(click.Context(command_line))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_documentation_exist(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `pipeline-kit …` in a page is accepted by the command line, options included."""
    monkeypatch.chdir(ROOT)
    for words in _commands(path, "pipeline-kit"):
        done = CliRunner().invoke(command_line, [*words, "--help"])
        assert done.exit_code == 0, f"pipeline-kit {shlex.join(words)}: {done.output}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_in_the_documentation_exist(path: Path) -> None:
    """Every `make …` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert [words for words in _commands(path, "make") if not set(words) <= targets] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    """No page links to a file that is not there."""
    links = [str(token.attrs["href"]) for token in _tokens(path) if token.type == "link_open"]
    inside = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in inside if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md"])
def test_example_configurations_are_valid(page: str) -> None:
    """A configuration that a page shows is read without a problem and without a warning."""
    fences = [token for token in _tokens(ROOT / page) if token.type == "fence" and token.info == "yaml"]
    whole = [
        token.content
        for token in fences
        if isinstance(yaml.safe_load(token.content), dict) and "images:" in token.content
    ]
    assert len(whole) == 1
    for text in whole:
        config = load(text.encode(), page, environ={}, exists=_anything)
        assert (bool(config.images), config.warnings) == (True, ())


def _anything(path: str) -> PathKind:
    name = path.rpartition("/")[2]
    return PathKind.FILE if name == "Dockerfile" or name.endswith(".json") else PathKind.DIRECTORY


def test_every_configuration_key_is_documented() -> None:
    """Each key has a row in the tables, or is named in the row or paragraph of the key it belongs to."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    rows = _first_cells("configuration.md")
    assert set(keys.TOP) | set(keys.IMAGE) <= rows
    below = {*keys.DEFAULTS, *keys.SCOPES, *keys.SERVICE, *keys.ECS, *keys.RETENTION}
    words = {*keys.CACHE_WORDS, *keys.BASES_WORDS, *keys.VERIFY_WORDS}
    assert [name for name in sorted(below | words) if f"`{name}`" not in text] == []
    assert [name for name in (*keys.CACHE, *keys.SECRET) if f"{name}: " not in text] == []
    assert [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in text] == []


def _all_errors(
    kind: type[errors.PipelineKitError] = errors.PipelineKitError,
) -> Iterator[type[errors.PipelineKitError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_errors(below)


def test_every_exit_code_is_documented() -> None:
    """Each code of the error tree, and those that are no errors, has a row; and no row is about a code that is none."""
    codes = {str(kind.exit_code) for kind in _all_errors() if kind.__module__ == errors.__name__}
    codes |= {str(errors.Interrupted(number).exit_code) for number in (signal.SIGINT, signal.SIGTERM)}
    assert _first_cells("exit-codes.md") == codes | {"0", "10", "141"}


def test_every_word_of_the_outputs_is_documented() -> None:
    """Statuses, actions, verdicts and GitHub outputs are all explained."""
    rows, text = _first_cells("outputs.md"), (DOCS / "outputs.md").read_text(encoding="utf-8")
    assert {status.value for status in Status} | set(github_outputs(RunReport(()))) <= rows
    plan = plan_outputs(Plan({}), Origin(), {"count": 0, "levels": [], "join": ""})
    assert {name for name in (*plan, *FORMATS) if f"`{name}`" not in text} == set()
    assert [word for word in (*Action, *Verdict) if word not in text] == []
    decision = (DOCS / "skip-decision.md").read_text(encoding="utf-8")
    assert [word for word in Action if f"`{word}`" not in decision] == []


def test_the_index_leads_to_every_page() -> None:
    """A page that the index does not name is not found by anybody."""
    links = {str(token.attrs["href"]) for token in _tokens(DOCS / "index.md") if token.type == "link_open"}
    assert {path.name for path in DOCS.glob("*") if path.name != "index.md"} <= links


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    """Keep a Changelog: the newest heading is Unreleased, and the license is the whole Apache License 2.0."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in licence


def test_ci_runs_what_people_run() -> None:
    """The workflow and .ci/run both come down to `make test`, and .ci/run can be executed."""
    script = ROOT / ".ci" / "run"
    assert "make test" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111
    assert "run: make test" in (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")


def test_the_makefile_stays_short_and_explains_every_target() -> None:
    """At most 40 lines; `make help` lists every target."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    targets = re.findall(r"^([a-z-]+):(.*)$", text, re.MULTILINE)
    assert [name for name, rest in targets if " ## " not in rest] == []
