"""buildspec-templates/: their form, what their headers say, and the grammar and scope of their IAM policies."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes import iam
from fakes.buildspec_form import problems
from fakes.buildspec_runner import read_buildspec, run_buildspec
from fakes.codebuild_scene import TEMPLATES
from moto.iam.policy_validation import IAMPolicyDocumentValidator

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(path.stem for path in TEMPLATES.glob("*.yml"))
POLICIES = sorted(path.stem for path in (TEMPLATES / "policies").glob("*.json"))
_PLACES = {
    "ACCOUNT": iam.ACCOUNT,
    "TARGET_ACCOUNT": "444455556666",
    "REGION": "eu-west-1",
    "TARGET_REGION": "us-east-1",
}


@pytest.mark.parametrize("name", NAMES)
def test_templates_have_the_form_of_a_buildspec_and_say_what_they_need(name: str) -> None:
    """Every key is known; the header tells privileged mode, caches and policy; the README has a line for each."""
    read_buildspec(TEMPLATES / f"{name}.yml")
    head = (TEMPLATES / f"{name}.yml").read_text(encoding="utf-8").partition("\nversion:")[0]
    for line in ("# Privileged mode: ", "# Caches: ", "# IAM: buildspec-templates/policies/"):
        assert line in head
    for policy in re.findall(r"policies/([\w.-]+)\.json", head):
        assert policy in POLICIES
    readme = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| [{name}.yml]({name}.yml) |")]
    assert ("| yes |" in row) == ("# Privileged mode: yes" in head)


def test_templates_differ_only_where_they_do_different_work() -> None:
    """One way to install, one cache, one guard: what is said in several files is the same in all of them."""
    specs = [read_buildspec(TEMPLATES / f"{name}.yml") for name in NAMES]
    for part in ("install", "pre_build"):
        assert len({json.dumps(spec["phases"][part]) for spec in specs}) == 1
    assert len({json.dumps(spec["cache"]) for spec in specs}) == 1
    assert len({json.dumps(spec["artifacts"]) for spec in specs}) == 1


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_iams_grammar_and_scoped_as_far_as_can_be(name: str) -> None:
    """Known actions, each on resources that it can be scoped to; `*` only where AWS knows no resource for it."""
    text = (TEMPLATES / "policies" / f"{name}.json").read_text(encoding="utf-8")
    policy: dict[str, Any] = json.loads(re.sub(r"<([A-Z_]+)>", lambda found: _PLACES.get(found[1], "shop"), text))
    assert iam.problems(policy, is_resource_policy=name.endswith("repository-policy")) == []
    assert len(json.dumps(policy)) < 6144, "a managed policy's limit"
    if not name.endswith("repository-policy"):
        IAMPolicyDocumentValidator(json.dumps(policy)).validate()


def test_the_other_accounts_policy_lets_in_what_the_role_may_do_there() -> None:
    """Across accounts both sides have to agree."""
    ours, theirs = (
        json.loads((TEMPLATES / "policies" / f"cross-account-ecr{end}.json").read_text(encoding="utf-8"))["Statement"]
        for end in ("", ".repository-policy")
    )
    (copying,) = [statement for statement in ours if statement["Sid"] == "CopyToTheOtherAccount"]
    assert theirs[0]["Action"] == copying["Action"]


def test_what_the_page_shows_to_add_has_the_form_of_a_buildspec() -> None:
    """A block that is copied from docs/codebuild.md is taken by CodeBuild."""
    page = (TEMPLATES.parent / "docs" / "codebuild.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)
    phases = {"build": {"commands": ["true"]}}
    assert [problems({"version": 0.2, "phases": phases, **yaml.safe_load(block)}) for block in blocks] == [[]]


RULES = """\
version: 0.2
env:
  variables: {WHO: buildspec, WHERE: buildspec}
  exported-variables: [WHO, KEPT, LOST]
phases:
  install: {commands: [cd /, "KEPT=shell; export KEPT"], finally: ["echo install $CODEBUILD_BUILD_SUCCEEDING"]}
  build: {commands: ["echo in $PWD", "false", "export LOST=1"], finally: ["echo finally"]}
  post_build: {commands: ["echo post $CODEBUILD_BUILD_SUCCEEDING $WHERE"]}
artifacts: {files: [log]}
"""


def test_the_runner_does_as_the_reference_says(tmp_path: Path) -> None:
    """One shell, the project's variables first, finally always, post_build after a failed build, and told so."""
    done = run_buildspec(RULES, tmp_path, {"WHO": "project", "PATH": "/usr/bin:/bin"}, tmp_path / "log")
    assert done.output.splitlines() == ["install 1", "in /", "finally", "post 0 buildspec"]
    assert done.phases == {
        "install": "SUCCEEDED",
        "pre_build": "SUCCEEDED",
        "build": "FAILED",
        "post_build": "SUCCEEDED",
    }
    assert [path.name for path in done.artifacts] == ["log"]
    aborted = RULES.replace('build: {commands: ["echo in', 'build: {on-failure: ABORT, commands: ["echo in')
    stopped = run_buildspec(aborted, tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path / "aborted")
    assert list(stopped.phases) == ["install", "pre_build", "build"]
    assert stopped.exported == {"WHO": "buildspec", "KEPT": "shell", "LOST": ""}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 0.2\nphases: {biuld: {commands: [x]}}", [".phases.biuld is not known"]),
        ("version: 0.2\nphases: {build: {commands: [{a: b}]}}", [".phases.build.commands[0]: {'a': 'b'} is not"]),
        ("phases: {build: {commands: [x]}}", ["version is missing"]),
        ("version: 0.2\nphases: {}\nbatch: {build-graph: []}", [".batch.build-graph: [] is no list"]),
        (
            "version: 0.2\nphases: {}\nbatch: {build-graph: [{identifier: a-b, depend-on: [c]}]}",
            ["'a-b' is no legal identifier", "a-b waits for c"],
        ),
    ],
)
def test_the_form_refuses_what_codebuild_would(text: str, told: list[str]) -> None:
    """A misspelt key, a command that YAML reads as a mapping, a build that waits for none."""
    found = problems(yaml.safe_load(text))
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))
