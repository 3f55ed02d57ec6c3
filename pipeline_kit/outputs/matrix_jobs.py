"""Which jobs carry out a plan: by level of the graph, by image and, on native runners, by platform (design D11).

A job is one ``pipeline-kit build [--platform P] IMAGE…``. What a job builds for one platform lies under a staging tag
until ``join``, where later jobs of that platform find it as a base; what a job builds whole lies under its content tag.
So an image that is built whole never builds upon one that is built by platform.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Action

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.plan import Plan, PlannedImage

MOST_JOBS = 256
"""Jobs that GitHub makes of one matrix."""
DEEPEST = 3
"""Levels of jobs, unless it is said: a workflow has a fixed number of them."""
RUNNERS: Mapping[str, str] = {"linux/amd64": "ubuntu-24.04", "linux/arm64": "ubuntu-24.04-arm"}
"""GitHub's own runners by the platform that is native to them."""
_USUAL = "linux/amd64"

_Level = tuple[tuple[str, ...], ...]
"""Groups of images that one job has to build together."""


class Job(NamedTuple):
    """One job. ``platform`` is ``""`` where it builds its images whole."""

    images: tuple[str, ...]
    platform: str
    platforms: tuple[str, ...]
    """What it builds for, sorted."""
    runner: str


class Schedule(NamedTuple):
    """Jobs by level: those of a level start when all of the level before have ended well."""

    levels: tuple[tuple[Job, ...], ...]
    join: tuple[str, ...]
    """What ``join`` is to be asked for afterwards: images built by platform, and images whose aliases only move."""


def schedule(
    plan: Plan,
    *,
    per_platform: bool = False,
    deepest: int = DEEPEST,
    runners: Mapping[str, str] = RUNNERS,
    most: int = MOST_JOBS,
    only: str | None = None,
) -> Schedule:
    """Return the jobs of ``plan``: at most ``most`` in at most ``deepest`` levels (at least 1).

    ``only`` is the platform that the plan was made for, ``None`` for all: then every job is for that one.
    Images below the deepest level share a job of it with what they build upon; images share jobs where there would be
    too many. Raises InputError where even then there are more than ``most``, by platforms alone.
    """
    needs = {image.name: image.needs for image in plan.builds}
    waves = graph.levels(needs)
    for depth in range(min(deepest, len(waves)), 0, -1):
        groups = _groups(waves, needs, depth)
        parted = frozenset(needs) if only else _parted(plan, groups) if per_platform else frozenset()
        levels = _jobs(plan, groups, {**RUNNERS, **runners}, parted)
        shared = _shared(levels, most)
        if shared is not None:
            return Schedule(shared, _to_join(plan, shared))
    if waves:
        raise InputError(f"the images have more platforms than a matrix has jobs ({most})", hint="name fewer images")
    return Schedule((), _to_join(plan, ()))


def _to_join(plan: Plan, levels: Sequence[Sequence[Job]]) -> tuple[str, ...]:
    parted = {name for level in levels for job in level if job.platform for name in job.images}
    return tuple(
        name
        for name, image in plan.images.items()
        if name in parted or (image.action is Action.SKIP and image.alias_moves)
    )


def _groups(waves: Sequence[Sequence[str]], needs: Mapping[str, Collection[str]], depth: int) -> list[_Level]:
    """Return the images by level; from the last level on, images that depend on each other are one group."""
    alone = [tuple((name,) for name in wave) for wave in waves[: depth - 1]]
    tail = [name for wave in waves[depth - 1 :] for name in wave]
    return [*alone, _connected(tail, needs)]


def _connected(names: Sequence[str], needs: Mapping[str, Collection[str]]) -> _Level:
    """Return ``names`` (dependencies first) in groups without a dependency between two of them; order is kept."""
    leader: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name in names:
        joined = dict.fromkeys(leader[need] for need in needs[name] if need in leader)
        groups[name] = [*(other for head in joined for other in groups.pop(head)), name]
        leader.update(dict.fromkeys(groups[name], name))
    position = {name: number for number, name in enumerate(names)}
    found = (tuple(sorted(group, key=position.__getitem__)) for group in groups.values())
    return tuple(sorted(found, key=lambda group: position[group[0]]))


