"""Reading everything that a repository holds, by a client that shares no code with the product."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.main_job import ACCEPT

if TYPE_CHECKING:
    import urllib3


@dataclass(slots=True)
class Holding:
    """What a repository holds: ``tags`` to digests, and every manifest's and blob's digest reached from them."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def labels(self, digest: str | None, name: str) -> set[str]:
        """Return the values of an image's label, of each platform."""
        document = self.manifests.get(digest or "", {})
        if "manifests" in document:
            return {value for child in document["manifests"] for value in self.labels(child["digest"], name)}
        config = json.loads(self.blobs.get(document.get("config", {}).get("digest", ""), b"{}"))
        return {value for key, value in config.get("config", {}).get("Labels", {}).items() if key == name}


def holding(host: str, repository: str, http: urllib3.PoolManager) -> Holding:
    """Return what lies under the repository's tags, all of it read and hashed; fail where a part is missing."""
    held = Holding()
    listed = http.request("GET", f"http://{host}/v2/{repository}/tags/list")
    if listed.status == 404:
        return held
    assert listed.status == 200, listed.data
    for tag in listed.json()["tags"] or []:
        held.tags[tag] = _manifest(host, repository, tag, held, http)
    return held


def _manifest(host: str, repository: str, name: str, held: Holding, http: urllib3.PoolManager) -> str:
    if name in held.manifests:
        return name
    answer = http.request("GET", f"http://{host}/v2/{repository}/manifests/{name}", headers={"Accept": ACCEPT})
    assert answer.status == 200, f"half there: {repository} manifest {name}: {answer.status} {answer.data[:200]!r}"
    digest = f"sha256:{hashlib.sha256(answer.data).hexdigest()}"
    assert name == digest or not name.startswith("sha256:"), f"{repository}: {name} has other bytes"
    document = json.loads(answer.data)
    held.manifests[digest] = document
    for child in document.get("manifests", []):
        _manifest(host, repository, child["digest"], held, http)
    for blob in [*([document["config"]] if "config" in document else []), *document.get("layers", [])]:
        _blob(host, repository, blob["digest"], held, http)
    return digest


def _blob(host: str, repository: str, digest: str, held: Holding, http: urllib3.PoolManager) -> None:
    if digest in held.blobs:
        return
    answer = http.request("GET", f"http://{host}/v2/{repository}/blobs/{digest}")
    assert answer.status == 200, f"half there: {repository} blob {digest}: {answer.status}"
    assert f"sha256:{hashlib.sha256(answer.data).hexdigest()}" == digest, f"{repository}: blob {digest} has other bytes"
    held.blobs[digest] = answer.data
