"""Keeping a login where docker keeps it: a credential helper where one is configured, else ``config.json``.

Source: Docker CLI, "docker login" (credential stores and helpers) and "configuration file". The file is replaced as a
whole, mode 0600, and every other member of it stays.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from pipeline_kit.adapters.registry.credentials import HUB_KEY, OWN_HELPER, Credential, DockerConfig, normalize_key
from pipeline_kit.errors import AuthenticationFailed, OutputFailed
from pipeline_kit.reference import DEFAULT_HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_SECRET_MEMBERS = ("auth", "username", "password", "identitytoken", "registrytoken")


def configured_helper(host: str, environment: Mapping[str, str], *, own_entry: bool = False) -> str:
    """Return the helper that Docker's configuration names for ``host``, ``""`` without one.

    ``own_entry``: only what ``credHelpers`` says of this very host, not the ``credsStore`` of all.
    Raises AuthenticationFailed for a broken file.
    """
    document = DockerConfig(environment).read()
    for key, name in _section(document, "credHelpers").items():
        if normalize_key(key) == normalize_key(host) and isinstance(name, str):
            return name
    store = document.get("credsStore")
    return store if isinstance(store, str) and not own_entry else ""


def store(host: str, credential: Credential, environment: Mapping[str, str]) -> str:
    """Keep the user name and password of ``host``; return where, for people.

    Raises AuthenticationFailed for a broken file or helper, OutputFailed for a file that cannot be written.
    """
    from pipeline_kit.adapters.registry.credential_helpers import helper_store  # subprocess, only where needed

    key = HUB_KEY if normalize_key(host) == DEFAULT_HOST else host
    helper = configured_helper(host, environment)
    if helper:
        helper_store(helper, key, credential.username, credential.password, environment)
        _rewrite(environment, lambda document: _without_secret(document, key))
        return f"docker-credential-{helper}"
    pair = f"{credential.username}:{credential.password}".encode()

    def add(document: dict[str, Any]) -> None:
        _without_secret(document, key)["auth"] = base64.b64encode(pair).decode("ascii")

    return str(_rewrite(environment, add))


def use_own_helper(host: str, environment: Mapping[str, str]) -> str:
    """Name our credential helper for ``host``, so that no secret is stored; return where that stands.

    A login of the host in the same file goes, since it would be used no more. Raises as :func:`store` does.
    """

    def add(document: dict[str, Any]) -> None:
        document.setdefault("credHelpers", {})[host] = OWN_HELPER
        entries = _section(document, "auths")
        for key in [key for key in entries if normalize_key(key) == normalize_key(host)]:
            del entries[key]

    return str(_rewrite(environment, add))


def _without_secret(document: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the entry of ``key`` below ``auths``, made if need be, without any secret in it."""
    entries = document.setdefault("auths", {})
    found = entries.get(key)
    entry: dict[str, Any] = found if isinstance(found, dict) else {}
    entries[key] = entry
    for name in _SECRET_MEMBERS:
        entry.pop(name, None)
    return entry


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}


def _rewrite(environment: Mapping[str, str], change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the file: read, ``change``, write beside it, rename. A link to the file stays a link."""
    config = DockerConfig(environment)
    try:
        config.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = config.path.resolve()
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(real.parent):
            document = config.read()
            for name in ("auths", "credHelpers"):
                if name in document and not isinstance(document[name], dict):
                    raise AuthenticationFailed(f"{config.path} is broken: {name!r} is not an object")
            change(document)
            _replace(real, json.dumps(document, indent="\t").encode() + b"\n")
    except OSError as error:
        raise OutputFailed(
            f"cannot write {str(config.path)!r}: {error.strerror or error}",
            hint="point DOCKER_CONFIG at a directory that can be written to",
        ) from error
    return config.path


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other logins of ours out, so that two at once do not lose one; docker itself takes no lock."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            with contextlib.suppress(OSError):  # run as root, the file stays its user's
                before = path.stat()
                os.fchown(handle, before.st_uid, before.st_gid)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
