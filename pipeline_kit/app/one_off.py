"""A one-off task, such as a migration, from an image by digest: started and followed, with its log and exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.app.deploy_causes import log_stream
from pipeline_kit.deployment.causes import cause_of
from pipeline_kit.deployment.run_task import failed_containers
from pipeline_kit.errors import (
    AwsUnreachable,
    InputError,
    Interrupted,
    NotSteady,
    PipelineKitError,
    TaskFailed,
)
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.task_definition import container_definitions
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.config import EcsService
    from pipeline_kit.deployment.observations import Service, Task
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.ports.ecs import Ecs, LogStream

_PAUSE = 2.0
_UNANSWERED = 10
_LAST_LOG_ROUNDS = 3
"""Looks for log lines after the task stopped: CloudWatch takes a moment to hold the last ones."""

_LAST_LOG_PAUSE = 1.0


@value_class()
class OneOff:
    """What ``ecs run-task`` was asked for. ``container`` is the one that counts and takes ``command``."""

    container: str | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3600.0
    wait: bool = True


def placement(config: EcsService, service: Service | None) -> dict[str, Any]:
    """Return where and how the task runs: as the configuration says, else as the service does."""
    options: dict[str, Any] = {}
    if config.launch_type is not None:
        options["launchType"] = config.launch_type
    elif service is not None and service.capacity_providers:
        options["capacityProviderStrategy"] = service.capacity_providers
    elif service is not None and service.launch_type:
        options["launchType"] = service.launch_type
    if config.network is not None:
        options["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": list(config.network.subnets),
                "securityGroups": list(config.network.security_groups),
                "assignPublicIp": "ENABLED" if config.network.public_ip else "DISABLED",
            }
        }
    elif service is not None and service.network:
        options["networkConfiguration"] = service.network
    return options


def watched_container(document: Mapping[str, Any], asked: OneOff, name: str) -> str | None:
    """Return the container that counts, ``None`` for every essential one. Raises InputError for one that is not there.

    A command or variables need one container to go to.
    """
    known = [str(item["name"]) for item in container_definitions(document, name)]
    if asked.container is not None:
        if asked.container not in known:
            raise InputError(f"no container is called {asked.container!r}", hint=f"containers are: {', '.join(known)}")
        return asked.container
    if len(known) == 1:
        return known[0]
    if asked.command is not None or asked.environment:
        raise InputError("which container is meant?", hint=f"give --container, one of: {', '.join(known)}")
    return None


class Runner(NamedTuple):
    """Runs a task; ``tell`` takes lines for people, ``log`` the container's output."""

    ecs: Ecs
    cluster: str
    clock: Clock
    tell: Callable[[str], None]
    log: Callable[[str], None]

    def run(self, document: Mapping[str, Any], arn: str, options: Mapping[str, Any], asked: OneOff) -> Task:
        """Start the task and wait for its end; return it.

        Raises TaskFailed when it failed or a container never ran, NotSteady when time ran out, AwsRefused when it was
        not started. An interruption leaves it running and says so.
        """
        watched = watched_container(document, asked, arn)
        task = self.ecs.run_task(self.cluster, arn, {**options, **_overrides(watched, asked)})
        self.tell(f"task {task.id} started from {arn.rpartition('/')[2]}")
        if not asked.wait:
            return task
        stream = log_stream(document, watched, task.id) if watched is not None else None
        try:
            task = self._wait(task, stream, asked.timeout)
        except Interrupted:
            self.tell(f"not waited for any longer: the task {task.arn} goes on")
            raise
        essential = frozenset(
            str(item["name"]) for item in container_definitions(document, arn) if item.get("essential", True)
        )
        failed = failed_containers(task, watched, essential)
        if failed:
            cause = cause_of(task)
            lines = [f"the task {task.id} failed: {'; '.join(failed)}", f"  {cause}"]
            raise TaskFailed("\n".join(lines), hint=cause.hint or None)
        self.tell(f"task {task.id} ended with 0")
        return task

    def _wait(self, task: Task, stream: LogStream | None, timeout: float) -> Task:
        deadline = self.clock.monotonic() + timeout
        reader = _LogReader(self.ecs, stream, self.log, self.tell)
        unanswered, status = 0, ""
        while task.status != "STOPPED":
            if self.clock.monotonic() >= deadline:
                raise NotSteady(f"the task {task.id} is {task.status} after {timeout:g} s; it goes on")
            self.clock.sleep(_PAUSE)
            try:
                found = self.ecs.tasks(self.cluster, [task.arn])
                unanswered = 0
            except AwsUnreachable:
                unanswered += 1
                if unanswered >= _UNANSWERED:
                    raise
                continue
            if not found:
                raise TaskFailed(f"ECS no longer knows the task {task.id}: how it ended cannot be told")
            task = found[0]
            if task.status != status:
                status = task.status
                self.tell(f"task {task.id} is {status}")
            reader.read()
        for _ in range(_LAST_LOG_ROUNDS if stream is not None else 0):
            if not reader.read():
                self.clock.sleep(_LAST_LOG_PAUSE)
        return task


class _LogReader:
    """Reads a log stream on from where it was; what may not be read is said once."""

    def __init__(
        self, ecs: Ecs, stream: LogStream | None, log: Callable[[str], None], tell: Callable[[str], None]
    ) -> None:
        self._ecs, self._stream, self._log, self._tell = ecs, stream, log, tell
        self._token = ""

    def read(self) -> bool:
        """Show what came since; return whether there may be more."""
        if self._stream is None:
            return False
        try:
            lines, self._token = self._ecs.log_from(self._stream, self._token)
        except PipelineKitError as error:
            self._tell(f"note: its log cannot be read: {error.message}")
            self._stream = None
            return False
        for line in lines:
            self._log(line)
        return bool(lines)


def _overrides(container: str | None, asked: OneOff) -> dict[str, Any]:
    override: dict[str, Any] = {}
    if asked.command is not None:
        override["command"] = list(asked.command)
    if asked.environment:
        override["environment"] = [{"name": name, "value": value} for name, value in asked.environment.items()]
    return {"overrides": {"containerOverrides": [{"name": container, **override}]}} if override else {}
