"""``plan --format codebuild-batch``: which builds there are, what each waits for, and the buildspec as text."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from fakes.buildspec_form import problems
from fakes.codebuild_scene import TEMPLATES
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.codebuild_batch import MOST_BUILDS, Node, batch_buildspec, batch_nodes
from pipeline_kit.plan import Action, Plan, PlannedImage, Verdict

TEMPLATE: dict[str, Any] = yaml.safe_load((TEMPLATES / "build.yml").read_text(encoding="utf-8"))
BOTH = ("linux/amd64", "linux/arm64")


def image(name: str, *needs: str, platforms: tuple[str, ...] = ("linux/amd64",), **members: Any) -> PlannedImage:
    """Return an image to build, or what ``members`` say."""
    given: dict[str, Any] = {
        "action": Action.BUILD,
        "verdict": Verdict.ABSENT,
        "key": "k",
        "tag": "t",
        "repository": f"registry.example/{name}",
        "digest": None,
        "missing_platforms": (),
        "aliases": {},
        "reasons": (),
    }
    return PlannedImage(name=name, needs=needs, platforms=platforms, **{**given, **members})


def plan(*images: PlannedImage) -> Plan:
    """Return the plan of some images, dependencies first."""
    return Plan({item.name: item for item in images})


def graph(nodes: tuple[Node, ...]) -> dict[str, tuple[str, ...]]:
    """Return what each build waits for."""
    return {node.identifier: node.needs for node in nodes}


def test_one_build_for_each_image_that_waits_for_what_is_built_of_its_bases() -> None:
    """Images that are there are neither built nor waited for."""
    there = image("there", action=Action.SKIP, verdict=Verdict.PRESENT)
    nodes = batch_nodes(plan(there, image("base"), image("api", "base", "there"), image("web", "there")))
    assert graph(nodes) == {"base": (), "web": (), "api": ("base",)}
    assert {(node.command, node.platform, node.runner) for node in nodes} == {("build", "", "")}


def test_nothing_to_build_is_no_batch() -> None:
    """A build-graph may not be empty."""
    there = image("there", action=Action.SKIP, verdict=Verdict.PRESENT, aliases={"live": None})
    assert batch_nodes(plan(there), per_platform=True) == ()
    with pytest.raises(InputError, match="without builds"):
        batch_buildspec((), TEMPLATE)


def test_platforms_are_built_apart_and_joined_when_asked() -> None:
    """Each platform builds upon that platform of its base; only what is missing is built; one build joins."""
    several = plan(
        image("base", platforms=BOTH, action=Action.COMPLETE, missing_platforms=("linux/arm64",)),
        image("api", "base", platforms=BOTH),
        image("tool"),
    )
    assert graph(batch_nodes(several, per_platform=True)) == {
        "base_linux_arm64": (),
        "tool": (),
        "api_linux_amd64": (),
        "api_linux_arm64": ("base_linux_arm64",),
        "join_platforms": ("base_linux_arm64", "api_linux_amd64", "api_linux_arm64"),
    }
    nodes = {node.identifier: node for node in batch_nodes(several, per_platform=True)}
    assert (nodes["join_platforms"].command, nodes["join_platforms"].images) == ("join", ("base", "api"))
    assert [name for name, node in nodes.items() if node.runner] == ["base_linux_arm64", "api_linux_arm64"]
    assert list(graph(batch_nodes(several))) == ["base", "tool", "api"]


def test_a_plan_for_one_platform_is_joined_by_nobody() -> None:
    """Whoever plans for one platform joins by themselves."""
    nodes = batch_nodes(plan(image("base", platforms=("linux/arm64",))), only="linux/arm64")
    assert [(node.command, node.platform) for node in nodes] == [("build", "linux/arm64")]


def test_images_for_arm_alone_are_built_on_arm() -> None:
    """Native is faster than emulation, also where nothing is to be joined."""
    spec = yaml.safe_load(batch_buildspec(batch_nodes(plan(image("base", platforms=("linux/arm64",)))), TEMPLATE))
    (node,) = spec["batch"]["build-graph"]
    assert (node["env"]["type"], node["env"]["privileged-mode"]) == ("ARM_CONTAINER", True)
    assert "aarch64" in node["env"]["image"]


def test_the_buildspec_has_the_templates_phases_and_says_what_each_build_does() -> None:
    """Everything else of the template is kept; variables of the plan reach every build."""
    nodes = batch_nodes(plan(image("base"), image("my.api", "base")))
    text = batch_buildspec(nodes, TEMPLATE, {"PIPELINE_KIT_VERIFY": "record"})
    spec = yaml.safe_load(text)
    assert problems(spec) == []
    assert text.startswith("# Written by pipeline-kit.")
    for part in ("phases", "artifacts", "cache"):
        assert spec[part] == TEMPLATE[part]
    assert spec["env"]["variables"] == {**TEMPLATE["env"]["variables"], "PIPELINE_KIT_VERIFY": "record"}
    assert spec["batch"] == {
        "fast-fail": False,
        "build-graph": [
            {
                "identifier": name,
                "env": {"privileged-mode": True, "variables": {"PK_COMMAND": "build", "PK_ONLY": only}},
                **waits,
            }
            for name, only, waits in (("base", "base", {}), ("my_api", "my.api", {"depend-on": ["base"]}))
        ],
    }


@pytest.mark.parametrize("template", [{}, {"env": {"variables": {}}, "phases": {}}, {**TEMPLATE, "phases": {}}])
def test_a_buildspec_that_builds_all_images_whatever_it_is_told_is_refused(template: dict[str, Any]) -> None:
    """Else every build of the batch would build everything."""
    with pytest.raises(InputError, match="PK_COMMAND and PK_ONLY"):
        batch_buildspec(batch_nodes(plan(image("base"))), template)


def test_more_images_than_builds_share_builds() -> None:
    """At most a hundred builds, evenly filled, with what builds upon them still after them."""
    base = image("base", platforms=BOTH)
    many = [image(f"service-{number}", "base", platforms=BOTH) for number in range(150)]
    nodes = batch_nodes(plan(base, *many), per_platform=True)
    assert len(nodes) <= MOST_BUILDS
    assert problems(yaml.safe_load(batch_buildspec(nodes, TEMPLATE))) == []
    for platform in BOTH:
        built = [name for node in nodes if node.platform == platform for name in node.images]
        assert sorted(built) == sorted(["base", *(item.name for item in many)])
        first = next(node.identifier for node in nodes if node.platform == platform and "base" in node.images)
        later = [node for node in nodes if node.platform == platform and node.identifier != first]
        assert {node.needs for node in later} == {(first,)}


def test_a_chain_longer_than_a_batch_is_built_all_the_same() -> None:
    """What does not fit in levels of their own shares a build, which builds in order by itself."""
    names = [f"image-{number}" for number in range(130)]
    chain = [image(name, *names[max(0, number - 1) : number]) for number, name in enumerate(names)]
    nodes = batch_nodes(plan(*chain))
    assert len(nodes) <= MOST_BUILDS
    assert [name for node in nodes for name in node.images] == names


_names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans(), st.integers(6, 12))
def test_every_image_is_built_once_after_what_it_builds_upon(
    data: st.DataObject, per_platform: bool, most: int
) -> None:
    """Whatever the graph: legal and unique identifiers, no cycle, no more builds than allowed, nothing twice."""
    names = data.draw(st.lists(_names, min_size=1, max_size=14, unique_by=lambda name: re.sub("[._]", "-", name)))
    images = []
    for number, name in enumerate(names):
        needs = data.draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3)) if number else []
        images.append(image(name, *needs, platforms=BOTH if data.draw(st.booleans()) else BOTH[:1]))
    nodes = batch_nodes(plan(*images), per_platform=per_platform, most=most)
    spec = yaml.safe_load(batch_buildspec(nodes, TEMPLATE))
    assert problems(spec) == []
    assert len(nodes) <= most
    done: dict[tuple[str, str], str] = {}
    for node in (node for node in nodes if node.command == "build"):
        for name in node.images:
            for platform in [node.platform] if node.platform else images[names.index(name)].platforms:
                assert (name, platform) not in done
                done[name, platform] = node.identifier
    assert set(done) == {(item.name, platform) for item in images for platform in item.platforms}
    waits = graph(nodes)
    for item in images:
        for need in item.needs:
            for platform in set(item.platforms) & set(images[names.index(need)].platforms):
                ours, theirs = done[item.name, platform], done[need, platform]
                assert ours == theirs or theirs in waits[ours]
