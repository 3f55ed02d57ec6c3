"""ECS's answers as values. Text in them comes from outside: control characters are made visible here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.deployment.observations import Container, Event, Rollout, Service, ServiceDeployment, Task
from pipeline_kit.outputs.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


_LONGEST = 2000
"""Characters of one text; ECS cuts a stopped reason at 255 and an event at about 1,000."""


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return "" if value is None else one_line(str(value), _LONGEST)


def read_service(item: Mapping[str, Any]) -> Service:
    """Return a Service; of task sets (CodeDeploy) the primary counts."""
    breaker = (item.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    return Service(
        name=_text(item, "serviceName"),
        arn=_text(item, "serviceArn"),
        status=_text(item, "status"),
        definition=_definition(item),
        desired=int(item.get("desiredCount") or 0),
        running=int(item.get("runningCount") or 0),
        pending=int(item.get("pendingCount") or 0),
        controller=str((item.get("deploymentController") or {}).get("type") or "ECS"),
        launch_type=_text(item, "launchType"),
        has_breaker=bool(breaker.get("enable")),
        rolls_back=bool(breaker.get("enable") and breaker.get("rollback")),
        rollouts=tuple(_rollout(one) for one in item.get("deployments") or ()),
        events=tuple(Event(_text(one, "id"), _text(one, "message")) for one in item.get("events") or ()),
        network=item.get("networkConfiguration"),
        load_balancers=tuple(
            (_text(one, "containerName"), int(one.get("containerPort") or 0)) for one in item.get("loadBalancers") or ()
        ),
        capacity_providers=item.get("capacityProviderStrategy") or None,
        platform_version=_text(item, "platformVersion"),
    )


def _definition(item: Mapping[str, Any]) -> str:
    """Return what the service runs: with task sets (CodeDeploy) it is the primary one that says so."""
    primary = next((one for one in item.get("taskSets") or () if one.get("status") == "PRIMARY"), item)
    return _text(primary, "taskDefinition")


def _rollout(item: Mapping[str, Any]) -> Rollout:
    return Rollout(
        id=_text(item, "id"),
        status=_text(item, "status"),
        definition=_text(item, "taskDefinition"),
        desired=int(item.get("desiredCount") or 0),
        pending=int(item.get("pendingCount") or 0),
        running=int(item.get("runningCount") or 0),
        failed=int(item.get("failedTasks") or 0),
        state=_text(item, "rolloutState"),
        reason=_text(item, "rolloutStateReason"),
    )


def read_service_deployment(item: Mapping[str, Any]) -> ServiceDeployment:
    """Return a ServiceDeployment."""
    target, rollback = item.get("targetServiceRevision") or {}, item.get("rollback") or {}
    breaker, alarms = item.get("deploymentCircuitBreaker") or {}, item.get("alarms") or {}
    hooks = item.get("lifecycleHookDetails") or ()
    return ServiceDeployment(
        arn=_text(item, "serviceDeploymentArn"),
        revision=_text(target, "arn"),
        status=_text(item, "status"),
        reason=_text(item, "statusReason"),
        stage=_text(item, "lifecycleStage"),
        breaker=_text(breaker, "status"),
        failures=int(breaker.get("failureCount") or 0),
        threshold=int(breaker.get("threshold") or 0),
        alarms=_text(alarms, "status"),
        triggered_alarms=tuple(one_line(str(name)) for name in alarms.get("triggeredAlarmNames") or ()),
        rollback_reason=_text(rollback, "reason"),
        rollback_revision=_text(rollback, "serviceRevisionArn"),
        requested=int(target.get("requestedTaskCount") or 0),
        running=int(target.get("runningTaskCount") or 0),
        pending=int(target.get("pendingTaskCount") or 0),
        waiting_hooks=tuple(_text(one, "hookId") for one in hooks if one.get("status") == "AWAITING_ACTION"),
        strategy=str((item.get("deploymentConfiguration") or {}).get("strategy") or "ROLLING"),
    )


def read_task(item: Mapping[str, Any]) -> Task:
    """Return a Task; a container's missing exit code stays ``None``."""
    return Task(
        arn=_text(item, "taskArn"),
        definition=_text(item, "taskDefinitionArn"),
        status=_text(item, "lastStatus"),
        stop_code=_text(item, "stopCode"),
        stopped_reason=_text(item, "stoppedReason"),
        started_by=_text(item, "startedBy"),
        containers=tuple(
            Container(
                name=_text(one, "name"),
                exit_code=one.get("exitCode"),
                reason=_text(one, "reason"),
                status=_text(one, "lastStatus"),
                digest=_text(one, "imageDigest"),
            )
            for one in item.get("containers") or ()
        ),
    )
