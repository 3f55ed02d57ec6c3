"""Text that has to fit a platform's limit: whole sections and rows as far as there is room, then what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Section(NamedTuple):
    """Text that is kept whole or left out; its rows are, each; ``tail`` closes what ``head`` opened, wherever it ends.

    ``counts`` is how much each row (without rows: the head) stands for in what is said to be left out.
    """

    head: str
    rows: tuple[str, ...] = ()
    tail: str = ""
    counts: int = 0


def fitted(
    sections: Iterable[Section], limit: int, measure: Callable[[str], int], left_out: Callable[[int], str]
) -> str:
    """Return ``sections`` up to ``limit`` as ``measure`` counts; if all do not fit, ``left_out`` of the rest follows.

    ``left_out`` gets the sum of ``counts`` not shown. Where not even that has room, the text is empty.
    """
    everything = tuple(sections)
    total = sum(section.counts * (len(section.rows) or 1) for section in everything)
    whole = "".join(section.head + "".join(section.rows) + section.tail for section in everything)
    if measure(whole) <= limit:
        return whole
    room = limit - measure(left_out(total))
    if room < 0:
        return ""
    kept: list[str] = []
    shown = 0
    for section in everything:
        rows = section.rows
        room -= measure(section.head) + measure(section.tail)
        if room < 0 or (rows and measure(rows[0]) > room):
            break
        count = _fitting(rows, room, measure)
        room -= sum(map(measure, rows[:count]))
        kept += [section.head, *rows[:count], section.tail]
        shown += section.counts * (count if rows else 1)
        if count < len(rows):
            break
    return "".join([*kept, left_out(total - shown)])


def fitting(texts: Mapping[str, str], room: int, measure: Callable[[str], int]) -> tuple[dict[str, str], list[str]]:
    """Return the ``texts`` that fit whole, the first before the others, and the names of those that do not."""
    kept: dict[str, str] = {}
    for name, text in texts.items():
        size = measure(text)
        if size <= room:
            kept[name] = text
            room -= size
    return kept, [name for name in texts if name not in kept]


def utf8_bytes(text: str) -> int:
    """Return how many bytes ``text`` takes in a file."""
    return len(text.encode("utf-8", "backslashreplace"))


def utf16_units(text: str) -> int:
    """Return the length of ``text`` as JavaScript, and a form on a web page, counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(rows: tuple[str, ...], room: int, measure: Callable[[str], int]) -> int:
    for count, row in enumerate(rows):
        room -= measure(row)
        if room < 0:
            return count
    return len(rows)
