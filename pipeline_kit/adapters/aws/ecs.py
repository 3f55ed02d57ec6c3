"""Amazon ECS through boto3, as :class:`pipeline_kit.ports.ecs.Ecs`. Sources: ECS API reference; botocore's models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.adapters.aws.ecs_answers import read_service, read_service_deployment, read_task
from pipeline_kit.adapters.aws.ecs_model import known_part, task_definition_shapes
from pipeline_kit.errors import AwsRefused
from pipeline_kit.ports.ecs import LogStream, Revision
from pipeline_kit.task_definition import as_request, unknown_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.deployment.observations import Service, ServiceDeployment, Task
    from pipeline_kit.task_definition import Shapes

_SERVICES_A_CALL = 10
_DEPLOYMENTS_A_CALL = 20
_TASKS_A_CALL = 100
_MISSING = frozenset({"ClientException", "InvalidParameterException"})
_EVENT = "{}.ecs.{}"


class EcsApi:
    """The ECS API of one region."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def shapes(self) -> Shapes:
        """Return the SDK's model of a task definition."""
        return task_definition_shapes()

    def describe(self, name: str) -> Revision | None:
        """Return a revision with its tags; members that the SDK does not know are read from the raw answer."""
        raw: list[bytes] = []
        events = self._clients.client("ecs").meta.events
        hook = _EVENT.format("after-call", "DescribeTaskDefinition")

        def keep(http_response: Any, **_: Any) -> None:
            raw.append(http_response.content)

        events.register(hook, keep)
        try:
            answer = self._clients.call("ecs", "DescribeTaskDefinition", taskDefinition=name, include=["TAGS"])
        except AwsRefused as error:
            if error.code in _MISSING and "unable to describe" in error.message.lower():
                return None
            raise
        finally:
            events.unregister(hook, keep)
        full = json.loads(raw[-1]) if raw else answer
        found = {**answer["taskDefinition"], **full.get("taskDefinition", {})}
        document = as_request(found, self.shapes(), full.get("tags") or answer.get("tags"))
        return Revision(str(found["taskDefinitionArn"]), document, str(found.get("status", "ACTIVE")))

    def register(self, document: Mapping[str, Any]) -> Revision:
        """Register ``document``; what the SDK knows of it is validated, and all of it is sent."""
        shape = self.shapes().request
        events = self._clients.client("ecs").meta.events
        hook = _EVENT.format("before-call", "RegisterTaskDefinition")

        def send_all(params: dict[str, Any], **_: Any) -> None:
            params["body"] = json.dumps(document).encode()

        has_more = bool(unknown_members(dict(document), shape))
        if has_more:
            events.register(hook, send_all)
        try:
            answer = self._clients.call("ecs", "RegisterTaskDefinition", **known_part(dict(document), shape))
        finally:
            if has_more:
                events.unregister(hook, send_all)
        return Revision(str(answer["taskDefinition"]["taskDefinitionArn"]), document)

    def cluster_status(self, cluster: str) -> str:
        """Return a cluster's status, ``""`` where there is no such cluster."""
        found = self._clients.call("ecs", "DescribeClusters", clusters=[cluster])["clusters"]
        return str(found[0].get("status", "")) if found else ""

    def services(self, cluster: str, names: Sequence[str]) -> dict[str, Service]:
        """Return services by name, ten a call."""
        found: dict[str, Service] = {}
        for some in _slices(names, _SERVICES_A_CALL):
            answer = self._clients.call("ecs", "DescribeServices", cluster=cluster, services=list(some))
            for item in answer.get("services", ()):
                service = read_service(item)
                found[service.name] = service
            _refuse_other_failures(answer.get("failures", ()), "DescribeServices")
        return found

    def update(self, cluster: str, service: str, definition: str, *, force: bool = False) -> Service:
        """Order a service to run ``definition``."""
        more: dict[str, Any] = {"forceNewDeployment": True} if force else {}
        answer = self._clients.call(
            "ecs", "UpdateService", cluster=cluster, service=service, taskDefinition=definition, **more
        )
        return read_service(answer["service"])

    def service_deployments(self, cluster: str, service: str) -> list[str]:
        """Return the ARNs of the 20 newest deployments."""
        answer = self._clients.call(
            "ecs", "ListServiceDeployments", cluster=cluster, service=service, maxResults=_DEPLOYMENTS_A_CALL
        )
        return [str(item["serviceDeploymentArn"]) for item in answer.get("serviceDeployments", ())]

    def describe_service_deployments(self, arns: Sequence[str]) -> dict[str, ServiceDeployment]:
        """Return service deployments by ARN, twenty a call."""
        found: dict[str, ServiceDeployment] = {}
        for some in _slices(arns, _DEPLOYMENTS_A_CALL):
            answer = self._clients.call("ecs", "DescribeServiceDeployments", serviceDeploymentArns=list(some))
            for item in answer.get("serviceDeployments", ()):
                deployment = read_service_deployment(item)
                found[deployment.arn] = deployment
        return found

    def definitions_of(self, revisions: Sequence[str]) -> dict[str, str]:
        """Return the task definitions of service revisions, twenty a call."""
        found: dict[str, str] = {}
        for some in _slices(revisions, _DEPLOYMENTS_A_CALL):
            answer = self._clients.call("ecs", "DescribeServiceRevisions", serviceRevisionArns=list(some))
            for item in answer.get("serviceRevisions", ()):
                found[str(item["serviceRevisionArn"])] = str(item.get("taskDefinition", ""))
        return found

    def stopped_tasks(self, cluster: str, service: str) -> list[Task]:
        """Return the service's stopped tasks that ECS still lists (for about an hour), at most a hundred."""
        answer = self._clients.call(
            "ecs", "ListTasks", cluster=cluster, serviceName=service, desiredStatus="STOPPED", maxResults=_TASKS_A_CALL
        )
        return self.tasks(cluster, [str(arn) for arn in answer.get("taskArns", ())])

    def tasks(self, cluster: str, arns: Sequence[str]) -> list[Task]:
        """Return tasks by ARN, a hundred a call."""
        found: list[Task] = []
        for some in _slices(arns, _TASKS_A_CALL):
            answer = self._clients.call("ecs", "DescribeTasks", cluster=cluster, tasks=list(some))
            found += [read_task(item) for item in answer.get("tasks", ())]
        return found

    def run_task(self, cluster: str, definition: str, options: Mapping[str, Any]) -> Task:
        """Start one task. RunTask answers with HTTP 200 and ``failures`` where there was no place for it."""
        answer = self._clients.call(
            "ecs", "RunTask", cluster=cluster, taskDefinition=definition, **{"count": 1, **options}
        )
        if not answer.get("tasks"):
            told = "; ".join(_failure(item) for item in answer.get("failures", ())) or "ECS gave no reason"
            raise AwsRefused(f"the task was not started: {told}", code="RunTaskFailure")
        return read_task(answer["tasks"][0])

    def log_tail(self, stream: LogStream, limit: int) -> list[str]:
        """Return the last lines of a log stream; none where it is not there."""
        return self._log(stream, limit=limit, startFromHead=False)[0]

    def log_from(self, stream: LogStream, token: str) -> tuple[list[str], str]:
        """Return the lines since ``token``; CloudWatch gives the same token again at the end."""
        more = {"nextToken": token} if token else {}
        return self._log(stream, startFromHead=True, **more)

    def _log(self, stream: LogStream, **options: Any) -> tuple[list[str], str]:
        try:
            answer = self._clients.call(
                "logs",
                "GetLogEvents",
                region=stream.region or None,
                logGroupName=stream.group,
                logStreamName=stream.stream,
                **options,
            )
        except AwsRefused as error:
            if error.code == "ResourceNotFoundException":
                return [], str(options.get("nextToken", ""))
            raise
        return [str(item.get("message", "")) for item in answer.get("events", ())], str(answer["nextForwardToken"])


def _refuse_other_failures(failures: Sequence[Mapping[str, Any]], operation: str) -> None:
    """Raise AwsRefused for what is wrong besides a service that is missing."""
    others = [item for item in failures if item.get("reason") != "MISSING"]
    if others:
        raise AwsRefused(f"AWS refuses ecs:{operation}: {'; '.join(map(_failure, others))}", code="Failure")


def _failure(item: Mapping[str, Any]) -> str:
    parts = (item.get("reason"), item.get("detail"), item.get("arn"))
    return " ".join(str(part) for part in parts if part) or "no reason"


def _slices(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
