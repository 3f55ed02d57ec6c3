from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.errors import ManifestMissing, RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.execute.copying import BlobCopier
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.execute.promote import Promoted, Promoter, Request, plan_promotion
from pipeline_kit.execute.workers import Workers
from pipeline_kit.manifest import OCI_MANIFEST, Manifest
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, TWO = "one.example", "two.example"
SOURCE = Reference(ONE, "shop/api", "abc")
TAG = "abc"
SBOM = "application/spdx+json"


@dataclass
class World:
    """Two registries behind one port, with an image in the first."""

    registry: MemoryRegistry
    workers: Workers
    newer: set[str] = field(default_factory=set)

    def promote(
        self, target: str = f"{TWO}/prod/api", *, name: str = "api", force: bool = False, **members: Any
    ) -> Promoted:
        """Plan and carry out one promotion."""
        host, _, repository = target.partition("/")
        source = members.pop("source", SOURCE)
        request = Request(name, source, Reference(host, repository), **{"content_tag": TAG, **members})
        root = self.registry.manifest(source)
        blobs = BlobCopier(self.registry)
        promoted = Promoted(plan_promotion(self.registry, request, root, self.workers, blobs=blobs))
        is_newer = self.newer.__contains__
        Promoter(
            self.registry, self.workers, blobs=blobs, is_newer=lambda _, revision: is_newer(revision), force=force
        ).promote(promoted)
        return promoted

    def attach(self, subject: Reference, text: str = "bill", kind: str = SBOM) -> str:
        """Let an artifact refer to ``subject``."""
        data = text.encode()
        layer = {"mediaType": kind, "digest": self.registry.put_blob(subject, data), "size": len(data)}
        empty = {"mediaType": kind, "digest": self.registry.put_blob(subject, b"{}"), "size": 2}
        document = {
            "schemaVersion": 2,
            "artifactType": kind,
            "config": empty,
            "layers": [layer],
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1},
        }
        return self.registry.attach(subject, Manifest(OCI_MANIFEST, json.dumps(document).encode()))

    def names(self, repository: str) -> set[str]:
        """Return the digests of a repository's manifests."""
        return {digest for name, digest in self.registry.manifests if name == repository}

    def writes(self) -> list[str]:
        """Return the calls that changed something."""
        return [call for call in self.registry.calls if call.split()[0] in ("put", "attach")]


@pytest.fixture
def world() -> Iterator[World]:
    """Give an image of two platforms with attestations, one bill of materials, and one signature by cosign's tag."""
    registry = MemoryRegistry()
    digest = registry.put_image(SOURCE, platforms=("linux/amd64", "linux/arm64"), attested=True)
    with Workers() as workers:
        made = World(registry, workers)
        bill = made.attach(SOURCE.with_digest(digest))
        made.attach(SOURCE.with_digest(bill), "signed", "application/vnd.dev.cosign.artifact.sig.v1+json")
        registry.put_image(SOURCE.with_tag(f"sha256-{digest.partition(':')[2]}.sig"), content="signature")
        yield made


@pytest.mark.parametrize("target", [f"{TWO}/prod/api", f"{ONE}/prod/api"], ids=["registries", "repositories"])
def test_everything_arrives_under_the_same_digests(world: World, target: str) -> None:
    """Platforms, attestations, referrers, referrers of referrers, signatures; and all blobs."""
    done = world.promote(target, aliases=("prod",))
    assert (done.status, done.error) == ("promoted", None)
    assert world.names(target) == world.names(SOURCE.name)
    assert {d for n, d in world.registry.blobs if n == target} == {
        d for n, d in world.registry.blobs if n == SOURCE.name
    }
    root = world.registry.tagged[str(SOURCE)]
    named = {
        text.removeprefix(f"{target}:"): at for text, at in world.registry.tagged.items() if text.startswith(target)
    }
    assert named["abc"] == named["prod"] == root
    assert set(named) == {"abc", "prod", f"sha256-{root.partition(':')[2]}.sig"}
    host, _, repository = target.partition("/")
    assert len(world.registry.referrers(Reference(host, repository, digest=root))) == 1
    assert (done.mounted > 0) is target.startswith(ONE)
    assert (done.sent > 0) is target.startswith(TWO)


def test_a_second_promotion_writes_nothing(world: World) -> None:
    """What is there is found, blob by blob and manifest by manifest."""
    world.promote()
    world.registry.calls.clear()
    again = world.promote()
    assert (again.status, again.uploaded, again.manifests, again.sent) == ("unchanged", 0, 0, 0)
    assert not world.writes()


def test_the_tag_is_written_last(world: World) -> None:
    """Whoever sees the tag can pull the image and check its signatures."""
    world.promote(aliases=("prod",))
    assert world.writes()[-2:] == [f"put {TWO}/prod/api:abc", f"put {TWO}/prod/api:prod"]


@pytest.mark.parametrize("at", range(6))
def test_an_interrupted_promotion_is_continued(world: World, at: int) -> None:
    """It leaves no tag, and the next one sends only what is missing."""
    blobs = sorted({digest for name, digest in world.registry.blobs if name == SOURCE.name})
    broken = f"write_blob {TWO}/prod/api@{blobs[at % len(blobs)]}"
    world.registry.failures[broken] = RegistryUnreachable("cut")
    first = world.promote()
    assert (first.status, first.exit_code) == ("failed", 4)
    assert not [text for text in world.registry.tagged if text.startswith(TWO)]
    world.registry.failures.clear()
    second = world.promote()
    assert (second.status, second.uploaded, second.present) == ("promoted", 1, len(blobs) - 1)
    assert world.names(f"{TWO}/prod/api") == world.names(SOURCE.name)


