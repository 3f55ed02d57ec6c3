"""Why tasks do not stay up, from what ECS says of stopped tasks, of services, and from the last lines of their logs.

Sources: ECS developer guide "Stopped tasks error codes", "CannotPullContainer task errors",
"ResourceInitializationError errors", "Service event messages"; the messages of containerd and runc.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline_kit.deployment.observations import Task

_KILLED = 137


class CauseKind(StrEnum):
    """What kept tasks from staying up."""

    IMAGE_MISSING = "image not found"
    IMAGE_DENIED = "image may not be pulled"
    IMAGE_PULL = "image could not be pulled"
    PLATFORM = "image is for another platform"
    SECRETS = "secret or parameter could not be read"
    ROLE = "role could not be assumed"
    LOGGING = "log driver could not start"
    VOLUME = "volume could not be mounted"
    MEMORY = "out of memory"
    HEALTH = "health checks failed"
    COMMAND = "command could not be started"
    EXITED = "container exited"
    CAPACITY = "no capacity"
    NETWORK = "network could not be set up"
    INFRASTRUCTURE = "host was lost"
    OTHER = "task stopped"

    @property
    def is_lasting(self) -> bool:
        """Return whether another try of the very same revision can only end the same way."""
        return self in (CauseKind.IMAGE_MISSING, CauseKind.PLATFORM, CauseKind.COMMAND)


@value_class()
class Cause:
    """One reason: ECS's own words in ``text``, and what to do about it in ``hint``."""

    kind: CauseKind
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Return ``image not found: CannotPullContainerError: …``."""
        return f"{self.kind.value}: {self.text}" if self.text else self.kind.value


_HINTS = {
    CauseKind.IMAGE_MISSING: "check that the digest is in the registry: pipeline-kit ecs verify",
    CauseKind.IMAGE_DENIED: "let the execution role pull: ecr:BatchGetImage, ecr:GetDownloadUrlForLayer, and the "
    "repository's policy",
    CauseKind.IMAGE_PULL: "check the way from the task's subnets to the registry (NAT, VPC endpoints, rate limits)",
    CauseKind.PLATFORM: "build the image for the task's platform (images.NAME.platforms), or set runtimePlatform",
    CauseKind.SECRETS: "check that it exists and that the execution role may read it: pipeline-kit ecs verify",
    CauseKind.ROLE: "check the role's name and that it trusts ecs-tasks.amazonaws.com: pipeline-kit ecs verify",
    CauseKind.LOGGING: "create the log group, or allow the execution role to write: pipeline-kit ecs verify",
    CauseKind.MEMORY: "give the container or the task more memory",
    CauseKind.HEALTH: "look at the health check's command, path, port and grace period",
    CauseKind.COMMAND: "look at command and entryPoint: the program has to exist in the image",
    CauseKind.CAPACITY: "add capacity, or ask for less CPU and memory",
}

_PATTERNS: tuple[tuple[CauseKind, tuple[str, ...]], ...] = (
    (
        CauseKind.PLATFORM,
        (
            r"exec format error",
            r"no matching manifest for",
            r"does not contain descriptor matching platform",
            r"no match for platform in manifest",
            r"does not match the (?:specified|detected host) platform",
        ),
    ),
    (CauseKind.LOGGING, (r"initialize logging driver", r"validate logger args", r"log ?group does not exist")),
    (CauseKind.SECRETS, (r"retrieve secret", r"pull secrets(?! or registry auth)", r"ssm param", r"from ssm\b")),
    (
        CauseKind.IMAGE_DENIED,
        (
            r"CannotPull.*(?:access denied|denied|unauthorized|no basic auth|authorization|\b40[13]\b)",
            r"retrieve ecr registry auth.*(?:AccessDenied|not authorized)",
        ),
    ),
    (CauseKind.IMAGE_PULL, (r"CannotPull.*(?:toomanyrequests|\b429\b|rate limit|timeout|timed out|reset|EOF)",)),
    (
        CauseKind.IMAGE_MISSING,
        (
            r"CannotPull.*(?:not found|manifest unknown|does not exist|name unknown|invalid reference)",
            r"manifest unknown|no such image|manifest for \S+ not found",
        ),
    ),
    (CauseKind.IMAGE_PULL, (r"CannotPull", r"unable to pull", r"registry auth")),
    (CauseKind.ROLE, (r"unable to assume (?:the )?role", r"not authorized to assume", r"role .*does not exist")),
    (CauseKind.VOLUME, (r"EFS utils", r"mount volume", r"failed to mount", r"CannotCreateVolume", r"\bEBS\b")),
    (CauseKind.MEMORY, (r"OutOfMemory", r"out of memory", r"\bOOM")),
    (CauseKind.HEALTH, (r"health checks?\b", r"is unhealthy in")),
    (
        CauseKind.COMMAND,
        (
            r"executable file not found",
            r"no such file or directory: unknown",
            r"exec: .*(?:not found|permission denied)",
            r"unable to start container process",
        ),
    ),
    (CauseKind.NETWORK, (r"network interface", r"CannotCreate.*network", r"\bENI\b", r"subnet")),
    (
        CauseKind.CAPACITY,
        (
            r"unable to place a task",
            r"Capacity is unavailable",
            r"insufficient (?:cpu|memory|capacity)",
            r"RESOURCE:",
        ),
    ),
    (CauseKind.INFRASTRUCTURE, (r"SpotInterruption", r"TerminationNotice", r"Host EC2", r"InfrastructureHealth")),
)
"""In the order in which they are tried: the particular before the general."""

_RULES = tuple((kind, re.compile("|".join(patterns), re.IGNORECASE)) for kind, patterns in _PATTERNS)


def classify(text: str) -> CauseKind | None:
    """Return what a message of ECS, of the engine or of a program means, ``None`` where that is not known."""
    return next((kind for kind, pattern in _RULES if pattern.search(text)), None)


def is_failure(task: Task) -> bool:
    """Return whether a stopped task failed, rather than being stopped by a deployment, a scaling or a person."""
    return task.stop_code not in {"ServiceSchedulerInitiated", "UserInitiated"} or (
        classify(task.stopped_reason) is not None
    )


def cause_of(task: Task, log: Iterable[str] = ()) -> Cause:
    """Return why ``task`` stopped; ``log`` is the end of its containers' output, if that could be read."""
    said = [task.stopped_reason, *(container.reason for container in task.containers)]
    exits = [c for c in task.containers if c.exit_code not in (None, 0)]
    for text in said:
        kind = classify(text) if text else None
        if kind is not None:
            return Cause(kind, text, _HINTS.get(kind, ""))
    for line in log:
        if "exec format error" in line:
            return Cause(CauseKind.PLATFORM, line.strip(), _HINTS[CauseKind.PLATFORM])
    if exits:
        told = ", ".join(f"{c.name} exited with {c.exit_code}" for c in exits)
        if all(c.exit_code == _KILLED for c in exits) and task.stop_code == "EssentialContainerExited":
            told += " (killed: out of memory, or it ignored SIGTERM)"
        return Cause(CauseKind.EXITED, told)
    return Cause(CauseKind.OTHER, next((text for text in said if text), task.stop_code))


def summary(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return the causes without repetition, the most frequent kind first, at most one text of a kind and five kinds."""
    every = list(causes)
    order = [kind for kind, _ in Counter(cause.kind for cause in every).most_common(5)]
    return tuple(next(cause for cause in every if cause.kind is kind) for kind in order)


def event_cause(message: str) -> Cause | None:
    """Return the cause that a service event tells, such as a role or a place that is not there."""
    if not re.search(r"unable to|failed|unhealthy|error", message, re.IGNORECASE):
        return None
    kind = classify(message)
    return Cause(kind, message, _HINTS.get(kind, "")) if kind is not None else None
