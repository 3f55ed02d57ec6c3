"""The JSON Schema (draft 2020-12) of pipeline-kit.yaml, for editors and check-jsonschema.

It says what one file's shape can say. Rules between keys (known images, cycles, files that exist) are the loader's.
"""

from __future__ import annotations

from typing import Any

from pipeline_kit.config import keys
from pipeline_kit.config.placeholders import PLACEHOLDERS
from pipeline_kit.config.settings import PLATFORMS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]


def schema() -> dict[str, Any]:
    """Return the schema as a JSON object; a new one on each call."""
    return {
        "$schema": DIALECT,
        "title": "pipeline-kit.yaml",
        "description": "Container images of a repository: what builds them, where they go, what runs them.",
        **_object(_top(), required=["version", "registry", "images"]),
        "patternProperties": {"^x-": {"description": "Ignored: a place for YAML anchors."}},
        "$defs": _definitions(),
    }


def _object(properties: _Schema, *, required: list[str] | None = None, description: str = "") -> _Schema:
    result: _Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        result["required"] = required
    return _described(result, description)


def _described(node: _Schema, description: str) -> _Schema:
    return {"description": description, **node} if description else node


def _text(description: str, pattern: str = "", **more: Any) -> _Schema:
    node: _Schema = {"description": description, "type": "string", **more}
    return {**node, "pattern": f"^(?:{pattern})$"} if pattern else node


def _words(description: str, words: tuple[str, ...], default: str) -> _Schema:
    return {"description": description, "enum": list(words), "default": default}


def _list(description: str, items: _Schema, **more: Any) -> _Schema:
    return {"description": description, "type": "array", "items": items, **more}


def _map(description: str, pattern: str, values: _Schema, **more: Any) -> _Schema:
    return {
        "description": description,
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{pattern})$"},
        "additionalProperties": values,
        **more,
    }


def _reference(name: str) -> _Schema:
    return {"$ref": f"#/$defs/{name}"}


_STRING: _Schema = {"type": "string", "minLength": 1}


def _definitions() -> _Schema:
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    cache_entries = "BuildKit cache entries, as in type=registry,ref=…"
    return {
        "image": _image(),
        "ecs": _ecs(),
        "platforms": _list(
            "Platforms to build; the set is part of the content tag.",
            {"type": "string", "examples": sorted(PLATFORMS)},
            minItems=1,
            default=["linux/amd64"],
        ),
        "aliases": _list(f"Human tags that move to the image's digest. Placeholders: {known}.", _STRING, default=[]),
        "bases": _words("How digests of base images are found.", keys.BASES_WORDS, "resolve"),
        "tag_prefix": _text("Begins every content tag.", "(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?", default=""),
        "cache": {
            "description": "BuildKit layer cache.",
            "default": "auto",
            "oneOf": [
                {"enum": list(keys.CACHE_WORDS)},
                {
                    **_object({"to": _list(cache_entries, _STRING), "from": _list(cache_entries, _STRING)}),
                    "minProperties": 1,
                },
            ],
        },
    }


def _top() -> _Schema:
    return {
        "version": {"description": "Version of this file's format.", "const": 1},
        "project": _text("Prefix of default repositories. {env.NAME} is replaced.", minLength=1),
        "registry": _text("host[:port][/path] that holds the images. {env.NAME} is replaced.", minLength=1),
        "imports": _list("Reserved: not read by this version.", _STRING, maxItems=0),
        "defaults": _object(
            {key: _reference(key) for key in keys.DEFAULTS},
            description="What an image gets when it says nothing itself.",
        ),
        "images": _map("The images, by name.", keys.NAME_PATTERN, _reference("image"), minProperties=1),
        "tag_prefix": _reference("tag_prefix"),
        "plain_http": _list("Registry hosts spoken to over plain http, besides loopback ones.", _STRING, default=[]),
        "verify": _words("How much proof a hit in the registry needs.", keys.VERIFY_WORDS, "tag"),
        "scopes": _object(
            {"trusted": _list("Patterns of full refs.", _text("", "refs/.+"), minItems=1)},
            required=["trusted"],
            description="Refs whose images everybody may use. Without it every ref is trusted.",
        ),
        "deploy": _object(
            {"ecs": _map("ECS deployments, by name.", keys.ID_PATTERN, _reference("ecs"))},
            description="What runs the images.",
        ),
        "retention": _retention(),
    }


def _image() -> _Schema:
    context = "Named contexts: a directory, image:NAME (another image here) or docker-image://REFERENCE."
    return _object(
        {
            "context": _text("Directory that is sent to the build, relative to this file.", minLength=1),
            "dockerfile": _text("Relative to the context.", minLength=1, default="Dockerfile"),
            "repository": _text("Path in the registry; by default <project>/<name>.", minLength=1),
            "target": _text("Stage of the Dockerfile.", minLength=1),
            "args": _map(
                "Build arguments. Placeholders and {env.NAME} or {env.NAME:-default} are replaced.",
                keys.ARGUMENT_PATTERN,
                {"type": "string"},
            ),
            "volatile_args": _list("Names of args that are not part of the content tag.", _STRING),
            "contexts": {"description": context, "type": "object", "additionalProperties": _STRING},
            "inputs": _list("Further files and directories that count.", _STRING),
            "platforms": _reference("platforms"),
            "secrets": _map("Build secrets: the ids count, the values never.", keys.ID_PATTERN, _secret()),
            "ssh": _list("Ids of ssh agents handed to the build.", _text("", keys.ID_PATTERN)),
            "max_age": _text("Rebuild at least this often, as in 7d.", keys.AGE_PATTERN),
            "aliases": _reference("aliases"),
            "bases": _reference("bases"),
            "cache": _reference("cache"),
        },
        required=["context"],
    )


def _secret() -> _Schema:
    properties = {
        "env": _text("Environment variable that holds the value.", keys.ARGUMENT_PATTERN),
        "file": _text("File that holds the value, relative to this file.", minLength=1),
    }
    return {**_object(properties), "minProperties": 1, "maxProperties": 1}


def _ecs() -> _Schema:
    service = _object(
        {
            "task_definition": _text("Task definition (JSON or YAML), relative to this file.", minLength=1),
            "containers": _map("Container name to image name.", keys.ECS_PATTERN, _text("", keys.NAME_PATTERN)),
        },
        required=["task_definition", "containers"],
    )
    return _object(
        {
            "cluster": _text("Name or ARN of the cluster.", minLength=1),
            "services": _map("The services, by name.", keys.ECS_PATTERN, service),
        },
        required=["cluster", "services"],
    )


def _retention() -> _Schema:
    count = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
    return _object(
        {
            "keep_last": {"description": "Newest content tags of each repository to keep.", **count},
            "keep_days": {"description": "Days for which every content tag is kept.", **count},
            "keep_branches": {
                "description": "Keep what branch heads need.",
                "type": "boolean",
                "default": True,
            },
            "keep_ecs": _list("Names of deploy.ecs entries whose images are kept.", _STRING),
        },
        description="What prune must keep.",
    )
