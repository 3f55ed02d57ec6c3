"""A client before one registry of the field, logged in as that registry's own tool would leave it."""

from __future__ import annotations

import base64
import json
import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import stack
from fakes.fake_clock import FakeClock
from fakes.real_registry import RealRegistry, client_for, docker_environment
from fakes.registry_front import RegistryFront
from fakes.registry_profiles_own import HTPASSWD

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.adapters.registry.credentials import CredentialChain, DockerConfig
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.fake_registry import Pushed
    from fakes.registry_profile import Account, Profile

    from pipeline_kit.manifest import Manifest

WRONG = "not-the-secret"


@contextmanager
def upstreams(folder: Path) -> Iterator[Callable[[Profile], RealRegistry]]:
    """Run the real registries: an open one behind the fronts, and one with the htpasswd of that profile."""
    users = {HTPASSWD.pusher.user: HTPASSWD.pusher.password}
    config = stack.RegistryConfig(users=users)
    with stack.running_registry(folder / "open") as behind, stack.running_registry(folder / "own", config) as own:
        registries = {"own": RealRegistry(own.host, users)}
        yield lambda profile: registries.get(profile.scheme, RealRegistry(behind.host))


@contextmanager
def scene_of(
    profile: Profile, registries: Callable[[Profile], RealRegistry], folder: Path, test: str
) -> Iterator[RegistryScene]:
    """Give a scene whose repositories are named after ``test``, and end it."""
    label = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:60].strip("-")
    with closing(RegistryScene(profile, registries(profile), folder, label)) as scene:
        yield scene


class RegistryScene:
    """A front for ``profile``, a real registry behind it, and clients; repositories bear ``label`` to be apart."""

    def __init__(self, profile: Profile, upstream: RealRegistry, folder: Path, label: str) -> None:
        self.profile = profile
        self.front = RegistryFront(profile, upstream.host)
        self.clock = FakeClock()
        self._upstream = upstream
        self._folder = folder
        self._label = label
        self._clients: list[ContentClient] = []

    def close(self) -> None:
        """End every client and the front."""
        for client in self._clients:
            client.close()
        self.front.close()

    def reference(self, name: str = "app", tag: str = "t") -> Reference:
        """Return a tag of a repository of this scene."""
        return Reference(self.profile.host, f"{self.profile.prefix}/{self._label}-{name}", tag)

    def missing(self) -> Reference:
        """Return a tag of a repository that nobody made, nor what has to be made before it."""
        prefix = "gone/" * max(1, self.profile.depth) if self.profile.depth else f"{self.profile.prefix}/"
        return Reference(self.profile.host, f"{prefix}{self._label}-gone", "t")

    def put(self, name: str = "app", tag: str = "t", **members: Any) -> Pushed:
        """Store an image, its repository included, behind the front."""
        reference = self.reference(name, tag)
        self.front.repositories.add(reference.repository)
        return self._upstream.put_image(reference.repository, tag, **members)

    def store_unseen(self, reference: Reference) -> Manifest:
        """Store what an image consists of where the front does not know of the repository; return its manifest."""
        pushed = self._upstream.put_image(reference.repository, None)
        with closing(client_for(self._upstream, self._folder / "upstream")) as client:
            return client.manifest(Reference(self._upstream.host, reference.repository, digest=pushed.digest))

    def client(self, account: Account | None = None, **members: Any) -> ContentClient:
        """Return a client with the login of ``account``, the one that may push by default."""
        environment = self.log_in(account or self.front.pusher)
        return self._client(environment, **members)

    def reader(self) -> ContentClient:
        """Return a client with the login that may only pull."""
        return self.client(self.front.reader)

    def anonymous(self) -> ContentClient:
        """Return a client without a login, and without a cloud's credentials to get one."""
        environment = docker_environment(self._folder / "anonymous", {})
        return self._client(environment, credentials=CredentialChain((DockerConfig(environment),)))

    def log_in(self, account: Account) -> dict[str, str]:
        """Leave the login of ``account`` in the form of the registry's own tool and return the environment."""
        login, key = self.profile.login, self.profile.login.key or self.profile.host
        folder = self._folder / "docker"
        if not self.profile.has_login:
            return docker_environment(folder, {})
        if login.helper:
            environment = docker_environment(folder, {"credHelpers": {key: login.helper}})
            _write_helper(folder, login.helper, account)
            return environment
        entry = {"auth": base64.b64encode(f"{account.user}:{account.password}".encode()).decode()}
        if account.identity_token:
            entry["identitytoken"] = account.identity_token
        return docker_environment(folder, {"auths": {key: entry}})

    def _client(self, environment: dict[str, str], **members: Any) -> ContentClient:
        hosts = [self.profile.host, self.profile.api_host, self.profile.realm.partition("/")[0]]
        client = ContentClient(
            environment={**environment, "http_proxy": f"http://{self.front.address}"},
            plain_http=[*hosts, *(f"{host}:80" for host in hosts if host)],
            **{"clock": self.clock, **members},
        )
        self._clients.append(client)
        return client


def _write_helper(folder: Path, name: str, account: Account) -> None:
    user, secret = (account.user, account.password) if account.password else ("<token>", account.identity_token)
    document = json.dumps({"ServerURL": "", "Username": user, "Secret": secret})
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\ncat >/dev/null\necho x >> {folder}/helper-runs\necho '{document}'\n", encoding="utf-8")
    path.chmod(0o755)
