"""Live progress of builds on stderr: a display that redraws itself on a terminal, lines everywhere else.

Events come from any thread. Everything in them is untrusted build output and is sanitised before it is written.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from pipeline_kit.outputs.github import group
from pipeline_kit.outputs.sanitize import inert_json, log_line, one_line
from pipeline_kit.outputs.text import format_seconds, tolerate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pipeline_kit.ports.builder import BuildEvent

_GROUP_LINES = 20_000
"""Lines kept for one image's group; older ones are counted and dropped."""


class Progress(Protocol):
    """Takes build events and tells people; also a context manager that closes itself."""

    def event(self, event: BuildEvent) -> None:
        """Take one event. Thread-safe."""
        ...

    def close(self) -> None:
        """Write what is still held back and leave the terminal clean. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LineProgress:
    """The base of every form: a lock around the writing, and the ``with`` statement."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = tolerate(stream)
        self._lock = threading.Lock()

    def event(self, event: BuildEvent) -> None:
        """Take one event."""
        with self._lock:
            self._take(event)
            self._stream.flush()

    def close(self) -> None:
        """Write what is still held back."""
        with self._lock:
            self._finish()
            self._stream.flush()

    def _take(self, event: BuildEvent) -> None:
        """Write ``event`` as plain lines, each with the image's name before it."""
        for line in _lines(event):
            self._stream.write(f"{_prefix(event)}{line}\n")

    def _finish(self) -> None:
        """Write what is still held back; plain lines hold nothing back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class JsonProgress(LineProgress):
    """One JSON object a line: ``{"image", "kind", "text", "seconds"}``, the text as it came."""

    def _take(self, event: BuildEvent) -> None:
        document = {
            "image": event.image,
            "kind": event.kind,
            "text": event.text,
            "seconds": round(event.seconds, 3),
        }
        self._stream.write(inert_json(json.dumps(document)) + "\n")


class GithubProgress(LineProgress):
    """A folded group for each image, written when it ends: groups neither nest nor interleave on GitHub."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: dict[str, deque[str]] = {}
        self._dropped: dict[str, int] = {}

    def _take(self, event: BuildEvent) -> None:
        held = self._held.setdefault(event.image, deque())
        if event.kind == "start":
            self._stream.write(f"{_prefix(event)}{_headline(event)}\n")
            return
        text = event.text.rstrip("\n")
        for line in text.split("\n") if text or event.kind == "log" else ():
            held.append(line)
            if len(held) > _GROUP_LINES:
                held.popleft()
                self._dropped[event.image] = self._dropped.get(event.image, 0) + 1
        if event.kind in {"done", "failed"}:
            self._write_group(event.image, f"{event.image} {_ending(event)}")

    def _finish(self) -> None:
        for image in list(self._held):
            self._write_group(image, f"{image} (unfinished)")

    def _write_group(self, image: str, title: str) -> None:
        lines = list(self._held.pop(image, ()))
        dropped = self._dropped.pop(image, 0)
        if dropped:
            lines.insert(0, f"… {dropped} earlier lines are not shown")
        self._stream.writelines(f"{line}\n" for line in group(title, lines))


def make_progress(
    stream: TextIO,
    *,
    log_format: str = "text",
    is_live: bool | None = None,
    colour: bool = False,
    verbose: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Return the form for ``log_format`` (``text``, ``json``, ``github``); ``text`` is live on a terminal.

    ``verbose`` shows build output on a live display as well; ``clock`` gives monotonic seconds.
    """
    if log_format == "json":
        return JsonProgress(stream)
    if log_format == "github":
        return GithubProgress(stream)
    if is_live if is_live is not None else stream.isatty():
        from pipeline_kit.outputs.live import LiveProgress  # noqa: PLC0415 - it builds upon this module

        return LiveProgress(stream, colour=colour, verbose=verbose, clock=clock)
    return LineProgress(stream)


class SilentProgress:
    """Tells nobody anything (``--quiet``)."""

    def event(self, event: BuildEvent) -> None:
        """Take one event."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether to colour: a terminal that is not ``dumb``, and ``NO_COLOR`` unset or empty (no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _prefix(event: BuildEvent) -> str:
    return f"[{one_line(event.image, 100)}] "


def _lines(event: BuildEvent) -> list[str]:
    if event.kind == "log":
        return [log_line(line) for line in event.text.rstrip("\n").split("\n")]
    return [_headline(event)]


def _headline(event: BuildEvent) -> str:
    text = log_line(event.text)
    if event.kind == "start":
        return f"started {text}".rstrip()
    if event.kind in {"done", "failed"}:
        return f"{_ending(event)}{': ' if text else ''}{text}"
    return text


def _ending(event: BuildEvent) -> str:
    word = "done" if event.kind == "done" else "failed"
    return f"{word} in {format_seconds(event.seconds)}" if event.seconds else word