def test_what_two_images_share_is_sent_once(world: World) -> None:
    """From the first target repository it is mounted into the second."""
    registry = world.registry
    blobs = BlobCopier(registry)
    registry.put_image(Reference(ONE, "shop/web", "abc"), platforms=("linux/amd64",), content="same")
    data = b"a base layer that both are built upon"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(data)}
    done = []
    for name in ("x", "y"):
        place = Reference(ONE, f"shop/{name}", "abc")
        config = registry.put_blob(place, name.encode())
        registry.put_blob(place, data)
        document = {"config": {"mediaType": "text/plain", "digest": config, "size": 1}, "layers": [layer]}
        root = Manifest(OCI_MANIFEST, json.dumps(document).encode())
        registry.put_manifest(place, root)
        request = Request(name, place, Reference(TWO, f"prod/{name}"), TAG)
        promoted = Promoted(plan_promotion(registry, request, root, world.workers))
        Promoter(registry, world.workers, blobs=blobs).promote(promoted)
        done.append((promoted.uploaded, promoted.mounted, promoted.sent))
    assert done == [(2, 0, len(data) + 1), (1, 1, 1)]


def test_another_image_under_the_content_tag_is_a_conflict_before_anything_is_copied(world: World) -> None:
    """Nothing is written at the target."""
    world.registry.put_image(Reference(TWO, "prod/api", TAG), content="another")
    held = dict(world.registry.blobs)
    with pytest.raises(TagConflict, match="holds sha256:"):
        world.promote()
    assert world.registry.blobs == held


def test_another_image_that_arrives_meanwhile_is_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag is looked at again before it is written, and stays what it is."""
    monkeypatch.setattr("pipeline_kit.execute.promote.FRESH_SECONDS", 0.0)
    there: list[str] = []

    def meanwhile(call: str) -> None:
        if call.startswith(f"write_blob {TWO}") and not there:
            there.append("")
            there[0] = world.registry.put_image(Reference(TWO, "prod/api", TAG), content="another")

    world.registry.before = meanwhile
    done = world.promote()
    assert (done.status, done.exit_code) == ("failed", 6)
    assert world.registry.tagged[f"{TWO}/prod/api:abc"] == there[0]


def test_an_immutable_target_with_the_same_image_is_success(world: World) -> None:
    """An equal digest is what was wanted."""
    world.promote(aliases=("v1",))
    world.registry.immutable = ".*"
    assert world.promote(aliases=("v1",)).exit_code == 0


def test_an_immutable_alias_with_another_image_is_a_conflict(world: World) -> None:
    """The image itself is promoted; the exit code says that a tag is not where it should be."""
    world.registry.put_image(Reference(TWO, "prod/api", "v1"), content="another")
    world.registry.immutable = "v1"
    done = world.promote(aliases=("v1",))
    assert (done.status, done.exit_code) == ("failed", 6)
    assert world.registry.tagged[f"{TWO}/prod/api:abc"] == world.registry.tagged[str(SOURCE)]


@pytest.mark.parametrize(("force", "code"), [(False, 6), (True, 0)])
def test_an_alias_does_not_go_back_unless_forced(world: World, *, force: bool, code: int) -> None:
    """An image of a newer commit holds it."""
    world.newer.add("2" * 40)
    newer = world.registry.put_image(Reference(TWO, "prod/api", "prod"), labels={REVISION_LABEL: "2" * 40})
    assert world.promote(aliases=("prod",), force=force).exit_code == code
    assert (world.registry.tagged[f"{TWO}/prod/api:prod"] == newer) is not force


def test_without_referrers_only_the_image_goes(world: World) -> None:
    """Nothing is asked about signatures."""
    root = world.registry.manifest(SOURCE)
    request = Request("api", SOURCE, Reference(TWO, "prod/api"), TAG)
    plan = plan_promotion(world.registry, request, root, world.workers, referrers=False)
    assert (len(plan.graph.manifests), plan.graph.referrer_count) == (5, 0)
    assert not [call for call in world.registry.calls if call.startswith("referrers")]


def test_a_source_that_is_not_whole_is_refused(world: World) -> None:
    """A child that the registry has lost is told before anything is copied."""
    root = world.registry.manifest(SOURCE)
    del world.registry.manifests[SOURCE.name, root.children()[0].digest]
    with pytest.raises(ManifestMissing):
        world.promote()


def test_a_referrer_that_refers_to_its_own_subject_ends(world: World) -> None:
    """Following referrers stops: what was read is not read again."""
    digest = world.registry.tagged[str(SOURCE)]
    subject = SOURCE.with_digest(digest)
    for number in range(12):
        subject = SOURCE.with_digest(world.attach(subject, f"note {number}"))
    assert world.promote().status == "promoted"


def test_an_unreadable_signature_stops_the_promotion(world: World) -> None:
    """Unknown is not absent: an image may not lose its signatures on the way."""
    digest = world.registry.tagged[str(SOURCE)].partition(":")[2]
    world.registry.failures[f"manifest {SOURCE.with_tag(f'sha256-{digest}.att')}"] = RegistryRefused("denied")
    with pytest.raises(RegistryRefused, match="denied"):
        world.promote()
