"""Text and elements of the HTML page. Pages are well-formed XML too, so that a strict parser can judge them."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from pipeline_kit.outputs.sanitize import log_line, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable


def shown(text: str, limit: int = 500) -> str:
    """Return foreign text on one line, cut, such that HTML shows it literally, also in an attribute."""
    return html.escape(one_line(text, limit), quote=True)


def logged(lines: Iterable[str]) -> str:
    """Return lines of build output as the inside of ``<pre>``."""
    return "\n".join(html.escape(log_line(line, 1000), quote=True) for line in lines)


def element(name: str, /, *inside: str, **attributes: str | float) -> str:
    """Return an element around markup. Attributes are text of ours or :func:`shown`; ``class_`` is written ``class``.

    Underscores become dashes. An element without inside is closed at once.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_number(value) if isinstance(value, float) else value}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def code(text: str) -> str:
    """Return foreign text in a fixed-width face."""
    return element("code", shown(text))


def table(caption: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table that scrolls by itself in a narrow window; cells are markup, the first of a row names it."""
    heads = "".join(element("th", shown(text), scope="col") for text in head)
    body = "".join(_row(tuple(cells)) for cells in rows)
    inner = element("caption", shown(caption)) + element("thead", element("tr", heads)) + element("tbody", body)
    return element("div", element("table", inner), class_="wide", tabindex=0, role="region", aria_label=shown(caption))


def figure(label: str, picture: str, caption: str) -> str:
    """Return a picture (markup) that scrolls by itself in a narrow window, with a caption (markup) below."""
    framed = element("div", picture, class_="wide", tabindex=0, role="region", aria_label=shown(label))
    return element("figure", framed, element("figcaption", caption))


def _row(cells: tuple[str, ...]) -> str:
    first, *others = cells
    # An element without inside would be closed at once, which HTML does not know for cells.
    return element("tr", element("th", first, scope="row"), *(element("td", cell or "-") for cell in others))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
