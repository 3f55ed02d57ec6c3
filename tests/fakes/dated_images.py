"""Images and artifacts of a known age in the registry of a shop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fakes.fake_registry_answers import to_json

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def put(shop: Shop, tag: str | None, *, days: float = 100, name: str = "web", index: bool = False) -> str:
    """Let the registry hold an image made ``days`` ago and return its digest."""
    created = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    config = to_json({"os": "linux", "architecture": "amd64", "created": created, "x": f"{tag}{days}"})
    repository = f"shop/{name}"
    held = {"mediaType": CONFIG, "digest": shop.registry.put_blob(repository, config), "size": len(config)}
    data = to_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": held, "layers": []})
    plain = shop.registry.put_manifest(repository, None if index else tag, MANIFEST, data)
    if not index:
        return plain
    platform = {"os": "linux", "architecture": "amd64"}
    child = {"mediaType": MANIFEST, "digest": plain, "size": len(data), "platform": platform}
    return shop.registry.put_manifest(
        repository, tag, INDEX, to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    )


def attach(shop: Shop, subject: str, name: str = "web") -> str:
    """Let the registry hold an artifact that refers to ``subject``."""
    empty = shop.registry.put_blob(f"shop/{name}", b"{}")
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2}
    about = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "subject": about}
    return shop.registry.put_manifest(f"shop/{name}", None, MANIFEST, to_json({**document, "artifactType": "a/b"}))
