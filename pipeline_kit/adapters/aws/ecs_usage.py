"""Which images ECS uses: of running tasks, of what deployments resolved, and of recent task definition revisions.

Sources: ECS API reference. A task's ``imageDigest`` and a service revision's ``containerImages`` are what ECS resolved;
task definitions may name a tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import AwsRefused
from pipeline_kit.retention import Uses, uses_of_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline_kit.adapters.aws.ecs_clients import AwsClients

_TASKS_A_CALL = 100
_SERVICES_A_CALL = 10
_REVISIONS_A_CALL = 20


class EcsUsage:
    """Implements :class:`pipeline_kit.ports.usage.Usage` for one region."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._described: dict[str, tuple[str, Uses]] = {}

    def uses(self, cluster: str, families: Iterable[str], definitions: Iterable[str], revisions: int) -> Uses:
        """Return what a cluster uses, with the newest ``revisions`` of every family seen there or named.

        Raises what :class:`~pipeline_kit.adapters.aws.ecs_clients.AwsClients` raises: half an answer is none.
        """
        found = Uses()
        seen = set(definitions)
        for task in self._tasks(cluster):
            name = (
                f"running task {str(task.get('taskArn', '')).rpartition('/')[2][:12]} in {cluster.rpartition('/')[2]}"
            )
            for container in task.get("containers") or ():
                _add(found, container, name)
            seen.add(str(task.get("taskDefinitionArn", "")))
        for service in self._services(cluster):
            why = f"a deployment of service {service.get('serviceName', '')}"
            named = [service, *(service.get("deployments") or ()), *(service.get("taskSets") or ())]
            seen.update(str(item.get("taskDefinition", "")) for item in named)
            for revision in self._service_revisions(cluster, str(service["serviceArn"])):
                seen.add(str(revision.get("taskDefinition", "")))
                for image in revision.get("containerImages") or ():
                    _add(found, image, why)
        wanted = {family for family in families if family}
        for definition in sorted(filter(None, seen)):
            family, uses = self._definition(definition)
            found.add(uses)
            wanted.add(family)
        for family in sorted(wanted):
            for arn in self._newest(family, revisions):
                found.add(self._definition(arn)[1])
        return found

    def _tasks(self, cluster: str) -> Iterator[dict[str, Any]]:
        arns = list(self._pages("ListTasks", "taskArns", cluster=cluster, desiredStatus="RUNNING"))
        for some in _slices(arns, _TASKS_A_CALL):
            yield from self._clients.call("ecs", "DescribeTasks", cluster=cluster, tasks=some).get("tasks", ())

    def _services(self, cluster: str) -> Iterator[dict[str, Any]]:
        arns = list(self._pages("ListServices", "serviceArns", cluster=cluster))
        for some in _slices(arns, _SERVICES_A_CALL):
            answer = self._clients.call("ecs", "DescribeServices", cluster=cluster, services=some)
            others = [item for item in answer.get("failures", ()) if item.get("reason") != "MISSING"]
            if others:
                raise AwsRefused(f"AWS refuses ecs:DescribeServices: {others[0].get('reason')}", code="Failure")
            yield from answer.get("services", ())

    def _service_revisions(self, cluster: str, service: str) -> Iterator[dict[str, Any]]:
        """Yield what the newest deployments of a service resolved; none for a service without such deployments."""
        try:
            answer = self._clients.call(
                "ecs", "ListServiceDeployments", cluster=cluster, service=service, maxResults=_REVISIONS_A_CALL
            )
        except AwsRefused as error:
            if error.code in ("UnsupportedFeatureException", "InvalidParameterException"):  # CodeDeploy, external
                return
            raise
        listed = answer.get("serviceDeployments", ())
        arns = list(dict.fromkeys(str(item["targetServiceRevisionArn"]) for item in listed))
        for some in _slices(arns, _REVISIONS_A_CALL):
            answer = self._clients.call("ecs", "DescribeServiceRevisions", serviceRevisionArns=some)
            yield from answer.get("serviceRevisions", ())

    def _newest(self, family: str, revisions: int) -> list[str]:
        listed = self._pages(
            "ListTaskDefinitions", "taskDefinitionArns", most=revisions, familyPrefix=family, sort="DESC"
        )
        return [arn for arn in listed if arn.rpartition("/")[2].partition(":")[0] == family]

    def _definition(self, name: str) -> tuple[str, Uses]:
        """Return the family and the images of a revision, asked for once."""
        if name not in self._described:
            try:
                answer = self._clients.call("ecs", "DescribeTaskDefinition", taskDefinition=name)["taskDefinition"]
            except AwsRefused as error:
                if error.code != "ClientException" or "unable to describe" not in error.message.lower():
                    raise
                # Deleted for good: nothing can start from it, and what runs tells its digest itself.
                return name.rpartition("/")[2].partition(":")[0], Uses()
            shown = str(answer["taskDefinitionArn"]).rpartition("/")[2]
            uses = Uses()
            for container in answer.get("containerDefinitions") or ():
                _add(uses, container, f"task definition {shown}")
            self._described[name] = str(answer["family"]), uses
        return self._described[name]

    def _pages(self, operation: str, key: str, *, most: int | None = None, **parameters: Any) -> Iterator[str]:
        given = 0
        more: dict[str, Any] = {}
        while True:
            limit: dict[str, Any] = {"maxResults": min(100, most - given)} if most is not None else {}
            answer = self._clients.call("ecs", operation, **parameters, **limit, **more)
            for item in answer.get(key, ()):
                given += 1
                yield str(item)
            if not answer.get("nextToken") or (most is not None and given >= most):
                return
            more = {"nextToken": answer["nextToken"]}


def _add(found: Uses, container: dict[str, Any], why: str) -> None:
    image, digest = container.get("image"), container.get("imageDigest")
    if isinstance(image, str) and image:
        found.add(uses_of_reference(image, why))
    if isinstance(digest, str) and digest:
        found.digests.setdefault(digest, why)


def _slices(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
