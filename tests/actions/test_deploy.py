"""The deploy action and its workflow, run by act against an ECS that runs real containers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import aws_double
import pytest
from fakes.workflow_files import example, one_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.act_runner import Act
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
_ENVIRONMENTS = ("staging", "production")
_SERVE = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]
"""Ends at once when it is asked to."""
_DEFINITION = """\
family: {project}
networkMode: host
containerDefinitions:
  - {{name: api, image: later, memory: 64}}
"""


@pytest.fixture
def shop(open_job: Job, act: Act, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Job, Act, Any]]:
    """Give a repository whose service api runs in staging and in production, and act that reaches that ECS."""
    import boto3
    from fakes.act_runner import Act as Runner

    double = aws_double.ensure(act.environment)
    for name, value in double.environment().items():
        monkeypatch.setenv(name, value)
    base = (
        (open_job.directory / "pipeline-kit.yaml").read_text(encoding="utf-8").partition('BASE: "')[2].partition('"')[0]
    )
    services = {"api": {"task_definition": "ecs.yaml", "containers": {"api": "api"}, "timeout": "1m"}}
    deploy = {name: {"cluster": f"{open_job.project}-{name}", "services": services} for name in _ENVIRONMENTS}
    config = {
        "version": 1,
        "project": open_job.project,
        "registry": open_job.registry,
        "images": {"api": {"context": "api"}},
        "deploy": {"ecs": deploy},
    }
    open_job.write("pipeline-kit.yaml", json.dumps(config))
    open_job.write("ecs.yaml", _DEFINITION.format(project=open_job.project))
    open_job.write("api/Dockerfile", f"FROM {base}\nLABEL of={open_job.project}\nCMD {json.dumps(_SERVE)}\n")
    ecs = boto3.client("ecs")
    first = {"name": "api", "image": base, "memory": 64, "command": _SERVE}
    ecs.register_task_definition(family=open_job.project, networkMode="host", containerDefinitions=[first])
    for name in _ENVIRONMENTS:
        cluster = f"{open_job.project}-{name}"
        ecs.create_cluster(clusterName=cluster)
        ecs.create_service(cluster=cluster, serviceName="api", taskDefinition=open_job.project, desiredCount=1)
    yield (
        open_job,
        Runner(act.library, act.place, {**act.environment, **double.environment(), "TEST_AWS_URL": double.url}),
        ecs,
    )
    for name in _ENVIRONMENTS:
        _end(ecs, f"{open_job.project}-{name}")


def _end(ecs: Any, cluster: str) -> None:
    (service,) = ecs.describe_services(cluster=cluster, services=["api"])["services"]
    if service["status"] != "ACTIVE":
        return
    ecs.update_service(cluster=cluster, service="api", desiredCount=0)
    ecs.delete_service(cluster=cluster, service="api", force=True)
    deadline = time.monotonic() + 30
    while ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"] and time.monotonic() < deadline:
        time.sleep(0.2)


def test_builds_and_deploys_then_has_nothing_to_do(shop: tuple[Job, Act, Any]) -> None:
    """The service runs the new revision, which is handed on; again, it is left alone."""
    job, act, _ = shop
    inputs = {"services": "staging/api", "build": "true"}
    done = act.run(job.directory, one_step(job, "deploy", inputs, login=False))
    assert done.code == 0, done.text
    outputs = done.outputs("it")
    assert (json.loads(outputs["deployed"]), outputs["unchanged"]) == (["staging/api"], "[]")
    told = json.loads(outputs["services"])["staging/api"]
    assert told["status"] == "deployed"
    assert f"/{job.project}:2" in told["task_definition"]
    assert "| <code>staging/api</code> |" in done.summary
    again = act.run(job.directory, one_step(job, "deploy", {"services": "staging/api"}, login=False))
    assert again.code == 0, again.text
    assert (again.outputs("it")["deployed"], again.outputs("it")["unchanged"]) == ("[]", '["staging/api"]')
    back = {"services": "staging/api", "revision": f"{job.project}:1", "wait": "false"}
    gone = act.run(job.directory, one_step(job, "deploy", back, login=False))
    assert gone.code == 0, gone.text
    assert json.loads(gone.outputs("it")["services"])["staging/api"]["status"] == "started"


def test_the_workflow_deploys_one_digest_to_staging_and_then_to_production(shop: tuple[Job, Act, Any]) -> None:
    """Build, staging, production in that order, each by its own role; a failure in staging ends it."""
    job, act, ecs = shop
    done = act.run(job.directory, example(job, "deploy"))
    assert done.code == 0, done.text
    assert list(done.jobs) == ["build", "staging", "production"]
    told = [
        record["arg"] for record in done.commands("set-output") if record["name"] == "services" and record.get("arg")
    ]
    revisions = {item["task_definition"] for text in told for item in json.loads(text).values()}
    assert len(revisions) == 1, "the second environment finds the equal revision"
    ecs.delete_service(cluster=f"{job.project}-staging", service="api", force=True)
    job.write("api/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    failed = act.run(job.directory, "deploy")
    assert failed.jobs == {"build": "success", "staging": "failure"}


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"services": " \n "}, "input services is required"),
        ({"services": "--force"}, "--force"),
        ({"services": "staging/web"}, "staging/web"),
        ({"services": "*"}, "is not in the registry"),
        ({"services": "api", "wait": "never"}, "input wait is 'never'"),
    ],
    ids=["none", "an-option", "unknown", "not-built", "no-flag"],
)
def test_what_cannot_be_deployed_fails_and_is_named(act: Act, open_job: Job, inputs: dict[str, str], told: str) -> None:
    """Before AWS is asked for anything."""
    done = act.run(open_job.directory, one_step(open_job, "deploy", inputs, login=False))
    assert done.jobs == {"one": "failure"}
    assert told in done.text, done.text
