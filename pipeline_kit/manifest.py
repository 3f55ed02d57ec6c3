"""Manifests and indexes as values: the exact bytes, and what they say.

Sources: OCI image specification "manifest.md" and "image-index.md"; Docker's image manifest version 2, schema 2.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pipeline_kit.errors import RegistryRefused
from pipeline_kit.named_tuple import NamedTuple

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MAX_BYTES = 4 * 1024 * 1024


def normalize_platform(text: str) -> str:
    """Return ``os/arch[/variant]`` as containerd normalises it: lower case, aliases resolved, default variants dropped.

    ``x86_64`` is ``amd64``, ``aarch64`` is ``arm64``, ``arm64/v8`` is ``arm64``; ``arm`` is ``arm/v7``.
    """
    parts = text.strip().lower().split("/")
    if len(parts) == 1:
        parts = ["linux", parts[0]]
    system, arch, variant = parts[0], parts[1], (parts[2] if len(parts) > 2 else "")  # noqa: PLR2004 - os, arch, variant
    arch = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}.get(arch, arch)
    if arch in ("armhf", "armel"):
        arch, variant = "arm", ("v7" if arch == "armhf" else "v6")
    if arch == "arm" and not variant:
        variant = "v7"
    if (arch == "arm64" and variant in ("8", "v8")) or (arch == "amd64" and variant == "v1"):
        variant = ""
    if arch == "arm" and variant.isdigit():
        variant = f"v{variant}"
    return "/".join(part for part in (system, arch, variant) if part)


class Descriptor(NamedTuple):
    """A pointer to a blob or manifest: ``size`` in bytes; ``platform`` normalised, ``""`` where none is given.

    ``artifact_type`` says what a manifest that is no image is about, ``""`` where the pointer does not tell.
    """

    media_type: str
    digest: str
    size: int
    platform: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""

    @property
    def is_attestation(self) -> bool:
        """Return whether this child of an index is BuildKit's attestation manifest, not an image."""
        return self.platform == "unknown/unknown" or dict(self.annotations).get("vnd.docker.reference.type") == (
            "attestation-manifest"
        )


class Manifest(NamedTuple):
    """A manifest or index exactly as the registry holds it: ``data`` is the bytes whose SHA-256 is ``digest``."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """Return ``sha256:`` and the hex of the bytes' hash."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def is_index(self) -> bool:
        """Return whether this lists manifests instead of layers."""
        return self.media_type in INDEX_TYPES

    def document(self) -> dict[str, Any]:
        """Return the parsed JSON object. Raises RegistryRefused when it is none."""
        import json  # noqa: PLC0415 - takes 2 ms to load, and most runs read none

        try:
            parsed = json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise RegistryRefused("the registry's manifest is not JSON") from error
        if not isinstance(parsed, dict):
            raise RegistryRefused("the registry's manifest is not a JSON object")
        return parsed

    def children(self) -> tuple[Descriptor, ...]:
        """Return an index's image descriptors and attestations, in order; ``()`` for a plain manifest."""
        return tuple(parse_descriptor(item) for item in self._items("manifests")) if self.is_index else ()

    def config_digest(self) -> str:
        """Return the digest of a plain manifest's image config. Raises RegistryRefused when there is none."""
        config = self.document().get("config")
        if not isinstance(config, dict) or not isinstance(config.get("digest"), str):
            raise RegistryRefused("the registry's manifest names no image config")
        return str(config["digest"])

    def blobs(self) -> tuple[Descriptor, ...]:
        """Return a plain manifest's config and layers, in order; ``()`` for an index."""
        if self.is_index:
            return ()
        config = self.document().get("config")
        items = [config] if isinstance(config, dict) else []
        return tuple(parse_descriptor(item) for item in [*items, *self._items("layers")])

    def platforms(self) -> tuple[str, ...]:
        """Return an index's platforms in order, attestations left out; ``()`` for a plain manifest."""
        return tuple(child.platform for child in self.children() if child.platform and not child.is_attestation)

    def _items(self, key: str) -> list[dict[str, Any]]:
        items = self.document().get(key)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise RegistryRefused(f"the registry's manifest has no list {key!r}")
        return items


def parse_descriptor(item: dict[str, Any]) -> Descriptor:
    """Return a descriptor's JSON object as a value. Raises RegistryRefused where it lacks what it must have."""
    digest, size, media_type = item.get("digest"), item.get("size"), item.get("mediaType")
    if not isinstance(digest, str) or not isinstance(size, int) or not isinstance(media_type, str):
        raise RegistryRefused("the registry's manifest holds a descriptor without digest, size or mediaType")
    platform = item.get("platform")
    text = ""
    if isinstance(platform, dict):
        parts = (str(platform.get("os", "")), str(platform.get("architecture", "")), str(platform.get("variant") or ""))
        text = normalize_platform("/".join(part for part in parts if part)) if parts[1] else ""
    annotations = item.get("annotations")
    pairs = annotations.items() if isinstance(annotations, dict) else ()
    sorted_pairs = tuple(sorted((str(k), str(v)) for k, v in pairs))
    artifact_type = item.get("artifactType")
    return Descriptor(
        media_type, digest, size, text, sorted_pairs, artifact_type if isinstance(artifact_type, str) else ""
    )


def join_index(media_type: str, children: list[tuple[Descriptor, dict[str, Any]]]) -> Manifest:
    """Return an index of ``children`` (descriptor and its raw JSON object), in the given order, as canonical JSON."""
    import json  # noqa: PLC0415 - takes 2 ms to load, and most runs read none

    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [raw for _, raw in children]}
    return Manifest(media_type, json.dumps(document, separators=(",", ":")).encode())
