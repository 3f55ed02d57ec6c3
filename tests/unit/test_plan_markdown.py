"""A plan as a comment, a summary and a graph: nothing foreign is structure, and everything fits."""

from __future__ import annotations

import html
import re

import pytest
from fakes.plans import AMD, ARM, BOTH, plan_of, planned
from fakes.sample_report import HOSTILE
from fakes.strict_pages import assert_flowchart
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline_kit.outputs.cutting import Section, fitted, utf8_bytes, utf16_units
from pipeline_kit.outputs.plan_markdown import COMMENT_LIMIT, MARK, Origin, headline, plan_markdown
from pipeline_kit.outputs.plan_mermaid import ALIKE, EDGES_LIMIT, TEXT_LIMIT, mermaid_label, plan_mermaid
from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.plan import Action, Plan

_PARSER = MarkdownIt("gfm-like", {"linkify": False}).enable(["table"])
_ORIGIN = Origin("1" * 40, "refs/pull/7/merge", "https://github.example/acme/shop/actions/runs/1", ("a warning",))
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    '`*_[]()<>|#-+.!\\~&1:"; \n', max_size=30
)


def sample(text: str = "src/app.py changed") -> Plan:
    """Return a plan with every action; ``text`` stands wherever free text can stand."""
    return plan_of(
        planned("base", Action.SKIP, platforms=BOTH),
        planned("moved", Action.SKIP, aliases={text: None}),
        planned("api", Action.BUILD, "base", reasons=(text, "base image moved"), aliases={"main": None}),
        planned("part", Action.COMPLETE, platforms=BOTH, missing=(ARM,), reasons=(text,)),
        planned("odd", Action.BLOCKED, "api", reasons=(text,), hint=text, tag=None),
    )


def tags(text: str) -> list[str]:
    """Return the elements of the rendered page, in order, attributes included."""
    return re.findall(r"<[a-zA-Z/!][^>]*>", _PARSER.render(text))


def test_the_comment_says_what_happens_and_why() -> None:
    """Headline, origin, what stops it, work before what is there, graph; the mark is its first line."""
    text = plan_markdown(sample(), _ORIGIN)
    plain = html.unescape(text)
    assert text.startswith(f"{MARK}\n### pipeline-kit")
    assert "1 to build, 1 to complete, 2 there already, 1 undecided, 1 alias to move" in plain
    assert "Planned of <code>111111111111</code> on <code>refs/pull/7/merge</code> by [this run](<https://g" in plain
    assert "**No decision about <code>odd</code>:** src/app.py changed. Next: src/app.py changed." in plain
    row = "| <code>api</code> | 🔨 build | src/app.py changed<br>base image moved<br>alias main moves |"
    assert row in plain
    assert f"| <code>{ARM}</code> | <code>0123456789ab…</code> |" in plain
    order = [
        "<code>odd</code> |",
        "<code>api</code> |",
        "<code>part</code> |",
        "<code>moved</code> |",
        "1 image is there",
    ]
    assert [plain.index(item) for item in order] == sorted(plain.index(item) for item in order)
    assert "```mermaid\nflowchart LR\n" in text


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (plan_of(), "no images"),
        (plan_of(planned("a", Action.SKIP), planned("b", Action.SKIP)), "nothing to do, 2 there already"),
        (plan_of(planned("a", Action.SKIP, aliases={"x": None, "y": None})), "1 there already, 2 aliases to move"),
        (plan_of(planned("a"), planned("b", Action.COMPLETE)), "1 to build, 1 to complete"),
    ],
)
def test_the_headline(plan: Plan, told: str) -> None:
    """A few words, for a page of nothing as well."""
    assert headline(plan) == told
    assert told in html.unescape(plan_markdown(plan))
    assert_flowchart(plan_mermaid(plan))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_never_changes_the_structure_of_the_page(hostile: str) -> None:
    """A CommonMark parser sees the very same elements as for harmless text, in every place that text comes from."""
    odd = Origin(hostile, hostile, hostile, (hostile,))
    plain = Origin("harmless", "harmless", "harmless", ("harmless",))
    graph = plan_mermaid(sample(hostile))
    assert_flowchart(graph)
    assert tags(plan_markdown(sample(hostile), odd)) == tags(plan_markdown(sample("harmless"), plain))


@given(_TEXT, _TEXT)
def test_any_text_is_shown_and_nothing_else(one: str, other: str) -> None:
    """No name and no reason becomes an element, a comment, a link or a row, and none gets out of a label."""
    plan = plan_of(planned(one, reasons=(other,)), planned(f"x{other}", Action.BUILD, one, platforms=(one,)))
    assert_flowchart(plan_mermaid(plan))
    text = plan_markdown(plan, Origin(ref=other))
    page = _PARSER.render(text)
    assert page.count("<!--") == 1
    assert page.count("<tr>") == 1 + len(plan.images)
    assert "<a " not in page
    assert not re.search(r"<(?!/?(h3|p|table|thead|tbody|tr|th|td|code|br|details|summary|pre|!--)[ >/ ])", page)


