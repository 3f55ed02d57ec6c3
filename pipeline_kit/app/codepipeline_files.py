"""CodePipeline's files for the services of ``deploy.ecs`` (design D8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.app import task_definitions
from pipeline_kit.app.deploy_images import wanted_images
from pipeline_kit.app.deploy_orders import read_app_spec
from pipeline_kit.deployment.appspec import app_spec, with_definition
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.emitted.codepipeline import TASK_DEFINITION, blue_green, image_definitions, placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.task_definitions import EcsOf
    from pipeline_kit.config import EcsService


class ServiceFiles(NamedTuple):
    """The files of one service by path below its directory; ``images`` are those with a placeholder, in order."""

    key: str
    files: Mapping[str, bytes]
    images: tuple[str, ...] = ()


def render(
    project: Project,
    chosen: Sequence[tuple[str, EcsService]],
    pinned: Mapping[str, str],
    ecs_of: EcsOf,
    *,
    kind: str | None = None,
) -> list[ServiceFiles]:
    """Return the files of the ``chosen`` services; ``pinned`` maps image names to ``host/path@digest``.

    ``kind`` is ``standard``, ``blue-green``, or ``None``: blue/green where the service has ``codedeploy:``. Raises
    InputError and TaskDefinitionError.
    """
    found = []
    for environment, service in chosen:
        key = f"{environment}/{service.name}"
        missing = [image for image in service.containers.values() if image not in pinned]
        if missing:
            raise InputError(f"{key}: image {missing[0]} has no digest here", hint="it is not part of the report")
        if kind == "blue-green" or (kind is None and service.codedeploy is not None):
            found.append(_blue_green(project, environment, service, pinned, ecs_of))
        else:
            containers = {name: pinned[image] for name, image in service.containers.items()}
            found.append(ServiceFiles(key, {"imagedefinitions.json": image_definitions(containers)}))
    return found


def _blue_green(
    project: Project, environment: str, service: EcsService, pinned: Mapping[str, str], ecs_of: EcsOf
) -> ServiceFiles:
    pair = (environment, service)
    names = wanted_images([pair])
    placeholders = {name: placeholder(number) for number, name in enumerate(names, 1)}
    rendered = task_definitions.render_services(project, [pair], placeholders, ecs_of=ecs_of)[0]
    images = [(name, pinned[name]) for name in names]
    return ServiceFiles(
        rendered.key, blue_green(rendered.data, _app_spec(project, rendered.key, service), images), names
    )


def _app_spec(project: Project, key: str, service: EcsService) -> dict[str, Any]:
    told = service.codedeploy
    if told is not None and told.appspec is not None:
        return with_definition(read_app_spec(project, told.appspec), TASK_DEFINITION, told.appspec)
    if told is None or told.container is None or told.port is None:
        raise InputError(
            f"{key}: appspec.yaml names a container and its port, and neither is written",
            hint="write codedeploy: {container: NAME, port: PORT}, or codedeploy: {appspec: FILE}",
        )
    return app_spec(TASK_DEFINITION, told.container, told.port)


def write(rendered: Sequence[ServiceFiles], directory: Path) -> list[Path]:
    """Write everything below ``directory``, each file by write-then-rename, and return the paths.

    One service's files lie in ``directory`` itself, those of several in ``ENVIRONMENT/SERVICE`` each. Raises
    OutputFailed.
    """
    from pipeline_kit.outputs.files import make_directory, write_atomically

    paths = []
    for item in rendered:
        for name, data in item.files.items():
            path = (directory if len(rendered) == 1 else directory / item.key) / name
            make_directory(path.parent)
            write_atomically(path, data)
            paths.append(path)
    return paths
