"""What ``buildx --progress=rawjson`` writes to stderr, read line by line. Pure: no I/O, no clock.

The stream holds BuildKit's ``SolveStatus`` objects (vertexes, statuses, logs with base64 data), each on one line or
spread over several, and plain text after a failure. Source: moby/buildkit client/graph.go; docker/buildx bake.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline_kit.graph import dependencies
from pipeline_kit.ports.builder import BuildEvent
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

TAIL_LINES = 40
_PREFIX_RE = re.compile(r"\[([a-zA-Z0-9_-]+)(?:\] ?| )")
_CANCELLED_RE = re.compile(r"context canceled|code = Canceled", re.IGNORECASE)
_EXPORTING = "exporting to "
_PUSHING = "pushing manifest for "
_FRACTION_RE = re.compile(r"(\.\d{6})\d+")


@value_class()
class StepFailure:
    """A step that failed: its name as BuildKit shows it, the error, and its last lines of output."""

    step: str
    error: str
    log_tail: tuple[str, ...] = ()

    @property
    def is_push(self) -> bool:
        """Return whether the image was built, and pushing it failed."""
        return self.step.startswith(_EXPORTING) and "failed to push" in self.error


@value_class(frozen=False)
class _Step:
    """One vertex. Several images may share it: ``images`` are all that were named with it."""

    images: list[str] = field(default_factory=list)
    name: str = ""
    started: float | None = None
    completed: float | None = None
    is_cached: bool = False
    error: str = ""
    is_announced: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    rest: dict[int, str] = field(default_factory=dict)


class ProgressReader:
    """Turns lines into events and remembers what is needed afterwards.

    ``images`` maps each bake target of the run to its image, ``graph`` an image to those it builds upon. Give every
    line to :meth:`feed`. BuildKit shows a step of an image also as one of what builds upon it, at times before it shows
    it as the image's own: an event may then bear the wrong image's name; :meth:`failures` and :meth:`times` do not.
    """

    def __init__(self, images: Mapping[str, str], graph: Mapping[str, Collection[str]]) -> None:
        self._images = images
        self._graph = graph
        self._steps: dict[str, _Step] = {}
        self._open: list[str] = []
        self._zero: float | None = None
        self._begun: dict[str, float] = {}
        self._pushed: set[str] = set()
        self.text: deque[str] = deque(maxlen=2 * TAIL_LINES)
        """The last plain lines: what buildx itself has to say."""

    def feed(self, line: str) -> list[BuildEvent]:
        """Read one line, with or without its newline, and return what it says."""
        line = line.rstrip("\r\n")
        if self._open:
            self._open.append(line)
            if line == "}":
                return self._document("\n".join(self._take()))
            return []
        if line == "{":
            self._open.append(line)
            return []
        return self._document(line) if line.startswith("{") else self._plain(line)

    def finish(self) -> list[BuildEvent]:
        """Say that no line follows: what was left half-written counts as text."""
        for line in self._take():
            self._plain(line)
        return [event for step in self._steps.values() for event in self._flush(step)]

    def pushed(self) -> frozenset[str]:
        """Return the images whose manifest BuildKit sent to a registry."""
        return frozenset(self._pushed)

    def error_text(self) -> str:
        """Return buildx's last ``ERROR:`` line without its beginning, or the last line of text there is."""
        errors = [line.partition("ERROR: ")[2] for line in self.text if "ERROR: " in line]
        found = errors[-1] if errors else next((line for line in reversed(self.text) if line.strip()), "")
        return re.sub(r"^(?:target [\w-]+: )?failed to solve: ", "", found)

    def failed_targets(self) -> tuple[str, ...]:
        """Return the images that buildx names in its error (``target x: failed to solve``, since buildx 0.17)."""
        names = [name for line in self.text for name in re.findall(r"ERROR: target ([\w-]+): ", line)]
        return tuple(self._images[name] for name in names if name in self._images)

    def failures(self) -> dict[str, StepFailure]:
        """Return the failed images with their first failed step.

        A step shared with what builds upon an image is the image's own; what was only cancelled because something else
        failed is not a failure.
        """
        found: dict[str, StepFailure] = {}
        for step in self._steps.values():
            if step.error and not _CANCELLED_RE.search(step.error):
                failure = StepFailure(step.name, step.error, tuple(step.tail))
                for image in _owners(step.images, self._graph):
                    found.setdefault(image, failure)
        return found

    def times(self) -> dict[str, tuple[float, float]]:
        """Return when each image's first own step began, in seconds after the run's first, and the seconds taken."""
        spans: dict[str, tuple[float, float]] = {}
        for step in self._steps.values():
            if step.started is None:
                continue
            end = step.completed if step.completed is not None else step.started
            for image in _owners(step.images, self._graph):
                first, last = spans.get(image, (step.started, end))
                spans[image] = min(first, step.started), max(last, end)
        zero = self._zero or 0.0
        return {image: (max(0.0, first - zero), last - first) for image, (first, last) in spans.items()}

    def _take(self) -> list[str]:
        lines, self._open = self._open, []
        return lines

    def _plain(self, line: str) -> list[BuildEvent]:
        self.text.append(line)
        return []

    def _document(self, text: str) -> list[BuildEvent]:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            for line in text.split("\n"):
                self._plain(line)
            return []
        events = [event for vertex in _objects(document, "vertexes") for event in self._vertex(vertex)]
        for status in _objects(document, "statuses"):
            self._status(status)
        return events + [event for log in _objects(document, "logs") for event in self._log(log)]

    def _vertex(self, vertex: Mapping[str, object]) -> Iterator[BuildEvent]:
        digest, name = _text(vertex, "digest"), _text(vertex, "name")
        step = self._steps.setdefault(digest, _Step())
        image, shown = self._split(name)
        step.name = shown
        if image and image not in step.images:
            step.images.append(image)
        self._times(step, vertex)
        step.is_cached = step.is_cached or vertex.get("cached") is True
        step.error = _text(vertex, "error") or step.error
        if image and step.started is not None:
            yield from self._announce(step, image)
        if image and step.completed is not None:
            yield from self._flush(step)
            if shown.startswith(_EXPORTING) and not step.error:
                yield BuildEvent(image, "done", shown, step.completed - self._begun.get(image, step.completed))

    def _announce(self, step: _Step, image: str) -> Iterator[BuildEvent]:
        if image not in self._begun:
            self._begun[image] = step.started or 0.0
            yield BuildEvent(image, "start", step.name)
        if not step.is_announced and not step.name.startswith("[internal]"):
            step.is_announced = True
            yield BuildEvent(image, "step", f"CACHED {step.name}" if step.is_cached else step.name)

    def _times(self, step: _Step, vertex: Mapping[str, object]) -> None:
        started, completed = _seconds(vertex, "started"), _seconds(vertex, "completed")
        if started is not None:
            step.started = started if step.started is None else min(step.started, started)
            self._zero = started if self._zero is None else min(self._zero, started)
        step.completed = completed if completed is not None else step.completed

    def _split(self, name: str) -> tuple[str, str]:
        """Return the image and the step's name without the target that buildx puts in front of it."""
        match = _PREFIX_RE.match(name)
        if len(self._images) > 1 and match is not None and match[1] in self._images:
            rest = name[match.end() :]
            return self._images[match[1]], rest if "]" in match[0] else f"[{rest}"
        only = next(iter(self._images.values())) if len(self._images) == 1 else ""
        return ("" if "load local bake definitions" in name else only), name

    def _status(self, status: Mapping[str, object]) -> None:
        step = self._steps.get(_text(status, "vertex"))
        if step is not None and _text(status, "id").startswith(_PUSHING):
            self._pushed.update(step.images)

    def _log(self, log: Mapping[str, object]) -> Iterator[BuildEvent]:
        step = self._steps.setdefault(_text(log, "vertex"), _Step())
        stream = log.get("stream")
        key = stream if isinstance(stream, int) else 0
        *lines, step.rest[key] = (step.rest.get(key, "") + _decoded(_text(log, "data"))).split("\n")
        for line in lines:
            yield from self._line(step, line)

    def _flush(self, step: _Step) -> Iterator[BuildEvent]:
        left = [line for line in step.rest.values() if line]
        step.rest.clear()
        for line in left:
            yield from self._line(step, line)

    def _line(self, step: _Step, line: str) -> Iterator[BuildEvent]:
        step.tail.append(line)
        if step.images:
            yield BuildEvent(_owners(step.images, self._graph)[0], "log", line)


def _owners(images: Collection[str], graph: Mapping[str, Collection[str]]) -> list[str]:
    """Return those of ``images`` that build upon none of the others."""
    return [image for image in images if not (dependencies(graph, [image]) - {image}).intersection(images)]


def _objects(document: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    members = document.get(key)
    return [member for member in members if isinstance(member, Mapping)] if isinstance(members, list) else []


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _seconds(document: Mapping[str, object], key: str) -> float | None:
    value = _text(document, key)
    try:
        return datetime.fromisoformat(_FRACTION_RE.sub(r"\1", value)).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return data
