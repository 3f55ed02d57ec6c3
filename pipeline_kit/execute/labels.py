"""Read the labels of an image that is in a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import ManifestMissing

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from pipeline_kit.manifest import Manifest
    from pipeline_kit.ports.registry import Registry
    from pipeline_kit.reference import Reference

REVISION_LABEL = "org.opencontainers.image.revision"


def labels(registry: Registry, pinned: Reference) -> Mapping[str, str]:
    """Return the image's labels; of an index, those of its first image. Raises what the registry port raises."""
    return _labels_of(registry, pinned, registry.manifest(pinned), None)


def key_label(registry: Registry, pinned: Reference) -> str | None:
    """Return the content key an image was built for, or ``None`` when it carries none."""
    return labels(registry, pinned).get(KEY_LABEL)


def key_of(
    registry: Registry, pinned: Reference, manifest: Manifest, *, among: Container[str] | None = None
) -> str | None:
    """Return the content key of an image whose manifest was read; ``among`` are the platforms that may be asked."""
    return _labels_of(registry, pinned, manifest, among).get(KEY_LABEL)


def _labels_of(
    registry: Registry, pinned: Reference, manifest: Manifest, among: Container[str] | None
) -> Mapping[str, str]:
    """Return the labels; of an index, of its first image that is there. Raises ManifestMissing where none is."""
    if not manifest.is_index:
        return _config_labels(registry, pinned, manifest)
    images = [item for item in manifest.children() if not item.is_attestation]
    readable = [item for item in images if among is None or item.platform in among]
    for number, item in enumerate(readable, 1):
        try:
            return _config_labels(registry, pinned, registry.manifest(pinned.with_digest(item.digest)))
        except ManifestMissing:
            if number == len(readable):
                raise
    return {}


def _config_labels(registry: Registry, pinned: Reference, manifest: Manifest) -> Mapping[str, str]:
    config = registry.config(pinned, manifest.config_digest()).get("config")
    found = config.get("Labels") if isinstance(config, dict) else None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
