"""actions/ and buildspec-templates/: their form, their documentation, and real runs against the real stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.buildspec_runner import run_buildspec
from fakes.composite_runner import load_action, run_action
from fakes.shop_copy import IMAGES, OFFLINE_PIP, ROOT, copy_shop, offline_python

from pipeline_kit.outputs.github_files import github_outputs
from pipeline_kit.outputs.report import RunReport

if TYPE_CHECKING:
    import stack

ACTION = ROOT / "actions" / "build" / "action.yml"
BUILDSPEC = ROOT / "buildspec-templates" / "build.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_every_input_of_the_action_reaches_a_script_through_the_environment() -> None:
    """No input is declared in vain, and none is pasted into a script."""
    action = load_action(ACTION)
    steps = action["runs"]["steps"]
    used = " ".join(value for step in steps for value in step["env"].values())
    assert [name for name in action["inputs"] if f"${{{{ inputs.{name} }}}}" not in used] == []
    assert not any("${{" in step["run"] for step in steps)


def test_the_actions_outputs_are_those_the_command_writes() -> None:
    """The action hands on every step output, under its own name."""
    outputs = load_action(ACTION)["outputs"]
    assert list(outputs) == list(github_outputs(RunReport(())))
    assert all(entry["value"] == f"${{{{ steps.build.outputs.{name} }}}}" for name, entry in outputs.items())


def test_the_actions_readme_names_every_input_with_its_default_and_every_output() -> None:
    """Whoever reads the README knows what can be set."""
    action = load_action(ACTION)
    rows = [line for line in (ACTION.parent / "README.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    for name, entry in action["inputs"].items():
        row = next(line for line in rows if line.startswith(f"| `{name}` |"))
        assert not entry["default"] or f"`{entry['default']}`" in row
    assert [name for name in action["outputs"] if not any(line.startswith(f"| `{name}` |") for line in rows)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_every_action_by_commit_and_leave_no_credentials(path: Path) -> None:
    """A tag that moves cannot change what CI runs, and no later step finds the checkout's token."""
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "uses:" in line and not _PINNED.search(line)] == []
    document = yaml.safe_load(text)
    assert document["permissions"] == {}
    checkouts = [s for job in document["jobs"].values() for s in job["steps"] if "checkout" in s.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_the_buildspecs_artifacts_are_where_its_commands_write() -> None:
    """The artifact patterns begin with the folder that PK_OUT names by default."""
    spec: dict[str, Any] = yaml.safe_load(BUILDSPEC.read_text(encoding="utf-8"))
    folder = spec["env"]["variables"]["PK_OUT"]
    assert all(pattern.startswith(f"{folder}/") for pattern in spec["artifacts"]["files"])


def _environment(engine_env: dict[str, str], running_stack: stack.Stack) -> dict[str, str]:
    import stack as parts

    parts.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    return {**engine_env, **OFFLINE_PIP, "REGISTRY": running_stack.registry, "BASE_IMAGE": base}


@pytest.mark.engine
@pytest.mark.registry
def test_the_action_builds_once_and_skips_the_second_time(
    tmp_path: Path, engine_env: dict[str, str], running_stack: stack.Stack
) -> None:
    """Installed from its own commit, the action builds the shop, hands on digests, and next time skips everything."""
    copy_shop(tmp_path / "shop")
    environment = {
        **_environment(engine_env, running_stack),
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_REPOSITORY": "example/shop",
    }
    inputs = {"python": str(offline_python(tmp_path / "bin")), "working-directory": "shop", "report": "report.json"}
    first = run_action(ACTION, tmp_path, tmp_path / "temp", inputs, environment)
    assert (first.code, json.loads(first.outputs["built"])) == (0, IMAGES), first.output
    images = json.loads(first.outputs["images"])
    written = json.loads(Path(first.outputs["task-definition"]).read_text(encoding="utf-8"))
    assert [item["image"] for item in written["containerDefinitions"]][:2] == [images["api"], images["web"]]
    assert "api" in first.summary
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["exit_code"] == 0

    second = run_action(ACTION, tmp_path, tmp_path / "temp", {**inputs, "images": "api\n  web\n"}, environment)
    assert (second.code, json.loads(second.outputs["skipped"])) == (0, ["api", "web"]), second.output
    assert json.loads(second.outputs["built"]) == []
    assert json.loads(second.outputs["images"]) == {name: images[name] for name in ("api", "web")}


@pytest.mark.engine
@pytest.mark.registry
def test_an_image_name_that_looks_like_an_option_is_a_name_for_the_action(
    tmp_path: Path, engine_env: dict[str, str], running_stack: stack.Stack
) -> None:
    """An input cannot add options, and a failure ends the action with the command's exit code."""
    shop = copy_shop(tmp_path / "shop")
    inputs = {"python": str(offline_python(tmp_path / "bin")), "working-directory": str(shop), "images": "--no-push"}
    done = run_action(ACTION, tmp_path, tmp_path / "temp", inputs, _environment(engine_env, running_stack))
    assert done.code == 2
    assert "there is no image '--no-push'" in done.output


@pytest.mark.engine
@pytest.mark.registry
def test_the_buildspec_builds_exports_and_collects_artifacts(
    tmp_path: Path, engine_env: dict[str, str], running_stack: stack.Stack
) -> None:
    """CodeBuild gets digests as exported variables, report and task definition as artifacts; then all is skipped."""
    shop = copy_shop(tmp_path / "shop")
    environment = _codebuild(tmp_path, engine_env, running_stack)
    first = run_buildspec(BUILDSPEC, shop, environment, tmp_path / "first.log")
    assert first.succeeded, first.output
    assert json.loads(first.exported["PK_BUILT"]) == IMAGES
    assert re.fullmatch(r"\S+/shop/api@sha256:[0-9a-f]{64}", json.loads(first.exported["PK_IMAGES"])["api"])
    assert [path.name for path in first.artifacts] == ["report.json", "prod-shop.json"]

    second = run_buildspec(BUILDSPEC, shop, environment, tmp_path / "second.log")
    assert (second.exported["PK_BUILT"], json.loads(second.exported["PK_SKIPPED"])) == ("[]", IMAGES), second.output
    assert second.exported["PK_IMAGES"] == first.exported["PK_IMAGES"]


@pytest.mark.engine
@pytest.mark.registry
def test_the_buildspec_hands_nothing_on_after_a_failed_build(
    tmp_path: Path, engine_env: dict[str, str], running_stack: stack.Stack
) -> None:
    """A Dockerfile that cannot be built fails the build; post_build runs, exports nothing and says why."""
    shop = copy_shop(tmp_path / "shop")
    with (shop / "services" / "web" / "Dockerfile").open("a", encoding="utf-8") as file:
        file.write("RUN false\n")
    done = run_buildspec(BUILDSPEC, shop, _codebuild(tmp_path, engine_env, running_stack), tmp_path / "log")
    assert done.phases == {
        "install": "SUCCEEDED",
        "pre_build": "SUCCEEDED",
        "build": "FAILED",
        "post_build": "SUCCEEDED",
    }
    assert done.exported == {"PK_IMAGES": "", "PK_BUILT": "", "PK_SKIPPED": ""}
    assert "nothing is handed on" in done.output
    report = json.loads((shop / "pipeline-kit-out" / "report.json").read_text(encoding="utf-8"))
    assert report["images"]["web"]["status"] == "failed"


def _codebuild(tmp_path: Path, engine_env: dict[str, str], running_stack: stack.Stack) -> dict[str, str]:
    environment = _environment(engine_env, running_stack)
    return {
        **environment,
        "PATH": f"{offline_python(tmp_path / 'bin').parent}:{environment['PATH']}",
        "PK_PACKAGE": f"{ROOT}[aws]",
        "TMPDIR": str(tmp_path),
        "CODEBUILD_BUILD_ID": "shop:1",
        "CODEBUILD_BUILD_ARN": "arn:aws:codebuild:eu-west-1:111122223333:build/shop:1",
        "CODEBUILD_INITIATOR": "test",
    }
