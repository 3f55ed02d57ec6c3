"""A plan as a CodeBuild batch: a whole buildspec with a build-graph, ``plan --format codebuild-batch`` (design D11).

Source: AWS CodeBuild user guide, "Batch build buildspec reference" and "Run builds in batches". A batch is static: what
is in the graph is built, so the graph is made anew from each plan. Builds find each other's images in the registry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.emitted.yaml_text import yaml_text
from pipeline_kit.outputs.matrix_jobs import schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline_kit.outputs.matrix_jobs import Job
    from pipeline_kit.plan import Plan

MOST_BUILDS = 100
"""Builds in one batch."""
_ARM = "linux/arm64"
_RUNNERS = {"linux/amd64": "", _ARM: _ARM}
_ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    _ARM: {"type": "ARM_CONTAINER", "image": "aws/codebuild/amazonlinux-aarch64-standard:3.0"}
}
_LONGEST = 100
_JOIN = "join_platforms"
_USE = (
    "Builds what is missing, each image when what it builds upon is there. Start it with: pipeline-kit codebuild-batch"
)


class Node(NamedTuple):
    """One build of the graph, which runs ``pipeline-kit COMMAND [--platform PLATFORM] IMAGE…``."""

    identifier: str
    command: str
    images: tuple[str, ...]
    platform: str
    """``""`` where it builds its images whole."""
    runner: str
    """The platform it runs on, ``""`` for the project's own environment."""
    needs: tuple[str, ...]
    """Identifiers of the builds it waits for."""


def batch_nodes(
    plan: Plan, *, per_platform: bool = False, only: str | None = None, most: int = MOST_BUILDS
) -> tuple[Node, ...]:
    """Return the builds, dependencies first; empty where there is nothing to build.

    With ``per_platform``, images for several platforms are built apart on native machines, and a last build joins
    them. ``only`` is the platform that the plan was made for, ``None`` for all. Images share a build where there would
    be more than ``most``. Raises InputError where that does not help.
    """
    wanted = max(len(plan.builds), 1)
    room = most - 1 if per_platform else most
    found = schedule(plan, per_platform=per_platform, deepest=wanted, runners=_RUNNERS, most=room, only=only)
    jobs = [job for level in found.levels for job in level]
    names = list(_identifiers(jobs))
    nodes = [
        Node(name, "build", job.images, job.platform, job.runner, _needs(plan, job, jobs, names))
        for name, job in zip(names, jobs, strict=True)
    ]
    parted = dict.fromkeys(name for job in jobs if job.platform for name in job.images)
    if parted and only is None:
        waits = tuple(node.identifier for node in nodes if node.platform)
        nodes.append(Node(_JOIN, "join", tuple(parted), "", "", waits))
    return tuple(nodes)


def batch_buildspec(
    nodes: Sequence[Node], template: Mapping[str, Any], variables: Mapping[str, str] | None = None
) -> str:
    """Return the buildspec's text: the graph of ``nodes``, each of which carries out the phases of ``template``.

    ``template`` is a buildspec that honours PK_COMMAND and PK_ONLY, as buildspec-templates/build.yml does, and
    ``variables`` are set for every build. Raises InputError where ``nodes`` is empty, since a build-graph may not be,
    or where ``template`` is not such a buildspec.
    """
    known = (template.get("env") or {}).get("variables") or {}
    if not nodes:
        raise InputError("a batch without builds cannot be started")
    if "PK_COMMAND" not in known or "PK_ONLY" not in known or not template.get("phases"):
        raise InputError(
            "the buildspec has no phases, or no env.variables PK_COMMAND and PK_ONLY that they use",
            hint="begin with buildspec-templates/build.yml: its last command in phases.build shows how",
        )
    document = {name: value for name, value in template.items() if name not in ("version", "batch")}
    document["env"] = {**template["env"], "variables": {**known, **(variables or {})}}
    # Not fast-fail: what does not build upon a failed image is built all the same, and is there next time.
    batch = {"fast-fail": False, "build-graph": [_entry(node) for node in nodes]}
    return yaml_text({"version": 0.2, "batch": batch, **document}, _USE)


def _entry(node: Node) -> dict[str, Any]:
    variables = {"PK_COMMAND": node.command, "PK_ONLY": " ".join(node.images)}
    if node.platform:
        variables["PIPELINE_KIT_PLATFORM"] = node.platform
    environment = {**_ENVIRONMENTS.get(node.runner, {}), "privileged-mode": True, "variables": variables}
    return {
        "identifier": node.identifier,
        "env": environment,
        **({"depend-on": list(node.needs)} if node.needs else {}),
    }


def _identifiers(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield a name for each job of letters, digits and ``_`` that no other has, whatever their case."""
    taken = {_JOIN}
    for job in jobs:
        rest = f"_and_{len(job.images) - 1}_more" if len(job.images) > 1 else ""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", f"{job.images[0][:_LONGEST]}{rest}_{job.platform}").strip("_")
        name = plain = plain if plain[:1].isalpha() else f"image_{plain}"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.lower())
        yield name


def _needs(plan: Plan, job: Job, jobs: Sequence[Job], names: Sequence[str]) -> tuple[str, ...]:
    """Return which builds make what ``job`` builds upon: whole, or for its own platform."""
    upon = {need for name in job.images for need in plan.images[name].needs}
    return tuple(
        name
        for name, other in zip(names, jobs, strict=True)
        if other is not job and other.platform in ("", job.platform) and not upon.isdisjoint(other.images)
    )
