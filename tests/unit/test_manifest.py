from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import RegistryRefused
from pipeline_kit.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    join_index,
    normalize_platform,
)

DIGEST = f"sha256:{'a' * 64}"
ATTESTATION = {
    "mediaType": OCI_MANIFEST,
    "digest": f"sha256:{'b' * 64}",
    "size": 7,
    "platform": {"os": "unknown", "architecture": "unknown"},
    "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": DIGEST},
}


def child(**platform: str) -> dict[str, Any]:
    """Return a descriptor of an index."""
    return {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 7, **({"platform": platform} if platform else {})}


def index(*children: dict[str, Any], media_type: str = OCI_INDEX) -> Manifest:
    """Return an index of ``children``."""
    return Manifest(media_type, json.dumps({"schemaVersion": 2, "manifests": children}).encode())


PLATFORMS = [
    ("linux/amd64", "linux/amd64"),
    ("amd64", "linux/amd64"),
    ("x86_64", "linux/amd64"),
    ("Linux/X86-64", "linux/amd64"),
    ("linux/amd64/v1", "linux/amd64"),
    ("linux/amd64/v3", "linux/amd64/v3"),
    ("aarch64", "linux/arm64"),
    ("linux/arm64/v8", "linux/arm64"),
    ("linux/arm64/8", "linux/arm64"),
    ("linux/arm64/v9", "linux/arm64/v9"),
    ("arm", "linux/arm/v7"),
    ("linux/arm", "linux/arm/v7"),
    ("linux/arm/7", "linux/arm/v7"),
    ("linux/arm/v6", "linux/arm/v6"),
    ("armhf", "linux/arm/v7"),
    ("linux/armel", "linux/arm/v6"),
    ("i386", "linux/386"),
    ("linux/i686", "linux/386"),
    (" windows/amd64 ", "windows/amd64"),
    ("linux/s390x", "linux/s390x"),
]


@pytest.mark.parametrize(("text", "expected"), PLATFORMS)
def test_platforms_are_normalised_as_containerd_does(text: str, expected: str) -> None:
    """Aliases and default variants of one platform are one text."""
    assert normalize_platform(text) == expected


@given(st.sampled_from([text for text, _ in PLATFORMS]))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """The normal form is its own normal form."""
    assert normalize_platform(normalize_platform(text)) == normalize_platform(text)


def test_platforms_of_an_index_leave_attestations_out() -> None:
    """BuildKit's attestations are no platform; the variant counts."""
    found = index(
        child(os="linux", architecture="amd64"),
        ATTESTATION,
        child(os="linux", architecture="arm64", variant="v8"),
        child(os="linux", architecture="arm", variant="v6"),
        child(),
    )
    assert found.platforms() == ("linux/amd64", "linux/arm64", "linux/arm/v6")
    assert [item.is_attestation for item in found.children()] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("members", "is_attestation"),
    [
        ({}, True),
        ({"annotations": None}, True),
        ({"platform": {"os": "linux", "architecture": "amd64"}}, True),
        ({"platform": {"os": "linux", "architecture": "amd64"}, "annotations": {"x": "y"}}, False),
        ({"platform": None, "annotations": {}}, False),
    ],
)
def test_attestations_are_known_by_platform_or_annotation(members: dict[str, Any], is_attestation: bool) -> None:
    """Either sign is enough."""
    (found,) = index({**ATTESTATION, **members}).children()
    assert found.is_attestation is is_attestation


@pytest.mark.parametrize(
    ("media_type", "is_index"),
    [(OCI_INDEX, True), (DOCKER_LIST, True), (OCI_MANIFEST, False), (DOCKER_MANIFEST, False)],
)
def test_kinds(media_type: str, is_index: bool) -> None:
    """OCI's and Docker's types are told apart by what they list."""
    manifest = Manifest(media_type, b'{"manifests": [], "layers": []}')
    assert manifest.is_index is is_index
    assert manifest.children() == ()
    assert manifest.blobs() == ()


def test_the_digest_is_that_of_the_bytes() -> None:
    """Not of the parsed document: spaces count."""
    data = b'{ "schemaVersion": 2 }'
    assert Manifest(OCI_MANIFEST, data).digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_blobs_are_config_and_layers() -> None:
    """A plain manifest needs its config and its layers, in order."""
    config = {"mediaType": "c", "digest": "sha256:c", "size": 1}
    layers = [{"mediaType": "l", "digest": f"sha256:{number}", "size": number} for number in (1, 2)]
    manifest = Manifest(OCI_MANIFEST, json.dumps({"config": config, "layers": layers}).encode())
    assert manifest.config_digest() == "sha256:c"
    assert [blob.digest for blob in manifest.blobs()] == ["sha256:c", "sha256:1", "sha256:2"]
    assert manifest.blobs()[2].size == 2
    assert manifest.platforms() == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"manifests": {}}',
        b'{"manifests": ["x"]}',
        b'{"manifests": [{}]}',
        b'{"manifests": [{"digest": 1, "size": 1, "mediaType": "x"}]}',
        b'{"manifests": [{"digest": "x", "size": "1", "mediaType": "x"}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_broken_index_is_the_registry_s_fault(data: bytes) -> None:
    """Whatever a registry sends, the answer is an error of ours and no other exception."""
    with pytest.raises(RegistryRefused, match="the registry's manifest"):
        Manifest(OCI_INDEX, data).children()


@pytest.mark.parametrize("data", [b"{}", b'{"config": []}', b'{"config": {"digest": 1}}', b"null"])
def test_a_manifest_without_config_is_refused(data: bytes) -> None:
    """No image config, no image."""
    with pytest.raises(RegistryRefused):
        Manifest(OCI_MANIFEST, data).config_digest()


def test_an_index_is_joined_byte_for_byte_alike() -> None:
    """Equal children give equal bytes; members that are not ours travel along."""
    raw = {**child(os="linux", architecture="amd64", variant=""), "x-future": {"b": 1, "a": [2]}}
    pairs = [(Descriptor(OCI_MANIFEST, DIGEST, 7, "linux/amd64"), raw)]
    joined = join_index(OCI_INDEX, pairs)
    assert joined == join_index(OCI_INDEX, list(pairs))
    assert joined.media_type == OCI_INDEX
    assert joined.document() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [raw]}
    assert b" " not in joined.data
    assert joined.platforms() == ("linux/amd64",)
