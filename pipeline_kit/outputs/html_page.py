"""One self-contained page about a plan or a run: no script, nothing loaded from anywhere, light and dark.

Its content policy allows the one style sheet by its hash and nothing else, so that even text that got past the
escaping could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.html_graph import Node, graph_svg
from pipeline_kit.outputs.html_style import STYLE
from pipeline_kit.outputs.html_text import code, element, logged, shown, table
from pipeline_kit.outputs.html_timeline import Span, timeline_svg
from pipeline_kit.outputs.text import format_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_REASONS = 20
_HEAD = ("image", "state", "why", "builds upon", "platforms", "content tag", "time")


class Card(NamedTuple):
    """One image. ``state`` is an action or a status; times are in seconds, ``started`` since the run began."""

    name: str
    state: str
    needs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    tag: str = ""
    digest: str = ""
    pinned: str = ""
    """``host/repository@digest`` where the registry holds it."""
    started: float = 0.0
    seconds: float = 0.0
    saved: float | None = None
    steps: tuple[tuple[str, float, float], ...] = ()
    aliases: tuple[str, ...] = ()
    error: str = ""
    log_tail: tuple[str, ...] = ()


class Page(NamedTuple):
    """What a page tells. ``facts`` are label and value; ``notes`` are lists below a heading."""

    headline: str
    cards: tuple[Card, ...]
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    saved: str = ""
    seconds: float = 0.0


def page_html(page: Page) -> str:
    """Return the page as text to be written as UTF-8."""
    return document(page.headline, _header(page), _sections(page))


def document(headline: str, header: Iterable[str], sections: Iterable[str]) -> str:
    """Return a whole page: ``headline`` is foreign text, the others are markup."""
    policy = f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", shown(f"pipeline-kit: {headline}")),
        element("style", STYLE),
    )
    top = element("header", element("p", "pipeline-kit", class_="brand"), element("h1", shown(headline)), *header)
    body = element("body", top, element("main", *sections))
    return f"<!DOCTYPE html>\n{element('html', head, chr(10), body, lang='en')}\n"


def section(title: str, inside: str) -> Iterator[str]:
    """Yield a section below a heading, nothing where there is nothing inside."""
    if inside:
        yield element("section", element("h2", shown(title)), inside)


def columns_with_text(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of ``rows`` (at least one; cells are markup) without the columns in which nothing stands."""
    columns = list(zip(head, *rows, strict=True))
    kept, *cells = zip(*(column for column in columns if any(column[1:])), strict=True)
    return table(caption, kept, cells)


def _hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _header(page: Page) -> Iterator[str]:
    if page.saved:
        yield element("p", shown(page.saved), class_="saved")
    facts = "".join(element("dt", shown(label)) + element("dd", shown(value)) for label, value in page.facts if value)
    if facts:
        yield element("dl", facts)


def _sections(page: Page) -> Iterator[str]:
    yield from _failures(page)
    yield from section("Images", _images(page))
    yield from section("Graph", graph_svg([Node(c.name, c.needs, c.state, _told(c)) for c in page.cards]))
    spans = [Span(card.name, card.started, card.seconds, card.state, card.steps) for card in page.cards]
    yield from section("Timeline", timeline_svg(spans, page.seconds))
    pinned = [card for card in page.cards if card.digest]
    if pinned:
        rows = [(code(card.name), code(card.digest), code(card.pinned or "-")) for card in pinned]
        yield from section("Digests", table("Digests", ("image", "digest", "reference to copy"), rows))
    for title, entries in page.notes:
        yield from section(title, _list(entries))


def _list(entries: tuple[str, ...]) -> str:
    return element("ul", *(element("li", shown(entry, 1000)) for entry in entries)) if entries else ""


def _failures(page: Page) -> Iterator[str]:
    failed = [card for card in page.cards if card.error and card.state == "failed"]
    if failed:
        inside = ""
        for card in failed:
            inside += element("p", element("strong", shown(card.name)), ": ", shown(card.error, 1000))
            if card.log_tail:
                lines = element("pre", logged(card.log_tail[-40:]) or "-", tabindex=0)
                inside += element("details", element("summary", "last lines"), lines)
        yield from section("Failures", inside)


def _images(page: Page) -> str:
    if not page.cards:
        return element("p", "No images.")
    return columns_with_text("Images", _HEAD, [_row(card) for card in page.cards])


def _row(card: Card) -> tuple[str, ...]:
    reasons = [*card.reasons, *([card.error] if card.error and card.state == "blocked" else []), *card.aliases]
    told = [shown(reason) for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        told.append(f"… and {len(reasons) - _REASONS} more")
    return (
        code(card.name),
        element("span", shown(card.state), class_=f"state {card.state}"),
        "<br/>".join(told),
        ", ".join(map(code, card.needs)),
        "<br/>".join(map(code, card.platforms)),
        code(card.tag) if card.tag else "",
        shown(_time(card)),
    )


def _time(card: Card) -> str:
    if card.saved:
        return f"saved {format_seconds(card.saved)}"
    return format_seconds(card.seconds) if card.seconds else ""


def _told(card: Card) -> str:
    time = _time(card)
    return f"{card.state}, {time}" if time else card.state
