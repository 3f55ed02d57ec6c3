"""Filling a real registry, and making clients for registries real and fake."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import urllib3
from fakes.fake_registry import FakeRegistry, Pushed

from pipeline_kit.adapters.registry.client import RegistryClient
from pipeline_kit.adapters.registry.content import ContentClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

USERS = {"builder": "pässword:with colon"}
"""Who may log in at a registry that asks for it."""


class RealRegistry:
    """A running registry at ``host`` (``127.0.0.1:port``), filled over its API as a pusher would."""

    def __init__(self, host: str, users: Mapping[str, str] | None = None) -> None:
        self.host = host
        self.users = dict(users or {})
        self._headers = basic_header(*next(iter(self.users.items()))) if self.users else {}

    def put_image(
        self, repository: str, tag: str | None, platforms: Iterable[str] = ("linux/amd64",), **members: Any
    ) -> Pushed:
        """Push what FakeRegistry.put_image would store, and return the same digests."""
        with FakeRegistry() as source, urllib3.PoolManager(retries=False) as http:
            pushed = source.put_image(repository, tag, platforms, **members)
            for digest, data in source.blobs[repository].items():
                started = self._send(http, "POST", f"/v2/{repository}/blobs/uploads/", None, None)
                location = started.headers["location"]
                self._send(http, "PUT", f"{location}&digest={digest}", data, "application/octet-stream")
            stored = source.manifests[repository]
            for digest in [item for item in stored if item != pushed.digest]:
                self._send(http, "PUT", f"/v2/{repository}/manifests/{digest}", stored[digest][1], stored[digest][0])
            media_type, data = stored[pushed.digest]
            self._send(http, "PUT", f"/v2/{repository}/manifests/{tag or pushed.digest}", data, media_type)
        return pushed

    def _send(
        self, http: urllib3.PoolManager, method: str, path: str, body: bytes | None, media_type: str | None
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **({"Content-Type": media_type} if media_type else {})}
        url = path if path.startswith("http") else f"http://{self.host}{path}"
        answer = http.request(method, url, body=body, headers=headers)
        assert answer.status < 300, (method, path, answer.status, answer.data)
        return answer


def basic_header(user: str, password: str) -> dict[str, str]:
    """Return an Authorization header."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def docker_environment(folder: Path, config: object) -> dict[str, str]:
    """Return an environment whose Docker configuration file holds ``config`` (JSON, or text as it is)."""
    folder.mkdir(parents=True, exist_ok=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text, encoding="utf-8")
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}


def auths(host: str, user: str, password: str) -> dict[str, object]:
    """Return a Docker configuration that knows one login."""
    return {"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}


def client_for(registry: FakeRegistry | RealRegistry, folder: Path, **members: Any) -> RegistryClient:
    """Return a client that may log in to ``registry`` if that has users; ``members`` go to its constructor."""
    users = registry.users
    config = auths(registry.host, *next(iter(users.items()))) if users else {}
    return RegistryClient(environment=docker_environment(folder, config), **members)


def content_client_for(registry: FakeRegistry | RealRegistry, folder: Path, **members: Any) -> ContentClient:
    """Return the same for the whole distribution API."""
    users = registry.users
    config = auths(registry.host, *next(iter(users.items()))) if users else {}
    return ContentClient(environment=docker_environment(folder, config), **members)
