"""One entry of ``images:`` to an :class:`~pipeline_kit.config.model.ImageConfig`."""

from __future__ import annotations

from types import MappingProxyType

from pipeline_kit.config.arguments import read_arguments, read_volatile
from pipeline_kit.config.document import MappingNode, Node, ScalarNode
from pipeline_kit.config.fields import Members, Reading, read_age, read_filled, read_members
from pipeline_kit.config.files import read_context, read_dockerfile, read_inputs
from pipeline_kit.config.findings import shown
from pipeline_kit.config.keys import FOREIGN, IMAGE
from pipeline_kit.config.model import ImageConfig
from pipeline_kit.config.settings import Settings, overlay
from pipeline_kit.config.sources import read_contexts, read_secrets, read_ssh
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST, is_repository

_MAX_NAME = 255


class Place(NamedTuple):
    """Where images go: the registry's host, the path written behind it (``""`` or ``acme/``), the project."""

    host: str
    prefix: str
    project: str
    is_project_known: bool
    """False when ``project`` was written and is wrong, so that images need not be blamed as well."""


class ImageDraft(NamedTuple):
    """An image, and the nodes that rules across images point at."""

    config: ImageConfig
    repository_node: Node
    context_nodes: dict[str, Node]


def read_image(
    reading: Reading, name: str, name_node: ScalarNode, node: Node, place: Place, defaults: Settings
) -> ImageDraft | None:
    """Return the image ``name``, or ``None`` when ``node`` is no mapping. Values after a problem are placeholders."""
    members = read_members(reading, node, f"images.{name}", IMAGE, foreign=FOREIGN)
    if members is None:
        return None
    context = read_context(reading, members)
    dockerfile, dockerfile_location = read_dockerfile(reading, members, context)
    nodes = {key: members.get(key) for key in ("platforms", "cache", "bases", "aliases")}
    settings = overlay(reading, defaults, nodes, members.where)
    contexts, context_nodes = read_contexts(reading, members)
    target, inputs = members.get("target"), members.get("inputs")
    arguments, volatile = _read_args(reading, members)
    config = ImageConfig(
        name=name,
        repository=_read_repository(reading, members, name, name_node, place),
        context=context or ".",
        dockerfile=dockerfile,
        location=reading.findings.location(name_node),
        target=read_filled(reading, target, members.key("target")) if target else None,
        args=MappingProxyType(arguments),
        volatile_args=volatile,
        contexts=MappingProxyType(contexts),
        inputs=read_inputs(reading, inputs, members.key("inputs")) if inputs else (),
        platforms=settings.platforms,
        secrets=MappingProxyType(read_secrets(reading, members)),
        ssh=read_ssh(reading, members),
        max_age=_read_max_age(reading, members),
        aliases=settings.aliases,
        bases=settings.bases,
        cache=settings.cache,
        dockerfile_location=dockerfile_location,
    )
    return ImageDraft(config, members.get("repository") or name_node, context_nodes)


def _read_repository(reading: Reading, members: Members, name: str, name_node: ScalarNode, place: Place) -> str:
    node, key = members.get("repository"), members.key("repository")
    if node is None:
        if not place.project and place.is_project_known:
            message = f"image '{name}' has no repository"
            reading.findings.add(
                name_node, message, key=key, suggestion="write 'project' at the top, or 'repository' here"
            )
        path = f"{place.prefix}{place.project}/{name}"
        at: Node = name_node
    else:
        path = f"{place.prefix}{read_filled(reading, node, key) or ''}"
        at = node
    problem, suggestion = _repository_problem(path, place)
    if problem and (node is not None or place.project):
        reading.findings.add(at, problem, key=key, suggestion=suggestion)
    return path


def _repository_problem(path: str, place: Place) -> tuple[str, str]:
    own = path[len(place.prefix) :]
    if not own:
        return "", ""
    if place.host and own.startswith(f"{place.host}/"):
        return f"{shown(own)} repeats the registry", f"write '{own[len(place.host) + 1 :]}'"
    if not is_repository(path):
        lower = path.lower()
        return f"{shown(own)} is not a legal repository", f"write '{own.lower()}'" if is_repository(lower) else ""
    if len(place.host) + 1 + len(path) > _MAX_NAME:
        return f"registry and repository together have more than {_MAX_NAME} characters", ""
    if place.host == DEFAULT_HOST and "/" not in path:
        return f"repository {shown(path)} has no namespace, which docker.io needs", f"write 'NAMESPACE/{path}'"
    return "", ""


def _read_args(reading: Reading, members: Members) -> tuple[dict[str, str], tuple[str, ...]]:
    node = members.get("args")
    arguments = read_arguments(reading, node, members.key("args")) if node else {}
    written = {key_node.value for key_node, _ in node.entries} if isinstance(node, MappingNode) else set()
    key = members.key("volatile_args")
    volatile = read_volatile(reading, members.get("volatile_args"), key, arguments, written)
    return {name: argument.template for name, argument in arguments.items()}, volatile


def _read_max_age(reading: Reading, members: Members) -> int | None:
    node, key = members.get("max_age"), members.key("max_age")
    if node is None:
        return None
    return read_age(reading, node, key, "7d")
