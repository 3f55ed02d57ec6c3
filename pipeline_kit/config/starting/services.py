"""ECS task definitions whose containers run images here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.keys import ECS_PATTERN
from pipeline_kit.config.starting.nodes import items, mapping, text
from pipeline_kit.config.starting.place import parsed
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline_kit.config.starting.found import FoundFile

_NAME = re.compile(ECS_PATTERN)
_SAYS_NOTHING = re.compile(r"task[-_]?def(?:inition)?s?|ecs|container[-_]?definitions?", re.IGNORECASE)
_PLATFORMS = {"ARM64": "linux/arm64", "X86_64": "linux/amd64"}


class Service(NamedTuple):
    """A task definition file, a name for the service, images by container name, and the platform they run on."""

    name: str
    path: str
    containers: Mapping[str, str]
    platform: str = ""


def find(definitions: Sequence[FoundFile], repositories: Mapping[str, str]) -> list[Service]:
    """Return a service for each definition that has a container of an image here, by distinct names.

    ``repositories`` maps image names to ``host/repository``.
    """
    found: dict[str, Service] = {}
    for file in definitions:
        document = _document(file)
        containers = dict(_containers(document, repositories))
        if not containers:
            continue
        name = _name(file.path, text(document.get("family")))
        while name in found:
            name += "-2"
        architecture = text(mapping(document.get("runtimePlatform")).get("cpuArchitecture"))
        found[name] = Service(name, file.path, containers, _PLATFORMS.get(architecture, ""))
    return list(found.values())


def platforms(services: Sequence[Service]) -> dict[str, list[str]]:
    """Return by image name the platforms that its tasks say they run on, where that is not linux/amd64 alone."""
    found: dict[str, set[str]] = {}
    for service in services:
        for image in service.containers.values():
            found.setdefault(image, set()).add(service.platform or _PLATFORMS["X86_64"])
    return {image: sorted(said) for image, said in found.items() if said != {_PLATFORMS["X86_64"]}}


def _document(file: FoundFile) -> dict[str, Any]:
    try:
        return mapping(json.loads(file.data))
    except (ValueError, RecursionError):
        return {}


def _containers(document: dict[str, Any], repositories: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for container in map(mapping, items(document.get("containerDefinitions"))):
        name, image = text(container.get("name")), text(container.get("image"))
        meant = _meant(name, image, repositories)
        if meant is not None and _NAME.fullmatch(name):
            yield name, meant


def _meant(container: str, image: str, repositories: Mapping[str, str]) -> str | None:
    """Return the image here that a container runs: by its repository, or by its own name below a placeholder."""
    reference = parsed(image)
    if reference is not None:
        for name, repository in repositories.items():
            if reference.name == repository:
                return name
        is_bare = reference.host == DEFAULT_HOST and "/" not in image
        if not is_bare and reference.host.partition(".")[2].startswith("dkr.ecr."):
            return next((name for name in repositories if reference.repository.rpartition("/")[2] == name), None)
        if not is_bare or reference.tag is not None:
            return None
    return container if container in repositories else None


def _name(path: str, family: str) -> str:
    stem = path.rpartition("/")[2].partition(".")[0]
    for name in (stem, family, stem):
        if _NAME.fullmatch(name) and not _SAYS_NOTHING.fullmatch(name):
            return name
    return "service"
