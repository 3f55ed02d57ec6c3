"""A configuration as JSON: what ``pipeline-kit config`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.config.model import DirectoryContext, ImageContext
from pipeline_kit.config.paths import relative
from pipeline_kit.config.placeholders import split_template
from pipeline_kit.config.secrecy import is_secret_name, is_secret_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config.model import CacheSpec, Config, EcsDeployment, ImageConfig, NamedContext, Retention

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
    document["verify"] = config.verify
    if config.trusted:
        document["scopes"] = {"trusted": list(config.trusted)}
    document["images"] = {name: _image(image) for name, image in sorted(config.images.items())}
    if config.ecs:
        document["deploy"] = {"ecs": {name: _deployment(one) for name, one in sorted(config.ecs.items())}}
    if config.retention is not None:
        document["retention"] = _retention(config.retention)
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
    return {
        "cluster": deployment.cluster,
        "services": {
            name: {"task_definition": service.task_definition, "containers": dict(sorted(service.containers.items()))}
            for name, service in sorted(deployment.services.items())
        },
    }


def _retention(retention: Retention) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if retention.keep_last is not None:
        document["keep_last"] = retention.keep_last
    if retention.keep_days is not None:
        document["keep_days"] = retention.keep_days
    return document | {"keep_branches": retention.keep_branches, "keep_ecs": list(retention.keep_ecs)}
