"""What ``prune`` found and deleted, in GitHub's step summary and step outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.github_files import append_outputs, append_summary
from pipeline_kit.outputs.markdown import code
from pipeline_kit.outputs.promotion_plan import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class PruneRow(NamedTuple):
    """One repository: how many images stay, how many no rule keeps and their bytes, how many of those are deleted."""

    repository: str
    kept: int
    going: int
    size: int
    deleted: int = 0


def prune_outputs(rows: Sequence[PruneRow]) -> dict[str, str]:
    """Return the step outputs by name, numbers all: ``delete`` (no rule keeps), ``deleted``, ``kept``, ``bytes``."""
    return {
        "delete": str(sum(row.going for row in rows)),
        "deleted": str(sum(row.deleted for row in rows)),
        "kept": str(sum(row.kept for row in rows)),
        "bytes": str(sum(row.size for row in rows)),
    }


def prune_markdown(rows: Sequence[PruneRow], *, is_carried_out: bool) -> str:
    """Return a table of the repositories."""
    lines = ["### Retention", "", "| repository | kept | not kept | size | deleted |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {code(row.repository)} | {row.kept} | {row.going} | {format_bytes(row.size)} | {row.deleted} |"
        for row in rows
    ]
    note = [] if is_carried_out else ["", "Nothing was deleted."]
    return "\n".join([*lines, *note, "", ""])


def write_prune_outputs(path: Path, rows: Sequence[PruneRow]) -> None:
    """Append :func:`prune_outputs` to the file ``GITHUB_OUTPUT`` names. Raises OutputFailed."""
    append_outputs(path, prune_outputs(rows), hint="name fewer images in a job")


def write_pruning(path: Path, rows: Sequence[PruneRow], *, is_carried_out: bool) -> None:
    """Append the table to the file ``GITHUB_STEP_SUMMARY`` names. Raises OutputFailed."""
    append_summary(path, prune_markdown(rows, is_carried_out=is_carried_out))
