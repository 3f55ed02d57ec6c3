"""Carries out a composite action as a GitHub runner does (docs: "Metadata syntax", "Workflow commands").

Knows the expressions that ours uses: ``inputs.NAME`` and ``steps.ID.outputs.NAME``, alone in a value.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(slots=True)
class ActionResult:
    """How an action ended: the exit code of the step that ended it, its outputs, all it said, and the summary."""

    code: int = 0
    outputs: dict[str, str] = field(default_factory=dict)
    output: str = ""
    summary: str = ""


def load_action(path: Path) -> dict[str, Any]:
    """Return an action.yml's document."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def run_action(
    path: Path, workspace: Path, temporary: Path, inputs: Mapping[str, str], environment: Mapping[str, str]
) -> ActionResult:
    """Carry out the composite action at ``path`` in ``workspace``; ``temporary`` is RUNNER_TEMP."""
    action = load_action(path)
    assert set(inputs) <= set(action["inputs"])
    values = {f"inputs.{name}": str(entry.get("default", "")) for name, entry in action["inputs"].items()}
    values |= {f"inputs.{name}": value for name, value in inputs.items()}
    result = ActionResult()
    temporary.mkdir(exist_ok=True)
    summary = temporary / "summary.md"
    summary.touch()
    runner = {
        **environment,
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(path.parent),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(temporary),
    }
    for number, step in enumerate(action["runs"]["steps"]):
        _run_step(step, number, workspace, temporary, runner, values, result)
        if result.code:
            break
    result.summary = summary.read_text(encoding="utf-8")
    result.outputs = {name: _filled(entry["value"], values) for name, entry in action["outputs"].items()}
    return result


def _run_step(
    step: Mapping[str, Any],
    number: int,
    workspace: Path,
    temporary: Path,
    runner: Mapping[str, str],
    values: dict[str, str],
    result: ActionResult,
) -> None:
    assert step["shell"] == "bash"
    assert "${{" not in step["run"], "an expression in a script is an injection"
    script, outputs = temporary / f"step-{number}.sh", temporary / f"outputs-{number}"
    script.write_text(step["run"], encoding="utf-8")
    outputs.write_bytes(b"")
    own = {name: _filled(str(value), values) for name, value in step.get("env", {}).items()}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
        cwd=workspace,
        env={**runner, **own, "GITHUB_OUTPUT": str(outputs)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    result.code = done.returncode
    result.output += done.stdout.decode("utf-8", "replace")
    for name, value in read_outputs(outputs.read_text(encoding="utf-8")).items():
        values[f"steps.{step.get('id', number)}.outputs.{name}"] = value


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: values.get(found[1], ""), text)


def read_outputs(text: str) -> dict[str, str]:
    """Return what a GITHUB_OUTPUT file says, in both of its forms."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, rest = re.split(r"(=|<<)", line, maxsplit=1)
        if mark == "=":
            found[name] = rest
            continue
        value = []
        for below in lines:
            if below == rest:
                break
            value.append(below)
        found[name] = "\n".join(value)
    return found
