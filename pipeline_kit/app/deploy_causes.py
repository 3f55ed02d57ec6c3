"""Why tasks of a deployment stopped: gathered while it is followed, each task once, with the end of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.deployment.causes import Cause, CauseKind, cause_of, event_cause, is_failure, summary
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.outputs.sanitize import log_line
from pipeline_kit.ports.ecs import LogStream
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.deployment.observations import Task
    from pipeline_kit.ports.ecs import Ecs

_LOGS = 2
"""Tasks whose logs are read: the others tell the same."""

_LOG_LINES = 10
_TOLD = 10
"""Stopped tasks that are told one by one."""


@value_class(frozen=False)
class Causes:
    """What was found out so far."""

    found: list[Cause] = field(default_factory=list)
    from_events: list[Cause] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    logs_read: int = 0
    is_blind: bool = False
    """Stopped tasks may not be read."""

    def add_event(self, message: str) -> None:
        """Note the cause that a service event tells, if it tells one."""
        cause = event_cause(message)
        if cause is not None:
            self.from_events.append(cause)

    def add_tasks(
        self, tasks: Iterable[Task], definition: str, rollout: str, document: Mapping[str, Any], ecs: Ecs
    ) -> list[str]:
        """Note why tasks of our revision stopped; return lines for people, one a task and the end of its log."""
        lines: list[str] = []
        for task in tasks:
            if task.arn in self.seen or not _is_ours(task, definition, rollout) or not is_failure(task):
                continue
            self.seen.add(task.arn)
            cause, log = self._explain(task, document, ecs)
            self.found.append(cause)
            if len(self.found) <= _TOLD:
                lines.append(f"task {task.id} stopped: {cause}")
                lines += [f"  | {line}" for line in log]
        return lines

    def _explain(self, task: Task, document: Mapping[str, Any], ecs: Ecs) -> tuple[Cause, Sequence[str]]:
        cause = cause_of(task)
        if cause.kind not in (CauseKind.EXITED, CauseKind.OTHER, CauseKind.HEALTH) or self.logs_read >= _LOGS:
            return cause, ()
        self.logs_read += 1
        log: list[str] = []
        for container in task.containers:
            stream = log_stream(document, container.name, task.id)
            if stream is None:
                continue
            try:
                log += [log_line(line) for line in ecs.log_tail(stream, _LOG_LINES)]
            except PipelineKitError as error:
                log.append(f"(its log cannot be read: {error.message})")
        return cause_of(task, log), log

    def lasting(self) -> list[Cause]:
        """Return the causes that another try of the same revision cannot get over."""
        return [cause for cause in self.found if cause.kind.is_lasting]

    def summary(self) -> tuple[Cause, ...]:
        """Return the causes for the last word: those of tasks, else what events told."""
        return summary(self.found or self.from_events)


def _is_ours(task: Task, definition: str, rollout: str) -> bool:
    if task.definition != definition:
        return False
    return not rollout or not task.started_by.startswith("ecs-svc/") or task.started_by == rollout


def log_stream(document: Mapping[str, Any], container: str, task: str) -> LogStream | None:
    """Return where a container's output goes, ``None`` where that is not CloudWatch or cannot be known.

    Source: ECS developer guide, "Using the awslogs log driver": the stream is prefix/container/task id.
    """
    for item in document.get("containerDefinitions") or ():
        logging = item.get("logConfiguration") or {}
        options = logging.get("options") or {}
        if item.get("name") != container or logging.get("logDriver") != "awslogs":
            continue
        group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
        if group and prefix:
            return LogStream(group, f"{prefix}/{container}/{task}", str(options.get("awslogs-region", "")))
    return None
