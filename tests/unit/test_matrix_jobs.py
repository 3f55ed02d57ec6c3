"""Which jobs a plan becomes: the order of levels, platforms apart or together, never more than a matrix takes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from fakes.plans import AMD, ARM, BOTH, plan_of, planned
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit import graph
from pipeline_kit.errors import InputError
from pipeline_kit.outputs.github_matrix import github_matrix
from pipeline_kit.outputs.matrix_jobs import MOST_JOBS, Schedule, schedule
from pipeline_kit.plan import Action, Plan, PlannedImage

ODD = "linux/s390x"
SHOP = plan_of(
    planned("base", platforms=BOTH),
    planned("there", Action.SKIP),
    planned("web", Action.BUILD, "base", platforms=BOTH),
    planned("amd", Action.BUILD, "base"),
    planned("arm", platforms=(ARM,)),
    planned("part", Action.COMPLETE, platforms=BOTH, missing=(ARM,)),
)


def jobs(found: Schedule) -> list[list[tuple[str, str]]]:
    """Return each level's jobs as images and platform."""
    return [[(" ".join(job.images), job.platform) for job in level] for level in found.levels]


def test_each_image_is_a_job_of_its_level() -> None:
    """Whole, on the runner that is native to what it builds for; what is there has none."""
    found = schedule(SHOP)
    assert jobs(found) == [[("base", ""), ("arm", ""), ("part", "")], [("web", ""), ("amd", "")]]
    assert [job.runner for job in found.levels[0]] == ["ubuntu-24.04", "ubuntu-24.04-arm", "ubuntu-24.04-arm"]
    assert found.join == ()


def test_each_platform_is_a_job_where_there_are_several() -> None:
    """Only what is missing; one platform alone is whole, unless its base lies under a staging tag until the join."""
    found = schedule(SHOP, per_platform=True)
    assert jobs(found) == [
        [("base", AMD), ("base", ARM), ("arm", ""), ("part", ARM)],
        [("web", AMD), ("web", ARM), ("amd", AMD)],
    ]
    assert found.join == ("base", "web", "amd", "part")


def test_what_builds_upon_a_lesser_base_is_whole_and_so_is_what_is_below() -> None:
    """``build --platform`` refuses such an image, and a whole one would not find bases under staging tags."""
    plan = plan_of(
        planned("base", platforms=BOTH),
        planned("amd", Action.BUILD, "base"),
        planned("both", Action.BUILD, "amd", platforms=BOTH),
        planned("above", Action.BUILD, "both", platforms=BOTH),
        planned("other", Action.BUILD, "base", platforms=BOTH),
    )
    assert jobs(schedule(plan, per_platform=True)) == [
        [("base", "")],
        [("amd", ""), ("other", AMD), ("other", ARM)],
        [("both above", "")],
    ]


@pytest.mark.parametrize(
    ("deepest", "expected"),
    [
        (1, [[("a b c d", ""), ("x y", ""), ("z", "")]]),
        (2, [[("a", ""), ("x", ""), ("z", "")], [("b d", ""), ("c", ""), ("y", "")]]),
        (3, [[("a", ""), ("x", ""), ("z", "")], [("b", ""), ("c", ""), ("y", "")], [("d", "")]]),
        (9, [[("a", ""), ("x", ""), ("z", "")], [("b", ""), ("c", ""), ("y", "")], [("d", "")]]),
    ],
)
def test_deeper_images_share_the_job_of_what_they_build_upon(
    deepest: int, expected: list[list[tuple[str, str]]]
) -> None:
    """No level depends on itself but within a job."""
    plan = plan_of(
        planned("a"),
        planned("x"),
        planned("z"),
        planned("b", Action.BUILD, "a"),
        planned("c", Action.BUILD, "a"),
        planned("y", Action.BUILD, "x"),
        planned("d", Action.BUILD, "b"),
    )
    assert jobs(schedule(plan, deepest=deepest)) == expected


def test_images_share_jobs_beyond_what_a_matrix_takes() -> None:
    """Evenly, only with those of the same level, platform and runner; in the plan's order."""
    many = [planned(f"i{number:03}", platforms=BOTH) for number in range(200)]
    found = schedule(plan_of(*many, planned("top", Action.BUILD, "i000")), per_platform=True)
    assert sum(map(len, found.levels)) == 201
    sizes = [len(job.images) for job in found.levels[0]]
    assert sizes == [2] * 200
    assert [job.platform for job in found.levels[0]] == [AMD] * 100 + [ARM] * 100
    assert [name for job in found.levels[0][:100] for name in job.images] == [image.name for image in many]
    assert jobs(found)[1] == [("top", AMD)]


def test_more_platforms_than_jobs_are_refused() -> None:
    """There is no way to do it, and half a matrix would be a lie."""
    plan = plan_of(planned("a", platforms=BOTH), planned("b", Action.BUILD, "a", platforms=BOTH))
    assert len(schedule(plan, per_platform=True, most=2).levels) == 1
    with pytest.raises(InputError, match=r"more platforms than a matrix has jobs \(1\)"):
        schedule(plan_of(planned("a", platforms=BOTH)), per_platform=True, most=1)


