"""Promotions in GitHub's step summary and step outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.github_files import append_outputs, append_summary
from pipeline_kit.outputs.markdown import code, escape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class PromotionRow(NamedTuple):
    """One image: its name, its target (``host/repository:tag`` or by digest), digest, what became of it, and why."""

    name: str
    target: str
    digest: str
    status: str
    detail: str = ""

    @property
    def pinned(self) -> str:
        """Return ``host/repository@digest``."""
        repository, sign, last = self.target.partition("@")[0].rpartition("/")
        return f"{repository}{sign}{last.partition(':')[0]}@{self.digest}"


def promotion_outputs(rows: Sequence[PromotionRow]) -> dict[str, str]:
    """Return the step outputs by name: JSON on one line each.

    - ``images``: object, name to ``host/repository@digest`` at the target, of what is there now;
    - ``promoted``: list of the names that this run copied or tagged; ``unchanged``: of those that were there already.
    """
    there = [row for row in rows if row.status in ("promoted", "unchanged")]
    return {
        "images": json.dumps({row.name: row.pinned for row in there}),
        "promoted": json.dumps([row.name for row in there if row.status == "promoted"]),
        "unchanged": json.dumps([row.name for row in there if row.status == "unchanged"]),
    }


def promotions_markdown(rows: Sequence[PromotionRow]) -> str:
    """Return a table of the images and where they are now."""
    lines = ["### Promotions", "", "| image | | target | digest | |", "|---|---|---|---|---|"]
    lines += [
        f"| {code(row.name)} | {escape(row.status)} | {code(row.target)} | {code(row.digest)} | {escape(row.detail)} |"
        for row in rows
    ]
    return "\n".join([*lines, "", ""])


def write_promotion_outputs(path: Path, rows: Sequence[PromotionRow]) -> None:
    """Append :func:`promotion_outputs` to the file ``GITHUB_OUTPUT`` names. Raises OutputFailed."""
    append_outputs(path, promotion_outputs(rows), hint="name fewer images in a job")


def write_promotions(path: Path, rows: Sequence[PromotionRow]) -> None:
    """Append the table to the file ``GITHUB_STEP_SUMMARY`` names. Raises OutputFailed."""
    append_summary(path, promotions_markdown(rows))
