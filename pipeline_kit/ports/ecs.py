"""Amazon ECS and what deploying to it touches: task definitions, services, tasks, schedules, CodeDeploy.

Every method raises AuthenticationFailed, AuthorizationDenied, AwsRefused or AwsUnreachable for what AWS answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.deployment.observations import CodeDeployment, Service, ServiceDeployment, Task
    from pipeline_kit.task_definition import Shapes


class Revision(NamedTuple):
    """A registered task definition: its ARN, and ``document`` in the form of a request, tags inside."""

    arn: str
    document: Mapping[str, Any]
    status: str = "ACTIVE"

    @property
    def family(self) -> str:
        """Return the family's name."""
        return self.arn.rpartition("/")[2].partition(":")[0]

    @property
    def name(self) -> str:
        """Return ``family:revision``."""
        return self.arn.rpartition("/")[2]


class Ecs(Protocol):
    """The ECS API, as far as rendering, registering and deploying need it."""

    def shapes(self) -> Shapes:
        """Return the SDK's model of a task definition; asks nobody."""
        ...

    def describe(self, name: str) -> Revision | None:
        """Return a revision by ARN, ``family:revision`` or family (its newest active one), ``None`` for none."""
        ...

    def register(self, document: Mapping[str, Any]) -> Revision:
        """Register a new revision; members that the SDK does not know are sent too. Raises TaskDefinitionError."""
        ...

    def cluster_status(self, cluster: str) -> str:
        """Return a cluster's status, ``""`` where there is no such cluster."""
        ...

    def services(self, cluster: str, names: Sequence[str]) -> Mapping[str, Service]:
        """Return services by name; one that does not exist is left out."""
        ...

    def update(self, cluster: str, service: str, definition: str, *, force: bool = False) -> Service:
        """Order a service to run ``definition``; return it as it is then."""
        ...

    def service_deployments(self, cluster: str, service: str) -> Sequence[str]:
        """Return the ARNs of a service's recent deployments, newest first."""
        ...

    def describe_service_deployments(self, arns: Sequence[str]) -> Mapping[str, ServiceDeployment]:
        """Return service deployments by ARN; those that are gone are left out."""
        ...

    def definitions_of(self, revisions: Sequence[str]) -> Mapping[str, str]:
        """Return the task definitions' ARNs of service revisions, by the revisions' ARNs."""
        ...

    def stopped_tasks(self, cluster: str, service: str) -> Sequence[Task]:
        """Return a service's tasks that stopped within the last hour, as far as ECS still knows them."""
        ...

    def tasks(self, cluster: str, arns: Sequence[str]) -> Sequence[Task]:
        """Return tasks by ARN; those that are gone are left out."""
        ...

    def run_task(self, cluster: str, definition: str, options: Mapping[str, Any]) -> Task:
        """Start one task; ``options`` are RunTask's other members. Raises AwsRefused when it was not started."""
        ...

    def log_tail(self, stream: LogStream, limit: int) -> Sequence[str]:
        """Return the last ``limit`` lines of a container's log; none where there is no such log yet."""
        ...

    def log_from(self, stream: LogStream, token: str) -> tuple[Sequence[str], str]:
        """Return the lines since ``token`` (``""``: the beginning), and the next token."""
        ...


class LogStream(NamedTuple):
    """Where the awslogs driver writes a container's output."""

    group: str
    stream: str
    region: str = ""


class BlueGreen(Protocol):
    """CodeDeploy."""

    def create(self, application: str, group: str, content: str, digest: str) -> str:
        """Start a deployment from an AppSpec and its hex SHA-256; return the deployment's id."""
        ...

    def get(self, deployment: str) -> CodeDeployment:
        """Return how a deployment stands."""
        ...


class Schedules(Protocol):
    """What starts tasks on a schedule or on an event."""

    def rule_targets(self, rule: str) -> Sequence[Mapping[str, Any]]:
        """Return the targets of an EventBridge rule, named ``rule`` or ``bus/rule``."""
        ...

    def put_targets(self, rule: str, targets: Sequence[Mapping[str, Any]]) -> None:
        """Write targets of a rule. Raises AwsRefused when one was not taken."""
        ...

    def schedule(self, name: str) -> Mapping[str, Any]:
        """Return a schedule, named ``name`` or ``group/name``, as UpdateSchedule takes it."""
        ...

    def put_schedule(self, schedule: Mapping[str, Any]) -> None:
        """Write a schedule back."""
        ...


class State(StrEnum):
    """What a check found."""

    PRESENT = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "not checked"
    """The check itself was not allowed, or AWS did not answer: not missing."""


class Check(NamedTuple):
    """One thing that a task needs, and whether it is there."""

    what: str
    state: State
    detail: str = ""
    hint: str = ""


class Requirements(Protocol):
    """Asks whether what a task definition names is there. Nothing is raised: the answer is in the check."""

    def role(self, arn: str) -> Check:
        """Check that a role exists and that tasks may assume it."""
        ...

    def secret(self, source: str) -> Check:
        """Check that a secret or parameter (an ARN or a parameter's name) exists; its value is not read."""
        ...

    def log_group(self, name: str, region: str) -> Check:
        """Check that a log group exists."""
        ...

    def environment_file(self, arn: str) -> Check:
        """Check that an object in S3 exists."""
        ...
