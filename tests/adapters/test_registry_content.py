"""One contract for the ContentRegistry port: in memory, over HTTP against the fake registry, and the real one."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.memory_registry import MemoryRegistry
from fakes.real_registry import USERS, content_client_for

from pipeline_kit.errors import DigestMismatch, ManifestMissing, RegistryRefused
from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.ports.registry import BlobSource, ContentRegistry

LAYER = "application/vnd.oci.image.layer.v1.tar"
ABSENT = f"sha256:{'0' * 64}"
EMPTY = b"{}"
LARGE = bytes(range(256)) * 12_345
"""About 3 MB: more than is sent in one PUT."""


@pytest.fixture(
    params=[
        "memory",
        "fake",
        "fake-basic",
        "fake-token",
        "fake-old",
        pytest.param("real_open", marks=pytest.mark.registry),
        pytest.param("real_login", marks=pytest.mark.registry),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give each kind of registry in turn; ``fake-old`` has no referrers API, no mounts and no ranges."""
    kind = request.param
    if kind == "memory":
        yield Place(MemoryRegistry(), "memory.test")
        return
    if kind.startswith("real"):
        real = request.getfixturevalue(kind)
        client = content_client_for(real, tmp_path / "docker")
        yield Place(client, real.host, deletes_tags=False)
        client.close()
        return
    users = USERS if kind in ("fake-basic", "fake-token") else {}
    with FakeRegistry(users=users, token=kind == "fake-token") as fake:
        fake.has_referrers = fake.has_ranges = fake.mounts = kind != "fake-old"
        client = content_client_for(fake, tmp_path / "docker")
        yield Place(client, fake.host, mounts=fake.mounts)
        client.close()


class Place:
    """A registry behind the port, its host, and what it can do."""

    def __init__(self, registry: ContentRegistry, host: str, *, mounts: bool = True, deletes_tags: bool = True) -> None:
        self.registry = registry
        self.host = host
        self.mounts = mounts
        self.deletes_tags = deletes_tags

    def at(self, repository: str, tag: str = "t") -> Reference:
        """Return a reference here."""
        return Reference(self.host, repository, tag)

    def put_image(self, reference: Reference, text: str = "") -> str:
        """Bring a small image there through the port, and return its digest."""
        config = json.dumps({"os": "linux", "architecture": "amd64", "text": text}).encode()
        for data in (config, EMPTY):
            self.registry.write_blob(reference, blob_of(data), source_of(data))
        return self.registry.put_manifest(reference, manifest_of(config, EMPTY))


def digest_of(data: bytes) -> str:
    """Return the sha256 digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob_of(data: bytes) -> Descriptor:
    """Return a layer's descriptor."""
    return Descriptor(LAYER, digest_of(data), len(data))


def source_of(data: bytes, piece: int = 100_000) -> BlobSource:
    """Return a source that gives ``data`` in pieces."""

    def read(offset: int) -> Iterator[bytes]:
        for start in range(offset, len(data), piece):
            yield data[start : start + piece]

    return read


def manifest_of(config: bytes, layer: bytes) -> Manifest:
    """Return an image manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [described(layer, LAYER)],
    }
    return Manifest(OCI_MANIFEST, json.dumps(document).encode())


def described(data: bytes, media_type: str) -> dict[str, object]:
    """Return a descriptor's JSON object."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def artifact(place: Place, subject: Reference, kind: str, text: str = "") -> Manifest:
    """Return an artifact about ``subject``, whose only blob is brought there."""
    place.registry.write_blob(subject, blob_of(EMPTY), source_of(EMPTY))
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": described(EMPTY, "application/vnd.oci.empty.v1+json"),
        "layers": [described(EMPTY, "application/vnd.oci.empty.v1+json")],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1},
        "annotations": {"text": text},
    }
    return Manifest(OCI_MANIFEST, json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"x", b"small" * 1000, LARGE], ids=["empty", "one", "small", "large"])
