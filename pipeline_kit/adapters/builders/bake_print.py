"""``docker buildx bake --print``: a bake file as bake itself understands it. No engine is asked."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.capabilities import find_docker
from pipeline_kit.adapters.builders.environment import child_environment
from pipeline_kit.config.imports.source import BakeFault
from pipeline_kit.config.secrecy import is_secret_name
from pipeline_kit.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 60.0
_PLACE = re.compile(r"(?:^|[\s:])-?:?(?P<line>[0-9]+),(?P<column>[0-9]+)(?:-[0-9,]+)?:[ \t]*(?P<rest>.*)")
_HINT = "install the buildx plugin, or write the images under 'images'"
_LONGEST = 300
_NO_PLUGIN = ("is not a docker command", "unknown flag: --file", "unknown command: docker buildx")


def print_bake(data: bytes, environ: Mapping[str, str]) -> bytes:
    """Return the JSON that bake prints for a bake file's bytes; the same question is put once in a process.

    They go in on stdin, so that the file of any commit can be read. Variables whose names look like secrets are kept
    from bake, since what it prints is printed by others in turn. Raises BakeFault where bake refuses them, and
    EngineUnreachable where there is no buildx or it does not answer.
    """
    docker = find_docker(environ)
    if docker is None:
        raise EngineUnreachable("a bake file is imported, and there is no docker command to read it", hint=_HINT)
    child = child_environment(environ, None)
    return _printed(docker, data, tuple(sorted((name, child[name]) for name in child if not is_secret_name(name))))


@lru_cache(maxsize=64)
def _printed(docker: str, data: bytes, environ: tuple[tuple[str, str], ...]) -> bytes:
    try:
        done = subprocess.run(
            [docker, "buildx", "bake", "--file", "-", "--print"],
            input=data,
            env=dict(environ),
            cwd="/",
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnreachable(f"docker buildx bake --print: {error}", hint=_HINT) from error
    if done.returncode == 0:
        return done.stdout
    told = done.stderr.decode("utf-8", "replace").strip()
    if any(words in told for words in _NO_PLUGIN):
        raise EngineUnreachable("a bake file is imported, and docker has no buildx plugin to read it", hint=_HINT)
    raise _fault(told)


def _fault(told: str) -> BakeFault:
    lines = [line for line in told.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "it does not say why")
    text = last.partition("ERROR:")[2].strip() or last.strip()
    place = _PLACE.search(text)
    if place is not None:
        return BakeFault(place["rest"][:_LONGEST], int(place["line"]), int(place["column"]))
    if "failed to find target default" in text:
        text = f"{text}; the images are those of the group 'default'"
    return BakeFault(text[:_LONGEST])
