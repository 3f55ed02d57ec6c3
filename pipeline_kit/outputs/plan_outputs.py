"""What ``plan`` leaves for the steps and jobs that follow it on GitHub: step outputs and the step summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.outputs.cutting import utf8_bytes
from pipeline_kit.outputs.github_files import append_outputs, append_summary, summary_room
from pipeline_kit.outputs.plan_markdown import plan_markdown
from pipeline_kit.plan import Action

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline_kit.outputs.plan_markdown import Origin
    from pipeline_kit.plan import Plan


def plan_outputs(plan: Plan, origin: Origin, matrix: Mapping[str, Any]) -> dict[str, str]:
    """Return the step outputs by name, what matters most first; all but ``markdown`` on one line.

    - ``has-work``: ``true`` where carrying out the plan would change anything, else ``false``;
    - ``count``, ``join``, ``levels``, ``matrix``: the members of ``matrix``, and all of it, as ``--format
      github-matrix`` prints it;
    - ``build``: JSON list of the names to build or complete; ``skip``: of those that are there;
    - ``markdown``: the body of a pull request's comment.
    """
    skips = [image.name for image in plan.images.values() if image.action is Action.SKIP]
    return {
        "has-work": "true" if plan.has_work else "false",
        "count": str(matrix["count"]),
        "join": str(matrix["join"]),
        "build": json.dumps([image.name for image in plan.builds]),
        "levels": json.dumps(matrix["levels"]),
        "markdown": plan_markdown(plan, origin),
        "skip": json.dumps(skips),
        "matrix": json.dumps(matrix),
    }


def write_plan_outputs(path: Path, plan: Plan, origin: Origin, matrix: Mapping[str, Any]) -> None:
    """Append :func:`plan_outputs` to the file ``GITHUB_OUTPUT`` names. Raises OutputFailed."""
    append_outputs(path, plan_outputs(plan, origin, matrix), hint="name fewer images in a job")


def write_plan_summary(path: Path, plan: Plan, origin: Origin) -> None:
    """Append the plan to the file ``GITHUB_STEP_SUMMARY`` names, within the file's limit. Raises OutputFailed."""
    append_summary(path, plan_markdown(plan, origin, limit=summary_room(path), measure=utf8_bytes))