@given(_TEXT)
def test_a_label_is_the_text_in_mermaids_codes(text: str) -> None:
    """Decoded as mermaid decodes it, it is the text on one line."""
    label = mermaid_label(text)
    assert not set(label) & set("\"<>[](){}|`'&\\\n*~:%")
    assert re.sub(r"#([0-9]+);", lambda match: chr(int(match[1])), label) == one_line(text, 60).translate(ALIKE)
    assert not {"\\", "$", ":"} & set(html.unescape(re.sub("#([0-9]+);", "&#\\1;", label)))
    assert not re.match(r"[-+*]|[0-9]+[.)](?:\s|$)", label)  # what Markdown takes for a list


def test_a_label_that_is_harmless_stays_readable() -> None:
    """Names as people give them."""
    assert mermaid_label("web-frontend_2.1 linux/arm64") == "web-frontend_2.1 linux/arm64"
    assert mermaid_label("1. x") == "1#46; x"
    assert mermaid_label('a"]:::x') == "a#34;#93;#8758;#8758;#8758;x"


@pytest.mark.parametrize("count", [1, 60, 400, 5000])
def test_a_comment_of_any_plan_fits_and_says_what_is_missing(count: int) -> None:
    """GitHub counts UTF-16 units and refuses a body that is too long as a whole."""
    images = [planned(f"image{number}", reasons=("<&" * 60, "🐳" * 90)) for number in range(count)]
    text = plan_markdown(plan_of(*images, planned("last", Action.SKIP)), _ORIGIN)
    assert utf16_units(text) <= COMMENT_LIMIT
    shown = text.count("| 🔨 build |")
    if shown < count:
        assert text.endswith(
            f"_… {count + 1 - shown} more images are not shown here; `pipeline-kit plan` shows everything._\n"
        )
        assert COMMENT_LIMIT - utf16_units(text) < 3000
        assert text.count("<details>") == text.count("</details>")


@given(st.integers(0, 3000), st.sampled_from([utf8_bytes, utf16_units]))
def test_any_limit_holds(limit: int, measure: object) -> None:
    """Sections and rows are kept whole; what opens is closed."""
    assert measure in (utf8_bytes, utf16_units)
    count = utf8_bytes if measure is utf8_bytes else utf16_units
    text = plan_markdown(sample("名前" * 30), _ORIGIN, limit=limit, measure=count)
    assert count(text) <= limit
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0


@given(
    st.lists(
        st.tuples(st.text("a", max_size=9), st.lists(st.text("b", min_size=1, max_size=9), max_size=5)), max_size=6
    ),
    st.integers(0, 120),
)
def test_what_is_left_out_is_counted(parts: list[tuple[str, list[str]]], limit: int) -> None:
    """What is shown and what is said to be missing are everything."""
    sections = [Section(head, tuple(f"{row}." for row in rows), "t", counts=1) for head, rows in parts]
    total = sum(len(section.rows) or 1 for section in sections)
    text = fitted(sections, limit, len, lambda count: f"<{count:03}>")
    whole = "".join(section.head + "".join(section.rows) + "t" for section in sections)
    assert len(text) <= limit
    if len(whole) <= limit:
        assert text == whole
    elif text:
        shown = text.count(".") + sum(not section.rows for section in sections[: text.count("t")])
        assert whole.startswith(text.partition("<")[0].removesuffix("t"))
        assert text.endswith(f"<{total - shown:03}>")


@pytest.mark.parametrize("count", [3, 300, 3000])
def test_a_graph_of_any_plan_is_one_that_mermaid_draws(count: int) -> None:
    """Below its limits of text and edges; work is shown before what is there; what is not shown is counted."""
    there = [planned(f"there{number}", Action.SKIP) for number in range(count)]
    work = [
        planned(f"work{number}", Action.BUILD, *(f"there{number - back}" for back in range(3)))
        for number in range(count)
    ]
    text = plan_mermaid(plan_of(*there, *work))
    assert_flowchart(text)
    assert len(text) <= TEXT_LIMIT
    assert text.count(" --> ") <= EDGES_LIMIT
    shown = len(re.findall(r"(?m)^    n[0-9]+\[", text))
    assert shown == 2 * count or f'more["and {2 * count - shown} more"]' in text
    assert ":::build" in text
    assert plan_mermaid(plan_of(*there), limit=10) == ""


def test_platforms_that_are_missing_stand_in_the_graph() -> None:
    """The node says what is to be completed."""
    assert '["part<br/>complete linux/arm64"]:::complete' in plan_mermaid(sample())
    assert AMD not in plan_mermaid(sample())
