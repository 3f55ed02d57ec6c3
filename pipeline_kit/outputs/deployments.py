"""Deployments in GitHub's step summary and step outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline_kit.outputs.github_files import append_outputs, append_summary
from pipeline_kit.outputs.markdown import code, escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Row = tuple[str, str, str, str]
    """Service, ARN of its revision, status, detail."""


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
    append_summary(path, deployments_markdown(rows))


def deployment_outputs(rows: Iterable[Row]) -> dict[str, str]:
    """Return the step outputs by name: JSON on one line each.

    - ``deployed``: list of the services (``environment/service``) that run what was asked for since this run, or whose
      deployment was only started; ``unchanged``: of those that ran it already;
    - ``services``: object, service to ``{"status", "task_definition"}``, failures included.
    """
    known = list(rows)
    return {
        "deployed": json.dumps([key for key, _, status, _ in known if status in ("deployed", "started")]),
        "unchanged": json.dumps([key for key, _, status, _ in known if status == "unchanged"]),
        "services": json.dumps(
            {key: {"status": status, "task_definition": revision or None} for key, revision, status, _ in known}
        ),
    }


def write_deployment_outputs(path: Path, rows: Iterable[Row]) -> None:
    """Append :func:`deployment_outputs` to the file ``GITHUB_OUTPUT`` names. Raises OutputFailed."""
    append_outputs(path, deployment_outputs(rows), hint="name fewer services in a job")
