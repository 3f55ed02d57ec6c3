"""Builders: buildx wherever it is there, else the engine's own API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.ports.builder import Builder, BuildRequest, ContextFile
    from pipeline_kit.ports.clock import Clock

__all__ = ["Prefer", "open_builder"]

Prefer = Literal["auto", "buildx", "engine"]
_OLDEST_BUILDX = (0, 13, 0)


def open_builder(
    environ: Mapping[str, str],
    *,
    clock: Clock,
    observe: Callable[[str], str | None],
    credentials: Callable[[str], tuple[str, str] | None],
    context_files: Callable[[BuildRequest], Iterable[ContextFile]],
    probe: Callable[[str], bool | None] = lambda _: None,
    name: str | None = None,
    prefer: Prefer = "auto",
    jobs: int | None = None,
    docker_config: Path | None = None,
    on_retry: Callable[[str, Retry], None] = lambda name, retry: None,  # noqa: ARG005 - a default that says nothing
) -> Builder:
    """Return the builder to use: buildx with the builder ``name`` (else the current one), or the engine's own.

    ``observe`` returns the registry's digest for ``host/repository:tag`` or ``None`` when it is not there; ``probe``
    whether the registry would take a push to ``host/repository`` (``None``: cannot say); ``credentials`` user and
    secret for a registry host; ``context_files`` what a request's context sends (only used without buildx).
    ``docker_config`` replaces the user's docker configuration, whose plugins, contexts and builders stay in use.
    ``on_retry`` is told, from any thread, of each push of an image that is to be repeated. Asks the engine once.
    Raises EngineUnreachable.
    """
    from pipeline_kit.adapters.builders.bake_job import Settings
    from pipeline_kit.adapters.builders.bake_run import Bake
    from pipeline_kit.adapters.builders.buildx import BuildxBuilder
    from pipeline_kit.adapters.builders.capabilities import buildx_version, find_capabilities, find_docker
    from pipeline_kit.adapters.builders.endpoint import engine_environment
    from pipeline_kit.adapters.builders.engine import EngineBuilder
    from pipeline_kit.adapters.builders.environment import child_environment
    from pipeline_kit.adapters.builders.push import Pusher

    child = child_environment(environ, docker_config)
    docker = find_docker(environ)
    version = buildx_version(docker, child) if docker and prefer != "engine" else None
    pusher = Pusher(lambda: engine_environment(docker, child, name), clock, observe, credentials, probe, on_retry)
    if docker is None or version is None:
        _refuse_without_buildx(docker, prefer, name)
        engine = engine_environment(docker, child, None)
        return EngineBuilder(engine, clock, context_files, credentials, pusher, jobs)
    if version < _OLDEST_BUILDX:
        found = ".".join(map(str, version))
        raise EngineUnreachable(f"docker buildx is {found}; 0.13 or newer is needed", hint="update docker-buildx")
    capabilities = find_capabilities(docker, version, child, name)
    return BuildxBuilder(Settings(Bake(docker, capabilities, child, name), clock, probe, jobs, on_retry), pusher)


def _refuse_without_buildx(docker: str | None, prefer: Prefer, name: str | None) -> None:
    if prefer == "engine" and not name:
        return
    missing = "no docker command is on PATH" if docker is None else "docker has no buildx plugin"
    if prefer == "buildx" or name:
        raise EngineUnreachable(missing, hint="install docker-buildx, or leave the builder to pipeline-kit")
