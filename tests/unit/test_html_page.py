"""The HTML page: only our elements whatever stands in the texts, nothing loaded, and what the report says."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import TYPE_CHECKING

import pytest
from fakes.plans import ARM, BOTH, plan_of, planned
from fakes.sample_report import HOSTILE, digest, image, sample
from fakes.strict_pages import judge_html
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.outputs.html_deployments import Deployed, deployments_html
from pipeline_kit.outputs.html_pages import plan_html, report_html
from pipeline_kit.outputs.html_style import STYLE
from pipeline_kit.outputs.plan_markdown import Origin
from pipeline_kit.outputs.report import RunReport
from pipeline_kit.plan import Action, Status
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text("<>&\"'/!-[] =", max_size=30)


def told(root: Element) -> str:
    """Return everything a reader sees."""
    return " ".join(text for item in root.iter() if item.tag != "style" for text in item.itertext())


def shape(text: str) -> list[tuple[str, list[str]]]:
    """Return the elements with their attributes' names, in order."""
    return [(item.tag, sorted(item.attrib)) for item in judge_html(text).iter()]


def test_the_page_of_a_run_says_what_the_report_says() -> None:
    """Headline, origin, failures with their logs, images with reasons, digests to copy, notes."""
    report = sample()
    root = judge_html(report_html(report))
    text = told(root)
    for word in (
        "1 built, 1 completed, 1 skipped, 1 reused, 1 failed, 1 blocked",
        "1" * 40,
        "refs/heads/main",
        "https://ci.example/1",
        "the Dockerfile changed",
        "exit code: 1",
        "alias v1 failed the Dockerfile changed",
        digest("a"),
        f"registry.example:5000/shop/api@{digest('a')}",
        "api (prod) in out/api.json",
        "transient-http, again after 1.2 s",
        "12.3 s",
    ):
        assert word in text, word
    assert [item.text for item in root.iter("h2")] == [
        "Failures",
        "Images",
        "Timeline",
        "Digests",
        "Warnings",
        "Task definitions",
        "Retries",
    ]


def test_the_page_of_a_plan_says_what_the_plan_says() -> None:
    """Actions, reasons, what builds upon what, and hints."""
    plan = plan_of(
        planned("base", Action.SKIP, platforms=BOTH),
        planned("api", Action.BUILD, "base", reasons=("src/app.py changed",), aliases={"main": None}),
        planned("part", Action.COMPLETE, platforms=BOTH, missing=(ARM,)),
        planned("odd", Action.BLOCKED, hint="log in", tag=None),
    )
    root = judge_html(plan_html(plan, Origin("2" * 40, warnings=("careful",))))
    text = told(root)
    for word in ("1 to build", "src/app.py changed", "alias main moves", ARM, "odd: log in", "careful", "2" * 40):
        assert word in text, word
    assert [item.text for item in root.iter("h2")] == ["Images", "Graph", "Digests", "What to do", "Warnings"]


def test_savings_stand_at_the_top() -> None:
    """As in the job summary."""
    report = replace(sample(), images=(replace(image("a", Status.SKIPPED), saved_seconds=75.0),))
    root = judge_html(report_html(report))
    assert "1 min 15 s of building saved: 1 image did not have to be built." in told(root)
    assert "saved 1 min 15 s" in told(root)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_never_changes_the_structure_of_the_page(hostile: str) -> None:
    """The very same elements and attributes as for harmless text."""

    def page(text: str) -> str:
        needy = replace(image("x", Status.BUILT, seconds=1.0), name=text, needs=("api",))
        report = sample(hostile=text)
        return report_html(
            replace(report, images=(*report.images, needy), ref=text, commit=text, run_url=text, tree=text)
        )

    assert shape(page(hostile)) == shape(page("harmless"))


