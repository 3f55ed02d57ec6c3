"""The ECS double with what the retention questions ask besides: running tasks, all services, families' revisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fakes.fake_ecs_answers import PREFIX, revision_arn
from fakes.fake_ecs_state import State


@dataclass(slots=True)
class UsageState(State):
    """As State; ``running`` are DescribeTasks' answers, ``resolved`` image digests by task definition ARN.

    ``page`` is the most entries of one page.
    """

    running: list[dict[str, Any]] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    page: int = 2

    def run(self, definition: str, digest: str, image: str = "x/web:v0") -> None:
        """Let a task run."""
        arn = f"{PREFIX}:task/prod/{len(self.running):032x}"
        container = {"name": "web", "image": image, "imageDigest": digest, "lastStatus": "RUNNING"}
        self.running.append({"taskArn": arn, "taskDefinitionArn": definition, "containers": [container]})

    def _paged(self, key: str, items: list[str], asked: dict[str, Any]) -> dict[str, Any]:
        at = int(asked.get("nextToken", "0"))
        end = at + min(self.page, asked.get("maxResults", self.page))
        return {key: items[at:end], **({"nextToken": str(end)} if end < len(items) else {})}

    def on_list_tasks(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List running tasks."""
        return self._paged("taskArns", [task["taskArn"] for task in self.running], asked)

    def on_describe_tasks(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe running tasks."""
        return {"tasks": [task for task in self.running if task["taskArn"] in asked["tasks"]], "failures": []}

    def on_list_services(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List services."""
        return self._paged("serviceArns", [f"{PREFIX}:service/prod/{name}" for name in self.services], asked)

    def on_describe_services(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe services, named by ARN too."""
        names = [name.rpartition("/")[2] for name in asked["services"]]
        return State.on_describe_services(self, {**asked, "services": names})

    def on_list_service_deployments(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List service deployments of a service, named by ARN too."""
        return State.on_list_service_deployments(self, {**asked, "service": asked["service"].rpartition("/")[2]})

    def on_describe_service_revisions(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say which task definition and which digests a service revision has."""
        known = {revision_arn(one): one["definition"] for item in self.services.values() for one in item.deployments}
        revisions = []
        for arn in asked["serviceRevisionArns"]:
            digest = self.resolved.get(known[arn])
            images = [{"containerName": "web", "image": "x/web:v0", "imageDigest": digest}] if digest else []
            revisions.append({"serviceRevisionArn": arn, "taskDefinition": known[arn], "containerImages": images})
        return {"serviceRevisions": revisions, "failures": []}

    def on_list_task_definitions(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List a family's revisions, newest first."""
        arns = [one["arn"] for one in reversed(self.families.get(asked["familyPrefix"], []))]
        return self._paged("taskDefinitionArns", arns, asked)
