"""A configuration as JSON: what ``pipeline-kit config`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.config.model import DirectoryContext, ImageContext, ScanRules
from pipeline_kit.config.paths import relative
from pipeline_kit.config.placeholders import split_template
from pipeline_kit.config.secrecy import is_secret_name, is_secret_value
from pipeline_kit.values import asdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config.model import (
        CacheSpec,
        Config,
        EcsDeployment,
        EcsService,
        ImageConfig,
        NamedContext,
        Retention,
    )

HIDDEN = "***"


def resolved(config: Config) -> dict[str, Any]:
    """Return ``config`` as a JSON object in the form of the file itself, so that it can be read again.

    Names are sorted, defaults and environment applied, ``repository`` always written (without the registry's host) and
    ``dockerfile`` relative to its context. Secrets appear by id and source; a build argument that looks like one as
    ``***``.
    """
    document: dict[str, Any] = {"version": 1}
    if config.project:
        document["project"] = config.project
    document["registry"] = config.registry
    document["tag_prefix"] = config.tag_prefix
    document["plain_http"] = list(config.plain_http)
    if config.allow:
        document["allow"] = list(config.allow)
    document["verify"] = config.verify
    if config.trusted:
        document["scopes"] = {"trusted": list(config.trusted)}
    document["images"] = {name: _image(image) for name, image in sorted(config.images.items())}
    if config.ecs:
        document["deploy"] = {"ecs": {name: _deployment(one) for name, one in sorted(config.ecs.items())}}
    if config.retention is not None:
        document["retention"] = _retention(config.retention)
    if config.scan != ScanRules():
        document["scan"] = {
            "fail_on": config.scan.fail_on,
            "api": config.scan.api,
            "ignore": [asdict(entry) for entry in config.scan.ignore],
        }
    return document


def _image(image: ImageConfig) -> dict[str, Any]:
    document: dict[str, Any] = {
        "context": image.context,
        "dockerfile": relative(image.dockerfile, image.context),
        "repository": image.repository,
        "args": {name: _argument(name, text) for name, text in sorted(image.args.items())},
        "volatile_args": list(image.volatile_args),
        "contexts": {name: _context(context) for name, context in sorted(image.contexts.items())},
        "inputs": list(image.inputs),
        "platforms": list(image.platforms),
        "secrets": {
            name: {"env": secret.env} if secret.env is not None else {"file": secret.file}
            for name, secret in sorted(image.secrets.items())
        },
        "ssh": list(image.ssh),
        "aliases": list(image.aliases),
        "bases": image.bases,
        "cache": _cache(image.cache),
    }
    if image.target is not None:
        document["target"] = image.target
    if image.max_age is not None:
        document["max_age"] = f"{image.max_age}s"
    return document


def _argument(name: str, text: str) -> str:
    is_literal = all(part.kind == "text" for part in split_template(text))
    return HIDDEN if is_secret_value(text) or (text and is_literal and is_secret_name(name)) else text


def _context(context: NamedContext) -> str:
    if isinstance(context, DirectoryContext):
        # A directory called "image:x" must not read like an image.
        return f"./{context.path}" if ":" in context.path else context.path
    if isinstance(context, ImageContext):
        return f"image:{context.image}"
    return f"docker-image://{context.reference}"


def _cache(cache: CacheSpec) -> str | dict[str, list[str]]:
    if cache.mode != "custom":
        return cache.mode
    entries: Mapping[str, tuple[str, ...]] = {"to": cache.to, "from": cache.from_}
    return {name: list(values) for name, values in entries.items() if values}


def _deployment(deployment: EcsDeployment) -> dict[str, Any]:
    document: dict[str, Any] = {"cluster": deployment.cluster}
    if deployment.region is not None:
        document["region"] = deployment.region
    return document | {"services": {name: _service(one) for name, one in sorted(deployment.services.items())}}


def _service(service: EcsService) -> dict[str, Any]:
    definition = service.task_definition
    if service.source == "family" and not definition.startswith("arn:"):
        definition = f"family:{definition}"
    elif service.source == "file" and (definition == "service" or definition.startswith(("family:", "arn:"))):
        definition = f"./{definition}"
    names = sorted({*service.containers, *service.changes})
    optional: dict[str, Any] = {
        "service": service.service if service.service != service.name else None,
        "type": "task" if service.is_task else None,
        "family": service.family,
        "codedeploy": _members(service.codedeploy) if service.codedeploy else None,
        "events": list(service.events),
        "schedules": list(service.schedules),
        "timeout": f"{service.timeout}s" if service.timeout else None,
        "network": _members(service.network) if service.network else None,
        "launch_type": service.launch_type,
    }
    return {
        "task_definition": definition,
        "containers": {name: _container(service, name) for name in names},
        **{name: value for name, value in optional.items() if value},
    }


def _container(service: EcsService, name: str) -> str | dict[str, Any]:
    image, changes = service.containers.get(name), service.changes.get(name)
    if changes is None:
        return image or ""
    members = _members(changes)
    if "environment" in members:
        members["environment"] = {
            key: HIDDEN if value and (is_secret_name(key) or is_secret_value(value)) else value
            for key, value in changes.environment.items()
        }
    return {"image": image, **members} if image is not None else members


def _members(value: Any) -> dict[str, Any]:
    """Return the members of a value that were written."""
    written = {name: list(one) if isinstance(one, tuple) else one for name, one in asdict(value).items()}
    return {name: one for name, one in written.items() if one not in (None, {}, [], False)}


def _retention(retention: Retention) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if retention.keep_last is not None:
        document["keep_last"] = retention.keep_last
    if retention.keep_days is not None:
        document["keep_days"] = retention.keep_days
    return document | {
        "keep_branches": retention.keep_branches,
        "keep_ecs": list(retention.keep_ecs),
        "keep_revisions": retention.keep_revisions,
        "keep_tags": list(retention.keep_tags),
        "min_age": f"{retention.min_age}s",
    }
