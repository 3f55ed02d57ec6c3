from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.builders.progress import TAIL_LINES, ProgressReader

if TYPE_CHECKING:
    from pipeline_kit.ports.builder import BuildEvent

_RECORDED = Path(__file__).parent / "recorded"


def _lines(name: str) -> list[str]:
    return (_RECORDED / f"bake-{name}.txt").read_text().splitlines(keepends=True)


def _compact(lines: list[str]) -> list[str]:
    """Return the same stream with one object a line, as newer buildx writes it."""
    found: list[str] = []
    for line in lines:
        if line.startswith("{"):
            found.append(line.rstrip())
        elif found and line[0] in " }" and found[-1].startswith("{") and not found[-1].endswith("\n"):
            found[-1] += line.strip() + ("\n" if line.startswith("}") else "")
        else:
            found.append(line)
    return found


def _read(
    lines: list[str], images: dict[str, str], graph: dict[str, tuple[str, ...]] | None = None
) -> tuple[ProgressReader, list[BuildEvent]]:
    reader = ProgressReader(images, graph or dict.fromkeys(images.values(), ()))
    events = [event for line in lines for event in reader.feed(line)]
    return reader, events + reader.finish()


def _vertex(digest: str, name: str, **members: object) -> str:
    return json.dumps({"vertexes": [{"digest": digest, "name": name, **members}]})


def _log(digest: str, data: bytes) -> str:
    return json.dumps({"logs": [{"vertex": digest, "stream": 1, "data": base64.b64encode(data).decode()}]})


@pytest.mark.parametrize("compact", [False, True])
def test_success(compact: bool) -> None:
    """Each image starts, shows its steps and output, and is done; both spellings of the stream say the same."""
    lines = _compact(_lines("ok")) if compact else _lines("ok")
    graph: dict[str, tuple[str, ...]] = {"base": (), "api": ("base",)}
    reader, events = _read(lines, {"t-base": "base", "t-api": "api"}, graph)
    assert {(event.image, event.kind) for event in events} >= {(n, k) for n in graph for k in ("start", "step", "done")}
    assert reader.failures() == {}
    assert reader.pushed() == frozenset()
    times = reader.times()
    assert set(times) == {"base", "api"}
    assert all(0 <= started < 60 and 0 < seconds < 60 for started, seconds in times.values())
    assert not [event for event in events if "load local bake definitions" in event.text]


@pytest.mark.parametrize("compact", [False, True])
def test_failed_step(compact: bool) -> None:
    """A step shown for an image and for what builds upon it fails the former only; cancelled steps fail nobody."""
    lines = _compact(_lines("fail")) if compact else _lines("fail")
    graph: dict[str, tuple[str, ...]] = {"base": (), "app": ("base",), "other": ()}
    reader, events = _read(lines, {"base": "base", "app": "app", "other": "other"}, graph)
    failures = reader.failures()
    assert list(failures) == ["base"]
    assert failures["base"].step == "[2/3] RUN echo before; echo oops >&2; exit 1"
    assert failures["base"].error.endswith("exit code: 1")
    assert failures["base"].log_tail == ("before", "oops")
    assert not failures["base"].is_push
    assert reader.error_text().startswith('process "/bin/sh -c echo before')
    assert ("log", "oops") in {(event.kind, event.text) for event in events}


def test_failed_push() -> None:
    """A push that fails is known as such, and the image that was pushed beside it too."""
    reader, events = _read(_lines("pushfail"), {"dead": "dead", "fine": "fine"})
    failures = reader.failures()
    assert list(failures) == ["dead"]
    assert failures["dead"].is_push
    assert "connection refused" in failures["dead"].error
    assert reader.pushed() == {"fine"}
    assert ("fine", "done") in {(event.image, event.kind) for event in events}


