"""The parts of doctor beyond the checkout: CI, registry, engine, AWS; one that cannot be asked hides no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.aws.ecr import is_ecr_host, parse_ecr_host
from pipeline_kit.adapters.ci import detect
from pipeline_kit.app.project import read_config
from pipeline_kit.checkup import allow, in_order
from pipeline_kit.checkup.registry import judge_registry
from pipeline_kit.checkup.service_facts import AwsFacts, CiFacts, EngineFacts, Refused
from pipeline_kit.checkup.services import judge_aws, judge_ci, judge_engine
from pipeline_kit.errors import EngineUnreachable, InputError, PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.adapters.ci import Ci
    from pipeline_kit.checkup import Finding, Part
    from pipeline_kit.config import Config, ImageConfig

_AWS_SIGNS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_ANY_REGION = "us-east-1"


def examine_services(
    directory: Path,
    named: str | None,
    environ: Mapping[str, str],
    images: Sequence[str],
    parts: Collection[Part],
    *,
    allowed: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong with the named ``parts``, for ``images`` (all, when none is named), worst first.

    Rules named in ``allowed`` are no errors. Raises ConfigError or InputError only.
    """
    config = read_config(directory, named, environ)
    chosen = _chosen(config, images)
    ci = detect(environ)
    found: list[Finding] = []
    if "ci" in parts:
        found += judge_ci(_ci(config, ci, environ))
    if "registry" in parts:
        from pipeline_kit.app.doctor_registry import examine_registry

        may_push = ci.can_write is not False
        facts = examine_registry(config, chosen, environ, provider=ci.provider, may_push=may_push)
        found += judge_registry(facts, provider=ci.provider)
    if "engine" in parts:
        found += judge_engine(_engine(chosen, environ), provider=ci.provider)
    if "aws" in parts:
        found += judge_aws(_aws(config))
    return in_order(allow(found, allowed))


def _chosen(config: Config, names: Sequence[str]) -> list[ImageConfig]:
    for name in names:
        if name not in config.images:
            raise InputError(f"there is no image {name!r}", hint=f"images are: {', '.join(config.images)}")
    return [config.images[name] for name in names or config.images]


def _ci(config: Config, ci: Ci, environ: Mapping[str, str]) -> CiFacts:
    host = config.registry.partition("/")[0]
    return CiFacts(
        ci.provider,
        ci.warnings,
        ci.can_write,
        has_id_token=bool(environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")),
        has_aws_credentials=any(environ.get(name) for name in _AWS_SIGNS),
        hosts={host: is_ecr_host(host)},
    )


def _engine(images: Sequence[ImageConfig], environ: Mapping[str, str]) -> EngineFacts:
    from pipeline_kit.adapters.builders.capabilities import buildx_version, find_capabilities, find_docker
    from pipeline_kit.adapters.builders.environment import child_environment

    several = tuple(image.name for image in images if len(image.platforms) > 1)
    child = child_environment(environ, None)
    docker = find_docker(environ)
    version = None
    try:
        version = buildx_version(docker, child) if docker else None
        if docker is None or version is None:
            _ping(docker, child)
            return EngineFacts(docker is not None, several_platforms=several)
        known = find_capabilities(docker, version, child, None)
    except EngineUnreachable as error:
        trouble = Refused(error.message, error.hint or "", error.exit_code)
        return EngineFacts(docker is not None, version, trouble=trouble, several_platforms=several)
    return EngineFacts(
        True, version, known.builder, known.driver, known.has_containerd_store, several_platforms=several
    )


def _ping(docker: str | None, environ: Mapping[str, str]) -> None:
    """Ask the engine itself. Raises EngineUnreachable."""
    from pipeline_kit.adapters.builders.endpoint import engine_environment
    from pipeline_kit.adapters.builders.engine_client import connect

    connect(engine_environment(docker, environ, None)).close()


def _aws(config: Config) -> AwsFacts:
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients

    host = parse_ecr_host(config.registry.partition("/")[0])
    if host is None and not config.ecs:
        return AwsFacts(is_wanted=False)
    accounts = (host.account,) if host else ()
    try:
        answer = AwsClients(host.region if host else _ANY_REGION).call("sts", "GetCallerIdentity")
    except PipelineKitError as error:
        return AwsFacts(accounts=accounts, trouble=Refused(error.message, error.hint or "", error.exit_code))
    return AwsFacts(str(answer.get("Arn", "")), str(answer.get("Account", "")), accounts)
