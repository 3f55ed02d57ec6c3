from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from fakes.build_requests import request_for
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.app.staging import staged
from pipeline_kit.app.tagging import read_platform
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import InputError, RegistryUnreachable, TagConflict
from pipeline_kit.execute.join import Joiner, staging_tag
from pipeline_kit.execute.run import Run
from pipeline_kit.plan import Action, Candidate, Plan, Verdict, decide
from pipeline_kit.ports.builder import BuildEvent, BuildRequest
from pipeline_kit.reference import Reference
from pipeline_kit.scopes import TRUSTED

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "registry.example"
AMD, ARM = "linux/amd64", "linux/arm64"
KEY, TAG = "a" * 64, "a" * 40
API = Reference(HOST, "shop/api")
TAGGED = API.with_tag(TAG)


@dataclass
class World:
    """A registry, and one image for two platforms."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    events: list[BuildEvent] = field(default_factory=list)

    def stage(self, platform: str, *, key: str = KEY, as_if: str = "", content: str = "", attested: bool = True) -> str:
        """Push one platform as build --platform would."""
        place = API.with_tag(staging_tag(TAG, as_if or platform))
        return self.registry.put_image(
            place, labels={KEY_LABEL: key}, platforms=(platform,), content=content, attested=attested
        )

    def candidate(self, verdict: Verdict = Verdict.ABSENT, *missing: str, digest: str | None = None) -> Candidate:
        """Return what a plan knows of the image."""
        return Candidate(
            name="api",
            repository=API.name,
            needs=(),
            platforms=(AMD, ARM),
            key=KEY,
            tag=TAG,
            verdict=verdict,
            digest=digest,
            missing_platforms=missing,
            aliases={"main": None},
        )

    def plan(self) -> Plan:
        """Ask and decide."""
        answer = self.registry.observe(TAGGED)
        missing: Sequence[str] = ()
        if answer.digest:
            held = self.registry.manifest(TAGGED).platforms()
            missing = [platform for platform in (AMD, ARM) if platform not in held]
        found = self.candidate(answer.verdict, *missing, digest=answer.digest)
        return decide({"api": found}, wanted=("api",), force=False)

    def join(self, objection: str = "") -> Run:
        """Join as the command does."""
        plan = self.plan()
        run = Run(plan, self.registry)
        requests = [
            request_for(image, platforms=image.missing_platforms or image.platforms, content_tag=str(image.tag))
            for image in plan.builds
        ]
        if requests:
            run.build(
                Joiner(self.registry, lambda _, __: objection), requests, recheck=tuple, on_event=self.events.append
            )
        run.move_aliases(lambda _: None)
        return run

    def platforms(self) -> tuple[str, ...]:
        """Return what the content tag holds."""
        return self.registry.manifest(TAGGED).platforms()


@pytest.fixture
def world() -> World:
    """Return an empty registry."""
    return World()


@pytest.mark.parametrize("attested", [False, True])
def test_two_platforms_become_one_image(world: World, *, attested: bool) -> None:
    """In the configured order, with their attestations behind them; then aliases move."""
    world.stage(ARM, attested=attested)
    world.stage(AMD, attested=attested)
    run = world.join()
    assert run.exit_code == 0
    assert world.platforms() == (AMD, ARM)
    children = world.registry.manifest(TAGGED).children()
    assert [child.is_attestation for child in children] == [False, False, *([True, True] if attested else [])]
    assert world.registry.tagged[f"{API}:main"] == run.outcomes["api"].digest == world.registry.tagged[str(TAGGED)]


def test_whoever_joins_makes_the_same_image(world: World) -> None:
    """Two runners that join at once end with one digest, and the second finds nothing to do."""
    world.stage(AMD)
    world.stage(ARM)
    plan, other = world.join(), world.join()
    assert plan.outcomes["api"].digest == other.outcomes["api"].digest
    assert other.plan.images["api"].action is Action.SKIP


def test_a_platform_that_is_not_pushed_yet_fails_the_image(world: World) -> None:
    """Nothing is tagged, no alias moves; the message says what to run where."""
    world.stage(AMD)
    run = world.join()
    assert run.exit_code == 1
    assert run.outcomes["api"].error == (
        f"not pushed yet: {ARM} (first, there: pipeline-kit build --platform {ARM} api)"
    )
    assert str(TAGGED) not in world.registry.tagged
    assert f"{API}:main" not in world.registry.tagged


def test_a_present_image_is_completed_by_what_was_staged(world: World) -> None:
    """The platforms that are there stay as they are, by digest."""
    world.registry.put_image(TAGGED, labels={KEY_LABEL: KEY}, platforms=(AMD,), attested=True)
    kept = world.registry.manifest(TAGGED).children()[0].digest
    world.stage(ARM)
    run = world.join()
    assert run.outcomes["api"].status.value == "completed"
    assert {child.platform: child.digest for child in world.registry.manifest(TAGGED).children()}[AMD] == kept
    assert set(world.platforms()) == {AMD, ARM}


def test_what_the_content_tag_holds_need_not_be_staged(world: World) -> None:
    """A platform that another way of building has brought counts."""
    world.registry.put_image(TAGGED, labels={KEY_LABEL: KEY}, platforms=(AMD, ARM))
    held = world.registry.tagged[str(TAGGED)]
    request = BuildRequest("api", "/", "/", None, {}, {}, (AMD, ARM), {KEY_LABEL: KEY}, API.name, TAG, content_tag=TAG)
    outcome = Joiner(world.registry).build([request], push=True, on_event=world.events.append)["api"]
    joined = world.registry.manifest(API.with_digest(str(outcome.digest)))
    assert [child.digest for child in joined.children()] == [
        child.digest for child in world.registry.manifest(API.with_digest(held)).children()
    ]


def test_an_image_of_another_key_is_not_joined(world: World) -> None:
    """A staging tag proves nothing: the key's label does."""
    world.stage(AMD)
    world.stage(ARM, key="b" * 64)
    with pytest.raises(TagConflict, match="not built for this key"):
        world.join()
    assert str(TAGGED) not in world.registry.tagged


