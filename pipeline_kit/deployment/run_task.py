"""How a one-off task ended: a migration that never ran has not succeeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_kit.deployment.observations import Task


def failed_containers(task: Task, watched: str | None, essential: frozenset[str]) -> tuple[str, ...]:
    """Return a line for each container that makes the stopped ``task`` a failure; ``()`` when it succeeded.

    ``watched`` names the one container that counts, ``None``: every essential one. A container without an exit code
    never ran, which is a failure whatever the others did.
    """
    counted = frozenset({watched}) if watched is not None else essential
    lines = []
    for container in task.containers:
        if container.name not in counted or container.exit_code == 0:
            continue
        ended = "never ran" if container.exit_code is None else f"exited with {container.exit_code}"
        lines.append(f"{container.name} {ended}{f': {container.reason}' if container.reason else ''}")
    missing = counted - {container.name for container in task.containers}
    return (*lines, *(f"{name} is not part of the task" for name in sorted(missing)))
