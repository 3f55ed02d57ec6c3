"""An in-process registry in the shape of the distribution specification, on loopback, with scripted faults.

Used by the tests of everything that speaks to a registry. Storage is public dictionaries, so a test can make any
state; every request is logged with its headers; rules replace, delay or break answers.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fakes.fake_registry_answers import Logged, digest_of, to_json
from fakes.fake_registry_wire import Handler, Rule, Server

from pipeline_kit.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FakeRegistry", "Logged", "Pushed", "Rule", "digest_of"]

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What ``put_image`` stored: the digest under the tag, those of its platforms, and their config digests."""

    digest: str
    platforms: Mapping[str, str]
    configs: Mapping[str, str]


class FakeRegistry:
    """A registry that starts at construction and ends with ``close`` (or the end of a ``with`` block).

    ``users`` (name to password) asks for a login: Basic, or with ``token`` Bearer tokens from ``/token`` here.
    ``immutable`` lists tag patterns that can be written once. ``creates_repositories`` False behaves as ECR. What
    else registries differ in is switched by members: ``has_referrers`` (the API, and OCI-Subject), ``mounts``,
    ``deletes``, ``has_ranges`` (GET of a part), ``remembers_cuts`` (an upload can go on after its body broke off),
    ``page`` (the most entries of one page, 0 for any number), ``withheld`` (scopes that no token is given).
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        token: bool = False,
        immutable: Iterable[str] = (),
        creates_repositories: bool = True,
    ) -> None:
        self.users = dict(users or {})
        self.uses_tokens = token
        self.immutable = tuple(immutable)
        self.creates_repositories = creates_repositories
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.uploads: dict[str, bytes] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        self.withheld: frozenset[str] = frozenset()
        self.token_seconds = 300
        self.has_referrers = self.mounts = self.deletes = self.has_ranges = self.remembers_cuts = True
        self.page = 0
        self.realm = ""
        self.rules: list[Rule] = []
        self.log: list[Logged] = []
        self.connections = 0
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.registry = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Return ``127.0.0.1:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and close every connection and thread."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def add_rule(self, **members: Any) -> Rule:
        """Add and return a Rule; earlier rules win."""
        rule = Rule(**members)
        with self.lock:
            self.rules.append(rule)
        return rule

    def requests(self, method: str = ".*", path: str = ".*") -> list[Logged]:
        """Return the logged requests whose method and path match."""
        with self.lock:
            return [item for item in self.log if re.fullmatch(method, item.method) and re.search(path, item.path)]

    def put_blob(self, repository: str, data: bytes) -> str:
        """Store a blob and return its digest."""
        with self.lock:
            self.blobs.setdefault(repository, {})[digest_of(data)] = data
        return digest_of(data)

    def put_manifest(self, repository: str, tag: str | None, media_type: str, data: bytes) -> str:
        """Store a manifest, under ``tag`` if there is one, and return its digest."""
        with self.lock:
            self.manifests.setdefault(repository, {})[digest_of(data)] = (media_type, data)
            if tag is not None:
                self.tags.setdefault(repository, {})[tag] = digest_of(data)
        return digest_of(data)

    def put_image(
        self,
        repository: str,
        tag: str | None,
        platforms: Iterable[str] = ("linux/amd64",),
        *,
        labels: Mapping[str, str] | None = None,
        content: str = "",
        index: bool | None = None,
        media_type: str = OCI_MANIFEST,
    ) -> Pushed:
        """Store an image: an index when ``index`` is true or there are several platforms, else a plain manifest.

        ``content`` makes images differ; equal arguments give equal digests.
        """
        wanted = tuple(platforms)
        digests: dict[str, str] = {}
        configs: dict[str, str] = {}
        children: list[dict[str, Any]] = []
        is_index = len(wanted) != 1 if index is None else index
        for platform in wanted:
            data, configs[platform] = self._image(repository, platform, dict(labels or {}), content, media_type)
            digests[platform] = self.put_manifest(repository, None if is_index else tag, media_type, data)
            system, arch, *variant = platform.split("/")
            shown = {"os": system, "architecture": arch, **({"variant": variant[0]} if variant else {})}
            children.append(
                {"mediaType": media_type, "digest": digests[platform], "size": len(data), "platform": shown}
            )
        if not is_index:
            return Pushed(digests[wanted[0]], digests, configs)
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return Pushed(self.put_manifest(repository, tag, OCI_INDEX, to_json(document)), digests, configs)

    def _image(
        self, repository: str, platform: str, labels: dict[str, str], content: str, media_type: str
    ) -> tuple[bytes, str]:
        system, arch, *variant = platform.split("/")
        layer = f"layer of {repository} for {platform}: {content}".encode()
        config = {
            "os": system,
            "architecture": arch,
            **({"variant": variant[0]} if variant else {}),
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
        data = to_json(config)
        is_docker = media_type == DOCKER_MANIFEST
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json" if is_docker else _CONFIG,
                "digest": self.put_blob(repository, data),
                "size": len(data),
            },
            "layers": [{"mediaType": _LAYER, "digest": self.put_blob(repository, layer), "size": len(layer)}],
        }
        return to_json(document), digest_of(data)