@given(_TEXT, _TEXT)
def test_any_text_is_shown_and_nothing_else(one: str, other: str) -> None:
    """Names and reasons stay text in cells, pictures and attributes, of plans and of runs."""
    plan = plan_of(planned(one, reasons=(other,)), planned(f"x{other}", Action.BUILD, one, platforms=(one,)))
    root = judge_html(plan_html(plan, Origin(ref=other, run_url=one)))
    assert len(list(root.iter("rect"))) == 2
    images = tuple(
        replace(image("a", Status.FAILED, error=other, seconds=2.0), name=name) for name in (one, f"x{other}")
    )
    judge_html(report_html(RunReport(images, warnings=(one, other), ref=one)))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_never_changes_the_page_of_deployments(hostile: str) -> None:
    """The very same elements as for harmless text; colours tell success, nothing done, and failure apart."""

    def page(text: str) -> str:
        failed = Deployed(text, text, False, f"arn/{text}", f"x/{text}", (text, text), {text: text}, 3.0)
        services = [failed, Deployed("a", "unchanged", True), Deployed("b", "deployed", True, "arn/x:2", "arn/x:1")]
        return deployments_html(services, seconds=61.0, run_url=text)

    assert shape(page(hostile)) == shape(page("harmless"))
    root = judge_html(page(hostile))
    assert [item.get("class") for item in root.iter("span")] == ["state failed", "state skip", "state built"]
    assert "2 of 3 services as asked in 1 min 01 s" in told(root)
    assert judge_html(deployments_html([], seconds=0.0)).find("body/main/section") is None


def test_nothing_is_loaded_and_no_script_runs() -> None:
    """The policy allows our style sheet by its hash, and that alone; there is no address in any attribute."""
    text = report_html(sample())
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    mark = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{mark}'; base-uri 'none'; form-action 'none'"
    assert f"<style>{STYLE}</style>" in text
    assert not re.search(r"(?i)<(?:script|link|img|iframe|object|a)\b|\b(?:src|href|style|on\w+)=|url\(|@import", text)


def test_the_style_sheet_is_light_and_dark_with_enough_contrast() -> None:
    """WCAG 2.2, 1.4.3: text and its background differ by 4.5 to 1 in both schemes, on every coloured ground."""
    schemes = re.findall(r":root\{([^}]*)\}", STYLE)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", scheme))
        for ground in ("back", "panel", "work", "more", "there", "bad"):
            assert contrast(colours["text"], colours[ground]) >= 4.5, ground
        for ground in ("back", "panel"):
            assert contrast(colours["soft"], colours[ground]) >= 4.5, ground


def test_a_reader_without_sight_gets_the_same() -> None:
    """Language, headings, captions, scopes, names of pictures and of regions that scroll."""
    plan = plan_of(planned("base"), planned("api", Action.BUILD, "base"))
    root = judge_html(plan_html(plan, Origin()))
    assert root.get("lang") == "en"
    assert next(item.tag for item in root.iter() if item.tag in ("h1", "h2")) == "h1"
    assert all(item.find("caption") is not None for item in root.iter("table"))
    assert all(item.get("scope") for item in root.iter("th"))
    assert all(item.get("role") == "img" and item.get("aria-label") for item in root.iter("svg"))
    assert all(item.get("aria-label") for item in root.iter() if item.get("role") == "region")


def test_boxes_of_the_graph_do_not_overlap_and_bases_are_left() -> None:
    """A column for each level."""
    images = [planned(f"b{number}") for number in range(5)]
    images += [planned(f"m{number}", Action.BUILD, f"b{number % 5}", f"b{(number + 2) % 5}") for number in range(9)]
    images += [planned("top", Action.BUILD, "m0", "b1"), planned("alone")]
    root = judge_html(plan_html(plan_of(*images), Origin()))
    boxes = [(float(item.get("x", "")), float(item.get("y", ""))) for item in root.iter("rect")]
    assert len(boxes) == len(set(boxes)) == 15
    assert sorted({x for x, _ in boxes}) == [6.0, 256.0, 506.0]
    for x, y in boxes:
        assert not [other for at, other in boxes if at == x and 0 < abs(other - y) < 44]
    assert len(list(root.iter("path"))) == 9 * 2 + 2
    assert "1 more stands alone." in told(root)


@pytest.mark.parametrize("count", [1, 300])
@pytest.mark.parametrize("seconds", [0.01, 3.0, 100000.0])
def test_bars_stay_within_the_timeline(count: int, seconds: float) -> None:
    """However many and however long."""
    images = tuple(
        image(f"i{number}", Status.BUILT, started=number * 0.1, seconds=seconds, digest=digest("a"))
        for number in range(count)
    )
    root = judge_html(report_html(RunReport(images, seconds=seconds)))
    bars = list(root.iter("rect"))
    assert len(bars) == count
    assert all(float(bar.get("x", "")) + float(bar.get("width", "")) <= 190 + 640 + 2 for bar in bars)
    assert len(list(root.iter("line"))) <= 9 + 1


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast of two colours, ``#rgb`` or ``#rrggbb``."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
