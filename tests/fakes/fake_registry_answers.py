"""What the fake registry truly answers: the distribution specification over the dictionaries of FakeRegistry."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from fakes.fake_registry_auth import token, unauthorized
from fakes.fake_registry_blobs import blob
from fakes.fake_registry_values import PATH_RE, Logged, Reply, digest_of, error, to_json, unsupported

from pipeline_kit.manifest import INDEX_TYPES, OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.fake_registry import FakeRegistry

__all__ = ["Logged", "Reply", "answer", "digest_of", "to_json"]

_TAG_RE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def answer(registry: FakeRegistry, request: Logged) -> Reply:
    """Return the true answer to ``request``, with its effect on the storage."""
    parts = urlsplit(request.path)
    if parts.path == "/token":
        return token(registry, request)
    with registry.lock:
        reply = unauthorized(registry, request) or _route(registry, request, parts.path, parts.query)
    reply.headers.setdefault("Docker-Distribution-Api-Version", "registry/2.0")
    return reply


def _route(registry: FakeRegistry, request: Logged, path: str, query: str) -> Reply:
    if path in ("/v2/", "/v2"):
        return Reply(200, {"Content-Type": "application/json"}, b"{}")
    found = PATH_RE.fullmatch(path)
    if found is None:
        return _no_page()
    repository, kind, rest = found["repository"], found["kind"], found["rest"]
    if not registry.creates_repositories and repository not in registry.manifests:
        return error(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist in the registry")
    if kind == "manifests":
        return _manifest(registry, request, repository, rest)
    if kind == "blobs":
        return blob(registry, request, repository, rest, dict(parse_qsl(query)))
    return _tags(registry, repository, query) if kind == "tags" else _referrers(registry, repository, rest, query)


def _no_page() -> Reply:
    return Reply(404, {"Content-Type": "text/plain"}, b"404 page not found\n")


def _tags(registry: FakeRegistry, repository: str, query: str) -> Reply:
    if repository not in registry.manifests:
        return error(404, "NAME_UNKNOWN", "repository name not known to registry")
    asked = parse_qs(query)
    last = asked.get("last", [""])[0]
    tags = [tag for tag in sorted(registry.tags.get(repository, {})) if tag > last]
    headers = {"Content-Type": "application/json"}
    size = min(int(asked.get("n", ["0"])[0]) or len(tags), registry.page or len(tags))
    if len(tags) > size:
        tags = tags[:size]
        headers["Link"] = f'</v2/{repository}/tags/list?n={size}&last={tags[-1]}>; rel="next"'
    return Reply(200, headers, to_json({"name": repository, "tags": tags}))


def _referrers(registry: FakeRegistry, repository: str, digest: str, query: str) -> Reply:
    if not registry.has_referrers:
        return _no_page()
    asked = parse_qs(query)
    kind = asked.get("artifactType", [""])[0]
    found = []
    for own, (media_type, data) in sorted(registry.manifests.get(repository, {}).items()):
        document = json.loads(data)
        if (document.get("subject") or {}).get("digest") == digest:
            found.append(
                {
                    "mediaType": media_type,
                    "digest": own,
                    "size": len(data),
                    "artifactType": document.get("artifactType", ""),
                    "annotations": document.get("annotations") or {},
                }
            )
    found = [item for item in found if kind in ("", item["artifactType"])]
    last = asked.get("last", [""])[0]
    found = [item for item in found if item["digest"] > last]
    headers = {"Content-Type": OCI_INDEX}
    if registry.page and len(found) > registry.page:
        found = found[: registry.page]
        more = {**({"artifactType": kind} if kind else {}), "last": found[-1]["digest"]}
        headers["Link"] = f'</v2/{repository}/referrers/{digest}?{urlencode(more)}>; rel="next"'
    return Reply(200, headers, to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}))


def _manifest(registry: FakeRegistry, request: Logged, repository: str, rest: str) -> Reply:
    if not rest.startswith("sha256:") and not _TAG_RE.fullmatch(rest):
        return _no_page()
    if request.method == "PUT":
        return _write_manifest(registry, request, repository, rest)
    if request.method == "DELETE" and not registry.deletes:
        return unsupported()
    digest = rest if rest.startswith("sha256:") else registry.tags.get(repository, {}).get(rest, "")
    stored = registry.manifests.get(repository, {}).get(digest)
    if stored is None:
        is_named = repository in registry.manifests
        return error(404, "MANIFEST_UNKNOWN" if is_named else "NAME_UNKNOWN", "unknown to registry")
    return (
        _delete_manifest(registry, repository, rest) if request.method == "DELETE" else _read(request, stored, digest)
    )


def _read(request: Logged, stored: tuple[str, bytes], digest: str) -> Reply:
    media_type, data = stored
    if media_type not in request.headers.get("accept", ""):
        return error(404, "MANIFEST_UNKNOWN", f"{media_type} found, but accept header does not support it")
    return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data)


def _delete_manifest(registry: FakeRegistry, repository: str, rest: str) -> Reply:
    tags = registry.tags.get(repository, {})
    if rest in tags:
        del tags[rest]
        return Reply(202)
    del registry.manifests[repository][rest]
    for tag in [tag for tag, digest in tags.items() if digest == rest]:
        del tags[tag]
    return Reply(202)


def _write_manifest(registry: FakeRegistry, request: Logged, repository: str, rest: str) -> Reply:
    digest = digest_of(request.body)
    tag = None if rest.startswith("sha256:") else rest
    if tag is None and rest != digest:
        return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    held = registry.tags.get(repository, {}).get(tag or "")
    if held is not None and tag is not None and any(re.fullmatch(each, tag) for each in registry.immutable):
        return error(
            400,
            "TAG_INVALID",
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten"
            " because the repository is immutable.",
        )
    document = json.loads(request.body)
    media_type = request.headers.get("content-type", "")
    if any(not _is_here(registry, repository, item, media_type) for item in _children(document)):
        return error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
    registry.put_manifest(repository, tag, media_type, request.body)
    headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{repository}/manifests/{digest}"}
    if "subject" in document and registry.has_referrers:
        headers["OCI-Subject"] = document["subject"]["digest"]
    return Reply(201, headers)


def _children(document: dict[str, Any]) -> list[dict[str, Any]]:
    config = [document["config"]] if "config" in document else []
    return [*config, *document.get("layers", []), *document.get("manifests", [])]


def _is_here(registry: FakeRegistry, repository: str, item: dict[str, Any], media_type: str) -> bool:
    place: Mapping[str, object] = (registry.manifests if media_type in INDEX_TYPES else registry.blobs).get(
        repository, {}
    )
    return item["digest"] in place
