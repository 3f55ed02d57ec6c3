"""Time that passes only when somebody sleeps."""

from __future__ import annotations

import threading


class FakeClock:
    """A clock whose sleeps return at once and are remembered; safe for use by many threads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Return the seconds slept so far, and 1000."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        with self._lock:
            self.now += seconds
            self.sleeps.append(seconds)

    @property
    def slept(self) -> float:
        """Return all the seconds slept."""
        return sum(self.sleeps)
