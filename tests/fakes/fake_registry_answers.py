"""What the fake registry truly answers: the distribution specification over the dictionaries of FakeRegistry."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from pipeline_kit.manifest import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.fake_registry import FakeRegistry

_PATH_RE = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.+)")
_TAG_RE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Logged:
    """One request: ``path`` with its query; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Reply:
    """An answer to be: Content-Length and Date are added when it is sent."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def to_json(document: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(document, separators=(",", ":")).encode()


def answer(registry: FakeRegistry, request: Logged) -> Reply:
    """Return the true answer to ``request``, with its effect on the storage."""
    parts = urlsplit(request.path)
    if parts.path == "/token":
        return _token(registry, request)
    with registry.lock:
        reply = _unauthorized(registry, request) or _route(registry, request, parts.path, parts.query)
    reply.headers.setdefault("Docker-Distribution-Api-Version", "registry/2.0")
    return reply


def _error(status: int, code: str, message: str) -> Reply:
    body = to_json({"errors": [{"code": code, "message": message}]})
    return Reply(status, {"Content-Type": "application/json"}, body)


def _login(registry: FakeRegistry, request: Logged) -> str | None:
    header = request.headers.get("authorization", "")
    if not header.startswith("Basic "):
        return None
    user, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return user if registry.users.get(user) == password else None


def _unauthorized(registry: FakeRegistry, request: Logged) -> Reply | None:
    if not registry.users and not registry.uses_tokens:
        return None
    if not registry.uses_tokens:
        if _login(registry, request) is not None:
            return None
        challenge = 'Basic realm="fake"'
    else:
        needed = _needed_scope(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        scopes = registry.tokens.get(token)
        if scopes is not None and (needed is None or needed <= scopes):
            return None
        realm = registry.realm or f"http://{registry.host}/token"
        scope = f',scope="{" ".join(sorted(needed))}"' if needed else ""
        challenge = f'Bearer realm="{realm}",service="fake"{scope}'
    reply = _error(401, "UNAUTHORIZED", "authentication required")
    reply.headers["WWW-Authenticate"] = challenge
    return reply


def _needed_scope(request: Logged) -> frozenset[str] | None:
    found = _PATH_RE.fullmatch(urlsplit(request.path).path)
    if found is None:
        return None
    actions = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete",)}.get(request.method, ("pull", "push"))
    return frozenset(f"{found['repository']}:{action}" for action in actions)


def _token(registry: FakeRegistry, request: Logged) -> Reply:
    pairs = parse_qsl(request.body.decode() if request.method == "POST" else urlsplit(request.path).query)
    user = _login(registry, request)
    refresh = dict(pairs).get("refresh_token")
    is_known = user is not None or (refresh is not None and refresh in registry.users.values())
    if registry.users and not is_known:
        return _error(401, "UNAUTHORIZED", "incorrect username or password")
    scopes: set[str] = set()
    for name, value in pairs:
        for scope in value.split() if name == "scope" else ():
            _, repository, actions = scope.split(":")
            scopes.update(f"{repository}:{action}" for action in actions.split(","))
    with registry.lock:
        token = f"token-{len(registry.tokens)}-{time.monotonic_ns()}"
        registry.tokens[token] = frozenset(scopes)
        seconds = registry.token_seconds
    return Reply(200, {"Content-Type": "application/json"}, to_json({"token": token, "expires_in": seconds}))


def _route(registry: FakeRegistry, request: Logged, path: str, query: str) -> Reply:
    if path in ("/v2/", "/v2"):
        return Reply(200, {"Content-Type": "application/json"}, b"{}")
    found = _PATH_RE.fullmatch(path)
    if found is None:
        return _no_page()
    repository, kind, rest = found["repository"], found["kind"], found["rest"]
    if not registry.creates_repositories and repository not in registry.manifests:
        return _error(404, "NAME_UNKNOWN", f"The repository with name '{repository}' does not exist in the registry")
    if kind == "manifests":
        return _manifest(registry, request, repository, rest)
    if kind == "blobs":
        return _blob(registry, request, repository, rest, dict(parse_qsl(query)))
    return _tags(registry, repository, query) if kind == "tags" else _referrers(registry, repository, rest)


def _no_page() -> Reply:
    return Reply(404, {"Content-Type": "text/plain"}, b"404 page not found\n")


def _tags(registry: FakeRegistry, repository: str, query: str) -> Reply:
    if repository not in registry.manifests:
        return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
    asked = parse_qs(query)
    last = asked.get("last", [""])[0]
    tags = [tag for tag in sorted(registry.tags.get(repository, {})) if tag > last]
    headers = {"Content-Type": "application/json"}
    size = int(asked.get("n", ["0"])[0])
    if size and len(tags) > size:
        tags = tags[:size]
        headers["Link"] = f'</v2/{repository}/tags/list?n={size}&last={tags[-1]}>; rel="next"'
    return Reply(200, headers, to_json({"name": repository, "tags": tags}))


def _referrers(registry: FakeRegistry, repository: str, digest: str) -> Reply:
    found = []
    for own, (media_type, data) in registry.manifests.get(repository, {}).items():
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
    body = to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found})
    return Reply(200, {"Content-Type": OCI_INDEX}, body)


def _manifest(registry: FakeRegistry, request: Logged, repository: str, rest: str) -> Reply:
    if not rest.startswith("sha256:") and not _TAG_RE.fullmatch(rest):
        return _no_page()
    if request.method == "PUT":
        return _write_manifest(registry, request, repository, rest)
    digest = rest if rest.startswith("sha256:") else registry.tags.get(repository, {}).get(rest, "")
    stored = registry.manifests.get(repository, {}).get(digest)
    if stored is None:
        is_named = repository in registry.manifests
        return _error(404, "MANIFEST_UNKNOWN" if is_named else "NAME_UNKNOWN", "unknown to registry")
    if request.method == "DELETE":
        return _delete_manifest(registry, repository, rest)
    media_type, data = stored
    if media_type not in request.headers.get("accept", ""):
        return _error(404, "MANIFEST_UNKNOWN", f"{media_type} found, but accept header does not support it")
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
        return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    held = registry.tags.get(repository, {}).get(tag or "")
    if held is not None and tag is not None and any(re.fullmatch(each, tag) for each in registry.immutable):
        return _error(
            400,
            "TAG_INVALID",
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten"
            " because the repository is immutable.",
        )
    document = json.loads(request.body)
    media_type = request.headers.get("content-type", "")
    if any(not _is_here(registry, repository, item, media_type) for item in _children(document)):
        return _error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
    registry.put_manifest(repository, tag, media_type, request.body)
    headers = {"Docker-Content-Digest": digest, "Location": f"/v2/{repository}/manifests/{digest}"}
    if "subject" in document:
        headers["OCI-Subject"] = document["subject"]["digest"]
    return Reply(201, headers)


def _children(document: dict[str, Any]) -> list[dict[str, Any]]:
    config = [document["config"]] if "config" in document else []
    return [*config, *document.get("layers", []), *document.get("manifests", [])]


def _is_here(registry: FakeRegistry, repository: str, item: dict[str, Any], media_type: str) -> bool:
    place: Mapping[str, object] = (registry.manifests if media_type == OCI_INDEX else registry.blobs).get(
        repository, {}
    )
    return item["digest"] in place


def _blob(registry: FakeRegistry, request: Logged, repository: str, rest: str, query: dict[str, str]) -> Reply:
    if rest.startswith("uploads/"):
        return _upload(registry, request, repository, rest.removeprefix("uploads/"), query)
    data = registry.blobs.get(repository, {}).get(rest)
    if data is None:
        return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
    if request.method == "DELETE":
        del registry.blobs[repository][rest]
        return Reply(202)
    return Reply(200, {"Content-Type": "application/octet-stream", "Docker-Content-Digest": rest}, data)


def _upload(registry: FakeRegistry, request: Logged, repository: str, session: str, query: dict[str, str]) -> Reply:
    if request.method == "POST" and "digest" not in query:
        return _start_upload(registry, repository, query)
    if request.method != "POST" and session not in registry.uploads:
        return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    data = registry.uploads.get(session, b"") + request.body
    if request.method == "PATCH":
        registry.uploads[session] = data
        location = f"/v2/{repository}/blobs/uploads/{session}"
        return Reply(202, {"Location": location, "Range": f"0-{max(0, len(data) - 1)}"})
    registry.uploads.pop(session, None)
    if request.method == "DELETE":
        return Reply(204)
    if digest_of(data) != query.get("digest"):
        return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    return _stored(registry, repository, data)


def _start_upload(registry: FakeRegistry, repository: str, query: dict[str, str]) -> Reply:
    mounted = registry.blobs.get(query.get("from", ""), {}).get(query.get("mount", ""))
    if mounted is not None:
        return _stored(registry, repository, mounted)
    session = f"{repository.replace('/', '-')}-{len(registry.uploads)}-{time.monotonic_ns()}"
    registry.uploads[session] = b""
    return Reply(202, {"Location": f"/v2/{repository}/blobs/uploads/{session}", "Range": "0-0"})


def _stored(registry: FakeRegistry, repository: str, data: bytes) -> Reply:
    digest = registry.put_blob(repository, data)
    return Reply(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})
