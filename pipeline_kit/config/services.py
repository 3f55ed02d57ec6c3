"""One service below ``deploy.ecs.NAME.services``: where its task definition comes from, and what is set in it."""

from __future__ import annotations

import re
import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline_kit.config.document import ScalarNode, SequenceNode
from pipeline_kit.config.fields import (
    Members,
    Reading,
    is_null,
    read_age,
    read_boolean,
    read_filled,
    read_integer,
    read_items,
    read_members,
    read_named,
    read_text,
    read_texts,
    read_word,
    require,
)
from pipeline_kit.config.files import read_path
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.keys import (
    CODEDEPLOY,
    CONTAINER,
    DEFINITION_ARN_PATTERN,
    ECS_PATTERN,
    FAMILY_PATTERN,
    LABEL_PATTERN,
    LAUNCH_TYPES,
    NETWORK,
    SERVICE,
    SERVICE_TYPES,
    VARIABLE_PATTERN,
)
from pipeline_kit.config.model import CodeDeploy, ContainerChanges, EcsService, Network, Source
from pipeline_kit.config.paths import PathKind
from pipeline_kit.config.secrecy import is_secret_name, is_secret_value

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.config.document import Node

_ECS_NAME = re.compile(ECS_PATTERN)
_FAMILY = re.compile(FAMILY_PATTERN)
_ARN = re.compile(DEFINITION_ARN_PATTERN)
_VARIABLE = re.compile(VARIABLE_PATTERN)
_LABEL = re.compile(LABEL_PATTERN)
_FOREIGN = {
    "env": "environment",
    "dockerLabels": "labels",
    "docker_labels": "labels",
    "entryPoint": "entry_point",
    "entrypoint": "entry_point",
    "logConfiguration": "log_options",
    "args": "command",
}
_FROM_SERVICE = "service"


def read_service(
    reading: Reading, name: str, name_node: ScalarNode, node: Node, where: str, images: Collection[str]
) -> EcsService | None:
    """Return one service; every container must be given one of ``images``, or changes."""
    members = read_members(reading, node, f"{where}.{name}", SERVICE)
    if members is None:
        return None
    kind = members.get("type")
    is_task = (read_word(reading, kind, members.key("type"), SERVICE_TYPES) if kind else None) == "task"
    source, definition = _read_source(reading, members, is_task=is_task)
    containers: dict[str, str] = {}
    changes: dict[str, ContainerChanges] = {}
    written, key = require(reading, members, "containers", "write CONTAINER: IMAGE"), members.key("containers")
    for container, _, value in read_named(reading, written, key, _ECS_NAME, "container") if written else ():
        image, change = _read_container(reading, value, f"{key}.{container}", images)
        if image is not None:
            containers[container] = image
        if change is not None:
            changes[container] = change
    timeout, launch = members.get("timeout"), members.get("launch_type")
    return EcsService(
        name,
        definition,
        MappingProxyType(containers),
        reading.findings.location(name_node),
        source=source,
        changes=MappingProxyType(changes),
        service=_read_name(reading, members, "service") or name,
        is_task=is_task,
        family=_read_name(reading, members, "family"),
        codedeploy=_read_codedeploy(reading, members),
        events=_read_list(reading, members, "events"),
        schedules=_read_list(reading, members, "schedules"),
        timeout=read_age(reading, timeout, members.key("timeout"), "20m") if timeout else None,
        network=_read_network(reading, members),
        launch_type=read_word(reading, launch, members.key("launch_type"), LAUNCH_TYPES) if launch else None,
    )


def _read_source(reading: Reading, members: Members, *, is_task: bool) -> tuple[Source, str]:
    """Return where the task definition comes from: ``family:NAME[:REVISION]``, an ARN, ``service``, or a path."""
    node = require(reading, members, "task_definition", "write the path of the task definition's JSON or YAML")
    key = members.key("task_definition")
    text = read_filled(reading, node, key) if node else None
    if node is None or text is None:
        return "file", ""
    if text == _FROM_SERVICE:
        if is_task:
            message = "'service' is what a service runs, and this is a task"
            reading.findings.add(node, message, key=key, suggestion="write a path, or family:NAME")
        return "service", text
    if text.startswith("family:"):
        if not _FAMILY.fullmatch(text):
            suggestion = "as in family:shop-api or family:shop-api:42"
            reading.findings.add(node, f"{shown(text)} names no family", key=key, suggestion=suggestion)
        return "family", text.removeprefix("family:")
    if text.startswith("arn:"):
        if not _ARN.fullmatch(text):
            reading.findings.add(node, f"{shown(text)} is no task definition's ARN", key=key)
        return "family", text
    return "file", read_path(reading, node, key, PathKind.FILE) or ""


