"""A plan as matrices for GitHub Actions, ``plan --format github-matrix`` (design D11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.outputs.matrix_jobs import DEEPEST, RUNNERS, schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.outputs.matrix_jobs import Job
    from pipeline_kit.plan import Plan


def github_matrix(
    plan: Plan,
    *,
    per_platform: bool = False,
    deepest: int = DEEPEST,
    runners: Mapping[str, str] | None = None,
    only: str | None = None,
) -> dict[str, Any]:
    """Return ``{"count", "levels": [{"include": [job, …]}, …], "join"}``; a matrix of a job for each element of levels.

    A job has ``name``; ``images``, names with blanks between them; ``platform``, ``""`` where they are built whole;
    ``runner``, a label, or a list of labels where ``runners`` (by platform) gives several with commas between them; and
    ``emulate``, the platforms with commas between them that are not native to it. ``join`` is what to join afterwards.
    ``only`` is the platform that the plan was made for.
    Raises InputError as :func:`~pipeline_kit.outputs.matrix_jobs.schedule` does.
    """
    known = {**RUNNERS, **(runners or {})}
    found = schedule(plan, per_platform=per_platform, deepest=deepest, runners=known, only=only)
    return {
        "count": sum(map(len, found.levels)),
        "levels": [{"include": [_entry(job, known) for job in level]} for level in found.levels],
        "join": " ".join(found.join),
    }


def _entry(job: Job, runners: Mapping[str, str]) -> dict[str, Any]:
    labels = job.runner.split(",")
    return {
        "name": _name(job),
        "images": " ".join(job.images),
        "platform": job.platform,
        "runner": labels if len(labels) > 1 else job.runner,
        "emulate": ",".join(platform for platform in job.platforms if runners.get(platform) != job.runner),
    }


def _name(job: Job) -> str:
    first, *others = job.images
    rest = f" and {len(others)} more" if others else ""
    return f"{first}{rest}{f' ({job.platform})' if job.platform else ''}"
