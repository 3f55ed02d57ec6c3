"""The state machines of deployments: what AWS says now, and what that means.

Sources: ECS API reference ServiceDeployment, Deployment (``rolloutState``), Service; CodeDeploy API reference
DeploymentInfo. "Stable" is not "deployed": after a circuit breaker's rollback the service is stable on the old
revision, so a verdict is always about *our* deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.deployment.verdict import Ending, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.deployment.observations import CodeDeployment, Rollout, Service, ServiceDeployment

LASTING_FAILURES = 3
"""Tasks that failed for a lasting reason before the wait is given up where no circuit breaker would end it."""

_TRIGGERED = "TRIGGERED"


def judge_service_deployment(seen: ServiceDeployment, *, is_newest: bool = True) -> Verdict:
    """Return how our own service deployment stands. ``is_newest`` is false when another one came after it."""
    if seen.status == "SUCCESSFUL":
        return Verdict(Ending.DEPLOYED, seen.reason)
    if seen.status == "ROLLBACK_SUCCESSFUL":
        return Verdict(_rollback_ending(seen), _why(seen))
    if seen.status == "ROLLBACK_FAILED":
        return Verdict(Ending.ROLLBACK_FAILED, _why(seen))
    if seen.status == "STOPPED":
        if _TRIGGERED in (seen.breaker, seen.alarms):
            return Verdict(Ending.FAILED, _why(seen))
        return Verdict(Ending.STOPPED if is_newest else Ending.SUPERSEDED, _why(seen))
    return Verdict()


def _rollback_ending(seen: ServiceDeployment) -> Ending:
    if seen.alarms == _TRIGGERED:
        return Ending.ROLLED_BACK_ALARM
    return Ending.ROLLED_BACK_BREAKER if seen.breaker == _TRIGGERED else Ending.ROLLED_BACK


def _why(seen: ServiceDeployment) -> str:
    parts = [seen.rollback_reason or seen.reason]
    if seen.alarms == _TRIGGERED and seen.triggered_alarms:
        parts.append(f"alarms: {', '.join(seen.triggered_alarms)}")
    if seen.breaker == _TRIGGERED and seen.threshold:
        parts.append(f"{seen.failures} tasks failed, the circuit breaker's threshold is {seen.threshold}")
    return "; ".join(part for part in parts if part)


def is_going_back(seen: ServiceDeployment) -> bool:
    """Return whether a rollback is under way: the deployment has failed already, and goes on."""
    return seen.status in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


def service_deployment_standing(seen: ServiceDeployment) -> Standing:
    """Return what the progress shows of a service deployment."""
    stage = "" if seen.strategy == "ROLLING" and not is_going_back(seen) else seen.stage
    if is_going_back(seen):
        stage = f"rolling back{f' ({stage})' if stage else ''}"
    if seen.waiting_hooks:
        stage += f", waits for {', '.join(seen.waiting_hooks)}"
    return Standing(seen.running, seen.pending, seen.requested, seen.failures, stage)


def judge_rollout(seen: Service, ours: str, before: Collection[str]) -> Verdict:
    """Return how the deployment with the id ``ours`` stands, from DescribeServices alone.

    ``before`` holds the ids that were there before it: one of them being PRIMARY again is a rollback. This is what is
    left where ServiceDeployments may not be read.
    """
    if seen.status not in ("ACTIVE", ""):
        return Verdict(Ending.SERVICE_GONE, f"the service is {seen.status}")
    mine = next((rollout for rollout in seen.rollouts if rollout.id == ours), None)
    primary = seen.primary
    if mine is None or (primary is not None and primary.id != ours):
        return _replaced(mine, primary, before)
    if mine.state == "FAILED":
        return Verdict() if seen.rolls_back else Verdict(Ending.FAILED, mine.reason)  # else PRIMARY is about to change
    if mine.state == "COMPLETED":
        return Verdict(Ending.DEPLOYED, mine.reason)
    if mine.state == "" and _is_steady(seen, mine):
        return Verdict(Ending.DEPLOYED)
    return Verdict()


def _replaced(mine: Rollout | None, primary: Rollout | None, before: Collection[str]) -> Verdict:
    why = mine.reason if mine is not None else ""
    if primary is None:
        return Verdict(Ending.STOPPED, why)
    if primary.id not in before and "roll" not in primary.reason.lower():
        return Verdict(Ending.SUPERSEDED, f"the service now follows {primary.id}")
    by_breaker = "circuit breaker" in f"{why} {primary.reason}".lower()
    by_alarm = "alarm" in f"{why} {primary.reason}".lower()
    ending = Ending.ROLLED_BACK_BREAKER if by_breaker else Ending.ROLLED_BACK
    return Verdict(Ending.ROLLED_BACK_ALARM if by_alarm else ending, why or f"the service went back to {primary.id}")


def _is_steady(seen: Service, mine: Rollout) -> bool:
    """Return what ECS's own waiter takes for steady, for services that have no ``rolloutState``."""
    return len(seen.rollouts) == 1 and mine.running == mine.desired == seen.desired and not mine.pending


def rollout_standing(seen: Service, ours: str) -> Standing:
    """Return what the progress shows, from DescribeServices alone."""
    mine = next((rollout for rollout in seen.rollouts if rollout.id == ours), None)
    if mine is None:
        return Standing(desired=seen.desired)
    return Standing(mine.running, mine.pending, mine.desired, mine.failed)


def judge_code_deployment(seen: CodeDeployment) -> Verdict:
    """Return how a CodeDeploy deployment stands. ``Ready`` waits for somebody to shift the traffic, so it goes on."""
    if seen.status == "Succeeded":
        return Verdict(Ending.DEPLOYED)
    error = ": ".join(part for part in (seen.error_code, seen.error_message) if part)
    detail = "; ".join(part for part in (error, seen.rollback_message) if part)
    if seen.status in ("Failed", "Stopped"):
        if seen.error_code.startswith("ALARM"):
            return Verdict(Ending.ROLLED_BACK_ALARM if seen.rollback_id else Ending.FAILED, detail)
        if seen.rollback_id:
            return Verdict(Ending.ROLLED_BACK, detail)
        return Verdict(Ending.FAILED if seen.status == "Failed" else Ending.STOPPED, detail)
    return Verdict()
