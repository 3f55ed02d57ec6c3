"""ECS task definitions of a configuration, from files or from ECS itself, their images set by digest (design D8)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.config import ContainerChanges
from pipeline_kit.errors import InputError, RegistryRefused, RegistryUnreachable, TaskDefinitionError
from pipeline_kit.plan import Action, Verdict
from pipeline_kit.task_definition import (
    ContainerEdit,
    apply_edits,
    container_definitions,
    is_yaml,
    read_definition,
    render,
)
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pipeline_kit.app.project import Project
    from pipeline_kit.config import EcsService
    from pipeline_kit.plan import Plan
    from pipeline_kit.ports.ecs import Ecs, Revision
    from pipeline_kit.task_definition import Shapes

    Edits = Mapping[str, ContainerEdit]
    EcsOf = Callable[[str], Ecs]


@value_class()
class Rendered:
    """One rendered task definition; ``images`` maps container names to ``host/repository@digest``."""

    environment: str
    service: str
    images: Mapping[str, str]
    data: bytes
    running: Revision | None = field(default=None, compare=False)
    """What the service runs now, where that was read."""

    @property
    def key(self) -> str:
        """Return ``environment/service``."""
        return f"{self.environment}/{self.service}"

    def document(self, shapes: Shapes) -> dict[str, Any]:
        """Return the request to register. Raises TaskDefinitionError."""
        return read_definition(self.data, self.key, shapes)


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


def from_files(project: Project) -> list[tuple[str, EcsService]]:
    """Return the services whose task definition is a file here, which can be rendered without asking AWS."""
    return [(environment, service) for environment, service in services(project) if service.source == "file"]


def check(project: Project, chosen: Iterable[tuple[str, EcsService]] | None = None) -> None:
    """Raise TaskDefinitionError now for what rendering a file would refuse later, after the build."""
    for _, service in from_files(project) if chosen is None else chosen:
        if service.source == "file":
            _from_file(project, service, edits_of(service, dict.fromkeys(service.containers, "checked/only"), {}))


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


def edits_of(service: EcsService, images: Mapping[str, str], further: Edits) -> dict[str, ContainerEdit]:
    """Return what changes in the service's containers: ``images`` by container, the configuration, ``further`` on top.

    ``further`` may name containers of other services too; those that are not this one's are found out by rendering.
    """
    edits: dict[str, ContainerEdit] = {}
    for name in dict.fromkeys([*service.containers, *service.changes, *further]):
        change = ContainerEdit.of(service.changes.get(name, ContainerChanges()), images.get(name))
        edits[name] = further[name].over(change) if name in further else change
    return edits


def render_services(
    project: Project,
    chosen: Iterable[tuple[str, EcsService]],
    pinned: Mapping[str, str],
    *,
    ecs_of: EcsOf | None = None,
    further: Edits | None = None,
) -> list[Rendered]:
    """Return the ``chosen`` services' task definitions; ``pinned`` maps image names to ``host/repository@digest``.

    ``ecs_of`` gives ECS by environment, for task definitions that are not files; ``further`` are edits by container
    name, each of which has to fit at least one service. Raises TaskDefinitionError when a container's image is not in
    ``pinned``, or a definition is wrong; InputError where there is no service or family to start from.
    """
    chosen, further = list(chosen), further or {}
    found: list[Rendered] = []
    used: set[str] = set()
    for environment, service in chosen:
        images = _images(service, pinned)
        base, running = _base(project, environment, service, ecs_of)
        names = _container_names(project, service, base) if further else set()
        fitting = {name: change for name, change in further.items() if name in names}
        used.update(fitting)
        edits = edits_of(service, images, fitting)
        if base is None:
            data = _from_file(project, service, edits)
        else:
            data = _dump(service, apply_edits(base, edits, service.task_definition))
        found.append(Rendered(environment, service.name, images, data, running))
    for name in further:
        if name not in used:
            raise InputError(f"no container is called {name!r} in {', '.join(f'{e}/{s.name}' for e, s in chosen)}")
    return found


def _images(service: EcsService, pinned: Mapping[str, str]) -> dict[str, str]:
    images: dict[str, str] = {}
    for container, image in service.containers.items():
        if image not in pinned:
            raise TaskDefinitionError(
                f"{service.task_definition}: container {container} takes image {image}, which has no digest here",
                hint=f"it is not part of this plan, or not in the registry: run pipeline-kit build {image}",
            )
        images[container] = pinned[image]
    return images


def _base(
    project: Project, environment: str, service: EcsService, ecs_of: EcsOf | None
) -> tuple[Mapping[str, Any] | None, Revision | None]:
    """Return the document that ECS holds, and the revision that runs; ``None`` where a file says it."""
    if service.source == "file":
        return None, None
    if ecs_of is None:  # pragma: no cover - callers without AWS choose files only
        raise InputError(f"{environment}/{service.name}: its task definition is in ECS")
    ecs = ecs_of(environment)
    if service.source == "family":
        found = ecs.describe(service.task_definition)
        if found is None:
            raise InputError(f"ECS has no task definition {service.task_definition}", hint="register a first one")
        return found.document, None
    cluster = project.config.ecs[environment].cluster
    running = ecs.services(cluster, [service.service]).get(service.service)
    if running is None or not running.definition:
        raise InputError(f"the cluster {cluster} has no service {service.service}", hint="create it first")
    revision = ecs.describe(running.definition)
    if revision is None:
        raise InputError(f"ECS no longer has {running.definition}, which the service {service.service} runs")
    return revision.document, revision


def _container_names(project: Project, service: EcsService, base: Mapping[str, Any] | None) -> set[str]:
    document = base if base is not None else _read(project, service)
    return {str(item["name"]) for item in container_definitions(document, service.task_definition)}


def _read(project: Project, service: EcsService) -> dict[str, Any]:
    return read_definition(_bytes(project, service), service.task_definition, _shapes())


def _bytes(project: Project, service: EcsService) -> bytes:
    data = project.tree.read(project.in_tree(service.task_definition))
    if data is None:
        raise TaskDefinitionError(f"{service.task_definition}: no such file")
    return data


def _from_file(project: Project, service: EcsService, edits: Edits) -> bytes:
    """Return the file with ``edits``: JSON whose images alone change keeps every other byte."""
    name = service.task_definition
    if not is_yaml(name) and service.family is None and all(change.is_image_only for change in edits.values()):
        images = {container: change.image for container, change in edits.items() if change.image is not None}
        return render(_bytes(project, service), name, images)
    return _dump(service, apply_edits(_read(project, service), edits, name))


def _dump(service: EcsService, document: Mapping[str, Any]) -> bytes:
    named = {"family": service.family, **_without(document, "family")} if service.family else document
    return (json.dumps(named, indent=2, ensure_ascii=False) + "\n").encode()


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def _shapes() -> Shapes:
    from pipeline_kit.adapters.aws.ecs_model import task_definition_shapes

    return task_definition_shapes()


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