def test_a_blob_comes_back_as_it_was_written(place: Place, data: bytes) -> None:
    """A blob of any size is uploaded once, is there afterwards, and reads as it was."""
    reference, blob = place.at(f"kit/blob-{len(data)}"), blob_of(data)
    assert place.registry.write_blob(reference, blob, source_of(data)) == "uploaded"
    assert place.registry.has_blob(reference, blob.digest)
    assert place.registry.read_blob(reference, blob.digest, limit=len(data)) == data
    assert b"".join(place.registry.stream_blob(reference, blob.digest)) == data
    assert place.registry.write_blob(reference, blob, source_of(b"never read")) == "present"


@pytest.mark.parametrize("offset", [1, 1_000_000, len(LARGE) - 1])
def test_a_blob_reads_from_any_offset(place: Place, offset: int) -> None:
    """A stream begins where it is told to."""
    reference, blob = place.at("kit/offset"), blob_of(LARGE)
    place.registry.write_blob(reference, blob, source_of(LARGE))
    assert b"".join(place.registry.stream_blob(reference, blob.digest, offset=offset)) == LARGE[offset:]


def test_a_blob_that_is_not_there(place: Place) -> None:
    """An absent blob is no error to ask for, and one to read."""
    reference = place.at("kit/present")
    place.put_image(reference)
    for at in (reference, place.at("kit/never-pushed")):
        assert not place.registry.has_blob(at, ABSENT)
        with pytest.raises(ManifestMissing):
            place.registry.read_blob(at, ABSENT, limit=10)
        with pytest.raises(ManifestMissing):
            list(place.registry.stream_blob(at, ABSENT))


def test_a_blob_above_its_limit(place: Place) -> None:
    """A blob larger than the caller can take is refused instead of cut."""
    reference = place.at("kit/limit")
    place.registry.write_blob(reference, blob_of(b"12345"), source_of(b"12345"))
    with pytest.raises(RegistryRefused, match="larger than 4"):
        place.registry.read_blob(reference, digest_of(b"12345"), limit=4)


@pytest.mark.parametrize("data", [b"for a mount", LARGE + b"m"], ids=["small", "large"])
def test_mounting(place: Place, data: bytes) -> None:
    """A blob of another repository is mounted, or uploaded where the registry does not mount; it is there then."""
    source, target = place.at(f"kit/from-{len(data)}"), place.at(f"kit/to-{len(data)}")
    place.registry.write_blob(source, blob_of(data), source_of(data))
    names = ["kit/elsewhere", target.repository, source.repository]
    done = place.registry.write_blob(target, blob_of(data), source_of(data), mount_from=names)
    assert done == ("mounted" if place.mounts else "uploaded")
    assert place.registry.read_blob(target, digest_of(data), limit=len(data)) == data


@pytest.mark.parametrize("size", [10, len(LARGE)])
@pytest.mark.parametrize("missing", [0, 1])
def test_bytes_that_are_not_the_blob(place: Place, size: int, missing: int) -> None:
    """A source of other bytes, or too few, stores nothing."""
    data = LARGE[:size]
    wrong = data[: size - missing] if missing else b"?" + data[1:]
    reference = place.at(f"kit/wrong-{size}-{missing}")
    with pytest.raises(DigestMismatch):
        place.registry.write_blob(reference, blob_of(data), source_of(wrong))
    assert not place.registry.has_blob(reference, digest_of(data))


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_a_source_that_fails(place: Place, size: int) -> None:
    """What the source of the bytes raises is what the caller gets."""

    def broken(offset: int) -> Iterator[bytes]:
        yield LARGE[offset : offset + 5]
        raise ManifestMissing("gone at the source")

    with pytest.raises(ManifestMissing, match="gone at the source"):
        place.registry.write_blob(place.at("kit/source"), blob_of(LARGE[:size]), broken)


