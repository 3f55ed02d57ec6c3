"""How a deployment stands or ended."""

from __future__ import annotations

from enum import StrEnum

from pipeline_kit.values import value_class


class Ending(StrEnum):
    """How a deployment ended; only ``DEPLOYED`` and ``UNCHANGED`` are success."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    """The service already ran this revision: nothing was done."""
    STARTED = "started"
    """Not waited for (``--no-wait``)."""
    ROLLED_BACK_BREAKER = "rolled back by the circuit breaker"
    ROLLED_BACK_ALARM = "rolled back by an alarm"
    ROLLED_BACK = "rolled back"
    ROLLBACK_FAILED = "failed, and so did its rollback"
    FAILED = "failed"
    """The circuit breaker gave up and had no order to roll back."""
    STOPPED = "stopped"
    SUPERSEDED = "replaced by another deployment"
    TIMED_OUT = "not steady in time"
    HOPELESS = "cannot start"
    """Every task fails for a reason that does not pass, and nothing would ever end the deployment."""
    SERVICE_GONE = "service is being deleted"
    REFUSED = "refused"
    """AWS did not take the order, or a check before it failed."""
    UNKNOWN = "not known"
    """AWS did not answer any more; the deployment goes on."""

    @property
    def is_success(self) -> bool:
        """Return whether the service runs, or was told to run, what was asked for."""
        return self in (Ending.DEPLOYED, Ending.UNCHANGED, Ending.STARTED)

    @property
    def is_rollback(self) -> bool:
        """Return whether the service went back to what it ran before."""
        return self in (Ending.ROLLED_BACK_BREAKER, Ending.ROLLED_BACK_ALARM, Ending.ROLLED_BACK)


@value_class()
class Verdict:
    """How a deployment stands: ``ending`` is ``None`` while it goes on; ``detail`` is for people."""

    ending: Ending | None = None
    detail: str = ""


@value_class()
class Standing:
    """What the progress shows: counts of tasks of the new revision and the stage, ``""`` where there is none."""

    running: int = 0
    pending: int = 0
    desired: int = 0
    failed: int = 0
    stage: str = ""

    def __str__(self) -> str:
        """Return ``1 of 2 tasks run, 1 pending, 3 failed, BAKE_TIME``."""
        parts = [f"{self.running} of {self.desired} tasks run"]
        parts += [f"{count} {word}" for count, word in ((self.pending, "pending"), (self.failed, "failed")) if count]
        return ", ".join([*parts, *([self.stage] if self.stage else [])])
