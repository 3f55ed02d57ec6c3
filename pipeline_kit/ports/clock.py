"""Time as a parameter."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time as a parameter."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is being interrupted."""
        ...
