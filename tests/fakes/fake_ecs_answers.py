"""What the ECS double shows of its state, in the shapes of the API."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "111122223333"
PREFIX = f"arn:aws:ecs:eu-west-1:{ACCOUNT}"
NOW = 1_780_000_000.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What a deployment looks like at one look; each DescribeServices call goes one frame on."""

    status: str = "IN_PROGRESS"
    running: int = 0
    pending: int = 1
    failures: int = 0
    stage: str = ""
    breaker: str = "MONITORING"
    alarms: str = "DISABLED"
    triggered: tuple[str, ...] = ()
    reason: str = ""
    rollback: str = ""
    rollout: str = "IN_PROGRESS"
    primary: str = "ours"
    """Which deployment is PRIMARY: ``ours``, ``before`` or ``other``."""
    events: tuple[str, ...] = ()
    stopped: tuple[dict[str, Any], ...] = ()
    """Members of stopped tasks: ``stoppedReason``, ``stopCode``, ``containers``."""


DEPLOYED = Frame("SUCCESSFUL", running=2, pending=0, rollout="COMPLETED", breaker="MONITORING_COMPLETE")


@dataclass(slots=True)
class FakeService:
    """A service, its deployments so far, and the script of the next ones."""

    name: str
    definition: str
    controller: str = "ECS"
    desired: int = 2
    has_breaker: bool = True
    scripts: list[list[Frame]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    """Ours and earlier ones, newest first: ``id``, ``definition``, ``frames``, ``at``."""
    events: list[tuple[str, str]] = field(default_factory=list)
    status: str = "ACTIVE"
    load_balancers: list[dict[str, Any]] = field(default_factory=list)

    def frame(self) -> Frame:
        """Return what the newest deployment looks like now."""
        newest = self.deployments[0]
        frames: list[Frame] = newest["frames"]
        at: int = newest["at"]
        return frames[min(at, len(frames) - 1)]


def deployment_arn(service: FakeService, deployment: str) -> str:
    """Return the ARN of a service deployment."""
    return f"{PREFIX}:service-deployment/prod/{service.name}/{deployment.rpartition('/')[2]}"


def revision_arn(deployment: dict[str, Any]) -> str:
    """Return the ARN of a service revision."""
    return f"{PREFIX}:service-revision/prod/{deployment['id'].rpartition('/')[2]}"


def rollouts(service: FakeService) -> list[dict[str, Any]]:
    """Return DescribeServices' ``deployments``."""
    frame, newest = service.frame(), service.deployments[0]
    ours = {
        "id": newest["id"],
        "status": "PRIMARY" if frame.primary == "ours" else "ACTIVE",
        "taskDefinition": newest["definition"],
        "desiredCount": service.desired,
        "runningCount": frame.running,
        "pendingCount": frame.pending,
        "failedTasks": frame.failures,
        "rolloutState": frame.rollout,
        "rolloutStateReason": frame.reason,
    }
    if frame.primary == "ours":
        return [ours]
    before = service.deployments[1] if frame.primary == "before" else {"id": "ecs-svc/other", "definition": "x:9"}
    primary = {**ours, "id": before["id"], "taskDefinition": before["definition"], "status": "PRIMARY"}
    return [primary | {"rolloutState": "COMPLETED"}, ours]


def service_deployment(service: FakeService, one: dict[str, Any]) -> dict[str, Any]:
    """Return a ServiceDeployment."""
    frames: list[Frame] = one["frames"]
    frame = frames[min(one["at"], len(frames) - 1)]
    return {
        "serviceDeploymentArn": deployment_arn(service, one["id"]),
        "serviceArn": f"{PREFIX}:service/prod/{service.name}",
        "status": frame.status,
        "statusReason": frame.reason,
        **({"lifecycleStage": frame.stage} if frame.stage else {}),
        "targetServiceRevision": {
            "arn": revision_arn(one),
            "requestedTaskCount": service.desired,
            "runningTaskCount": frame.running,
            "pendingTaskCount": frame.pending,
        },
        "deploymentConfiguration": {"strategy": "BLUE_GREEN" if frame.stage else "ROLLING"},
        "deploymentCircuitBreaker": {"status": frame.breaker, "failureCount": frame.failures, "threshold": 3},
        "alarms": {
            "status": frame.alarms,
            "alarmNames": list(frame.triggered),
            "triggeredAlarmNames": list(frame.triggered),
        },
        **({"rollback": {"reason": frame.rollback}} if frame.rollback else {}),
    }


def as_served(document: dict[str, Any], arn: str, status: str) -> dict[str, Any]:
    """Return a registered document as DescribeTaskDefinition gives it back."""
    served = copy.deepcopy({name: value for name, value in document.items() if name != "tags"})
    has_own_ports = served.get("networkMode") in ("awsvpc", "host")
    for container in served["containerDefinitions"]:
        for name, value in (("cpu", 0), ("essential", True)):
            container.setdefault(name, value)
        for name in ("environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"):
            container.setdefault(name, [])
        container["environment"].reverse()
        for mapping in container["portMappings"]:
            mapping.setdefault("protocol", "tcp")
            if "containerPort" in mapping:
                mapping.setdefault("hostPort", mapping["containerPort"] if has_own_ports else 0)
        if "healthCheck" in container:
            container["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **container["healthCheck"]}
    for name in ("volumes", "placementConstraints"):
        served.setdefault(name, [])
    for volume in served["volumes"]:
        if set(volume) == {"name"}:
            volume["host"] = {}
    return {
        **served,
        "taskDefinitionArn": arn,
        "revision": int(arn.rpartition(":")[2]),
        "status": status,
        "compatibilities": ["EC2", "FARGATE"],
        "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}],
        "registeredAt": NOW,
        "registeredBy": f"arn:aws:iam::{ACCOUNT}:role/deployer",
    }