def test_referrers(place: Place) -> None:
    """Artifacts are listed by their subject, once each, with type and annotations, and can be asked for by type."""
    image = place.at("kit/subject")
    subject = image.with_digest(place.put_image(image))
    assert place.registry.referrers(subject) == ()
    kinds = ["application/vnd.kit.one", "application/vnd.kit.two"]
    made = [artifact(place, subject, kind, "text") for kind in kinds]
    for manifest in [*made, made[0]]:
        assert place.registry.attach(subject, manifest) == manifest.digest
    expected = {
        Descriptor(OCI_MANIFEST, item.digest, len(item.data), "", (("text", "text"),), kind)
        for item, kind in zip(made, kinds, strict=True)
    }
    listed = place.registry.referrers(subject)
    assert (set(listed), len(listed)) == (expected, 2)
    assert [item.digest for item in place.registry.referrers(subject, kinds[1])] == [made[1].digest]
    assert place.registry.referrers(subject, "application/vnd.kit.three") == ()
    assert place.registry.manifest(subject.with_digest(made[0].digest)) == made[0]


def test_many_writers_of_one_list(place: Place) -> None:
    """Artifacts attached at the same time to the same subject are all listed in the end."""
    image = place.at("kit/crowd")
    subject = image.with_digest(place.put_image(image))
    made = [artifact(place, subject, "application/vnd.kit.one", str(number)) for number in range(6)]
    with ThreadPoolExecutor(len(made)) as pool:
        list(pool.map(lambda manifest: place.registry.attach(subject, manifest), made))
    assert {item.digest for item in place.registry.referrers(subject)} == {item.digest for item in made}


def test_an_artifact_about_something_else(place: Place) -> None:
    """A manifest that names another subject, or none, is not attached."""
    image = place.at("kit/mistaken")
    subject = image.with_digest(place.put_image(image))
    with pytest.raises(RegistryRefused, match="does not name"):
        place.registry.attach(subject.with_digest(ABSENT), artifact(place, subject, "application/vnd.kit.one"))
    with pytest.raises(RegistryRefused, match="does not name"):
        place.registry.attach(subject, manifest_of(EMPTY, EMPTY))


def test_tags(place: Place) -> None:
    """Every tag is listed once; a repository that does not exist has none."""
    names = {f"tag-{number}" for number in range(7)}
    for name in names:
        place.put_image(place.at("kit/tags", name))
    listed = list(place.registry.tags(place.at("kit/tags")))
    assert (set(listed), len(listed)) == (names, 7)
    assert list(place.registry.tags(place.at("kit/no-such-repository"))) == []


def test_deleting_a_manifest(place: Place) -> None:
    """A manifest goes with its tags; nothing to delete is no error."""
    reference = place.at("kit/deleted")
    digest = place.put_image(reference, "deleted")
    by_digest = reference.with_digest(digest)
    assert place.registry.delete(by_digest)
    assert place.registry.observe(by_digest).verdict is Verdict.ABSENT
    assert place.registry.observe(reference).verdict is Verdict.ABSENT
    assert not place.registry.delete(by_digest)


def test_deleting_a_tag(place: Place) -> None:
    """A tag goes alone, or the registry says that it cannot."""
    reference = place.at("kit/untagged", "one")
    digest = place.put_image(reference)
    if not place.deletes_tags:
        with pytest.raises(RegistryRefused) as caught:
            place.registry.delete(reference)
        assert "by digest" in (caught.value.hint or "")
        return
    assert place.registry.delete(reference)
    assert place.registry.observe(reference).verdict is Verdict.ABSENT
    assert place.registry.observe(reference.with_digest(digest)).verdict is Verdict.PRESENT
    assert not place.registry.delete(reference)


def test_a_put_that_is_known_to_be_needed(place: Place) -> None:
    """A caller that has just looked does not have it looked at again."""
    reference = place.at("kit/asked")
    digest = place.put_image(reference)
    manifest = place.registry.manifest(reference)
    assert place.registry.put_manifest(reference.with_tag("again"), manifest, is_asked=True) == digest
    assert place.registry.observe(reference.with_tag("again")).digest == digest
