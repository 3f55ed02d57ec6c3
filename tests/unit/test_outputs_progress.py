from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fakes.sample_report import HOSTILE

from pipeline_kit.outputs.live import LiveProgress
from pipeline_kit.outputs.progress import GithubProgress, JsonProgress, LineProgress, make_progress, wants_colour
from pipeline_kit.outputs.sanitize import display_width
from pipeline_kit.ports.builder import BuildEvent

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = (
    BuildEvent("api", "start", ""),
    BuildEvent("web", "start", ""),
    BuildEvent("api", "step", "[2/5] RUN make"),
    BuildEvent("api", "log", "compiling\nlinking\n"),
    BuildEvent("web", "log", "::error::no"),
    BuildEvent("api", "done", "", seconds=12.34),
    BuildEvent("web", "failed", "exit code: 2", seconds=3),
)


class _Terminal:
    """A screen that understands what the live display uses: newline, return, cursor up, erase below."""

    def __init__(self, columns: int = 40) -> None:
        self.columns = columns
        self.rows: list[str] = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        for code in re.findall(r"\x1b\[[0-9]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if code == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append("")
            elif code.endswith("A") and code.startswith("\x1b"):
                self.row -= int(code[2:-1])
                assert self.row >= 0, "the cursor left the screen"
            elif code == "\x1b[J":
                del self.rows[self.row + 1 :]
                self.rows[self.row] = ""
            elif not code.startswith("\x1b") and code != "\r":
                assert display_width(code) < self.columns, "the line would wrap"
                self.rows[self.row] += code

    def shown(self) -> list[str]:
        return [row for row in self.rows if row]


def _live(
    stream: io.StringIO, columns: int = 40, lines: int = 24, clock: Callable[[], float] = lambda: 0.0
) -> LiveProgress:
    return LiveProgress(stream, clock=clock, size=lambda: os.terminal_size((columns, lines)), interval=0)


def test_plain_lines_carry_the_images_name() -> None:
    """Without a terminal: one line an event, in the order of arrival."""
    stream = io.StringIO()
    with LineProgress(stream) as progress:
        for event in EVENTS:
            progress.event(event)
    assert stream.getvalue().splitlines() == [
        "[api] started",
        "[web] started",
        "[api] [2/5] RUN make",
        "[api] compiling",
        "[api] linking",
        "[web] ::error::no",
        "[api] done in 12.3 s",
        "[web] failed in 3.0 s: exit code: 2",
    ]


def test_github_groups_are_whole_and_commands_stopped_inside() -> None:
    """An image's lines come together when it ends, between stop-commands and its token."""
    stream = io.StringIO()
    with GithubProgress(stream) as progress:
        for event in EVENTS:
            progress.event(event)
    text = re.sub(r"[0-9a-f]{32}", "TOKEN", stream.getvalue())
    assert text.splitlines() == [
        "[api] started",
        "[web] started",
        "::group::api done in 12.3 s",
        "::stop-commands::TOKEN",
        "[2/5] RUN make",
        "compiling",
        "linking",
        "::TOKEN::",
        "::endgroup::",
        "::group::web failed in 3.0 s",
        "::stop-commands::TOKEN",
        "::error::no",
        "exit code: 2",
        "::TOKEN::",
        "::endgroup::",
    ]


def test_github_writes_unfinished_groups_at_the_end() -> None:
    """What an interrupted build said is not lost, and closing twice says it once."""
    stream = io.StringIO()
    progress = GithubProgress(stream)
    progress.event(BuildEvent("api", "log", "half"))
    progress.close()
    progress.close()
    assert stream.getvalue().count("half") == 1
    assert "::group::api (unfinished)" in stream.getvalue()


def test_github_memory_is_bounded() -> None:
    """A log of 25,000 lines keeps its end and counts what was dropped."""
    stream = io.StringIO()
    with GithubProgress(stream) as progress:
        progress.event(BuildEvent("api", "log", "\n".join(f"line {number}" for number in range(25_000))))
        progress.event(BuildEvent("api", "done", ""))
    assert "… 5000 earlier lines are not shown" in stream.getvalue()
    assert "line 24999" in stream.getvalue()
    assert "line 4999\n" not in stream.getvalue()


def test_json_lines() -> None:
    """One object a line."""
    stream = io.StringIO()
    with JsonProgress(stream) as progress:
        progress.event(BuildEvent("api", "log", "a\nb", seconds=1.23456))
    assert json.loads(stream.getvalue()) == {"image": "api", "kind": "log", "text": "a\nb", "seconds": 1.235}


def test_the_live_display_shows_running_images_and_leaves_finished_ones() -> None:
    """Lines are redrawn in place; at the end only results remain."""
    stream, screen = io.StringIO(), _Terminal()
    now = [0.0]
    progress = _live(stream, clock=lambda: now[0])
    for event in EVENTS[:5]:
        progress.event(event)
        now[0] += 2
    screen.feed(stream.getvalue())
    assert screen.shown() == ["  api  8.0 s  [2/5] RUN make", "  web  6.0 s"]
    for event in EVENTS[5:]:
        progress.event(event)
    progress.close()
    screen = _Terminal()
    screen.feed(stream.getvalue())
    assert screen.shown() == ["✓ api 12.3 s", "✗ web 3.0 s: exit code: 2"]


def test_the_live_display_fits_narrow_and_low_terminals() -> None:
    """Lines are cut to the width, wide characters included, and what has no room is counted."""
    stream, screen = io.StringIO(), _Terminal(columns=20)
    progress = _live(stream, columns=20, lines=4)
    for number in range(9):
        progress.event(BuildEvent(f"image{number}", "step", "名前" * 40))
    screen.feed(stream.getvalue())
    shown = screen.shown()
    assert len(shown) == 3
    assert shown[-1] == "… and 7 more"
    progress.close()


def test_the_live_display_survives_a_terminal_made_narrower() -> None:
    """A line of 30 columns takes three rows of 12: all three are erased."""
    stream = io.StringIO()
    columns = [40]
    progress = LiveProgress(stream, size=lambda: os.terminal_size((columns[0], 24)), clock=lambda: 0.0, interval=0)
    progress.event(BuildEvent("api", "step", "x" * 16))
    drawn = display_width(stream.getvalue().rstrip("\n"))
    assert drawn == 30
    columns[0] = 12
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[3A\x1b[J")


def test_the_seconds_move_without_events() -> None:
    """The display redraws itself, and its thread ends with it."""
    stream = io.StringIO()
    before = threading.active_count()
    with LiveProgress(stream, size=lambda: os.terminal_size((80, 24)), interval=0.01) as progress:
        progress.event(BuildEvent("api", "step", "RUN sleep"))
        deadline = time.monotonic() + 10
        while stream.getvalue().count("RUN sleep") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert stream.getvalue().count("RUN sleep") >= 3
    assert threading.active_count() == before


def test_verbose_live_display_keeps_the_log_above() -> None:
    """With verbose, output scrolls above the running images."""
    stream, screen = io.StringIO(), _Terminal()
    size = os.terminal_size((40, 24))
    with LiveProgress(stream, verbose=True, size=lambda: size, clock=lambda: 0.0, interval=0) as progress:
        progress.event(BuildEvent("api", "start", ""))
        progress.event(BuildEvent("api", "log", "compiling"))
    screen.feed(stream.getvalue())
    assert screen.shown() == ["[api] compiling"]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", ["start", "step", "log", "done", "failed"])
def test_hostile_output_never_acts_on_the_terminal(hostile: str, kind: str) -> None:
    """The only control codes are the display's own."""
    plain, live = io.StringIO(), io.StringIO()
    with LineProgress(plain) as lines, _live(live) as display:
        lines.event(BuildEvent(hostile, kind, hostile))
        display.event(BuildEvent(hostile, kind, hostile))
    own = re.sub(r"\r?\x1b\[\d+A\x1b\[J", "", live.getvalue())
    for text in (plain.getvalue(), own):
        assert not set(text) & set("\x1b\r\x07\x9b\u202e\u2066\ud800")
    assert all(line.startswith("[") for line in plain.getvalue().splitlines())


def test_events_from_many_threads_do_not_mix_within_a_line() -> None:
    """Each line is whole."""
    stream = io.StringIO()
    with LineProgress(stream) as progress:

        def report(image: str) -> None:
            for _ in range(50):
                progress.event(BuildEvent(image, "log", "x" * 50))

        threads = [threading.Thread(target=report, args=(f"i{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 400
    assert all(re.fullmatch(r"\[i\d\] x{50}", line) for line in lines)


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_form_follows_format_and_stream() -> None:
    """Live only on a terminal; the CI forms whatever the stream is."""
    assert type(make_progress(io.StringIO())) is LineProgress
    assert type(make_progress(_Tty(), log_format="json")) is JsonProgress
    assert type(make_progress(_Tty(), log_format="github")) is GithubProgress
    with make_progress(_Tty()) as live:
        assert type(live) is LiveProgress


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (_Tty(), {}, True),
        (_Tty(), {"NO_COLOR": "1"}, False),
        (_Tty(), {"NO_COLOR": ""}, True),
        (_Tty(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_follows_no_color_and_the_terminal(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    """no-color.org: set and not empty means no colour."""
    assert wants_colour(stream, environ) is wanted


def test_an_ascii_terminal_gets_escapes() -> None:
    """LANG=C: marks and names that cannot be encoded are spelt out."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        with LiveProgress(stream, interval=0) as progress:
            progress.event(BuildEvent("näme", "done", ""))
        assert raw.getvalue() == b"\\u2713 n\\xe4me\n"
