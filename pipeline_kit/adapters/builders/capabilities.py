"""What the engine at hand can do, asked once and only when something must be built."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.bake import Export
from pipeline_kit.errors import EngineUnreachable
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION_RE = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")
_SECONDS = 60.0
_DOCKER_DRIVER = "docker"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


@value_class()
class Capabilities:
    """A builder behind buildx: the plugin's version, the builder's name and driver, and the engine's image store."""

    version: tuple[int, int, int]
    builder: str
    driver: str
    has_containerd_store: bool = False

    @property
    def is_engine(self) -> bool:
        """Return whether images are built inside a Docker Engine."""
        return self.driver == _DOCKER_DRIVER

    def export(self, *, push: bool) -> Export:
        """Return what becomes of built images."""
        if not self.is_engine:
            return Export.DIGEST if push else Export.CACHE
        if not self.has_containerd_store:
            return Export.ENGINE_CLASSIC
        return Export.ENGINE_DIGEST if push else Export.ENGINE


def find_docker(environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of the docker command on ``environ``'s PATH, or ``None``."""
    return shutil.which("docker", path=environ.get("PATH"))


def buildx_version(docker: str, environ: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Return the version of the buildx plugin, or ``None`` without it. Raises EngineUnreachable for a broken docker."""
    done = _run([docker, "buildx", "version"], environ)
    match = _VERSION_RE.search(done.stdout)
    return (int(match[1]), int(match[2]), int(match[3])) if done.returncode == 0 and match else None


def find_capabilities(
    docker: str, version: tuple[int, int, int], environ: Mapping[str, str], name: str | None
) -> Capabilities:
    """Return what the builder ``name`` (else the current one) can do. Raises EngineUnreachable."""
    done = _run([docker, "buildx", "inspect", *([name] if name else [])], environ)
    fields = dict(re.findall(r"^(Name|Driver):[ \t]*(\S+)", done.stdout, re.MULTILINE)[:2])
    if done.returncode != 0 or "Driver" not in fields:
        raise unreachable(done.stderr or done.stdout, environ, builder=name)
    builder, driver = fields.get("Name", name or "default"), fields["Driver"]
    if driver != _DOCKER_DRIVER:
        return Capabilities(version, builder, driver)
    return Capabilities(version, builder, driver, has_containerd_store=_has_containerd_store(docker, environ, name))


def _has_containerd_store(docker: str, environ: Mapping[str, str], name: str | None) -> bool:
    # A builder with the docker driver bears the name of its docker context.
    context = ["--context", name] if name else []
    done = _run([docker, *context, "info", "--format", "{{json .DriverStatus}}"], environ)
    if done.returncode != 0:
        raise unreachable(done.stderr, environ, builder=name)
    return "io.containerd.snapshotter" in done.stdout


def unreachable(text: str, environ: Mapping[str, str], *, builder: str | None = None) -> EngineUnreachable:
    """Return the error for docker's own complaint ``text``: which socket, which variable, what to do."""
    where = endpoint_text(text, environ)
    if "permission denied" in text.lower():
        return EngineUnreachable(
            f"this user may not talk to the Docker Engine at {where}",
            hint="add the user to the group that owns the socket, or point DOCKER_HOST at an engine of your own",
        )
    if builder and "no builder" in text:
        return EngineUnreachable(f"there is no builder {builder!r}", hint="docker buildx ls lists the builders")
    if "unable to parse docker host" in text or "invalid" in text.lower():
        return EngineUnreachable(
            f"{where} is not an address of a Docker Engine: {_first_line(text)}",
            hint="DOCKER_HOST looks like unix:///var/run/docker.sock or tcp://host:2376",
        )
    if "context" in text and "not found" in text:
        return EngineUnreachable(f"docker: {_first_line(text)}", hint="docker context ls lists the contexts")
    detail = "" if "Cannot connect" in text else f": {_first_line(text)}"
    return EngineUnreachable(
        f"no Docker Engine answers at {where}{detail}", hint="start it, or set DOCKER_HOST or DOCKER_CONTEXT"
    )


def endpoint_text(text: str, environ: Mapping[str, str]) -> str:
    """Return the engine's address for people, with what chose it."""
    if environ.get("DOCKER_HOST"):
        return f"{environ['DOCKER_HOST']} (from DOCKER_HOST)"
    found = re.search(r"(?:unix|tcp|ssh|npipe|http|https)://[^\s\"?]+?(?=[.,:]?(?:\s|\"|$))", text)
    address = found[0] if found else DEFAULT_SOCKET
    if environ.get("DOCKER_CONTEXT"):
        return f"{address} (from DOCKER_CONTEXT={environ['DOCKER_CONTEXT']})"
    return f"{address} (DOCKER_HOST is not set)"


def is_unreachable(text: str) -> bool:
    """Return whether buildx's error says that the engine, or its BuildKit, cannot be talked to."""
    return _UNREACHABLE_RE.search(text) is not None


_UNREACHABLE_RE = re.compile(
    r"^(?:Cannot connect to the Docker daemon|error during connect|permission denied while trying to connect"
    r"|failed to (?:receive status|list workers|find driver|initialize builder|dial|connect to the docker API)"
    r"|unable to parse docker host|no builder )"
    r"|closing transport|error reading from server"
)


def _first_line(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "no answer")
    return line.removeprefix("ERROR: ").strip()[:300]


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            list(argv),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineUnreachable(
            f"the Docker Engine at {endpoint_text('', environ)} did not answer in {_SECONDS:.0f} s"
        ) from error
    except OSError as error:
        raise EngineUnreachable(f"docker cannot be started: {error.strerror}") from error
