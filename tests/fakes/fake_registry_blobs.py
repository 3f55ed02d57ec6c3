"""The fake registry's blobs: reads with ranges, uploads in one or many parts, mounts."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from fakes.fake_registry_values import Logged, Reply, digest_of, error, unsupported

if TYPE_CHECKING:
    from fakes.fake_registry import FakeRegistry


def blob(registry: FakeRegistry, request: Logged, repository: str, rest: str, query: dict[str, str]) -> Reply:
    """Return the answer to a request below ``/blobs/``."""
    if rest.startswith("uploads/"):
        return _upload(registry, request, repository, rest.removeprefix("uploads/"), query)
    data = registry.blobs.get(repository, {}).get(rest)
    if data is None:
        return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
    if request.method == "DELETE":
        return _deleted(registry, repository, rest)
    return _read(registry, request, data, rest)


def _deleted(registry: FakeRegistry, repository: str, digest: str) -> Reply:
    if not registry.deletes:
        return unsupported()
    del registry.blobs[repository][digest]
    return Reply(202)


def _read(registry: FakeRegistry, request: Logged, data: bytes, digest: str) -> Reply:
    headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None or not registry.has_ranges:
        return Reply(200, headers, data)
    start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
    if start > end:
        return Reply(416, {"Content-Range": f"bytes */{len(data)}"})
    return Reply(206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}, data[start : end + 1])


def _upload(registry: FakeRegistry, request: Logged, repository: str, session: str, query: dict[str, str]) -> Reply:
    if request.method == "POST":
        return _start(registry, repository, query)
    if session not in registry.uploads:
        return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    if request.method == "GET":
        return _progress(registry, repository, session, 204)
    if request.method == "DELETE":
        del registry.uploads[session]
        return Reply(204)
    return _received(registry, request, repository, session, query.get("digest", ""))


def _received(registry: FakeRegistry, request: Logged, repository: str, session: str, digest: str) -> Reply:
    held = registry.uploads[session]
    span = re.fullmatch(r"(\d+)-(\d+)", request.headers.get("content-range", ""))
    if span is not None and int(span[1]) != len(held):
        return _progress(registry, repository, session, 416)
    registry.uploads[session] = held + request.body
    if request.method == "PATCH":
        return _progress(registry, repository, session, 202)
    data = registry.uploads.pop(session)
    if digest_of(data) != digest:
        return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    return _stored(registry, repository, data)


def interrupted(registry: FakeRegistry, request: Logged) -> None:
    """Keep the part that arrived of a body that broke off, or, as distribution 2.8, lose the upload for it."""
    session = request.path.partition("?")[0].rpartition("/")[2]
    with registry.lock:
        if session in registry.uploads and registry.remembers_cuts:
            registry.uploads[session] += request.body
        else:
            registry.uploads.pop(session, None)


def _progress(registry: FakeRegistry, repository: str, session: str, status: int) -> Reply:
    last = max(0, len(registry.uploads[session]) - 1)
    return Reply(status, {"Location": f"/v2/{repository}/blobs/uploads/{session}", "Range": f"0-{last}"})


def _start(registry: FakeRegistry, repository: str, query: dict[str, str]) -> Reply:
    mounted = registry.blobs.get(query.get("from", ""), {}).get(query.get("mount", ""))
    if mounted is not None and registry.mounts:
        return _stored(registry, repository, mounted)
    session = f"{repository.replace('/', '-')}-{len(registry.uploads)}-{time.monotonic_ns()}"
    registry.uploads[session] = b""
    return _progress(registry, repository, session, 202)


def _stored(registry: FakeRegistry, repository: str, data: bytes) -> Reply:
    digest = registry.put_blob(repository, data)
    return Reply(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})
