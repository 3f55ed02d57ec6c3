"""Text in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.outputs.sanitize import display_width, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return each row as a line, cells (untrusted text) padded to their column's width; rows are equally long."""
    cells = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