def _jobs(
    plan: Plan, levels: Sequence[_Level], runners: Mapping[str, str], parted: frozenset[str]
) -> list[tuple[Job, ...]]:
    needs = _needs(plan)
    return [
        tuple(
            job
            for group in level
            for job in _of_group(
                [plan.images[name] for name in group],
                runners,
                is_parted=not parted.isdisjoint(graph.dependencies(needs, group)),
            )
        )
        for level in levels
    ]


def _of_group(group: Sequence[PlannedImage], runners: Mapping[str, str], *, is_parted: bool) -> list[Job]:
    platforms = tuple(sorted({platform for image in group for platform in _wanted(image)}))
    if not is_parted:
        names = tuple(image.name for image in group)
        return [Job(names, "", platforms, _runner(platforms, runners))]
    return [
        Job(
            tuple(image.name for image in group if platform in _wanted(image)),
            platform,
            (platform,),
            _runner((platform,), runners),
        )
        for platform in platforms
    ]


def _wanted(image: PlannedImage) -> tuple[str, ...]:
    return image.missing_platforms or image.platforms


def _runner(platforms: Sequence[str], runners: Mapping[str, str]) -> str:
    """Return where platforms are built: natively as far as there are runners, else beside the usual platform."""
    return runners[_USUAL] if _USUAL in platforms else runners.get(platforms[0], runners[_USUAL])


def _needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {name: image.needs for name, image in plan.images.items()}


def _parted(plan: Plan, levels: Sequence[_Level]) -> frozenset[str]:
    """Return the images to build by platform: those for several, but where something has to be built whole.

    That is so where an image builds upon one that lacks one of its platforms; then everything below it is whole too.
    """
    needs = _needs(plan)
    several = frozenset(image.name for image in plan.builds if len(image.platforms) > 1)
    lacking = frozenset(image.name for image in plan.builds if _lacks_a_base(plan, needs, image.name))
    whole = set(graph.dependencies(needs, lacking))
    for group in levels[-1]:
        if any(name in lacking or (name in whole and name in several) for name in group):
            whole |= graph.dependencies(needs, group)
    return several - whole


def _lacks_a_base(plan: Plan, needs: Mapping[str, Collection[str]], name: str) -> bool:
    images = plan.images
    below = [images[other] for other in graph.dependencies(needs, [name]) if other in images]
    return any(
        platform in image.platforms and need in images and platform not in images[need].platforms
        for image in below
        for need in image.needs
        for platform in images[name].platforms
    )


def _shared(levels: Sequence[Sequence[Job]], most: int) -> tuple[tuple[Job, ...], ...] | None:
    """Return the jobs, as many images in one as it takes to have at most ``most``; ``None`` where that is too few."""
    kinds: list[dict[tuple[str, str], list[Job]]] = []
    for level in levels:
        kinds.append({})
        for job in level:
            kinds[-1].setdefault((job.platform, job.runner), []).append(job)
    lengths = [len(jobs) for level in kinds for jobs in level.values()]
    if len(lengths) > most:
        return None
    size = next(size for size in range(1, max(lengths) + 1) if sum(-(-length // size) for length in lengths) <= most)
    if size == 1:
        return tuple(map(tuple, levels))
    return tuple(tuple(job for jobs in level.values() for job in _merged(jobs, size)) for level in kinds)


def _merged(jobs: Sequence[Job], size: int) -> list[Job]:
    """Return ``jobs`` of one platform and runner as few, each of at most ``size`` of them, evenly."""
    count = -(-len(jobs) // size)
    ends = [len(jobs) * number // count for number in range(count + 1)]
    parts = [jobs[begin:end] for begin, end in pairwise(ends)]
    return [
        part[0]._replace(
            images=tuple(name for job in part for name in job.images),
            platforms=tuple(sorted({platform for job in part for platform in job.platforms})),
        )
        for part in parts
    ]
