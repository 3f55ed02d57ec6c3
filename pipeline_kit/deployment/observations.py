"""What AWS says about services, deployments and tasks, as values. Names follow the ECS API reference."""

from __future__ import annotations

from pipeline_kit.values import value_class


@value_class()
class Container:
    """A container of a task. ``exit_code`` is ``None`` where it never ran: that is not 0."""

    name: str
    exit_code: int | None = None
    reason: str = ""
    status: str = ""
    digest: str = ""


@value_class()
class Task:
    """A task. ``started_by`` is the deployment's id for a service's tasks."""

    arn: str
    definition: str = ""
    status: str = ""
    stop_code: str = ""
    stopped_reason: str = ""
    started_by: str = ""
    containers: tuple[Container, ...] = ()

    @property
    def id(self) -> str:
        """Return the last part of the ARN."""
        return self.arn.rpartition("/")[2]


@value_class()
class Rollout:
    """An element of DescribeServices' ``deployments``; ``state`` is ``rolloutState``, ``""`` where ECS gives none."""

    id: str
    status: str
    definition: str
    desired: int = 0
    pending: int = 0
    running: int = 0
    failed: int = 0
    state: str = ""
    reason: str = ""


@value_class()
class Event:
    """A service event."""

    id: str
    message: str


@value_class()
class Service:
    """DescribeServices' answer for one service; ``network`` and ``load_balancers`` are as AWS gives them."""

    name: str
    arn: str = ""
    status: str = "ACTIVE"
    definition: str = ""
    desired: int = 0
    running: int = 0
    pending: int = 0
    controller: str = "ECS"
    launch_type: str = ""
    has_breaker: bool = False
    rolls_back: bool = False
    """The circuit breaker, if it triggers, goes back to the last deployment that completed."""
    rollouts: tuple[Rollout, ...] = ()
    events: tuple[Event, ...] = ()
    """Newest first."""
    network: object = None
    load_balancers: tuple[tuple[str, int], ...] = ()
    """Container name and port of each."""
    capacity_providers: object = None
    platform_version: str = ""

    @property
    def primary(self) -> Rollout | None:
        """Return the deployment that ECS is steering to."""
        return next((rollout for rollout in self.rollouts if rollout.status == "PRIMARY"), None)


@value_class()
class ServiceDeployment:
    """DescribeServiceDeployments' answer for one deployment. ``revision`` is its target's ARN."""

    arn: str
    revision: str
    status: str
    reason: str = ""
    stage: str = ""
    """``lifecycleStage``: where a blue/green, linear or canary deployment is."""
    breaker: str = ""
    """``TRIGGERED``, ``MONITORING``, ``MONITORING_COMPLETE`` or ``DISABLED``."""
    failures: int = 0
    threshold: int = 0
    alarms: str = ""
    triggered_alarms: tuple[str, ...] = ()
    rollback_reason: str = ""
    rollback_revision: str = ""
    requested: int = 0
    running: int = 0
    pending: int = 0
    waiting_hooks: tuple[str, ...] = ()
    """Lifecycle hooks that wait for somebody."""
    strategy: str = "ROLLING"


@value_class()
class CodeDeployment:
    """GetDeployment's answer."""

    id: str
    status: str
    error_code: str = ""
    error_message: str = ""
    rollback_id: str = ""
    rollback_message: str = ""
