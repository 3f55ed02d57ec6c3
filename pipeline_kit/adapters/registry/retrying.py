"""tenacity with this project's policy: our classification, our waits, an injected clock.

tenacity is imported only when a first attempt has failed. KeyboardInterrupt, SystemExit and Interrupted always pass.
"""

from __future__ import annotations

import random as _random
from typing import TYPE_CHECKING, TypeVar

from pipeline_kit.errors import Interrupted
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.retry import RetryClass, wait_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState, Retrying

    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.retry import RetryPolicy

_T = TypeVar("_T")


class Retry(NamedTuple):
    """One attempt that failed and will be followed by another after ``seconds``."""

    failed_attempt: int
    attempts: int
    seconds: float
    reason: str
    retry_class: str
    status: int | None = None
    subject: str = ""
    """What was asked about: a reference, where it is known."""

    def __str__(self) -> str:
        """Return the line for people."""
        return f"retry {self.failed_attempt + 1}/{self.attempts} in {self.seconds:.1f} s  {self.reason}"


def is_temporary(error: BaseException) -> bool:
    """Return whether another attempt may help; never for what is no ``Exception`` nor for an interruption."""
    return (
        isinstance(error, Exception) and not isinstance(error, Interrupted) and bool(getattr(error, "temporary", False))
    )


def retrying(
    policy: RetryPolicy,
    clock: Clock,
    on_retry: Callable[[Retry], None],
    *,
    random: Callable[[], float] = _random.random,
    started: float | None = None,
    may_retry: Callable[[], bool] = lambda: True,
) -> Retrying:
    """Return a tenacity ``Retrying`` for ``policy``; the last error is raised as it is.

    An error's ``retry_after`` (seconds) is obeyed up to the policy's cap and within its budget, counted from
    ``started`` (a time of ``clock.monotonic``, now by default); beyond either there is no further attempt.
    """
    from tenacity import Retrying, retry_if_exception

    begun = clock.monotonic() if started is None else started

    def wait(state: RetryCallState) -> float:
        return wait_seconds(policy, state.attempt_number, _retry_after(_error(state)), random())

    def stop(state: RetryCallState) -> bool:
        error = _error(state)
        if state.attempt_number >= policy.limit(_retry_class(error)):
            return True
        asked = _retry_after(error) or 0.0
        is_over = clock.monotonic() - begun + state.upcoming_sleep >= policy.deadline
        return is_over or asked > policy.retry_after_cap or not may_retry()

    def tell(state: RetryCallState) -> None:
        error = _error(state)
        kind = _retry_class(error)
        limit = policy.limit(kind)
        on_retry(
            Retry(state.attempt_number, limit, state.upcoming_sleep, str(error), kind.value, _status(error)),
        )

    return Retrying(
        stop=stop,
        wait=wait,
        retry=retry_if_exception(is_temporary),
        sleep=clock.sleep,
        before_sleep=tell,
        reraise=True,
    )


def call(
    operation: Callable[[], _T],
    policy: RetryPolicy,
    clock: Clock,
    on_retry: Callable[[Retry], None],
    *,
    random: Callable[[], float] = _random.random,
    may_retry: Callable[[], bool] = lambda: True,
) -> _T:
    """Return what ``operation`` returns, after as many attempts as ``policy`` allows; its last error is raised."""
    started = clock.monotonic()
    try:
        return operation()
    except Exception as error:
        if policy.attempts == 1 or not is_temporary(error):
            raise
        failed = error
    pending = [failed]

    def attempt() -> _T:
        if pending:
            raise pending.pop()
        return operation()

    again = retrying(policy, clock, on_retry, random=random, started=started, may_retry=may_retry)
    return again(attempt)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _retry_after(error: BaseException | None) -> float | None:
    value = getattr(error, "retry_after", None)
    return float(value) if isinstance(value, int | float) else None


def _retry_class(error: BaseException | None) -> RetryClass:
    value = getattr(error, "retry_class", None)
    return value if isinstance(value, RetryClass) else RetryClass.TRANSIENT_NETWORK


def _status(error: BaseException | None) -> int | None:
    value = getattr(error, "status", None)
    return value if isinstance(value, int) else None
