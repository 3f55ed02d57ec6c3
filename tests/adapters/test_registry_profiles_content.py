"""The rest of the distribution API over every registry of the field: whole pushes, blobs, referrers, tags, deletion."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from fakes.registry_profiles import WITH_FRONT, WITH_READER, only
from fakes.registry_profiles_own import QUAY

from pipeline_kit.errors import RegistryRefused
from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fakes.registry_scene import RegistryScene

    from pipeline_kit.adapters.registry.content import ContentClient
    from pipeline_kit.ports.registry import BlobSource
    from pipeline_kit.reference import Reference

pytestmark = pytest.mark.registry

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = b"{}"
LARGE = bytes(range(256)) * 8_200
"""About 2 MB: more than is sent in one PUT."""


def blob_of(data: bytes, media_type: str = LAYER) -> Descriptor:
    """Return the descriptor of ``data``."""
    return Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def source_of(data: bytes, at_end: Callable[[], object] = lambda: None) -> BlobSource:
    """Return a source that gives ``data`` in pieces, and calls ``at_end`` when the last one is taken."""

    def read(offset: int) -> Iterator[bytes]:
        for start in range(offset, len(data), 100_000):
            if start + 100_000 >= len(data):
                at_end()
            yield data[start : start + 100_000]

    return read


def described(blob: Descriptor) -> dict[str, object]:
    """Return a descriptor's JSON object."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def manifest_of(layer: bytes, **members: object) -> Manifest:
    """Return an image manifest of one layer."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(blob_of(EMPTY, CONFIG)),
        "layers": [described(blob_of(layer))],
        **members,
    }
    return Manifest(OCI_MANIFEST, json.dumps(document).encode())


def push(client: ContentClient, reference: Reference, layer: bytes) -> str:
    """Push an image, as a promotion does, and return its digest."""
    for data in (EMPTY, layer):
        client.write_blob(reference, blob_of(data), source_of(data))
    return client.put_manifest(reference, manifest_of(layer))


def made(scene: RegistryScene, name: str = "app") -> Reference:
    """Return a tag of a repository that exists and holds nothing."""
    reference = scene.reference(name)
    scene.front.repositories.add(reference.repository)
    return reference


def test_a_whole_push(scene: RegistryScene) -> None:
    """A push needs one token, and what it brought is not sent again."""
    client = scene.client()
    reference = made(scene)
    digest = push(client, reference, LARGE)
    assert client.observe(reference).digest == digest
    writes = len(scene.front.asked("POST|PATCH|PUT"))
    assert push(client, reference, LARGE) == digest
    assert len(scene.front.asked("POST|PATCH|PUT")) == writes
    asked = [unquote(f"{item.path} {item.body.decode()}") for item in scene.front.token_requests()]
    pushing = [text for text in asked if "pull,push" in text]
    assert len(pushing) == (scene.profile.scheme == "bearer")
    assert client.statistics.retries == []


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_blobs(scene: RegistryScene, data: bytes) -> None:
    """A blob is uploaded once and read back."""
    client = scene.client()
    reference, blob = made(scene), blob_of(data)
    assert not client.has_blob(reference, blob.digest)
    assert client.write_blob(reference, blob, source_of(data)) == "uploaded"
    assert client.write_blob(reference, blob, source_of(data)) == "present"
    assert client.read_blob(reference, blob.digest, limit=len(data)) == data
    assert b"".join(client.stream_blob(reference, blob.digest)) == data


def test_a_mount(scene: RegistryScene) -> None:
    """A blob of another repository is mounted, or uploaded in the session that a registry gives instead."""
    client = scene.client()
    source, target = made(scene, "from"), made(scene, "to")
    push(client, source, LARGE)
    posts = len(scene.front.asked("POST"))
    how = client.write_blob(target, blob_of(LARGE), source_of(LARGE), mount_from=[source.repository])
    assert how == ("mounted" if scene.profile.mounts else "uploaded")
    assert len(scene.front.asked("POST")) == posts + 1
    assert client.read_blob(target, blob_of(LARGE).digest, limit=len(LARGE)) == LARGE


@WITH_FRONT
def test_a_token_that_expires_in_the_middle_of_a_push(scene: RegistryScene) -> None:
    """The upload goes on with a fresh token, and nothing is sent twice."""
    client = scene.client()
    reference = made(scene)

    def expire() -> None:
        scene.front.wait_for("PATCH")
        scene.front.expire()
        scene.log_in(scene.front.pusher)

    assert client.write_blob(reference, blob_of(LARGE), source_of(LARGE, expire)) == "uploaded"
    assert len(scene.front.asked("PATCH")) == 1
    assert client.read_blob(reference, blob_of(LARGE).digest, limit=len(LARGE)) == LARGE
    assert client.statistics.retries == []


@WITH_READER
def test_a_login_that_may_only_pull(scene: RegistryScene) -> None:
    """A blob that it brings is refused for good, with exit code 3."""
    client = scene.reader()
    with pytest.raises(RegistryRefused) as caught:
        client.write_blob(made(scene), blob_of(EMPTY), source_of(EMPTY))
    assert caught.value.exit_code == 3
    assert client.statistics.retries == []


def test_referrers(scene: RegistryScene) -> None:
    """What refers to an image is found through the API, else through the tag schema, and leaves no tag where not."""
    client = scene.client()
    reference = made(scene)
    subject = reference.with_digest(push(client, reference, b"layer"))
    about = {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1}
    artifacts = [manifest_of(b"layer", artifactType=f"application/x-{name}", subject=about) for name in "ab"]
    for artifact in artifacts:
        assert client.attach(subject, artifact) == artifact.digest
    assert {item.digest for item in client.referrers(subject)} == {item.digest for item in artifacts}
    assert [item.digest for item in client.referrers(subject, "application/x-b")] == [artifacts[1].digest]
    has_fallback = any(tag.startswith("sha256-") for tag in client.tags(reference))
    assert has_fallback != scene.profile.referrers


def test_tags(scene: RegistryScene) -> None:
    """Every tag is listed; a missing repository is an empty list, or denied as the registry says."""
    client = scene.client()
    for tag in ("one", "two"):
        scene.put(tag=tag)
    assert sorted(client.tags(scene.reference())) == ["one", "two"]
    if scene.profile.missing_is_absent or scene.profile.missing is None or scene.profile.missing.status == 404:
        assert list(client.tags(scene.missing())) == []
    else:
        with pytest.raises(RegistryRefused):
            list(client.tags(scene.missing()))


def test_deletion(scene: RegistryScene) -> None:
    """A manifest is deleted by digest, once; a registry that does not delete says so, with exit code 3."""
    client = scene.client()
    digest = scene.put().digest
    reference = scene.reference().with_digest(digest)
    if scene.profile.deletes is not None:
        with pytest.raises(RegistryRefused) as caught:
            client.delete(reference)
        assert caught.value.exit_code == 3
        assert client.observe(reference).digest == digest
        return
    assert client.delete(reference)
    assert not client.delete(reference)


@only(QUAY)
def test_deletion_without_a_scope_for_it(scene: RegistryScene) -> None:
    """Quay's tokens know no delete: the right to push is asked for instead."""
    client = scene.client()
    assert client.delete(scene.reference().with_digest(scene.put().digest))
    assert [item.path.rpartition(":")[2] for item in scene.front.token_requests()] == ["delete", "pull,push"]
