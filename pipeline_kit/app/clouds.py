"""One environment's AWS side: the adapters of one region, made when a command needs them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config import EcsDeployment
    from pipeline_kit.ports.ecs import BlueGreen, Ecs, Requirements, Schedules

_ARN_REGION = re.compile(r"arn:aws[a-z-]*:ecs:([a-z0-9-]+):")


class Cloud(NamedTuple):
    """What deploying to one environment talks to."""

    ecs: Ecs
    blue_green: BlueGreen
    schedules: Schedules
    requirements: Requirements
    calls: Mapping[str, int]
    """API calls made so far, by ``service:Operation``."""


def region_of(deployment: EcsDeployment, registry: str, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the region to use and, where that is AWS's own configuration's to say, the one to use if it says none.

    In order: ``region:``, the cluster's ARN, AWS_REGION, AWS_DEFAULT_REGION, AWS's configuration, the ECR registry's.
    """
    from pipeline_kit.adapters.aws.ecr import parse_ecr_host

    in_arn = _ARN_REGION.match(deployment.cluster)
    named = deployment.region or (in_arn[1] if in_arn else None)
    from_environment = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    host = parse_ecr_host(registry)
    return named or from_environment or None, host.region if host else None


def open_cloud(deployment: EcsDeployment, registry: str, environ: Mapping[str, str]) -> Cloud:
    """Return the adapters of an environment; nothing is asked yet. ``registry`` is the configuration's."""
    from pipeline_kit.adapters.aws.ecs import EcsApi
    from pipeline_kit.adapters.aws.ecs_checks import RequirementsApi
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients
    from pipeline_kit.adapters.aws.ecs_codedeploy import CodeDeployApi
    from pipeline_kit.adapters.aws.ecs_schedules import SchedulesApi

    region, fallback = region_of(deployment, registry, environ)
    clients = AwsClients(region, fallback=fallback)
    return Cloud(
        EcsApi(clients), CodeDeployApi(clients), SchedulesApi(clients), RequirementsApi(clients), clients.calls
    )
