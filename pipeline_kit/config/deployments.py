"""``deploy:`` and ``retention:``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline_kit.config.fields import (
    Reading,
    read_age,
    read_boolean,
    read_filled,
    read_integer,
    read_members,
    read_named,
    read_texts,
    require,
)
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.keys import DEPLOY, ECS, ECS_PATTERN, ID_PATTERN, REGION_PATTERN, RETENTION
from pipeline_kit.config.model import EcsDeployment, Retention
from pipeline_kit.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.config.document import Node, ScalarNode

_NAME = late_pattern(ID_PATTERN)
_ECS_NAME = late_pattern(ECS_PATTERN)
_REGION = late_pattern(REGION_PATTERN)
_CLUSTER = late_pattern(rf"{ECS_PATTERN}|arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{{12}}:cluster/{ECS_PATTERN}")


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
    revisions, tags, age = members.get("keep_revisions"), members.get("keep_tags"), members.get("min_age")
    default = Retention()
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
        keep_revisions=(read_integer(reading, revisions, members.key("keep_revisions")) if revisions else None)
        or default.keep_revisions,
        keep_tags=tuple(text for text, _ in read_texts(reading, tags, members.key("keep_tags")))
        if tags
        else default.keep_tags,
        min_age=(read_age(reading, age, members.key("min_age"), "1d") if age else None) or default.min_age,
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
    region_node = members.get("region")
    region = read_filled(reading, region_node, members.key("region")) if region_node else None
    if region and region_node and not _REGION.fullmatch(region):
        reading.findings.add(region_node, f"{shown(region)} is no region", key=members.key("region"))
    services = {}
    written, where = require(reading, members, "services"), members.key("services")
    for key, key_node, value in read_named(reading, written, where, _ECS_NAME, "service") if written else ():
        from pipeline_kit.config.services import read_service  # noqa: PLC0415 - much to load, for those that deploy

        service = read_service(reading, key, key_node, value, where, images)
        if service is not None:
            services[key] = service
    location = reading.findings.location(name_node)
    return EcsDeployment(name, cluster or "", MappingProxyType(services), location, region)
