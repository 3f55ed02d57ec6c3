"""Build, push and deploy to an ECS that runs real containers (ministack on the stack's engine), rollback included."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_double
import pytest
import stack
from fakes.main_job import Job, make_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]

CONFIG = """\
version: 1
project: {project}
registry: {registry}
images:
  api: {{context: api}}
deploy:
  ecs:
    prod:
      cluster: {project}
      services:
        api: {{task_definition: ecs.yaml, containers: {{api: api}}, timeout: 2m}}
"""
DEFINITION = """\
family: {project}
networkMode: host
containerDefinitions:
  - name: api
    image: set by pipeline-kit
    memory: 64
    logConfiguration:
      logDriver: awslogs
      options: {{awslogs-group: /{project}, awslogs-stream-prefix: ecs, awslogs-create-group: "true"}}
"""
DOCKERFILE = 'FROM {base}\nCOPY run.sh /run.sh\nCMD ["sh", "/run.sh"]\n'


class Prod:
    """A repository whose service runs in the double."""

    def __init__(self, job: Job, ecs: Any) -> None:
        self.job, self.ecs = job, ecs
        self.name = job.project

    def program(self, text: str) -> None:
        """Change what the container runs."""
        self.job.write("api/run.sh", text)

    def service(self) -> dict[str, Any]:
        """Describe the service."""
        found: dict[str, Any] = self.ecs.describe_services(cluster=self.name, services=["api"])["services"][0]
        return found

    def running_digests(self) -> set[str]:
        """Return the image references that running tasks use."""
        arns = self.ecs.list_tasks(cluster=self.name, serviceName="api", desiredStatus="RUNNING")["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"] if arns else []
        return {container["image"] for task in tasks for container in task["containers"]}


@pytest.fixture
def prod(
    tmp_path: Path, running_stack: stack.Stack, engine_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Prod]:
    """Give a service that runs a first image for ever; it ends with the test."""
    import boto3

    double = aws_double.ensure(engine_env)
    for name, value in double.environment().items():
        monkeypatch.setenv(name, value)
    stack.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    job = make_job(tmp_path / "repo", running_stack.registry, {**engine_env, **double.environment()}, base=base)
    job.write("pipeline-kit.yaml", CONFIG.format(project=job.project, registry=job.registry))
    job.write("ecs.yaml", DEFINITION.format(project=job.project))
    job.write("api/Dockerfile", DOCKERFILE.format(base=base))
    job.write("api/run.sh", "echo started; sleep 600\n")
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName=job.project)
    first = {"name": "api", "image": base, "memory": 64, "command": ["sleep", "600"]}
    ecs.register_task_definition(family=job.project, networkMode="host", containerDefinitions=[first])
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    ecs.create_service(
        cluster=job.project,
        serviceName="api",
        taskDefinition=job.project,
        desiredCount=1,
        deploymentConfiguration=breaker,
    )
    yield Prod(job, ecs)
    ecs.update_service(cluster=job.project, service="api", desiredCount=0)
    ecs.delete_service(cluster=job.project, service="api", force=True)
    _await(lambda: not Prod(job, ecs).running_digests())


def _await(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)


def test_double_listens_on_loopback_alone(engine_env: dict[str, str]) -> None:
    """Its own default is every address; asked again, the one that runs is used."""
    double = aws_double.ensure(engine_env)
    port = int(double.url.rpartition(":")[2])
    tables = [Path(f"/proc/net/{name}").read_text(encoding="utf-8") for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    listening = {fields[1] for fields in lines if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}
    assert aws_double.ensure(engine_env) == double


def test_from_digest_to_running_service_and_back(prod: Prod) -> None:
    """One command builds, pushes, registers and deploys; the container runs that digest; again is nothing to do."""
    ran = prod.job.kit("ecs", "deploy", "--build", "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)["services"]["prod/api"]
    assert (result["status"], result["registered"]) == ("deployed", True)
    assert prod.service()["taskDefinition"] == result["task_definition"]
    assert prod.running_digests() == {result["images"]["api"]}
    again = json.loads(prod.job.kit("ecs", "deploy", "--build", "--json").stdout)["services"]["prod/api"]
    assert (again["status"], again["registered"]) == ("unchanged", False)
    back = prod.job.kit("ecs", "deploy", "api", "--revision", f"{prod.name}:1")
    assert back.returncode == 0, back.stderr
    assert prod.service()["taskDefinition"].endswith(f"{prod.name}:1")


def test_circuit_breaker_rollback_is_a_failure_with_the_reason(prod: Prod) -> None:
    """The new container exits at once: ECS goes back, and the command says so, with exit code and log, exit 1."""
    prod.program("echo no database; exit 4\n")
    ran = prod.job.kit("ecs", "deploy", "--build")
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.split()[-1] == "rolled_back_breaker"
    assert "api exited with 4" in ran.stderr
    assert "| no database" in ran.stderr
    assert f"the service runs {prod.name}:1, as before" in ran.stderr
    assert prod.service()["taskDefinition"].endswith(f"{prod.name}:1")


def test_image_that_is_not_there_is_found_before_and_after(prod: Prod) -> None:
    """Verify refuses it before anything is touched; without verify the pull fails and is named."""
    prod.job.build()
    digest = "sha256:" + "f" * 64
    image = f"{prod.job.registry}/{prod.name}/api@{digest}"
    lost = {"name": "api", "image": image, "memory": 64}
    made = prod.ecs.register_task_definition(family=prod.name, networkMode="host", containerDefinitions=[lost])
    revision = made["taskDefinition"]["taskDefinitionArn"]
    refused = prod.job.kit("ecs", "deploy", "api", "--revision", revision)
    assert refused.returncode == 1
    assert f"image {image}: is not in the registry" in refused.stderr
    assert prod.service()["taskDefinition"].endswith(f"{prod.name}:1")
    ran = prod.job.kit("ecs", "deploy", "api", "--revision", revision, "--no-verify", "--timeout", "60")
    assert ran.returncode == 1, ran.stderr
    assert "rolled_back" in ran.stdout


def test_migration_by_digest(prod: Prod) -> None:
    """run-task: the log on stdout, the exit code of the container decides."""
    prod.job.build()
    good = prod.job.kit("ecs", "run-task", "api", "--command", "sh -c 'echo migrated \"a b\"; sleep 1'")
    assert good.returncode == 0, good.stderr
    assert "migrated a b" in good.stdout
    bad = prod.job.kit("ecs", "run-task", "api", "--command", "sh -c 'exit 3'")
    assert bad.returncode == 1
    assert "api exited with 3" in bad.stderr