def test_missing_base_of_a_single_target() -> None:
    """With one target buildx names none: everything is that image's."""
    reader, _ = _read(_lines("nonexist"), {"nothere": "api"})
    failures = reader.failures()
    assert list(failures) == ["api"]
    assert failures["api"].error.endswith("not found")
    assert reader.error_text().startswith("failed to resolve source metadata")


def test_logs_are_joined_and_split_into_lines() -> None:
    """Pieces of a line are joined, several lines in a piece are split, bytes outside UTF-8 do no harm."""
    lines = [_vertex("v", "[1/1] RUN x", started="2026-01-01T00:00:00Z"), _log("v", b"one\ntw"), _log("v", b"o\n\xff")]
    lines.append(_vertex("v", "[1/1] RUN x", started="2026-01-01T00:00:00Z", completed="2026-01-01T00:00:02.5Z"))
    reader, events = _read(lines, {"t": "api"})
    assert [event.text for event in events if event.kind == "log"] == ["one", "two", "\ufffd"]
    assert reader.times() == {"api": (0.0, 2.5)}


def test_tail_is_bounded() -> None:
    """Of a failed step's output only the last 40 lines are kept."""
    output = "".join(f"{number}\n" for number in range(1000)).encode()
    lines = [_vertex("v", "[1/1] RUN x", started="2026-01-01T00:00:00Z"), _log("v", output)]
    lines.append(_vertex("v", "[1/1] RUN x", completed="2026-01-01T00:00:02Z", error="exit code: 1"))
    reader, _ = _read(lines, {"t": "api"})
    assert reader.failures()["api"].log_tail == tuple(str(n) for n in range(1000 - TAIL_LINES, 1000))


def test_cached_step_is_said_so_and_once() -> None:
    """A step taken from the cache is announced once, as cached."""
    line = _vertex("v", "[1/1] RUN x", started="2026-01-01T00:00:00Z", completed="2026-01-01T00:00:00Z", cached=True)
    _, events = _read([line, line], {"t": "api"})
    assert [event.text for event in events if event.kind == "step"] == ["CACHED [1/1] RUN x"]


def test_two_images_with_the_same_failed_step() -> None:
    """Where two images that do not know each other share a failed step, both failed."""
    lines = [_vertex("v", f"[{target} 1/1] RUN x", started="2026-01-01T00:00:00Z", error="boom") for target in "ab"]
    reader, _ = _read(lines, {"a": "one", "b": "two"})
    assert set(reader.failures()) == {"one", "two"}


def test_target_named_in_the_error() -> None:
    """Newer buildx names the target that failed."""
    reader, _ = _read(
        ["ERROR: target t-1: failed to solve: dockerfile parse error on line 2"], {"t-1": "a.b", "u": "u"}
    )
    assert reader.failed_targets() == ("a.b",)
    assert reader.error_text() == "dockerfile parse error on line 2"


def test_half_an_object_at_the_end_is_text() -> None:
    """A stream that is cut off is no crash, and its last lines are kept as text."""
    reader, _ = _read(["{\n", '  "vertexes": [\n'], {"t": "api"})
    assert list(reader.text) == ["{", '  "vertexes": [']


@given(st.lists(st.text(), max_size=20), st.integers(0, 500))
def test_any_text_is_survived(lines: list[str], lost: int) -> None:
    """Neither arbitrary lines nor a damaged recording raise."""
    recorded = _lines("fail")
    del recorded[lost]
    reader, _ = _read([*lines, *recorded, *lines], {"base": "base", "app": "app"}, {"base": (), "app": ("base",)})
    reader.failures()
    reader.times()


@pytest.mark.parametrize(
    "document", ['{"vertexes": 1}', '{"vertexes": [1]}', '{"logs": [{}]}', '{"statuses": [{"id": 3}]}', "{}", "{x}"]
)
def test_other_shapes_are_ignored(document: str) -> None:
    """Objects of an unexpected shape say nothing."""
    _, events = _read([document], {"t": "api"})
    assert events == []
