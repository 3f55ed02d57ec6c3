"""What one registry host may be asked, for all threads together: a not-before time, a retry budget, a circuit.

Without it, hundreds of parallel calls would each find out for themselves that a registry is down or throttling.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_kit.ports.clock import Clock

_RETRY_PRICE = 5
"""In answers: five good answers earn one retry."""
_BUDGET = 100 * _RETRY_PRICE
"""Every one of 32 parallel calls may meet the same short outage, so a budget of 20 would fail a run for one blip."""
_CIRCUIT_FAILURES = 5
_CIRCUIT_SECONDS = 30.0


class HostGate:
    """The shared state of one host; safe for use by many threads. Times are seconds of the clock's ``monotonic``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._budget = _BUDGET
        self._failed: set[str] = set()
        self._closed_until = 0.0

    def seconds_to_wait(self) -> float:
        """Return how long a request has to wait because the host asked for it; 0 when it may go."""
        with self._lock:
            return max(0.0, self._not_before - self._clock.monotonic())

    def hold(self, seconds: float) -> None:
        """Let nobody send before ``seconds`` from now."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    def take_retry(self) -> bool:
        """Take one retry from the budget; return False when it is spent."""
        with self._lock:
            if self._budget < _RETRY_PRICE:
                return False
            self._budget -= _RETRY_PRICE
            return True

    def succeeded(self) -> None:
        """Note a logical call that got its answer."""
        with self._lock:
            self._budget = min(_BUDGET, self._budget + 1)
            self._failed.clear()
            self._closed_until = 0.0

    def gave_up(self, subject: str) -> None:
        """Note a logical call about ``subject`` that failed after every retry."""
        with self._lock:
            self._failed.add(subject)
            if len(self._failed) >= _CIRCUIT_FAILURES:
                self._closed_until = self._clock.monotonic() + _CIRCUIT_SECONDS

    def is_closed(self) -> bool:
        """Return whether the host is left alone for now, since nothing came back from it several times in a row."""
        with self._lock:
            return self._clock.monotonic() < self._closed_until
