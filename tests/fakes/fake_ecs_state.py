"""What the ECS double holds: families, services whose deployments follow a script, tasks, logs, rules and schedules."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from fakes.fake_ecs_answers import (
    DEPLOYED,
    NOW,
    PREFIX,
    FakeService,
    Frame,
    as_served,
    deployment_arn,
    revision_arn,
    rollouts,
    service_deployment,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Sent(Exception):
    """An error answer."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True)
class State:
    """Everything; public, so that a test can make any state."""

    clusters: dict[str, str] = field(default_factory=lambda: {"prod": "ACTIVE"})
    families: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    services: dict[str, FakeService] = field(default_factory=dict)
    tasks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By ARN: how a one-off task looks at each look."""
    next_task: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    code_deployments: list[dict[str, Any]] = field(default_factory=list)
    """Answers of GetDeployment, one a look."""
    targets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    allows_unknown: bool = False
    lists_service_deployments: bool = True

    def answer(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of an operation. Raises Sent."""
        method: Callable[..., dict[str, Any]] = getattr(self, f"on_{xform_name(operation)}")
        return method(parameters)

    def family(self, document: dict[str, Any]) -> str:
        """Register a document and return its ARN."""
        family = document["family"]
        revisions = self.families.setdefault(family, [])
        arn = f"{PREFIX}:task-definition/{family}:{len(revisions) + 1}"
        revisions.append({"arn": arn, "document": copy.deepcopy(document), "status": "ACTIVE"})
        return arn

    def service(self, name: str, definition: str, **members: Any) -> FakeService:
        """Make a service that runs ``definition``."""
        made = FakeService(name, definition, **members)
        first = {"id": f"ecs-svc/{name}-0", "definition": definition, "frames": [DEPLOYED], "at": 0}
        made.deployments.append(first)
        self.services[name] = made
        return made

    def _revision(self, name: str) -> dict[str, Any] | None:
        bare = name.rpartition("/")[2]
        family, _, number = bare.partition(":")
        revisions = self.families.get(family, [])
        if number:
            return revisions[int(number) - 1] if int(number) <= len(revisions) else None
        return next((one for one in reversed(revisions) if one["status"] == "ACTIVE"), None)

    def on_describe_task_definition(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer as AWS does: defaults filled in, environment in another order, read-only members, tags beside."""
        found = self._revision(asked["taskDefinition"])
        if found is None:
            raise Sent("ClientException", "Unable to describe task definition.")
        tags = found["document"].get("tags", [])
        served = as_served(found["document"], found["arn"], found["status"])
        return {"taskDefinition": served, **({"tags": tags} if "TAGS" in asked.get("include", ()) else {})}

    def on_register_task_definition(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Register a revision."""
        arn = self.family(asked)
        return {"taskDefinition": as_served(asked, arn, "ACTIVE"), "tags": asked.get("tags", [])}

    def on_describe_clusters(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe clusters."""
        found = [name for name in asked["clusters"] if name in self.clusters]
        return {"clusters": [{"clusterName": name, "status": self.clusters[name]} for name in found], "failures": []}

    def on_describe_services(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe services, and let each of their deployments go on by one frame."""
        found, failures = [], []
        for name in asked["services"]:
            service = self.services.get(name)
            if service is None:
                failures.append({"arn": f"{PREFIX}:service/prod/{name}", "reason": "MISSING"})
                continue
            service.deployments[0]["at"] += 1
            newest = service.deployments[0]
            shown = newest["frames"][: newest["at"] + 1]
            for message in (text for frame in shown for text in frame.events):
                if message not in {text for _, text in service.events}:
                    service.events.insert(0, (f"{name}-e{len(service.events)}", message))
            found.append(self._served(service))
        return {"services": found, "failures": failures}

    def _served(self, service: FakeService) -> dict[str, Any]:
        breaker = {"enable": service.has_breaker, "rollback": service.has_breaker}
        return {
            "serviceName": service.name,
            "serviceArn": f"{PREFIX}:service/prod/{service.name}",
            "status": service.status,
            "taskDefinition": service.definition,
            "desiredCount": service.desired,
            "runningCount": service.frame().running,
            "pendingCount": service.frame().pending,
            "launchType": "FARGATE",
            "deploymentController": {"type": service.controller},
            "deploymentConfiguration": {"deploymentCircuitBreaker": breaker},
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            "loadBalancers": service.load_balancers,
            "deployments": [] if service.controller == "CODE_DEPLOY" else list(rollouts(service)),
            "events": [{"id": key, "createdAt": NOW, "message": text} for key, text in service.events],
        }

    def on_update_service(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make a new deployment that follows the next script, unless nothing changes."""
        service = self.services.get(asked["service"])
        if service is None:
            raise Sent("ServiceNotFoundException", "Service not found.")
        if service.controller != "ECS":
            message = "Unable to update task definition on services with a CODE_DEPLOY deployment controller."
            raise Sent("InvalidParameterException", message)
        if asked["taskDefinition"] != service.definition or asked.get("forceNewDeployment"):
            frames = service.scripts.pop(0) if service.scripts else [Frame(), DEPLOYED]
            number = len(service.deployments)
            made = {"id": f"ecs-svc/{service.name}-{number}", "definition": asked["taskDefinition"], "frames": frames}
            service.deployments.insert(0, {**made, "at": 0})
            service.definition = asked["taskDefinition"]
        return {"service": self._served(service)}

    def on_list_service_deployments(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List service deployments, newest first."""
        service = self.services[asked["service"]]
        listed = service.deployments if self.lists_service_deployments else []
        if listed and service.frame().primary == "other":
            listed = [{"id": "ecs-svc/other", "definition": "x:9"}, *listed]
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": deployment_arn(service, one["id"]),
                    "targetServiceRevisionArn": revision_arn(one),
                }
                for one in listed
            ]
        }

    def on_describe_service_deployments(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe service deployments."""
        pairs = [(service, one) for service in self.services.values() for one in service.deployments]
        known = {deployment_arn(service, one["id"]): (service, one) for service, one in pairs}
        found = [known[arn] for arn in asked["serviceDeploymentArns"] if arn in known]
        return {"serviceDeployments": [service_deployment(service, one) for service, one in found], "failures": []}

    def on_describe_service_revisions(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say which task definition a service revision has."""
        known = {
            revision_arn(one): one["definition"] for service in self.services.values() for one in service.deployments
        }
        return {
            "serviceRevisions": [
                {"serviceRevisionArn": arn, "taskDefinition": known[arn]} for arn in asked["serviceRevisionArns"]
            ],
            "failures": [],
        }

    def on_list_tasks(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List the stopped tasks of the frames shown so far."""
        return {"taskArns": [task["taskArn"] for task in self._stopped(self.services[asked["serviceName"]])]}

    def _stopped(self, service: FakeService) -> list[dict[str, Any]]:
        newest = service.deployments[0]
        shown = newest["frames"][: newest["at"] + 1]
        members = [task for frame in shown for task in frame.stopped]
        return [
            {
                "taskArn": f"{PREFIX}:task/prod/{service.name}-{len(service.deployments)}-{index}",
                "taskDefinitionArn": newest["definition"],
                "lastStatus": "STOPPED",
                "startedBy": newest["id"],
                **task,
            }
            for index, task in enumerate(members)
        ]

    def on_describe_tasks(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Describe tasks; a one-off task goes on by one look."""
        stopped = {task["taskArn"]: task for service in self.services.values() for task in self._stopped(service)}
        found = []
        for arn in asked["tasks"]:
            if arn in stopped:
                found.append(stopped[arn])
            elif arn in self.tasks:
                looks = self.tasks[arn]
                found.append(looks.pop(0) if len(looks) > 1 else looks[0])
        return {"tasks": found, "failures": []}

    def on_run_task(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Start the next task, or answer with failures where there is none."""
        if not self.next_task:
            return {"tasks": [], "failures": [{"arn": "arn:aws:ecs:x", "reason": "RESOURCE:MEMORY"}]}
        arn = f"{PREFIX}:task/prod/one-off-{len(self.tasks)}"
        base = {"taskArn": arn, "taskDefinitionArn": asked["taskDefinition"]}
        self.tasks[arn] = [{**base, **look} for look in self.next_task]
        return {"tasks": [{**base, "lastStatus": "PROVISIONING"}], "failures": []}

    def on_get_log_events(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Give the lines from the token on."""
        name = f"{asked['logGroupName']}:{asked['logStreamName']}"
        if name not in self.logs:
            raise Sent("ResourceNotFoundException", "The specified log stream does not exist.")
        start = int(str(asked.get("nextToken", "f/0")).partition("/")[2])
        lines = self.logs[name][start:]
        if not asked.get("startFromHead") and "nextToken" not in asked:
            lines = lines[-asked.get("limit", 10_000) :]
        return {
            "events": [{"timestamp": 1, "message": line} for line in lines],
            "nextForwardToken": f"f/{start + len(lines)}",
        }

    def on_create_deployment(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Start a CodeDeploy deployment."""
        if asked["applicationName"].startswith("No"):
            raise Sent("ApplicationDoesNotExistException", f"No application found for name: {asked['applicationName']}")
        return {"deploymentId": "d-EXAMPLE111"}

    def on_get_deployment(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Tell how it stands."""
        looks = self.code_deployments
        look = looks.pop(0) if len(looks) > 1 else looks[0]
        return {"deploymentInfo": {"deploymentId": asked["deploymentId"], **look}}

    def on_list_targets_by_rule(self, asked: dict[str, Any]) -> dict[str, Any]:
        """List a rule's targets, one a page."""
        if asked["Rule"] not in self.targets:
            raise Sent("ResourceNotFoundException", f"Rule {asked['Rule']} does not exist.")
        at = int(asked.get("NextToken", "0"))
        targets = self.targets[asked["Rule"]]
        more = {"NextToken": str(at + 1)} if at + 1 < len(targets) else {}
        return {"Targets": targets[at : at + 1], **more}

    def on_put_targets(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Replace targets by their ids."""
        new = {target["Id"]: target for target in asked["Targets"]}
        self.targets[asked["Rule"]] = [new.get(target["Id"], target) for target in self.targets[asked["Rule"]]]
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def on_get_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a schedule."""
        if asked["Name"] not in self.schedules:
            raise Sent("ResourceNotFoundException", f"Schedule {asked['Name']} does not exist.", 404)
        return {**self.schedules[asked["Name"]], "Arn": "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/x"}

    def on_update_schedule(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Replace a schedule."""
        self.schedules[asked["Name"]] = {key: value for key, value in asked.items() if key != "ClientToken"}
        return {"ScheduleArn": "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/x"}
