"""``deploy:`` and ``retention:``."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline_kit.config.fields import (
    Reading,
    read_boolean,
    read_filled,
    read_integer,
    read_members,
    read_named,
    read_texts,
    require,
)
from pipeline_kit.config.files import read_path
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.keys import DEPLOY, ECS, ECS_PATTERN, ID_PATTERN, RETENTION, SERVICE
from pipeline_kit.config.model import EcsDeployment, EcsService, Retention
from pipeline_kit.config.paths import PathKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.config.document import Node, ScalarNode

_NAME = re.compile(ID_PATTERN)
_ECS_NAME = re.compile(ECS_PATTERN)
_CLUSTER = re.compile(rf"{ECS_PATTERN}|arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{{12}}:cluster/{ECS_PATTERN}")


def read_deploy(reading: Reading, node: Node | None, images: Collection[str]) -> dict[str, EcsDeployment]:
    """Return ``deploy.ecs`` by name; every container must be given one of ``images``."""
    members = read_members(reading, node, "deploy", DEPLOY) if node else None
    ecs = members.get("ecs") if members else None
    deployments = {}
    for name, name_node, value in read_named(reading, ecs, "deploy.ecs", _NAME, "deployment") if ecs else ():
        deployment = _read_deployment(reading, name, name_node, value, images)
        if deployment is not None:
            deployments[name] = deployment
    return deployments


def read_retention(reading: Reading, node: Node | None, deployments: Collection[str]) -> Retention | None:
    """Return ``retention:``, or ``None`` where it is not written; ``keep_ecs`` names some of ``deployments``."""
    members = read_members(reading, node, "retention", RETENTION) if node else None
    if members is None:
        return None
    last, days = members.get("keep_last"), members.get("keep_days")
    branches, ecs = members.get("keep_branches"), members.get("keep_ecs")
    names = []
    for name, item in read_texts(reading, ecs, members.key("keep_ecs")) if ecs else ():
        names.append(name)
        if name not in deployments:
            suggestion = did_you_mean(name, deployments)
            message = f"{shown(name)} is not one of 'deploy.ecs'"
            reading.findings.add(item, message, key=members.key("keep_ecs"), suggestion=suggestion)
    return Retention(
        keep_last=read_integer(reading, last, members.key("keep_last")) if last else None,
        keep_days=read_integer(reading, days, members.key("keep_days")) if days else None,
        keep_branches=read_boolean(reading, branches, members.key("keep_branches")) is not False if branches else True,
        keep_ecs=tuple(names),
    )


def _read_deployment(
    reading: Reading, name: str, name_node: ScalarNode, node: Node, images: Collection[str]
) -> EcsDeployment | None:
    members = read_members(reading, node, f"deploy.ecs.{name}", ECS)
    if members is None:
        return None
    cluster_node = require(reading, members, "cluster", "write the cluster's name or ARN")
    cluster = read_filled(reading, cluster_node, members.key("cluster")) if cluster_node else None
    if cluster and cluster_node and not _CLUSTER.fullmatch(cluster):
        reading.findings.add(cluster_node, f"{shown(cluster)} is no cluster name or ARN", key=members.key("cluster"))
    services = {}
    written, where = require(reading, members, "services"), members.key("services")
    for key, key_node, value in read_named(reading, written, where, _ECS_NAME, "service") if written else ():
        service = _read_service(reading, key, key_node, value, where, images)
        if service is not None:
            services[key] = service
    return EcsDeployment(name, cluster or "", MappingProxyType(services), reading.findings.location(name_node))


def _read_service(
    reading: Reading, name: str, name_node: ScalarNode, node: Node, where: str, images: Collection[str]
) -> EcsService | None:
    members = read_members(reading, node, f"{where}.{name}", SERVICE)
    if members is None:
        return None
    file = require(reading, members, "task_definition", "write the path of the task definition's JSON or YAML")
    path = read_path(reading, file, members.key("task_definition"), PathKind.FILE) if file else None
    containers = {}
    written, key = require(reading, members, "containers", "write CONTAINER: IMAGE"), members.key("containers")
    for container, _, value in read_named(reading, written, key, _ECS_NAME, "container") if written else ():
        image = read_filled(reading, value, f"{key}.{container}")
        if image is None:
            continue
        containers[container] = image
        if image not in images:
            suggestion = did_you_mean(image, images)
            message = f"{shown(image)} is not one of 'images'"
            reading.findings.add(value, message, key=f"{key}.{container}", suggestion=suggestion)
    return EcsService(name, path or "", MappingProxyType(containers), reading.findings.location(name_node))
