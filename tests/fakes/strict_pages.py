"""Judges of what is rendered for people: only what we write is structure, whatever stands in the texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

_TEXT = r"(?:[\w ./-]|#[0-9]+;)*"
_ACTION = "(?:build|complete|skip|blocked)"
_FLOWCHART = (
    re.compile(rf'    n[0-9]+\["{_TEXT}<br/>{_TEXT}"\]:::{_ACTION}'),
    re.compile(r"    n[0-9]+ --> n[0-9]+"),
    re.compile(r'    more\["and [0-9]+ more"\]'),
    re.compile(r'    none\["no images"\]'),
    re.compile(rf"    classDef {_ACTION} fill:#[0-9a-f]{{6}},stroke:#[0-9a-f]{{6}},color:#[0-9a-f]{{6}}"),
)
_ELEMENTS = {
    "html": {"lang"},
    "head": set(),
    "meta": {"charset", "http-equiv", "name", "content"},
    "title": set(),
    "style": set(),
    "body": set(),
    "header": set(),
    "main": set(),
    "section": set(),
    "h1": set(),
    "h2": set(),
    "p": {"class"},
    "dl": set(),
    "dt": set(),
    "dd": set(),
    "div": {"class", "tabindex", "role", "aria-label"},
    "table": set(),
    "caption": set(),
    "thead": set(),
    "tbody": set(),
    "tr": set(),
    "th": {"scope"},
    "td": set(),
    "code": set(),
    "br": set(),
    "span": {"class"},
    "strong": set(),
    "ul": set(),
    "li": set(),
    "pre": {"tabindex"},
    "details": set(),
    "summary": set(),
    "figure": set(),
    "figcaption": set(),
    "svg": {"viewBox", "width", "height", "role", "aria-label"},
    "g": {"class"},
    "path": {"d"},
    "rect": {"x", "y", "width", "height", "rx", "class"},
    "line": {"x1", "y1", "x2", "y2"},
    "text": {"x", "y", "class", "text-anchor"},
}
_CLASSES = {"brand", "saved", "wide", "state", "edges", "axis", "box", "bar", "later", "name", "told"}
_CLASSES |= {"build", "complete", "skip", "blocked", "built", "completed", "skipped", "reused", "failed"}
_NUMBERS = re.compile(r"[-0-9. MC]+")


def assert_flowchart(text: str) -> None:
    """Fail for a line that is not of the few that we write, or for an edge to a node that is not there."""
    head, *lines = text.removesuffix("\n").split("\n")
    assert head == "flowchart LR"
    for line in lines:
        assert any(rule.fullmatch(line) for rule in _FLOWCHART), line
    nodes = re.findall(r"(?m)^    (n[0-9]+)\[", text)
    assert len(nodes) == len(set(nodes))
    assert {end for edge in re.findall(r"(n[0-9]+) --> (n[0-9]+)", text) for end in edge} <= set(nodes)


def judge_html(text: str) -> ET.Element:
    """Return the page's root; fail unless it is well-formed and every element, attribute and class is one of ours."""
    root = ET.fromstring(text)  # noqa: S314 - what we have just written
    for item in root.iter():
        assert set(item.attrib) <= _ELEMENTS[item.tag], item
        assert set(item.get("class", "").split()) <= _CLASSES
        for name in ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "rx", "viewBox", "tabindex"):
            assert _NUMBERS.fullmatch(item.get(name, "0"))
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "://" not in re.sub(r">[^<]*<", "><", re.sub(r'aria-label="[^"]*"', "", text))
    return root
