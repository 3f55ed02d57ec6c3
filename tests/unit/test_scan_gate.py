"""The gate on scans: severities, the ignore list and its days, scans that cannot be read."""

from __future__ import annotations

import pytest

from pipeline_kit.outputs.scan_report import scan_document, scan_lines, scan_markdown
from pipeline_kit.scan_gate import FAIL_ON, SEVERITIES, Finding, Ignored, Scanned, judge, severity

TODAY = "2026-11-26"


def scanned(*severities: str, unread: str = "") -> Scanned:
    """Return a scan with one finding of each severity."""
    found = tuple(Finding(f"CVE-{word}", word, "openssl", "1.0", "1.1") for word in severities)
    return Scanned("api", "reg/api@sha256:1", "linux/amd64", found, unread)


@pytest.mark.parametrize("fail_on", FAIL_ON)
@pytest.mark.parametrize("found", SEVERITIES)
def test_limits(fail_on: str, found: str) -> None:
    """A finding fails from the limit on; one that is not rated only where any counts."""
    expected = fail_on == "any" or (fail_on != "never" and SEVERITIES.index(found) >= SEVERITIES.index(fail_on))
    assert judge([scanned(found)], fail_on, (), TODAY).passes is not expected


@pytest.mark.parametrize("fail_on", FAIL_ON)
def test_a_scan_that_cannot_be_read_never_passes(fail_on: str) -> None:
    """Not even where no finding would count."""
    gate = judge([scanned(unread="UNSUPPORTED_IMAGE")], fail_on, (), TODAY)
    assert not gate.passes
    assert "no scan: UNSUPPORTED_IMAGE" in scan_lines(gate)[1]


def test_the_ignore_list() -> None:
    """An entry counts through its day; later it is told, and so is one that nothing needs any more."""
    entries = [
        Ignored("cve-HIGH", TODAY, "no fix"),
        Ignored("CVE-critical", "2026-11-25", "was accepted"),
        Ignored("CVE-gone", "2027-01-01", "old"),
    ]
    gate = judge([scanned("high", "critical", "low")], "high", entries, TODAY)
    (judged,) = gate.scans
    assert [finding.id for finding in judged.failing] == ["CVE-critical"]
    assert [entry.reason for _, entry in judged.ignored] == ["no fix"]
    assert [entry.id for entry in gate.expired] == ["CVE-critical"]
    assert [entry.id for entry in gate.unused] == ["CVE-gone"]
    assert dict(judged.counts) == {"critical": 1, "low": 1}


@pytest.mark.parametrize(
    ("word", "expected"),
    [("HIGH", "high"), ("Negligible", "informational"), ("UNTRIAGED", "undefined"), ("new word", "undefined")],
)
def test_words_of_scanners(word: str, expected: str) -> None:
    """Each scanner has its own."""
    assert severity(word) == expected


def test_reports() -> None:
    """JSON holds everything; Markdown and lines hold foreign text that cannot break out."""
    hostile = Finding("CVE-1|<b>\n::error::x", "high", "a`b", "1", "")
    gate = judge(
        [Scanned("api", "x", "", (hostile,)), scanned("low")], "high", [Ignored("X", "2020-01-01", "|")], TODAY
    )
    document = scan_document(gate)
    assert document["passed"] is False
    assert document["images"][0]["failing"][0]["package"] == "a`b"
    markdown = scan_markdown(gate)
    assert "\n::error" not in markdown
    assert "<b>" not in markdown.replace("`CVE", "")
    assert all("\n" not in line for line in scan_lines(gate))
    many = judge([Scanned("api", "x", "", tuple(Finding(f"C{n}", "high") for n in range(300)))], "high", (), TODAY)
    assert "  and 280 more" in scan_lines(many)
    assert "and 100 more" in scan_markdown(many)
