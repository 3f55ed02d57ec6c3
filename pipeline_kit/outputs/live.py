"""The redrawing display: one line for each running image, finished ones above it.

Plain ANSI (ECMA-48): cursor up (CUU), erase to the end of the display (ED), colours (SGR). What was drawn is erased
before anything else is written, so it never stays in the scroll-back.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, TextIO

from pipeline_kit.outputs.progress import LineProgress
from pipeline_kit.outputs.sanitize import display_width, fit, log_line, one_line
from pipeline_kit.outputs.text import format_seconds
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.ports.builder import BuildEvent

_REDRAW_SECONDS = 0.5
_FALLBACK = os.terminal_size((80, 24))
_GREEN, _RED, _DIM, _RESET = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


@value_class(frozen=False)
class _Running:
    began: float
    step: str = ""


class LiveProgress(LineProgress):
    """Redraws on every event, and twice a second so that the seconds move; ``interval`` 0 leaves that to the events."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
        size: Callable[[], os.terminal_size] | None = None,
        interval: float = _REDRAW_SECONDS,
    ) -> None:
        super().__init__(stream)
        self._colour = colour
        self._verbose = verbose
        self._clock = clock
        self._size = size or (lambda: _terminal_size(stream))
        self._running: dict[str, _Running] = {}
        self._drawn: list[int] = []
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, args=(interval,), name="progress", daemon=True)
        if interval > 0:
            self._ticker.start()

    def close(self) -> None:
        """Stop redrawing and erase the display; what was finished stays."""
        self._stop.set()
        if self._ticker.is_alive() and self._ticker is not threading.current_thread():
            self._ticker.join()
        super().close()

    def _tick(self, interval: float) -> None:
        while not self._stop.wait(interval):
            try:
                with self._lock:
                    self._draw([])
            except (OSError, ValueError):
                return  # the terminal is gone; the build goes on

    def _take(self, event: BuildEvent) -> None:
        if event.kind in {"done", "failed"}:
            self._running.pop(event.image, None)
            self._draw([self._finished(event)])
            return
        running = self._running.setdefault(event.image, _Running(self._clock()))
        if event.kind == "log":
            lines = event.text.rstrip("\n").split("\n") if self._verbose else []
            self._draw([f"[{one_line(event.image, 100)}] {log_line(line)}" for line in lines])
            return
        running.step = log_line(event.text)
        self._draw([])

    def _finish(self) -> None:
        self._running.clear()
        self._draw([])

    def _draw(self, above: list[str]) -> None:
        """Erase the display, write ``above`` for good, and draw anew, in one write so that nothing flickers."""
        size = self._size()
        width, height = max(size.columns, 1), max(size.lines, 2)
        parts = [self._erasure(width), *(f"{line}\n" for line in above)]
        lines = self._display(width, height)
        self._drawn = [display_width(line) for line in lines]
        parts += [f"{_DIM}{line}{_RESET}\n" if self._colour else f"{line}\n" for line in lines]
        text = "".join(parts)
        if text:
            self._stream.write(text)
            self._stream.flush()

    def _erasure(self, width: int) -> str:
        """Return the codes that erase what was drawn; a terminal made narrower since has wrapped its lines."""
        if not self._drawn:
            return ""
        rows = sum(max(1, -(-drawn // width)) for drawn in self._drawn)
        return f"\r\x1b[{rows}A\x1b[J"

    def _display(self, width: int, height: int) -> list[str]:
        now = self._clock()
        room = height - 1
        shown = list(self._running.items())
        hidden = len(shown) - room
        if hidden > 0:
            shown = shown[: room - 1]
            hidden += 1
        # One column stays free: writing into the last one makes some terminals wrap.
        lines = [_running_line(name, running, now, width - 1) for name, running in shown]
        if hidden > 0:
            lines.append(fit(f"… and {hidden} more", width - 1))
        return lines

    def _finished(self, event: BuildEvent) -> str:
        mark, colour = ("✓", _GREEN) if event.kind == "done" else ("✗", _RED)
        head = f"{colour}{mark}{_RESET}" if self._colour else mark
        seconds = f" {format_seconds(event.seconds)}" if event.seconds else ""
        text = log_line(event.text)
        return f"{head} {one_line(event.image, 100)}{seconds}{': ' if text else ''}{text}"


def _running_line(name: str, running: _Running, now: float, columns: int) -> str:
    seconds = format_seconds(now - running.began)
    head = fit(f"  {one_line(name, 100)}  {seconds}", columns)
    rest = columns - display_width(head) - 2
    return f"{head}  {fit(running.step, rest)}" if running.step and rest > 3 else head  # noqa: PLR2004 - room for a word


def _terminal_size(stream: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return _FALLBACK
    return size if size.columns > 0 and size.lines > 0 else _FALLBACK