def _read_container(
    reading: Reading, node: Node, key: str, images: Collection[str]
) -> tuple[str | None, ContainerChanges | None]:
    """Return the image's name, and the changes where ``node`` is a mapping that holds any."""
    if isinstance(node, (ScalarNode, SequenceNode)):
        return _read_image(reading, node, key, images), None
    members = read_members(reading, node, key, CONTAINER, foreign=_FOREIGN)
    if members is None:
        return None, None
    image_node, driver = members.get("image"), members.get("log_driver")
    image = _read_image(reading, image_node, members.key("image"), images) if image_node else None
    changes = ContainerChanges(
        environment=_read_values(reading, members, "environment", _VARIABLE),
        secrets=_read_values(reading, members, "secrets", _VARIABLE),
        command=_read_words(reading, members, "command"),
        entry_point=_read_words(reading, members, "entry_point"),
        labels=_read_values(reading, members, "labels", _LABEL),
        log_driver=read_filled(reading, driver, members.key("log_driver")) if driver else None,
        log_options=_read_values(reading, members, "log_options", _LABEL),
    )
    for both in sorted(set(changes.environment) & set(changes.secrets)):
        message = f"{shown(both)} stands in 'environment' and in 'secrets'"
        reading.findings.add(members.node, message, key=key, suggestion="keep one of them")
    if image is None and changes == ContainerChanges() and not image_node:
        reading.findings.add(members.node, "this container gets nothing", key=key, suggestion="write image: NAME")
    return image, changes if changes != ContainerChanges() else None


def _read_image(reading: Reading, node: Node, key: str, images: Collection[str]) -> str | None:
    image = read_filled(reading, node, key)
    if image is not None and image not in images:
        suggestion = did_you_mean(image, images)
        reading.findings.add(node, f"{shown(image)} is not one of 'images'", key=key, suggestion=suggestion)
    return image


def _read_values(reading: Reading, members: Members, name: str, pattern: re.Pattern[str]) -> dict[str, str | None]:
    """Return names and values as written, ``=`` and all; ``~`` removes what the task definition holds."""
    node, key = members.get(name), members.key(name)
    found: dict[str, str | None] = {}
    for entry, _, value in read_named(reading, node, key, pattern, name) if node else ():
        place = f"{key}.{entry}"
        if is_null(value):
            found[entry] = None
            continue
        is_plain = name == "environment"
        text = read_text(reading, value, place, hidden=is_plain and is_secret_name(entry))
        if text is None:
            continue
        if is_plain and text and (is_secret_value(text) or is_secret_name(entry)):
            suggestion = "put it into Secrets Manager or Parameter Store and name its ARN under 'secrets'"
            message = f"{shown(entry)} looks like a secret, which everybody who may describe the task would read"
            reading.findings.warn(value, message, key=place, suggestion=suggestion)
        found[entry] = text
    return found


def _read_words(reading: Reading, members: Members, name: str) -> tuple[str, ...] | None:
    """Return a list as it is, or a text split as a POSIX shell would split it, quotes honoured."""
    node, key = members.get(name), members.key(name)
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        text = read_text(reading, node, key)
        try:
            return tuple(shlex.split(text)) if text is not None else None
        except ValueError:
            reading.findings.add(node, f"'{name}' holds a quote that is not closed", key=key)
            return None
    words = [read_text(reading, item, key) for item in read_items(reading, node, key)]
    return tuple(word for word in words if word is not None)


def _read_name(reading: Reading, members: Members, name: str) -> str | None:
    node, key = members.get(name), members.key(name)
    text = read_filled(reading, node, key) if node else None
    if text is not None and node is not None and not _ECS_NAME.fullmatch(text):
        reading.findings.add(node, f"{shown(text)} is not a legal {name} name", key=key)
    return text


def _read_list(reading: Reading, members: Members, name: str) -> tuple[str, ...]:
    node = members.get(name)
    return tuple(text for text, _ in read_texts(reading, node, members.key(name))) if node else ()


def _read_codedeploy(reading: Reading, members: Members) -> CodeDeploy | None:
    node = members.get("codedeploy")
    inner = read_members(reading, node, members.key("codedeploy"), CODEDEPLOY) if node else None
    if inner is None:
        return None

    def text(name: str) -> str | None:
        value = inner.get(name)
        return read_filled(reading, value, inner.key(name)) if value else None

    appspec, port = inner.get("appspec"), inner.get("port")
    return CodeDeploy(
        application=text("application"),
        deployment_group=text("deployment_group"),
        appspec=read_path(reading, appspec, inner.key("appspec"), PathKind.FILE) if appspec else None,
        container=text("container"),
        port=read_integer(reading, port, inner.key("port")) if port else None,
    )


def _read_network(reading: Reading, members: Members) -> Network | None:
    node = members.get("network")
    inner = read_members(reading, node, members.key("network"), NETWORK) if node else None
    if inner is None:
        return None
    require(reading, inner, "subnets", "as in [subnet-0123456789abcdef0]")
    public = inner.get("public_ip")
    return Network(
        subnets=_read_list(reading, inner, "subnets"),
        security_groups=_read_list(reading, inner, "security_groups"),
        public_ip=read_boolean(reading, public, inner.key("public_ip")) is True if public else False,
    )
