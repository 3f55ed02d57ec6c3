"""Whose credentials go to which registry: Docker's configuration file, its helpers, then the cloud's own chain.

Source: Docker CLI "configuration file" reference. A credential belongs to exactly one ``host[:port]``: keys are
compared as a whole after normalisation, never by prefix. Podman's keys with a path (``quay.io/team``) are not used.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline_kit.errors import AuthenticationFailed
from pipeline_kit.reference import DEFAULT_HOST
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB_KEY = "https://index.docker.io/v1/"
OWN_HELPER = "pipeline-kit"
"""The name under ``credHelpers`` that makes docker run ``docker-credential-pipeline-kit``."""
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_TOKEN_USER = "<token>"  # noqa: S105 - the helpers' mark for an identity token, not a secret
_LARGEST_FILE = 4 * 1024 * 1024


@value_class()
class Credential:
    """A user name with a password, or an identity token to exchange, or a registry token to send as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """Return the value of a Basic Authorization header, or ``None`` without a user name and password."""
        if not self.username or not self.password:
            return None
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode('ascii')}"


class CredentialSource(Protocol):
    """Something that knows credentials."""

    def lookup(self, host: str) -> Credential | None:
        """Return the credential for exactly ``host`` (``host[:port]``), ``None`` without one.

        Raises AuthenticationFailed or AwsUnreachable where there should be one and it cannot be had.
        """
        ...

    def forget(self, host: str) -> None:
        """Drop what is cached for ``host``: the registry did not accept it."""
        ...


def normalize_key(key: str) -> str:
    """Return the ``host[:port]`` that a key of ``auths`` or ``credHelpers`` stands for, ``""`` where it has a path.

    The scheme, ``/v1/``, ``/v2/`` and a trailing slash are dropped; Docker Hub's names all become ``docker.io``.
    """
    text = key.strip()
    for scheme in ("https://", "http://"):
        if text.lower().startswith(scheme):
            text = text[len(scheme) :]
    host, _, path = text.partition("/")
    if path.strip("/") not in ("", "v1", "v2") or "@" in host:
        return ""
    return DEFAULT_HOST if host.lower() in _HUB_HOSTS else host.lower()


class DockerConfig:
    """``config.json`` of Docker, read once when first asked; safe for use by many threads."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None

    @property
    def path(self) -> Path:
        """Return the file's path: below ``$DOCKER_CONFIG``, else ``~/.docker``."""
        folder = self._environment.get("DOCKER_CONFIG")
        return (Path(folder) if folder else Path(self._environment.get("HOME") or "~").expanduser() / ".docker") / (
            "config.json"
        )

    def lookup(self, host: str) -> Credential | None:
        """See CredentialSource. A broken file raises AuthenticationFailed: never silently anonymous."""
        with self._lock:
            if self._document is None:
                self._document = self.read()
            document = self._document
        wanted = normalize_key(host)
        helper = self._helper(document, wanted)
        stored = self._from_helper(helper, wanted) if helper else None
        if stored is None:
            entries = self._section(document, "auths")
            entry = next((value for key, value in _sorted(entries) if normalize_key(key) == wanted), None)
            stored = self._from_entry(wanted, entry)
        if stored is None:
            self._refuse_environment(wanted)
        return stored

    def forget(self, host: str) -> None:
        """See CredentialSource: the file is read anew, for something may have renewed it."""
        del host
        with self._lock:
            self._document = None

    def read(self) -> dict[str, Any]:
        """Return the file's document, empty where there is none. Raises AuthenticationFailed for a broken file."""
        path = self.path
        try:
            with path.open("rb") as handle:
                data = handle.read(_LARGEST_FILE + 1)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise AuthenticationFailed(f"cannot read {path}: {error.strerror}") from error
        if not data.strip():
            return {}
        try:
            document = json.loads(data[:_LARGEST_FILE])
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self._broken("it is not a JSON object")
        return document

    def _broken(self, why: str) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"{self.path} is broken: {why}", hint="correct the file, or remove it and run `pipeline-kit login` again"
        )

    def _section(self, document: dict[str, Any], name: str) -> dict[str, Any]:
        section = document.get(name)
        if section is None:
            return {}
        if not isinstance(section, dict):
            raise self._broken(f"{name!r} is not an object")
        return section

    def _helper(self, document: dict[str, Any], wanted: str) -> str:
        for key, name in _sorted(self._section(document, "credHelpers")):
            if normalize_key(key) == wanted and isinstance(name, str):
                # Our own helper would ask what this very process asks next (EcrCredentials): no second Python for that.
                return "" if name == OWN_HELPER else name
        store = document.get("credsStore")
        return store if isinstance(store, str) else ""

    def _from_helper(self, name: str, wanted: str) -> Credential | None:
        from pipeline_kit.adapters.registry.credential_helpers import helper_get  # subprocess, only where needed

        found = helper_get(name, HUB_KEY if wanted == DEFAULT_HOST else wanted, self._environment)
        if found is None:
            return None
        user, secret = found
        return Credential(identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)

    def _from_entry(self, wanted: str, entry: Any) -> Credential | None:
        if not entry:
            return None
        if not isinstance(entry, dict):
            raise self._broken(f"the entry of {wanted} is not an object")
        texts = {name: value for name, value in entry.items() if isinstance(value, str)}
        user, password = texts.get("username", ""), texts.get("password", "")
        if texts.get("auth"):
            user, password = self._decoded(wanted, texts["auth"])
        credential = Credential(user, password, texts.get("identitytoken", ""), texts.get("registrytoken", ""))
        return credential if credential != Credential() else None

    def _decoded(self, wanted: str, text: str) -> tuple[str, str]:
        try:
            user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user, colon, password = "", "", ""
        if not colon or not user:
            raise self._broken(f"the 'auth' of {wanted} is not base64 of user:password")
        return user, password.rstrip("\0")

    def _refuse_environment(self, wanted: str) -> None:
        """Say why DOCKER_AUTH_CONFIG is not used, where it would have been: every child process would hold it too."""
        text = self._environment.get("DOCKER_AUTH_CONFIG", "")
        try:
            entries = json.loads(text)["auths"] if text else {}
        except (ValueError, KeyError, TypeError, RecursionError):
            entries = {}
        if isinstance(entries, dict) and any(normalize_key(key) == wanted for key in entries):
            raise AuthenticationFailed(
                f"the credentials for {wanted} are in DOCKER_AUTH_CONFIG, which is not read",
                hint=f"write its value to {self.path} (mode 0600) and unset it",
            )


def _sorted(section: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(section.items(), key=lambda item: (item[0].startswith(("http://", "https://")), item[0]))


class CredentialChain:
    """The first source that knows a host wins; answers are kept, so that a helper runs once for each host."""

    def __init__(self, sources: tuple[CredentialSource, ...]) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._known: dict[str, Credential | None] = {}

    def lookup(self, host: str) -> Credential | None:
        """See CredentialSource."""
        with self._lock:
            if host not in self._known:
                found = (source.lookup(host) for source in self._sources)
                self._known[host] = next((credential for credential in found if credential is not None), None)
            return self._known[host]

    def forget(self, host: str) -> None:
        """See CredentialSource."""
        with self._lock:
            self._known.pop(host, None)
            for source in self._sources:
                source.forget(host)