def test_a_plan_of_one_platform_has_jobs_of_that_platform() -> None:
    """Each builds its part, under its staging tag."""
    plan = plan_of(planned("a", platforms=(ARM,)), planned("b", Action.BUILD, "a", platforms=(ARM,)))
    found = schedule(plan, only=ARM)
    assert jobs(found) == [[("a", ARM)], [("b", ARM)]]
    assert found.join == ("a", "b")


def test_nothing_to_build_is_no_level_and_aliases_are_the_joins() -> None:
    """GitHub refuses an empty matrix; an alias that moves is work all the same."""
    there = planned("a", Action.SKIP, aliases={"main": None})
    assert schedule(plan_of(there, planned("b", Action.SKIP))) == Schedule((), ("a",))
    assert github_matrix(plan_of()) == {"count": 0, "levels": [], "join": ""}


def test_the_matrix_for_github() -> None:
    """One document: names for people, labels as runs-on takes them, what has to be emulated."""
    plan = plan_of(planned("a", platforms=(*BOTH, ODD)), planned("b", Action.BUILD, "a", platforms=(ARM,)))
    runners = {ARM: "self-hosted,arm64"}
    assert github_matrix(plan, runners=runners) == {
        "count": 2,
        "levels": [
            {
                "include": [
                    {
                        "name": "a",
                        "images": "a",
                        "platform": "",
                        "runner": "ubuntu-24.04",
                        "emulate": f"{ARM},{ODD}",
                    }
                ]
            },
            {
                "include": [
                    {"name": "b", "images": "b", "platform": "", "runner": ["self-hosted", "arm64"], "emulate": ""}
                ]
            },
        ],
        "join": "",
    }
    parted = github_matrix(plan, per_platform=True, deepest=1)
    assert parted["join"] == "a b"
    assert [(job["name"], job["emulate"]) for job in parted["levels"][0]["include"]] == [
        (f"a ({AMD})", ""),
        (f"a and 1 more ({ARM})", ""),
        (f"a ({ODD})", ODD),
    ]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan: each image may need any earlier one, for one to three platforms, with any action."""
    images: list[PlannedImage] = []
    for number in range(draw(st.integers(0, 14))):
        needs = (
            draw(st.lists(st.sampled_from([image.name for image in images]), max_size=3, unique=True)) if images else ()
        )
        platforms = tuple(sorted(draw(st.sets(st.sampled_from((AMD, ARM, ODD)), min_size=1))))
        action = draw(st.sampled_from((Action.BUILD, Action.BUILD, Action.COMPLETE, Action.SKIP)))
        missing = platforms[:1] if action is Action.COMPLETE else ()
        images.append(planned(f"i{number}", action, *needs, platforms=platforms, missing=missing))
    return plan_of(*images)


@given(plans(), st.booleans(), st.integers(1, 4), st.integers(12, 40))
def test_every_schedule_builds_everything_once_with_bases_first(
    plan: Plan, per_platform: bool, deepest: int, most: int
) -> None:
    """What the jobs rest upon: order, completeness, and that each finds its bases where it looks for them."""
    found = schedule(plan, per_platform=per_platform, deepest=deepest, most=most)
    assert len(found.levels) <= deepest
    assert sum(map(len, found.levels)) <= min(most, MOST_JOBS)
    work = {image.name: image for image in plan.builds}
    made: dict[str, dict[str, int]] = {name: {} for name in work}
    for number, level in enumerate(found.levels):
        for job in level:
            for name in job.images:
                for platform in (
                    (job.platform,) if job.platform else work[name].missing_platforms or work[name].platforms
                ):
                    assert platform not in made[name]
                    made[name][platform] = number
            _assert_bases(plan, found, job.images, job.platform, number)
    for name, image in work.items():
        assert set(made[name]) == set(image.missing_platforms or image.platforms)
    json.dumps(github_matrix(plan, per_platform=per_platform, deepest=deepest))


def _assert_bases(plan: Plan, found: Schedule, images: tuple[str, ...], platform: str, number: int) -> None:
    """Fail unless every base of a job's images is in it, or was made before, the way this job asks for it."""
    before = [job for level in found.levels[:number] for job in level]
    work = {image.name: image.missing_platforms or image.platforms for image in plan.builds}
    for name in images:
        for need in plan.images[name].needs:
            if need not in work or need in images or (platform and platform not in work[need]):
                continue
            makers = [job.platform for job in before if need in job.images]
            assert makers
            assert platform in makers or set(makers) == {""}
    below = graph.dependencies(_needs(plan), images)
    assert all(platform in plan.images[name].platforms for name in below if platform)


def _needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {name: image.needs for name, image in plan.images.items()}


@given(plans(), st.booleans())
def test_shared_jobs_are_even(plan: Plan, per_platform: bool) -> None:
    """No job of a kind has two images more than another, where none depend on each other."""
    free = plan_of(*(image._replace(needs=()) for image in plan.images.values()))
    found = schedule(free, per_platform=per_platform, most=12)
    kinds: dict[tuple[str, str], list[int]] = {}
    for job in found.levels[0] if found.levels else ():
        kinds.setdefault((job.platform, job.runner), []).append(len(job.images))
    assert all(abs(one - other) <= 1 for sizes in kinds.values() for one, other in pairwise(sizes))
