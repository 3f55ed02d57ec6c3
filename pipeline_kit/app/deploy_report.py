"""What became of each service: lines, JSON, errors and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.deployment.verdict import Ending
from pipeline_kit.errors import DeploymentFailed, NotSteady, PipelineKitError, RolledBack
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.deployment.causes import Cause


@value_class()
class ServiceResult:
    """How one service ended. ``revision`` and ``previous`` are ARNs of task definitions."""

    key: str
    ending: Ending
    revision: str = ""
    previous: str = ""
    is_registered: bool = False
    """A new revision was registered; otherwise an equal one was there, or one was named."""
    detail: str = ""
    causes: tuple[Cause, ...] = ()
    targets: tuple[str, ...] = ()
    """Rules and schedules that now start this revision."""
    seconds: float = 0.0
    deployment: str = ""
    """The ARN or id to look for in AWS's console."""
    images: Mapping[str, str] = field(default_factory=dict)
    error: PipelineKitError | None = None

    @property
    def status(self) -> str:
        """Return the ending as a word for scripts, as in ``rolled_back_breaker``."""
        return self.ending.name.lower()

    def line(self) -> str:
        """Return stdout's product: ``prod/api arn:…:7 deployed``."""
        return f"{self.key} {self.revision or '-'} {self.status}"

    def failure(self) -> PipelineKitError | None:
        """Return the error that says what went wrong and what to do; ``None`` after success."""
        if self.ending.is_success:
            return None
        told = [f"{self.key}: {self.ending.value}{f': {self.detail}' if self.detail else ''}"]
        told += [f"  {cause}" for cause in self.causes]
        if self.ending.is_rollback and self.previous:
            told.append(f"  the service runs {self.previous.rpartition('/')[2]}, as before")
        hint = next((cause.hint for cause in self.causes if cause.hint), None) or _HINTS.get(self.ending)
        if self.error is not None:
            return type(self.error)("\n".join(told), hint=self.error.hint or hint)
        kind = RolledBack if self.ending.is_rollback else _KINDS.get(self.ending, DeploymentFailed)
        return kind("\n".join(told), hint=hint)

    def document(self) -> dict[str, Any]:
        """Return one element of ``ecs deploy --json``'s ``services``."""
        return {
            "status": self.status,
            "task_definition": self.revision or None,
            "previous": self.previous or None,
            "registered": self.is_registered,
            "deployment": self.deployment or None,
            "images": dict(self.images),
            "targets": list(self.targets),
            "detail": self.detail,
            "reasons": [{"kind": cause.kind.name.lower(), "text": cause.text} for cause in self.causes],
            "seconds": round(self.seconds, 3),
        }


_KINDS: Mapping[Ending, type[DeploymentFailed]] = {Ending.TIMED_OUT: NotSteady}
_HINTS = {
    Ending.TIMED_OUT: "run the same command again: it goes on waiting for the same deployment",
    Ending.SUPERSEDED: "somebody deployed at the same time: let one job at a time deploy a service",
    Ending.HOPELESS: "deploy what ran before: pipeline-kit ecs deploy SERVICE --revision FAMILY:REVISION",
    Ending.UNKNOWN: "run the same command again: it finds the deployment and goes on waiting",
}


class DeployReport(NamedTuple):
    """Every service, and what it cost."""

    results: tuple[ServiceResult, ...]
    calls: Mapping[str, int]
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """Return 0, 1 when a service failed, else the code of what kept an end from being known."""
        failures = [failure for failure in (result.failure() for result in self.results) if failure is not None]
        codes = [failure.exit_code for failure in failures]
        return 0 if not codes else 1 if 1 in codes else codes[0]

    def document(self) -> dict[str, Any]:
        """Return ``ecs deploy --json``."""
        return {
            "services": {result.key: result.document() for result in self.results},
            "aws_calls": dict(sorted(self.calls.items())),
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
        }
