"""What this client writes to a real registry, read back by clients that no one here wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
import stack
import witnesses
from fakes.real_registry import RealRegistry, content_client_for

from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.content import ContentClient

pytestmark = pytest.mark.registry
KIND = "application/vnd.pipeline-kit.test"


def archive() -> bytes:
    """Return a tar archive with one file of 2 MB that does not compress: above what goes in one PUT."""
    content = random.Random(1).randbytes(2_000_000)  # noqa: S311 - no secret
    file = tarfile.TarInfo("data")
    file.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(file, io.BytesIO(content))
    return stream.getvalue()


ARCHIVE = archive()
LAYER = gzip.compress(ARCHIVE, mtime=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Write an image and an artifact about it; give the image's reference, its digest and the artifact's."""
    folder = tmp_path_factory.mktemp("witnessed")
    with stack.running_registry(folder / "registry") as running:
        client = content_client_for(RealRegistry(running.host), folder / "docker")
        reference = Reference(running.host, "kit/witnessed", "t")
        digest = put_image(client, reference)
        subject = reference.with_digest(digest)
        described = put_blob(client, reference, b"{}", "application/vnd.oci.empty.v1+json")
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": KIND,
            "config": described,
            "layers": [described],
            "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1},
        }
        attached = client.attach(subject, Manifest(OCI_MANIFEST, json.dumps(document).encode()))
        client.close()
        yield str(reference), digest, attached


def put_image(client: ContentClient, reference: Reference) -> str:
    """Write an image of one large layer."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Labels": {"who": "us"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": put_blob(client, reference, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put_blob(client, reference, LAYER, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    return client.put_manifest(reference, Manifest(OCI_MANIFEST, json.dumps(document).encode()))


def put_blob(client: ContentClient, reference: Reference, data: bytes, media_type: str) -> dict[str, object]:
    """Write a blob and return its descriptor as JSON."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"

    def read(offset: int) -> Iterator[bytes]:
        yield data[offset:]

    assert client.write_blob(reference, Descriptor(media_type, digest, len(data)), read) == "uploaded"
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def said(folder: Path, *words: str) -> str:
    """Return what a command prints."""
    environment = {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_crane(written: tuple[str, str, str], tmp_path: Path) -> None:
    """Crane finds the digest and validates every blob."""
    reference, digest, _ = written
    crane = str(witnesses.crane())
    assert said(tmp_path, crane, "digest", reference).strip() == digest
    said(tmp_path, crane, "validate", "--remote", reference)


def test_skopeo(written: tuple[str, str, str], tmp_path: Path) -> None:
    """Skopeo reads manifest and config, and copies every blob out."""
    reference, digest, _ = written
    skopeo = str(witnesses.skopeo())
    found = json.loads(said(tmp_path, skopeo, "inspect", "--tls-verify=false", f"docker://{reference}"))
    assert (found["Digest"], found["Labels"]) == (digest, {"who": "us"})
    said(tmp_path, skopeo, "copy", "--src-tls-verify=false", f"docker://{reference}", f"dir:{tmp_path / 'out'}")


def test_oras(written: tuple[str, str, str], tmp_path: Path) -> None:
    """ORAS finds the artifact by its subject, through the tag schema that this registry needs."""
    reference, digest, attached = written
    oras = str(witnesses.oras())
    assert said(tmp_path, oras, "resolve", "--plain-http", reference).strip() == digest
    found = said(tmp_path, oras, "discover", "--plain-http", "--format", "json", reference)
    assert attached in found
    assert KIND in found
