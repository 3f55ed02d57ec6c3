"""Where the engine is, for docker-py, which knows DOCKER_HOST but no contexts."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 20.0


def engine_environment(docker: str | None, environ: Mapping[str, str], name: str | None) -> dict[str, str]:
    """Return ``environ`` with DOCKER_HOST set to the engine behind docker's context.

    ``name`` is a builder with the docker driver, which bears the name of its context; without one the current context
    counts, unless DOCKER_HOST is set, which wins as in docker itself. The client certificates of a context are not
    taken over: such an engine needs DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.
    """
    is_chosen = bool(environ.get("DOCKER_HOST")) and name in (None, "default")
    host = "" if is_chosen or docker is None else _context_host(docker, environ, name)
    return {**environ, "DOCKER_HOST": host} if host else dict(environ)


def _context_host(docker: str, environ: Mapping[str, str], name: str | None) -> str:
    argv = [docker, "context", "inspect", *([name] if name else []), "--format", "{{.Endpoints.docker.Host}}"]
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
