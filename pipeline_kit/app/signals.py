"""SIGINT and SIGTERM as an exception in the main thread, so that every ``finally`` of a run is honoured."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from pipeline_kit.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the block at the first SIGINT or SIGTERM; a second one ends the process at once."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_DFL)
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
