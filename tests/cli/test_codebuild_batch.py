"""``plan --format codebuild-batch`` and ``codebuild-batch`` as a user runs them, against a scripted CodeBuild."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.aws_front import AwsFront
from fakes.fake_codebuild import FakeCodeBuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.cli_shop import Shop
    from fakes.command_line import Ran
    from fakes.fake_codebuild import Batch

COMMIT = "3" * 40
IN_CODEBUILD = {
    "CODEBUILD_BUILD_ID": "shop-start:9",
    "CODEBUILD_BUILD_ARN": "arn:aws:codebuild:eu-west-1:111122223333:build/shop-start:9",
    "CODEBUILD_WEBHOOK_TRIGGER": "branch/main",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
}


class Batches:
    """A shop whose builds run in batches; ``states`` is how they end."""

    def __init__(self, shop: Shop, aws: AwsFront) -> None:
        self.shop, self.aws = shop, aws
        self.states: dict[str, str] = {}
        self.goes_on = threading.Event()
        self.goes_on.set()
        aws.codebuild = self.codebuild = FakeCodeBuild(self._build)

    def _build(self, batch: Batch, tell: Callable[[str, str], None]) -> None:
        for node in batch.nodes():
            tell(node["identifier"], "IN_PROGRESS")
        self.goes_on.wait(30)
        for node in batch.nodes():
            tell(node["identifier"], self.states.get(node["identifier"], "SUCCEEDED"))

    def plan(self, *words: str, code: int = 0) -> Path:
        """Write the batch's buildspec as the template does."""
        ran = self.shop.run("plan", "--format", "codebuild-batch", *words)
        assert ran.code == code, ran.err
        path = self.shop.root.parent / "batch.yml"
        path.write_text(ran.out, encoding="utf-8")
        return path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of the build that starts batches."""
        return {**IN_CODEBUILD, **self.aws.environment(), "PIPELINE_KIT_CODEBUILD_BATCH_POLL": "0.1", **more}

    def start(self, path: Path, *words: str, **more: str) -> Ran:
        """Run ``codebuild-batch``."""
        return self.shop.run("codebuild-batch", "--buildspec", str(path), *words, env=self.environment(**more))


@pytest.fixture
def batches(shop: Shop) -> Iterator[Batches]:
    """Give the shop, with an AWS that has CodeBuild alone."""
    with AwsFront() as aws:
        found = Batches(shop, aws)
        yield found
        found.goes_on.set()
        assert found.codebuild.invalid == []


def request_of(batches: Batches) -> dict[str, Any]:
    """Return the one batch's request."""
    (batch,) = batches.codebuild.batches.values()
    return batch.request


def test_the_plans_builds_are_started_and_followed(batches: Batches) -> None:
    """The batch builds this build's own commit and ref, in this build's project, with the variables that are named."""
    path = batches.plan()
    ran = batches.start(path, "--env", "PK_PACKAGE", PK_PACKAGE="kit[aws]==1.0")
    assert ran.code == 0, ran.err
    assert ran.out == "arn:aws:codebuild:eu-west-1:111122223333:build-batch/shop-start:00000000-0 SUCCEEDED\n"
    assert "base: SUCCEEDED https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/" in ran.err
    asked = request_of(batches)
    assert len(asked.pop("idempotencyToken")) == 32
    assert asked == {
        "projectName": "shop-start",
        "sourceVersion": f"refs/heads/main^{{{COMMIT}}}",
        "buildspecOverride": path.read_text(encoding="utf-8"),
        "environmentVariablesOverride": [{"name": "PK_PACKAGE", "value": "kit[aws]==1.0", "type": "PLAINTEXT"}],
    }
    spec = yaml.safe_load(asked["buildspecOverride"])
    assert [node["identifier"] for node in spec["batch"]["build-graph"]] == ["base", "web", "api"]


def test_nothing_to_build_starts_nothing(batches: Batches) -> None:
    """The plan's product is a comment then, and needs neither a project nor AWS."""
    batches.shop.push()
    path = batches.plan()
    assert path.read_text(encoding="utf-8") == "# Nothing to build: no batch is to be started.\n"
    ran = batches.shop.run("codebuild-batch", "--buildspec", str(path))
    assert (ran.code, ran.out, ran.err) == (0, "", "nothing to build: no batch is started\n")
    assert batches.start(path, "--json").json() == {"arn": None, "status": "NOTHING_TO_DO", "builds": {}}
    assert batches.codebuild.batches == {}


def test_a_plan_without_certainty_is_no_batch(batches: Batches) -> None:
    """A registry that does not say what is there fails the plan, and the buildspec has only what is certain."""
    batches.shop.registry.add_rule(path="/shop/api/", status=403)
    spec = yaml.safe_load(batches.plan(code=3).read_text(encoding="utf-8"))
    assert [node["identifier"] for node in spec["batch"]["build-graph"]] == ["base", "web"]


def test_a_failed_build_fails_the_command_and_is_named(batches: Batches) -> None:
    """Exit 1, the builds that failed, and with --json how every one of them ended."""
    batches.states = {"api": "FAILED", "web": "TIMED_OUT"}
    ran = batches.start(batches.plan(), "--json")
    assert ran.code == 1
    assert "error: the batch ended as FAILED: web, api\n  next: look at the failed builds' logs" in ran.err
    told = ran.json()
    assert (told["status"], told["builds"]["api"]["status"], told["builds"]["base"]["status"]) == (
        "FAILED",
        "FAILED",
        "SUCCEEDED",
    )


