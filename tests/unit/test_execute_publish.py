from __future__ import annotations

import pytest
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.execute.labels import key_label
from pipeline_kit.execute.publish import arrived, publish
from pipeline_kit.plan import Action, PlannedImage, Status, Verdict
from pipeline_kit.ports.registry import Observation
from pipeline_kit.reference import Reference

KEY = "k" * 64
REPOSITORY = Reference("registry.example", "shop/api")
TAGGED = REPOSITORY.with_tag("k" * 40)
OURS = {KEY_LABEL: KEY}
THEIRS = {KEY_LABEL: "x" * 64}

IMAGE = PlannedImage(
    name="api",
    action=Action.BUILD,
    verdict=Verdict.ABSENT,
    key=KEY,
    tag="k" * 40,
    repository=REPOSITORY.name,
    digest=None,
    needs=(),
    platforms=("linux/amd64",),
    missing_platforms=(),
    aliases={},
    reasons=(),
)


def test_an_absent_tag_is_put_and_looked_at_again() -> None:
    """The tag comes to be by one PUT of the very same manifest, right after a look and right before another."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS)
    done = publish(registry, IMAGE, digest)
    assert (done.status, done.digest) == (Status.BUILT, digest)
    assert registry.tagged == {str(TAGGED): digest}
    assert registry.calls == [
        f"observe {TAGGED}",
        f"manifest {REPOSITORY}@{digest}",
        f"observe {TAGGED}",
        f"put {TAGGED}",
        f"observe {TAGGED}",
    ]


def test_a_builder_that_pushed_the_tag_itself_is_done() -> None:
    """Nothing is put twice."""
    registry = MemoryRegistry()
    digest = registry.put_image(TAGGED, labels=OURS)
    assert publish(registry, IMAGE, digest).status is Status.BUILT
    assert registry.calls == [f"observe {TAGGED}"]


@pytest.mark.parametrize("immutable", ["(?!)", ".*"])
def test_a_lost_race_for_the_same_key_is_reused(immutable: str) -> None:
    """Another runner was faster: its image serves as well, mutable tags or not, and is not overwritten."""
    registry = MemoryRegistry(immutable=immutable)
    digest = registry.put_image(REPOSITORY, labels=OURS, content="ours")
    other = registry.put_image(TAGGED, labels=OURS, content="theirs")
    done = publish(registry, IMAGE, digest)
    assert (done.status, done.digest) == (Status.REUSED, other)
    assert registry.tagged[str(TAGGED)] == other


def test_a_race_lost_between_look_and_put_is_reused() -> None:
    """Whoever wrote last decides for every runner alike."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS, content="ours")
    seen: list[str] = []

    def overwrite(call: str) -> None:
        seen.append(call)
        if seen.count(f"observe {TAGGED}") == 2 and call.startswith("observe"):
            registry.put_image(TAGGED, labels=OURS, content="theirs")

    registry.before = overwrite
    done = publish(registry, IMAGE, digest)
    assert done.status is Status.REUSED
    assert done.digest == registry.tagged[str(TAGGED)] != digest


@pytest.mark.parametrize("labels", [THEIRS, {}])
def test_another_image_under_the_tag_is_a_conflict(labels: dict[str, str]) -> None:
    """A tag that holds an image of another key, or of none, is reported with both digests and left alone."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS, content="ours")
    other = registry.put_image(TAGGED, labels=labels, content="theirs")
    with pytest.raises(TagConflict) as caught:
        publish(registry, IMAGE, digest)
    assert other in caught.value.message
    assert digest in caught.value.message
    assert caught.value.hint
    assert registry.tagged[str(TAGGED)] == other


def test_force_overwrites() -> None:
    """That is what force is for."""
    registry = MemoryRegistry()
    registry.put_image(TAGGED, labels=THEIRS, content="theirs")
    digest = registry.put_image(REPOSITORY, labels=OURS, content="ours")
    assert publish(registry, IMAGE, digest, force=True).digest == digest
    assert registry.tagged[str(TAGGED)] == digest


def test_force_does_not_overwrite_an_immutable_tag() -> None:
    """The registry's own refusal stands."""
    registry = MemoryRegistry(immutable=".*")
    registry.put_image(TAGGED, labels=THEIRS, content="theirs")
    digest = registry.put_image(REPOSITORY, labels=OURS, content="ours")
    with pytest.raises(TagConflict):
        publish(registry, IMAGE, digest, force=True)


@pytest.mark.parametrize(
    ("verdict", "error"), [(Verdict.DENIED, RegistryRefused), (Verdict.UNKNOWN, RegistryUnreachable)]
)
@pytest.mark.parametrize("force", [False, True])
def test_an_uncertain_answer_publishes_nothing(verdict: Verdict, error: type[Exception], *, force: bool) -> None:
    """Unknown is not absent, not even with force."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS)
    registry.answers[str(TAGGED)] = Observation(verdict, detail="HTTP 5xx", hint="wait")
    with pytest.raises(error, match="HTTP 5xx"):
        publish(registry, IMAGE, digest, force=force)
    assert not [call for call in registry.calls if call.startswith("put")]


def test_an_image_that_arrives_right_before_the_put_is_not_overwritten() -> None:
    """The last look finds it, so nobody who has read the tag already is left with another digest."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS)
    theirs: list[str] = []

    def arrive(call: str) -> None:
        if call.startswith("manifest") and not theirs:
            theirs.append(registry.put_image(TAGGED, labels=OURS, content="theirs"))

    registry.before = arrive
    done = publish(registry, IMAGE, digest)
    assert (done.status, done.digest) == (Status.REUSED, theirs[0])
    assert not [call for call in registry.calls if call.startswith("put")]


