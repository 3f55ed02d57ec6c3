"""Read the labels of an image that is in a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.content_tag import KEY_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.ports.registry import Registry
    from pipeline_kit.reference import Reference

REVISION_LABEL = "org.opencontainers.image.revision"


def labels(registry: Registry, pinned: Reference) -> Mapping[str, str]:
    """Return the image's labels; of an index, those of its first image. Raises what the registry port raises."""
    manifest = registry.manifest(pinned)
    if manifest.is_index:
        child = next((item for item in manifest.children() if not item.is_attestation), None)
        if child is None:
            return {}
        manifest = registry.manifest(pinned.with_digest(child.digest))
    config = registry.config(pinned, manifest.config_digest()).get("config")
    found = config.get("Labels") if isinstance(config, dict) else None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def key_label(registry: Registry, pinned: Reference) -> str | None:
    """Return the content key an image was built for, or ``None`` when it carries none."""
    return labels(registry, pinned).get(KEY_LABEL)
