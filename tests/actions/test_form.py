"""The actions' and workflows' own form: what a reader of actions/*/action.yml, READMEs and examples relies on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.act_runner import ROOT, load_action
from fakes.workflow_files import EXAMPLES

from pipeline_kit.outputs.deployments import deployment_outputs
from pipeline_kit.outputs.github_files import github_outputs
from pipeline_kit.outputs.promotions import promotion_outputs
from pipeline_kit.outputs.pruning import prune_outputs
from pipeline_kit.outputs.report import RunReport

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = sorted(path.parent.name for path in (ROOT / "actions").glob("*/action.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml")) + sorted(EXAMPLES.glob("*.yml"))
_PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|uses: OWNER/pipeline-kit/[\w/.-]+@COMMIT|uses: \./")


def _steps(action: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = load_action(action)["runs"]["steps"]
    return steps


def test_there_are_six_actions() -> None:
    """Design D7: what users see."""
    assert ACTIONS == ["build", "deploy", "plan", "promote", "prune", "setup"]


@pytest.mark.parametrize("action", ACTIONS)
def test_inputs_reach_scripts_through_the_environment_alone(action: str) -> None:
    """No input is declared in vain, none is pasted into a script, and every variable that is set is read."""
    document = load_action(action)
    scripts = " ".join(step["run"] for step in _steps(action) if "run" in step)
    shared = (ROOT / "actions" / "setup" / "kit.sh").read_text(encoding="utf-8")
    assert "${{" not in scripts
    assert "${{" not in shared
    used = [str(value) for step in _steps(action) for value in step.get("env", {}).values()]
    assert [name for name in document["inputs"] if f"${{{{ inputs.{name} }}}}" not in used] == []
    variables = {name for step in _steps(action) for name in step.get("env", {}) if name[:3] == "PK_"}
    assert [name for name in variables if name not in scripts and name not in shared] == []


@pytest.mark.parametrize("action", ACTIONS)
def test_an_input_that_several_actions_have_is_the_same_in_each(action: str) -> None:
    """Who knows one action knows the others."""
    kept = ("working-directory", "config", "registry", "username", "password", "aws", "python", "images")
    other = {**load_action("setup")["inputs"], **load_action("build")["inputs"]}
    inputs = load_action(action)["inputs"]
    assert {name: inputs[name] for name in kept if name in inputs} == {
        name: other[name] for name in kept if name in inputs
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_a_readme_names_every_input_with_its_default_and_every_output(action: str) -> None:
    """Whoever reads the README knows what can be set."""
    document = load_action(action)
    text = (ROOT / "actions" / action / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line[:1] == "|"]
    for name, entry in document["inputs"].items():
        row = next(line for line in rows if line.startswith(f"| `{name}` |"))
        assert not entry.get("default") or f"`{entry['default']}`" in row
        assert ("required" in row) == bool(entry.get("required"))
    assert [name for name in document["outputs"] if not any(line.startswith(f"| `{name}` |") for line in rows)] == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_readmes_workflow_is_one_of_the_examples(action: str) -> None:
    """It is linted and run as the example that it is, so it cannot rot."""
    text = (ROOT / "actions" / action / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block in [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.yml")]
    assert "permissions" in text.replace(block, "").lower(), "the permissions are explained"


@pytest.mark.parametrize("action", ["build", "deploy", "promote", "prune"])
def test_outputs_are_those_the_command_writes(action: str) -> None:
    """Each step output is handed on under its own name."""
    written = {
        "build": github_outputs(RunReport(())),
        "deploy": deployment_outputs([]),
        "promote": promotion_outputs([]),
        "prune": prune_outputs([]),
    }[action]
    outputs = load_action(action)["outputs"]
    assert sorted(outputs) == sorted(written)
    assert all(entry["value"] == f"${{{{ steps.{action}.outputs.{name} }}}}" for name, entry in outputs.items())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_every_action_and_leave_no_credentials(path: Path) -> None:
    """A tag that moves changes nothing, no later step finds the checkout's token, permissions are each job's own."""
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "uses:" in line and not _PINNED.search(line)] == []
    document = yaml.safe_load(text)
    assert document.get("permissions", {}) == {}
    assert all("permissions" in job for job in document["jobs"].values())
    steps = [step for job in document["jobs"].values() for step in job.get("steps", [])]
    assert all(s["with"]["persist-credentials"] is False for s in steps if "checkout" in s.get("uses", ""))
    assert not any("${{" in step.get("run", "") for step in steps)
    assert "pull_request_target" not in text


def test_the_examples_pin_one_version_of_each_action() -> None:
    """One update changes them all."""
    files = [*WORKFLOWS, *(ROOT / "actions").glob("*/action.yml")]
    used = {
        tuple(found)
        for path in files
        for found in re.findall(r"uses: ([\w-]+/[\w-]+)\S*@([0-9a-f]{40})", path.read_text())
    }
    assert len(used) == len({repository for repository, _ in used})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yml")), ids=lambda path: path.stem)
def test_the_page_explains_every_example(path: Path) -> None:
    """docs/github-actions.md names the file."""
    page = (ROOT / "docs" / "github-actions.md").read_text(encoding="utf-8")
    assert f"](../examples/workflows/{path.name})" in page
