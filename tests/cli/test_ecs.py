"""``pipeline-kit ecs …`` as a user runs it, in a process of its own, against the ECS double and a registry here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.ecs_shop import DOCUMENT
from fakes.fake_ecs import FakeEcs, Frame
from fakes.project_files import write_files
from fakes.strict_pages import judge_html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.cli_shop import Shop
    from fakes.command_line import Ran


class Deployments:
    """The shop with two services, and the double that runs them."""

    def __init__(self, shop: Shop, ecs: FakeEcs) -> None:
        self.shop, self.ecs = shop, ecs
        api = {
            "task_definition": "ecs/api.yaml",
            "containers": {"api": {"image": "api", "environment": {"URL": "http://h/?a=1&b=2"}}, "web": "web"},
        }
        job = {"task_definition": "family:shop", "type": "task", "containers": {"api": "api"}}
        shop.write(deploy={"ecs": {"prod": {"cluster": "prod", "services": {"api": api, "job": job}}}})
        document = json.loads(json.dumps(DOCUMENT))
        del document["containerDefinitions"][0]["logConfiguration"]
        document["containerDefinitions"].append({"name": "web", "image": "later", "command": ["serve", "a b"]})
        write_files(shop.root, {"ecs/api.yaml": json.dumps(document)})
        shop.commit()
        shop.push()
        self.first = ecs.state.family({**document, "tags": [{"key": "team", "value": "a"}]})
        self.service = ecs.state.service("api", self.first)

    def run(self, *words: str) -> Ran:
        """Run ``pipeline-kit ecs``."""
        return self.shop.run("ecs", *words, env=self.ecs.environment())


@pytest.fixture
def prod(shop: Shop) -> Iterator[Deployments]:
    """Give the shop with its services in the double."""
    with FakeEcs() as ecs:
        yield Deployments(shop, ecs)
        assert ecs.invalid == []


def test_render_of_yaml_and_family(prod: Deployments) -> None:
    """Several containers, each with its own digest; edits from the configuration and from the command line."""
    ran = prod.run("render", "api", "--env", "web:A=b=c", "--command", "web:sh -c 'x y'", "--label", "api:u=a=b")
    api, web = ran.json()["containerDefinitions"]
    assert ran.code == 0, ran.err
    assert api["image"].startswith(f"{prod.shop.registry.host}/shop/api@sha256:")
    assert web["image"].startswith(f"{prod.shop.registry.host}/shop/web@sha256:")
    assert {"name": "URL", "value": "http://h/?a=1&b=2"} in api["environment"]
    assert (web["environment"], web["command"]) == ([{"name": "A", "value": "b=c"}], ["sh", "-c", "x y"])
    assert api["dockerLabels"] == {"u": "a=b"}
    job = prod.run("render", "job").json()
    assert job["tags"] == [{"key": "team", "value": "a"}]
    assert "taskDefinitionArn" not in job


def test_diff_register_deploy_and_again(prod: Deployments) -> None:
    """10 while something differs; one registration, one update; then nothing to do."""
    assert prod.run("diff", "api", "--detailed-exitcode").code == 10
    deployed = prod.run("deploy", "api")
    assert deployed.code == 0, deployed.err
    assert deployed.out == f"prod/api {prod.first[:-1]}2 deployed\n"
    again = prod.run("diff", "api", "--detailed-exitcode")
    assert (again.code, again.out) == (0, "prod/api: equal to shop:2\n")
    assert prod.run("register", "api").out == f"prod/api {prod.first[:-1]}2 unchanged\n"
    assert prod.run("deploy", "api").out == f"prod/api {prod.first[:-1]}2 unchanged\n"
    assert len(prod.ecs.asked("UpdateService")) == len(prod.ecs.asked("RegisterTaskDefinition")) == 1
    differences = prod.run("diff", "api", "--json", "--against", "shop:1").json()["services"]["prod/api"]
    assert differences["against"] == prod.first
    assert "containerDefinitions[api].image" in [one["path"] for one in differences["differences"]]


def test_rollback_is_exit_1_with_the_reason(prod: Deployments) -> None:
    """What a person needs stands on stderr: the ending, why, what runs now, what to do."""
    stopped = {
        "stopCode": "TaskFailedToStart",
        "stoppedReason": "CannotPullContainerError: failed to resolve ref x: not found",
        "containers": [{"name": "api"}],
    }
    prod.service.scripts.append(
        [
            Frame(failures=1, stopped=(stopped,)),
            Frame("ROLLBACK_SUCCESSFUL", pending=0, failures=3, breaker="TRIGGERED", rollback="circuit breaker"),
        ]
    )
    ran = prod.run("deploy", "api")
    assert (ran.code, ran.out.split()[-1]) == (1, "rolled_back_breaker")
    assert "error: prod/api: rolled back by the circuit breaker: circuit breaker; 3 tasks failed" in ran.err
    assert "image not found: CannotPullContainerError" in ran.err
    assert "the service runs shop:1, as before" in ran.err
    assert "next: check that the digest is in the registry" in ran.err


def test_the_page_of_a_deployment(prod: Deployments, tmp_path: Path) -> None:
    """What runs now, what before, why where it failed; that it cannot be written is said before anything is done."""
    page = tmp_path / "page.html"
    assert prod.run("deploy", "api", "--html", str(page)).code == 0
    text = " ".join(judge_html(page.read_text()).itertext())
    for word in ("1 of 1 services as asked", "prod/api", "deployed", "shop:2", "shop:1", "@sha256:"):
        assert word in text, word
    prod.ecs.fail("DescribeClusters", "AccessDeniedException", "<b>why</b>", status=400)
    assert prod.run("deploy", "api", "--html", str(page)).code == 3
    refused = prod.run("deploy", "api", "--html", str(tmp_path / "no/page.html"))
    assert (refused.code, "no/page.html" in refused.err) == (1, True)


def test_json_report(prod: Deployments) -> None:
    """The shape scripts rely on."""
    document = prod.run("deploy", "--json").json()
    assert set(document) == {"services", "aws_calls", "seconds", "exit_code"}
    assert document["services"]["prod/api"]["status"] == "deployed"
    assert document["services"]["prod/job"]["status"] == "deployed"
    assert document["services"]["prod/api"]["registered"] is True
    assert set(document["services"]["prod/api"]["images"]) == {"api", "web"}


def test_verify_tells_everything_and_exits_1(prod: Deployments) -> None:
    """A table of what was found; nothing is changed."""
    ran = prod.run("verify", "api")
    assert ran.code == 0, ran.out + ran.err
    assert [line.split()[0:2] for line in ran.out.splitlines()] == [
        ["ok", "cluster"],
        ["ok", "service"],
        ["ok", "image"],
        ["ok", "image"],
    ]
    prod.ecs.state.services.clear()
    missing = prod.run("verify", "api")
    assert missing.code == 1
    assert "missing     service api" in missing.out
    assert prod.ecs.asked("RegisterTaskDefinition") == []


def test_run_task_shows_the_exit_code(prod: Deployments) -> None:
    """A migration that fails is exit 1; the revision is registered once."""
    prod.ecs.state.next_task = [{"lastStatus": "STOPPED", "containers": [{"name": "api", "exitCode": 2}]}]
    ran = prod.run("run-task", "api", "--container", "api", "--command", "migrate 'a b'")
    assert ran.code == 1
    assert "api exited with 2" in ran.err
    assert prod.ecs.asked("RunTask")[0]["overrides"]["containerOverrides"][0]["command"] == ["migrate", "a b"]
    assert prod.ecs.asked("RunTask")[0]["networkConfiguration"] == {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


def test_ctrl_c_says_what_goes_on(prod: Deployments) -> None:
    """Exit 130; the service is left alone."""
    prod.service.scripts.append([Frame(running=1)])
    environment = {**os.environ, **prod.ecs.environment()}
    started = subprocess.Popen(
        [sys.executable, "-m", "pipeline_kit", "ecs", "deploy", "api"],
        cwd=prod.shop.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not prod.ecs.asked("DescribeServiceDeployments") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 130, err
    assert "the deployment goes on (1 of 2 tasks run" in err
    assert len(prod.ecs.asked("UpdateService")) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("render",), 2, "several services match"),
        (("render", "apo"), 2, "there is no ECS service 'apo'"),
        (("render", "api", "--env", "nonsense"), 2, "is not CONTAINER:NAME=VALUE"),
        (("render", "api", "--env", "none:A=b"), 2, "no container is called 'none'"),
        (("render", "api", "--command", "api:'x"), 2, "No closing quotation"),
        (("deploy", "--revision", "shop:1"), 2, "--revision deploys one service"),
        (("deploy", "api", "--revision", "none:1"), 2, "no task definition none:1"),
    ],
)
def test_usage_mistakes(prod: Deployments, words: tuple[str, ...], code: int, message: str) -> None:
    """Exit 2 with the reason, and nothing is changed."""
    ran = prod.run(*words)
    assert (ran.code, message in ran.err) == (code, True), ran.err
    assert not {name for name, _ in prod.ecs.log} & {"RegisterTaskDefinition", "UpdateService"}


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("AccessDeniedException", 3),
        ("ExpiredTokenException", 3),
        ("ClusterNotFoundException", 1),
        ("ServerException", 4),
    ],
)
def test_exit_codes_of_aws_failures(prod: Deployments, code: str, exit_code: int) -> None:
    """Refused by permission or login 3, by anything else 1, no answer 4."""
    prod.ecs.fail("DescribeClusters", code, "why", status=500 if code == "ServerException" else 400)
    ran = prod.run("deploy", "api")
    assert ran.code == exit_code, ran.err
    assert prod.ecs.asked("UpdateService") == []


def test_summary_on_github(prod: Deployments, tmp_path: Any) -> None:
    """A table of what was deployed."""
    summary = tmp_path / "summary.md"
    summary.touch()
    ran = prod.shop.run(
        "ecs",
        "deploy",
        "api",
        env={**prod.ecs.environment(), "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert ran.code == 0, ran.err
    assert "| <code>prod/api</code> | <code>shop&#58;2</code> | deployed |" in summary.read_text()