def test_an_interruption_stops_the_batch(batches: Batches) -> None:
    """A build that is stopped takes its batch with it; what the batch pushed is whole."""
    batches.goes_on.clear()
    words = ["codebuild-batch", "--buildspec", str(batches.plan())]
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline_kit", *words],
        cwd=batches.shop.root,
        env={**os.environ, **batches.environment()},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not any(call.operation == "BatchGetBuildBatches" for call in batches.aws.calls):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 143
    assert "stopped the batch" in told
    (batch,) = batches.codebuild.batches.values()
    assert batch.status == "STOPPED"


def test_a_batch_that_aws_does_not_know_yet_is_looked_for_again(batches: Batches) -> None:
    """Right after the start a look may find nothing; a batch that stays unknown ends the command, and is named."""
    batches.goes_on.clear()
    threading.Timer(1.5, batches.goes_on.set).start()
    batches.codebuild.unseen = 3
    assert batches.start(batches.plan()).code == 0
    batches.goes_on.clear()
    batches.codebuild.unseen = 100
    lost = batches.start(batches.plan())
    assert lost.code == 1
    assert "the batch goes on, and is not followed any more: arn:aws:codebuild:" in lost.err
    assert "AWS says that there is no batch shop-start:" in lost.err


@pytest.mark.parametrize(
    ("variables", "version"),
    [
        ({"CODEBUILD_WEBHOOK_TRIGGER": "pr/7"}, f"refs/pull/7/head^{{{COMMIT}}}"),
        ({"CODEBUILD_WEBHOOK_TRIGGER": "", "CODEBUILD_SOURCE_VERSION": "main"}, COMMIT),
        ({"CODEBUILD_WEBHOOK_TRIGGER": "", "CODEBUILD_RESOLVED_SOURCE_VERSION": "s3-version"}, "s3-version"),
        (
            {
                "CODEBUILD_WEBHOOK_TRIGGER": "",
                "CODEBUILD_RESOLVED_SOURCE_VERSION": "",
                "CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::pipeline/a.zip",
            },
            None,
        ),
    ],
)
def test_the_batch_checks_out_what_its_build_did(
    batches: Batches, variables: dict[str, str], version: str | None
) -> None:
    """With the ref where it is told; where nothing is, that is said, and it is left to the project."""
    ran = batches.start(batches.plan(), "--no-wait", **variables)
    assert ran.code == 0
    assert request_of(batches).get("sourceVersion") == version
    assert ("note: what this build checked out is not told" in ran.err) == (version is None)


def test_no_wait_only_starts(batches: Batches) -> None:
    """Exit 0 as soon as the batch is accepted; another source version and another project can be named."""
    batches.goes_on.clear()
    ran = batches.start(batches.plan(), "--no-wait", "--project", "shop-builds", "--source-version", COMMIT)
    assert ran.code == 0
    assert ran.out.endswith(" IN_PROGRESS\n")
    asked = request_of(batches)
    assert (asked["projectName"], asked["sourceVersion"]) == ("shop-builds", COMMIT)


def test_a_role_without_the_right_is_told_which(batches: Batches) -> None:
    """Exit 3, and the action to allow."""
    batches.codebuild.denied = frozenset({"StartBuildBatch"})
    ran = batches.start(batches.plan())
    assert ran.code == 3
    assert "allow codebuild:StartBuildBatch in the role's policy" in ran.err


def test_what_is_missing_is_told(batches: Batches) -> None:
    """No project, no such variable, no such file: exit 2 each, and nothing is started."""
    path = batches.plan()
    for ran, told in (
        (batches.start(path, CODEBUILD_BUILD_ID=""), "give --project NAME"),
        (batches.start(path, "--env", "PK_NONE"), "--env PK_NONE: that variable is not set"),
        (batches.start(path, "--env", "NPM_TOKEN", NPM_TOKEN="x"), "--env NPM_TOKEN: it looks like a secret"),
        (batches.start(path.with_name("gone.yml")), "No such file"),
    ):
        assert ran.code == 2, ran.err
        assert told in ran.err
    assert batches.codebuild.batches == {}


def test_the_phases_can_be_the_projects_own(batches: Batches) -> None:
    """A buildspec that does as it is told serves as the template; another is refused."""
    own = batches.shop.root / "own.yml"
    variables = {"PK_COMMAND": "build", "PK_ONLY": ""}
    document = {"version": 0.2, "env": {"variables": variables}, "phases": {"build": {"commands": ["make"]}}}
    own.write_text(json.dumps(document), encoding="utf-8")
    spec = yaml.safe_load(batches.plan("--buildspec", str(own), "--verify", "label").read_text(encoding="utf-8"))
    assert spec["phases"] == document["phases"]
    assert spec["env"]["variables"]["PIPELINE_KIT_VERIFY"] == "label"
    for text, told in (("version: 0.2\n", "PK_COMMAND and PK_ONLY"), ("{", "not a buildspec"), ("[]", "no mapping")):
        own.write_text(text, encoding="utf-8")
        ran = batches.shop.run("plan", "--format", "codebuild-batch", "--buildspec", str(own))
        assert ran.code == 2
        assert told in ran.err