def test_an_image_of_another_platform_is_not_joined(world: World) -> None:
    """Whatever the tag says."""
    world.stage(AMD)
    world.stage(AMD, as_if=ARM, attested=False)
    with pytest.raises(TagConflict, match=f"not for {ARM}"):
        world.join()


def test_an_image_without_the_proof_that_is_asked_for_is_not_joined(world: World) -> None:
    """As for hits: verify decides."""
    world.stage(AMD)
    world.stage(ARM)
    with pytest.raises(TagConflict, match="and no record names it"):
        world.join("no record names it")


def test_a_registry_that_does_not_answer_stops_the_join(world: World) -> None:
    """Unknown is not absent."""
    world.stage(AMD)
    place = API.with_tag(staging_tag(TAG, ARM))
    from pipeline_kit.ports.registry import Observation

    world.registry.answers[str(place)] = Observation(Verdict.UNKNOWN, detail="503")
    with pytest.raises(RegistryUnreachable):
        world.join()


def see(world: World, found: Candidate, platform: str = ARM) -> Candidate:
    """Return the candidate as a run for one platform sees it."""
    return staged({"api": found}, platform, world.registry, scope=TRUSTED)["api"]


def test_a_run_for_one_platform_builds_it_under_its_staging_tag(world: World) -> None:
    """Aliases wait until the image is whole."""
    seen = see(world, world.candidate())
    assert (seen.verdict, seen.tag, seen.platforms) == (Verdict.ABSENT, f"{TAG}-linux-arm64", (ARM,))
    assert not seen.aliases


def test_a_run_for_one_platform_takes_what_was_staged(world: World) -> None:
    """Another runner has built it."""
    digest = world.stage(ARM)
    seen = see(world, world.candidate())
    assert (seen.verdict, seen.digest) == (Verdict.PRESENT, digest)
    planned = decide({"api": seen}, wanted=("api",), force=False)
    assert planned.images["api"].action is Action.SKIP


@pytest.mark.parametrize(("missing", "verdict"), [((), Verdict.PRESENT), ((AMD,), Verdict.PRESENT)])
def test_a_run_for_one_platform_takes_it_from_the_whole_image(
    world: World, missing: tuple[str, ...], verdict: Verdict
) -> None:
    """What the content tag holds is not asked for again, and what else it lacks is others' work."""
    seen = see(world, world.candidate(Verdict.PRESENT, *missing, digest="sha256:x"))
    assert (seen.verdict, seen.tag, seen.digest, seen.missing_platforms) == (verdict, TAG, "sha256:x", ())
    assert not world.registry.calls


def test_a_platform_that_the_present_image_lacks_is_built_apart(world: World) -> None:
    """It does not touch the content tag."""
    seen = see(world, world.candidate(Verdict.PRESENT, ARM, digest="sha256:x"))
    assert (seen.verdict, seen.tag, seen.digest) == (Verdict.ABSENT, f"{TAG}-linux-arm64", None)


def test_a_staged_image_of_another_key_is_denied_where_labels_count(world: World) -> None:
    """As under a content tag."""
    world.stage(ARM, key="b" * 64)
    seen = staged({"api": world.candidate()}, ARM, world.registry, level="label", scope=TRUSTED)["api"]
    assert seen.verdict is Verdict.DENIED


def test_a_denied_content_tag_stays_denied(world: World) -> None:
    """No staging tag is asked for."""
    assert see(world, world.candidate(Verdict.DENIED)).verdict is Verdict.DENIED
    assert not world.registry.calls


def test_an_image_cannot_build_upon_one_without_its_platform(world: World) -> None:
    """It is told before anything is built."""
    base = Candidate("base", f"{HOST}/shop/base", (), (AMD,), KEY, TAG, Verdict.PRESENT)
    api = Candidate("api", API.name, ("base",), (AMD, ARM), KEY, TAG, Verdict.ABSENT)
    with pytest.raises(InputError, match="api builds upon base, which is not built for linux/arm64"):
        staged({"base": base, "api": api}, ARM, world.registry, scope=TRUSTED)


@pytest.mark.parametrize(("text", "platform"), [("linux/ARM64/v8", ARM), ("arm64", ARM), ("linux/arm", "linux/arm/v7")])
def test_platforms_are_normalised(text: str, platform: str) -> None:
    """As in the configuration."""
    assert read_platform(text) == platform


@pytest.mark.parametrize("text", ["", "linux/", "a/b/c/d", "linux/../x", "linux/$(id)"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    """It would become part of a tag."""
    with pytest.raises(InputError):
        read_platform(text)


def test_the_index_is_an_oci_index_with_raw_descriptors(world: World) -> None:
    """Platforms and annotations of the staged indexes stay as BuildKit wrote them."""
    world.stage(AMD)
    world.stage(ARM)
    world.join()
    document = json.loads(world.registry.manifest(TAGGED).data)
    assert document["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert document["manifests"][2]["annotations"]["vnd.docker.reference.digest"] == document["manifests"][0]["digest"]
