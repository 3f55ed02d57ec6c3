from __future__ import annotations

import html
import re

import pytest
from fakes.sample_report import HOSTILE, digest, image, sample
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline_kit.outputs.markdown import SUMMARY_LIMIT, escape, markdown_summary
from pipeline_kit.outputs.report import Attempt, RunReport
from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.plan import Status
from pipeline_kit.values import replace

_PARSER = MarkdownIt("gfm-like", {"linkify": False}).enable(["table"])


def _tags(text: str) -> list[str]:
    """Return the elements of the rendered page, in order, attributes included."""
    return re.findall(r"<[a-zA-Z/!][^>]*>", _PARSER.render(text))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_never_changes_the_structure_of_the_page(hostile: str) -> None:
    """A CommonMark parser sees the very same elements as for harmless text."""
    assert _tags(markdown_summary(sample(hostile=hostile))) == _tags(markdown_summary(sample(hostile="harmless")))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text("`*_[]()<>|#-+.!\\~&1: \n", max_size=30)
)
def test_escaped_text_is_shown_literally(text: str) -> None:
    """The parser gives back the sanitised text in one paragraph without any other element."""
    shown = one_line(text, 300).strip()
    rendered = _PARSER.render(escape(text))
    if shown:
        assert rendered.startswith("<p>")
        assert html.unescape(rendered[3:-5]) == shown
        assert "<" not in rendered[3:-5]
    else:
        assert rendered == ""


@pytest.mark.parametrize("text", ["https://evil.example", "WWW.evil.example", "mailto:a@b.example"])
def test_addresses_do_not_become_links(text: str) -> None:
    """GitHub links bare addresses; the characters it looks for are not there."""
    assert re.search(r"(?i)www\.|:|@", escape(text)) is None


def test_the_summary_says_what_happened_and_why() -> None:
    """Headline, origin, failure with its log, table with digests, aliases, timeline."""
    text = markdown_summary(sample())
    plain = html.unescape(text)
    assert "1 built, 1 completed, 1 skipped" in plain
    assert "refs/heads/main" in plain
    assert "**worker failed:** the Dockerfile changed" in plain
    assert "exit code: 1" in plain
    assert f"<code>{digest('a')}</code>" in plain
    assert "<code>v1</code> of <code>api</code> failed" in plain
    assert text.index("worker") < text.index("<code>web</code>")


def test_the_timeline_is_one_fence_with_milliseconds() -> None:
    """Bars are ordered by their beginning; images that took no time have none."""
    lines = markdown_summary(sample()).split("```")[1].splitlines()
    assert lines[:5] == [
        "mermaid",
        "gantt",
        "    dateFormat YYYY-MM-DD HH:mm:ss.SSS",
        "    axisFormat %H:%M:%S",
        "    section images",
    ]
    assert lines[5:] == [
        "    worker (3.0 s) :crit, 2001-01-01 00:00:00.000, 3000ms",
        "    api (12.3 s) :active, 2001-01-01 00:00:00.500, 12346ms",
        "    jobs (5.0 s) :2001-01-01 00:00:01.000, 5000ms",
        "    many (9.0 s) :active, 2001-01-01 00:00:02.000, 9000ms",
    ]


def test_names_cannot_leave_the_timeline() -> None:
    """Colons, semicolons, hashes and backticks mean something to mermaid."""
    report = RunReport((replace(image("api", Status.BUILT, seconds=1.0), name="a:b;c#d```\n%%e"),))
    assert "    a_b_c_d____n__e (1.0 s) :active, 2001" in markdown_summary(report)


def test_a_huge_run_is_cut_at_a_row_below_the_limit() -> None:
    """Below a mebibyte, with the failure first and a sentence that says it was cut."""
    images = [
        image(f"image{number}", Status.SKIPPED, digest=digest("a"), reasons=("x" * 200,)) for number in range(5000)
    ]
    report = RunReport((*images, image("broken", Status.FAILED, error="<oops>")))
    text = markdown_summary(report)
    assert SUMMARY_LIMIT - 1000 < len(text.encode()) <= SUMMARY_LIMIT < 1024 * 1024
    assert text.index("broken") < 1000
    *_, last_row, empty, cut, _ = text.split("\n")
    assert last_row.endswith("|")
    assert empty == ""
    assert f"… and {5001 - text.count('| <code>image') - 1} more images, cut here" in cut


@pytest.mark.parametrize("limit", [0, 50, 120, 400, 1500])
def test_any_limit_holds(limit: int) -> None:
    """Even one that leaves no room at all."""
    assert len(markdown_summary(sample(hostile="名前" * 100), limit=limit).encode()) <= limit


def test_the_summary_says_what_was_saved_and_repeated() -> None:
    """Time saved above the table and in its row, references to copy, retries with their reasons."""
    skipped = replace(image("web", Status.SKIPPED, digest=digest("b")), saved_seconds=75.0)
    retried = replace(sample().images[0], attempts=(Attempt(1, "transient-http", 503, 1.25, "HEAD api: 503 <b>"),))
    text = markdown_summary(replace(sample(), images=(skipped, retried)))
    plain = html.unescape(text)
    assert "**1 min 15 s of building saved**: 1 image did not have to be built." in plain
    assert "| saved 1 min 15 s |" in plain
    assert f"web registry.example:5000/shop/web@{digest('b')}\n" in plain
    assert "<summary>1 retry</summary>" in text
    assert "- HEAD api: 503 <b>, again after 1.2 s" in plain
    assert "<b>" not in text
