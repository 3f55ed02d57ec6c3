"""The machine's clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_kit.ports.clock import Clock


class SystemClock:
    """Implements :class:`pipeline_kit.ports.clock.Clock`."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; a signal's exception ends the wait."""
        time.sleep(seconds)


if TYPE_CHECKING:
    _conforms: type[Clock] = SystemClock