def test_a_tag_that_vanishes_after_the_put_is_told() -> None:
    """A clean-up job at work is not success."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS)
    seen: list[str] = []

    def vanish(call: str) -> None:
        seen.append(call)
        if seen.count(f"observe {TAGGED}") == 3:
            registry.tagged.clear()

    registry.before = vanish
    with pytest.raises(RegistryUnreachable, match="vanished"):
        publish(registry, IMAGE, digest)


def completing(registry: MemoryRegistry, *, attested: bool = False) -> tuple[PlannedImage, str, str]:
    """Return an image to complete, its present digest (amd64), and the digest of the built arm64 part."""
    present = registry.put_image(TAGGED, labels=OURS, platforms=("linux/amd64",), attested=attested)
    added = registry.put_image(REPOSITORY, labels=OURS, platforms=("linux/arm64",), attested=attested)
    image = IMAGE._replace(
        action=Action.COMPLETE,
        verdict=Verdict.PRESENT,
        digest=present,
        platforms=("linux/amd64", "linux/arm64"),
        missing_platforms=("linux/arm64",),
    )
    return image, present, added


@pytest.mark.parametrize("attested", [False, True])
def test_missing_platforms_are_joined_into_one_index(*, attested: bool) -> None:
    """The present platform stays as it is, attestations travel along, and the tag names the whole."""
    registry = MemoryRegistry()
    image, present, added = completing(registry, attested=attested)
    done = publish(registry, image, added)
    joined = registry.manifests[REPOSITORY.name, done.digest]
    assert done.status is Status.COMPLETED
    assert registry.tagged[str(TAGGED)] == done.digest
    assert joined.platforms() == ("linux/amd64", "linux/arm64")
    assert sum(child.is_attestation for child in joined.children()) == (2 if attested else 0)
    kept = {child.digest for child in joined.children()}
    if not attested:
        assert kept == {present, added}
    assert all((REPOSITORY.name, digest) in registry.manifests for digest in kept)


def test_joining_the_same_parts_gives_the_same_digest() -> None:
    """Two runners that complete the same image end in one digest."""
    digests = set()
    for _ in range(2):
        registry = MemoryRegistry()
        image, _, added = completing(registry)
        digests.add(publish(registry, image, added).digest)
    assert len(digests) == 1


def test_a_replaced_platform_takes_its_attestation_along() -> None:
    """A whole image built to complete another leaves no attestation about an image that is gone."""
    registry = MemoryRegistry()
    image, present, _ = completing(registry, attested=True)
    whole = registry.put_image(
        REPOSITORY, labels=OURS, content="again", platforms=("linux/amd64", "linux/arm64"), attested=True
    )
    joined = registry.manifests[REPOSITORY.name, publish(registry, image, whole).digest]
    images = {child.digest for child in joined.children() if not child.is_attestation}
    about = {
        dict(child.annotations)["vnd.docker.reference.digest"] for child in joined.children() if child.is_attestation
    }
    assert about == images
    assert images == {
        child.digest for child in registry.manifests[REPOSITORY.name, whole].children() if not child.is_attestation
    }
    assert present not in images


def test_an_index_completed_by_another_runner_is_reused() -> None:
    """Its new digest carries our key, so nothing is joined onto it."""
    registry = MemoryRegistry()
    image, _, added = completing(registry)
    other = registry.put_image(TAGGED, labels=OURS, platforms=("linux/amd64", "linux/arm64"))
    done = publish(registry, image, added)
    assert (done.status, done.digest) == (Status.REUSED, other)


def test_a_part_is_never_published_as_the_whole() -> None:
    """The image to complete was deleted meanwhile: the missing platforms alone do not become the content tag."""
    registry = MemoryRegistry()
    image, _, added = completing(registry)
    registry.tagged.clear()
    with pytest.raises(RegistryUnreachable, match="vanished") as caught:
        publish(registry, image, added)
    assert caught.value.hint
    assert registry.tagged == {}


def test_arrived_asks_before_a_push_by_tag() -> None:
    """Free: push. There with our key: reuse. There with another: conflict. To complete and unmoved: push."""
    registry = MemoryRegistry()
    assert arrived(registry, IMAGE) is None
    other = registry.put_image(TAGGED, labels=OURS)
    found = arrived(registry, IMAGE)
    assert found is not None
    assert (found.status, found.digest) == (Status.REUSED, other)
    registry.put_image(TAGGED, labels=THEIRS)
    with pytest.raises(TagConflict):
        arrived(registry, IMAGE)
    image, _, _ = completing(registry)
    assert arrived(registry, image) is None
    registry.answers[str(TAGGED)] = Observation(Verdict.UNKNOWN, detail="HTTP 500")
    with pytest.raises(RegistryUnreachable):
        arrived(registry, IMAGE)


def test_the_label_of_an_index_is_that_of_its_first_image() -> None:
    """Attestations in front are passed over; an image without labels has none."""
    registry = MemoryRegistry()
    digest = registry.put_image(REPOSITORY, labels=OURS, platforms=("linux/amd64", "linux/arm64"), attested=True)
    assert key_label(registry, REPOSITORY.with_digest(digest)) == KEY
    bare = registry.put_image(REPOSITORY, content="bare")
    assert key_label(registry, REPOSITORY.with_digest(bare)) is None
