"""Deployments in GitHub's step summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.outputs.files import append
from pipeline_kit.outputs.markdown import code, escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Row = tuple[str, str, str, str]


def deployments_markdown(rows: Iterable[Row]) -> str:
    """Return a table of service, revision, status and detail."""
    lines = ["### Deployments", "", "| service | task definition | | |", "|---|---|---|---|"]
    lines += [
        f"| {code(key)} | {code(revision.rpartition('/')[2] or '-')} | {escape(status)} | {escape(detail)} |"
        for key, revision, status, detail in rows
    ]
    return "\n".join([*lines, "", ""])


def write_deployments(path: Path, rows: Iterable[Row]) -> None:
    """Append the table to the file ``GITHUB_STEP_SUMMARY`` names. Raises OutputFailed."""
    append(path, deployments_markdown(rows).encode("utf-8", "backslashreplace"), what="the GitHub step summary")
