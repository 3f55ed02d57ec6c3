"""ECS task definitions of a configuration, their images set by digest (design D8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError, RegistryRefused, RegistryUnreachable, TaskDefinitionError
from pipeline_kit.plan import Action, Verdict
from pipeline_kit.task_definition import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline_kit.app.project import Project
    from pipeline_kit.config import EcsService
    from pipeline_kit.plan import Plan


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered task definition; ``images`` maps container names to ``host/repository@digest``."""

    environment: str
    service: str
    images: Mapping[str, str]
    data: bytes


def services(project: Project, names: Iterable[str] = ()) -> list[tuple[str, EcsService]]:
    """Return ``(environment, service)`` pairs: all, or those named ``SERVICE`` or ``ENVIRONMENT/SERVICE``.

    Raises InputError for a name that is none.
    """
    known = [(env.name, service) for env in project.config.ecs.values() for service in env.services.values()]
    wanted = list(names)
    for name in wanted:
        if not any(name in (service.name, f"{env}/{service.name}") for env, service in known):
            listed = ", ".join(f"{env}/{service.name}" for env, service in known) or "none: deploy.ecs is empty"
            raise InputError(f"there is no ECS service {name!r}", hint=f"services are: {listed}")
    return [(e, s) for e, s in known if not wanted or s.name in wanted or f"{e}/{s.name}" in wanted]


def check(project: Project) -> None:
    """Raise TaskDefinitionError now for what rendering would refuse later, after the build."""
    for _, service in services(project):
        _render(project, service, dict.fromkeys(service.containers, "checked/only"))


def present(plan: Plan, wanted: Iterable[str]) -> dict[str, str]:
    """Return ``host/repository@digest`` of the ``wanted`` images that the registry holds whole.

    Raises RegistryRefused or RegistryUnreachable where that is not certain, InputError for one that is missing.
    """
    found: dict[str, str] = {}
    for name in wanted:
        image = plan.images[name]
        if image.action is Action.BLOCKED:
            kind = RegistryRefused if image.verdict is Verdict.DENIED else RegistryUnreachable
            raise kind(f"{image.reference}: {'; '.join(image.reasons)}", hint=image.hint or None)
        if image.action is not Action.SKIP or image.digest is None:
            raise InputError(f"{image.reference} is not in the registry", hint=f"run: pipeline-kit build {name}")
        found[name] = f"{image.repository}@{image.digest}"
    return found


def render_services(
    project: Project, chosen: Iterable[tuple[str, EcsService]], pinned: Mapping[str, str]
) -> list[Rendered]:
    """Return the ``chosen`` services' task definitions; ``pinned`` maps image names to ``host/repository@digest``.

    Raises TaskDefinitionError when a container's image is not in ``pinned``, or the file is wrong.
    """
    found: list[Rendered] = []
    for environment, service in chosen:
        images: dict[str, str] = {}
        for container, image in service.containers.items():
            if image not in pinned:
                raise TaskDefinitionError(
                    f"{service.task_definition}: container {container} takes image {image}, which has no digest here",
                    hint=f"it is not part of this plan, or not in the registry: run pipeline-kit build {image}",
                )
            images[container] = pinned[image]
        found.append(Rendered(environment, service.name, images, _render(project, service, images)))
    return found


def _render(project: Project, service: EcsService, images: Mapping[str, str]) -> bytes:
    data = project.tree.read(project.in_tree(service.task_definition))
    if data is None:
        raise TaskDefinitionError(f"{service.task_definition}: no such file")
    return render(data, service.task_definition, images)


def write(rendered: Iterable[Rendered], directory: Path) -> list[Path]:
    """Write one file a service, ``ENVIRONMENT-SERVICE.json``, each by write-then-rename; return the paths.

    Raises OutputFailed.
    """
    from pipeline_kit.outputs.files import make_directory, write_atomically

    make_directory(directory)
    paths: list[Path] = []
    for item in rendered:
        path = directory / f"{item.environment}-{item.service}.json"
        write_atomically(path, item.data)
        paths.append(path)
    return paths
