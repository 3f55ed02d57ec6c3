from __future__ import annotations

import json
import unicodedata

import pytest
from fakes.github_runner import runner_acts
from fakes.sample_report import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.outputs.sanitize import display_width, fit, inert, inert_json, log_line, one_line, visible

_ANY = st.text(st.characters()) | st.text("\x1b[0m\r\n\t#:\u202e\ud800a", max_size=30) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tkept", "two\nlines\tkept"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb", r"a\rb"),
        ("\u202egnp", r"\u202egnp"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("\x9b31m", r"\x9b31m"),
        ("käse 🐳 名前", "käse 🐳 名前"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
)
def test_what_would_act_is_spelt_out(text: str, shown: str) -> None:
    """Control codes, bidirectional marks and surrogates become escapes; words of any script stay."""
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("10%\r20%\r\n", "20%"),
        ("10%\r", "10%"),
        ("a\tb", "a       b"),
        ("\x1b\x1b[0m[2J", r"\x1b[2J"),
        ("x ##[add-mask]y", "x ## [add-mask]y"),
        ("#\x1b[0m#[error]", "## [error]"),
    ],
)
def test_build_output_loses_colours_and_keeps_what_was_left_on_screen(text: str, shown: str) -> None:
    """Progress bars that overwrite themselves become their last state."""
    assert log_line(text) == shown


def test_long_lines_are_cut_with_an_ellipsis() -> None:
    """The limit holds for the escaped form."""
    assert one_line("a" * 50, 10) == "a" * 9 + "…"
    assert len(one_line("\x1b" * 5_000_000, 10)) == 10


@given(_ANY)
def test_sanitising_is_idempotent_and_leaves_nothing_that_acts(text: str) -> None:
    """Twice is once; no control, format (but joiners), surrogate or separator character is left."""
    for function in (visible, one_line):
        once = function(text)
        assert function(once) == once
    for line in (one_line(text), log_line(text)):
        line.encode()
        assert "##[" not in log_line(text)
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")


@given(_ANY.map(one_line), st.integers(0, 40))
def test_fitting_never_takes_more_columns_than_allowed(text: str, columns: int) -> None:
    """Wide characters count twice, and what fits is not cut."""
    fitted = fit(text, columns)
    assert display_width(fitted) <= columns
    assert fitted == text or columns == 0 or fitted.endswith("…")


def test_display_width_counts_columns() -> None:
    """East Asian wide characters and emoji take two, combining marks none."""
    assert [display_width(text) for text in ("abc", "名前", "🐳", "e\u0301", "")] == [3, 4, 2, 1, 0]


@pytest.mark.parametrize("text", HOSTILE)
def test_inert_lines_are_no_commands(text: str) -> None:
    """Neither at the beginning of a line, after blanks, nor within it; JSON keeps its value."""
    lines = inert(f"a\n{text}\n  {text}\n\t{text}")
    assert runner_acts(lines.split("\n")) == []
    assert inert(lines) == lines
    document = json.dumps({"a": text, text: [text]}, indent=2)
    assert runner_acts(inert_json(document).split("\n")) == []
    assert json.loads(inert_json(document)) == json.loads(document)
