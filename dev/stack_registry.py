"""CNCF registries on loopback: the stack's own, and others that a test configures."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import stack_process as process
from stack_programs import docker_registry_binary
from stack_state import StackError, read_json, run_dir, say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_PORT = 5000
_READY_SECONDS = 15.0
_BCRYPT_COST = "05"
_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """Where clients of a registry get their tokens, and the certificate (PEM) that signs them."""

    realm: str
    service: str
    issuer: str
    root_certificates: Path


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """How a registry is to run.

    `users` (name -> password) asks for basic authentication, `token` for bearer tokens; neither means open.
    `extra` replaces whole top-level sections of the registry's own configuration.
    """

    users: Mapping[str, str] | None = None
    token: TokenAuth | None = None
    delete: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry: its host:port, its folder (config, data, log) and its process."""

    host: str
    folder: Path
    daemon: process.Daemon

    @property
    def log(self) -> Path:
        """Return the file with its log, requests included."""
        return self.folder / "registry.log"


def start_registry(folder: Path, config: RegistryConfig | None = None, *, port: int = 0) -> Registry:
    """Start a registry on 127.0.0.1 with its data in `folder`; port 0 means any free one.

    Raises:
        StackError: it cannot be obtained, or it does not answer.
    """
    program = docker_registry_binary()
    number = port or process.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "config.yml"
    write_json(settings, _settings(folder, config or RegistryConfig(), number))  # JSON is YAML
    log = folder / "registry.log"
    daemon = process.spawn([str(program), "serve", str(settings)], environment=os.environ, log=log)
    registry = Registry(host=f"127.0.0.1:{number}", folder=folder, daemon=daemon)
    process.await_ready(daemon, lambda: answers(registry.host), log=log, seconds=_READY_SECONDS)
    return registry


def stop_registry(registry: Registry) -> None:
    """Stop a registry that was started here; its data stays."""
    process.stop(registry.daemon)


@contextlib.contextmanager
def running_registry(folder: Path, config: RegistryConfig | None = None, *, port: int = 0) -> Iterator[Registry]:
    """Run a registry while the block runs (see start_registry)."""
    registry = start_registry(folder, config, port=port)
    try:
        yield registry
    finally:
        stop_registry(registry)


def answers(host: str) -> bool:
    """Tell whether a registry at host:port answers its version check: 200, or 401 when it wants a login."""
    return version_check(host) in {200, 401}


def version_check(host: str) -> int:
    """Return the HTTP status of GET /v2/ at host:port, or 0 when nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}/v2/", timeout=5) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def bcrypt_hash(password: str) -> str:
    """Return a bcrypt hash that registries and Apache's htpasswd files accept.

    Raises:
        StackError: this machine has neither a libcrypt with bcrypt nor `htpasswd`.
    """
    library = ctypes.util.find_library("crypt")
    if library is not None:
        salt = "".join(secrets.choice(_BCRYPT_ALPHABET) for _ in range(22))
        crypt = ctypes.CDLL(library).crypt
        crypt.restype = ctypes.c_char_p
        hashed = crypt(password.encode(), f"$2b${_BCRYPT_COST}${salt}".encode())
        if isinstance(hashed, bytes) and hashed.startswith(b"$2b$"):
            return hashed.decode("ascii")
    program = shutil.which("htpasswd")
    if program is None:
        raise StackError("no bcrypt here: neither in libcrypt nor as `htpasswd`")
    argv = [program, "-niB", "user"]
    done = subprocess.run(argv, input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip().partition(":")[2]


def ensure_registry(docker: Mapping[str, str]) -> str:
    """Return host:port of the stack's registry (open, deletes enabled), started when it does not run.

    `docker` is the environment in which a `docker` client works: without a Debian package of the registry, the image
    registry:2 runs as a container instead.

    Raises:
        StackError: neither way works.
    """
    folder = run_dir("registry")
    running = _recall(folder)
    if running is not None:
        return running
    port = process.free_port(_last_port(folder) or DEFAULT_PORT)
    try:
        docker_registry_binary()
    except StackError as error:
        say(f"{str(error).splitlines()[0]}; running registry:2 as a container on 127.0.0.1:{port}")
        return _start_container(folder, docker, port)
    say(f"starting registry on 127.0.0.1:{port}")
    registry = start_registry(folder, port=port)
    process.remember(folder / "registry.json", registry.daemon)
    write_json(folder / "address.json", {"host": registry.host, "port": port})
    return registry.host


def registry_host() -> str | None:
    """Return host:port of the stack's registry if it runs, else None."""
    return _recall(run_dir("registry"))


def stop_own_registry(docker: Mapping[str, str]) -> bool:
    """Stop the stack's registry if it runs; tell whether it did."""
    folder = run_dir("registry")
    daemon = process.recall(folder / "registry.json")
    container = _container(folder)
    if daemon is not None:
        say(f"stopping registry ({daemon.pid})")
        process.stop(daemon)
    elif container is not None:
        say(f"stopping registry (container {container[:12]})")
        argv = ["/usr/bin/env", "docker", "rm", "--force", "--volumes", container]
        subprocess.run(argv, env=dict(docker), check=False, stdout=subprocess.DEVNULL)
    for name in ("registry.json", "container.json"):
        (folder / name).unlink(missing_ok=True)
    return daemon is not None or container is not None


def _recall(folder: Path) -> str | None:
    if process.recall(folder / "registry.json") is None and _container(folder) is None:
        return None
    port = _last_port(folder)
    host = f"127.0.0.1:{port}"
    return host if port and answers(host) else None


def _last_port(folder: Path) -> int:
    port = read_json(folder / "address.json").get("port")
    return port if isinstance(port, int) else 0


def _container(folder: Path) -> str | None:
    identity = read_json(folder / "container.json").get("id")
    return identity if isinstance(identity, str) else None


def _start_container(folder: Path, docker: Mapping[str, str], port: int) -> str:
    argv = ["/usr/bin/env", "docker", "run", "--detach", "--publish", f"127.0.0.1:{port}:5000"]
    argv += ["--env", "REGISTRY_STORAGE_DELETE_ENABLED=true", "registry:2"]
    done = subprocess.run(argv, env=dict(docker), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"docker run registry:2 failed ({done.returncode}): {done.stderr.strip()}")
    write_json(folder / "container.json", {"id": done.stdout.strip()})
    write_json(folder / "address.json", {"host": f"127.0.0.1:{port}", "port": port})
    host = f"127.0.0.1:{port}"
    if not process.wait(lambda: answers(host), _READY_SECONDS):
        raise StackError(f"the registry in container {done.stdout.strip()[:12]} does not answer on {host}")
    return host


def _settings(folder: Path, config: RegistryConfig, port: int) -> dict[str, object]:
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": config.delete},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
    }
    auth = _auth(folder, config)
    if auth:
        settings["auth"] = auth
    return {**settings, **config.extra}


def _auth(folder: Path, config: RegistryConfig) -> dict[str, object]:
    if config.users is not None:
        passwords = folder / "htpasswd"
        lines = [f"{name}:{bcrypt_hash(password)}\n" for name, password in config.users.items()]
        passwords.write_text("".join(lines), encoding="utf-8")
        return {"htpasswd": {"realm": "pipeline-kit", "path": str(passwords)}}
    if config.token is not None:
        token = config.token
        names = {"realm": token.realm, "service": token.service, "issuer": token.issuer}
        return {"token": {**names, "rootcertbundle": str(token.root_certificates)}}
    return {}
