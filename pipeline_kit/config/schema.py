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
        **_object(_top(), required=["version", "registry"]),
        **_without_imports(),
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
        "imports": _list("Compose and bake files whose images are taken over, relative to this file.", _STRING),
        "defaults": _object(
            {key: _reference(key) for key in keys.DEFAULTS},
            description="What an image gets when it says nothing itself.",
        ),
        "images": _map("The images, by name.", keys.NAME_PATTERN, _reference("image"), minProperties=1),
        "tag_prefix": _reference("tag_prefix"),
        "plain_http": _list("Registry hosts spoken to over plain http, besides loopback ones.", _STRING, default=[]),
        "allow": _list(
            "Rules of doctor that tag, plan and build let pass.", {"enum": list(keys.ALLOW_WORDS)}, default=[]
        ),
        "verify": _words("How much proof a hit in the registry needs.", keys.VERIFY_WORDS, "tag"),
        "scopes": _object(
            {"trusted": _list("Patterns of full refs.", _text("", "refs/.+"), minItems=1)},
            required=["trusted"],
            description="Refs whose runs are trusted; others write to a lane of their own. Without it every ref is.",
        ),
        "deploy": _object(
            {"ecs": _map("ECS deployments, by name.", keys.ID_PATTERN, _reference("ecs"))},
            description="What runs the images.",
        ),
        "retention": _retention(),
        "scan": _scan(),
    }


def _without_imports() -> _Schema:
    """Return what must be written where no file is imported."""
    whole = {"additionalProperties": {"required": ["context"]}}
    return {
        "if": {"required": ["imports"], "properties": {"imports": {"minItems": 1}}},
        "else": {"required": ["images"], "properties": {"images": whole}},
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
        }
    )


def _secret() -> _Schema:
    properties = {
        "env": _text("Environment variable that holds the value.", keys.ARGUMENT_PATTERN),
        "file": _text("File that holds the value, relative to this file.", minLength=1),
    }
    return {**_object(properties), "minProperties": 1, "maxProperties": 1}


def _ecs() -> _Schema:
    return _object(
        {
            "cluster": _text("Name or ARN of the cluster.", minLength=1),
            "region": _text(
                "AWS region; by default the cluster ARN's, the environment's or the registry's.", keys.REGION_PATTERN
            ),
            "services": _map("The services and tasks, by name.", keys.ECS_PATTERN, _service()),
        },
        required=["cluster", "services"],
    )


def _service() -> _Schema:
    source = "A file (JSON or YAML), family:NAME, family:NAME:REVISION, an ARN, or service (what runs now)."
    properties = {
        "task_definition": _text(source, minLength=1),
        "containers": _map("Container name to image name, or to what is set in it.", keys.ECS_PATTERN, _container()),
        "service": _text("The service's name in ECS; by default the name here.", keys.ECS_PATTERN),
        "type": _words("A service, or a task that is run once or on a schedule.", keys.SERVICE_TYPES, "service"),
        "family": _text("Family to register under; by default the task definition's own.", keys.ECS_PATTERN),
        "codedeploy": _object(
            {
                "application": _text("By default AppECS-CLUSTER-SERVICE.", minLength=1),
                "deployment_group": _text("By default DgpECS-CLUSTER-SERVICE.", minLength=1),
                "appspec": _text("AppSpec (JSON or YAML) whose hooks are kept, relative to this file.", minLength=1),
                "container": _text("Container behind the load balancer.", minLength=1),
                "port": {"description": "Its port.", "type": "integer", "minimum": 1, "maximum": 65535},
            },
            description="For a service whose deployment controller is CodeDeploy.",
        ),
        "events": _list("EventBridge rules (rule or bus/rule) whose targets follow the revision.", _STRING),
        "schedules": _list("EventBridge Scheduler schedules (name or group/name), likewise.", _STRING),
        "timeout": _text("How long to wait for a steady service, as in 20m.", keys.AGE_PATTERN, default="15m"),
        "network": _object(
            {
                "subnets": _list("Subnet ids.", _STRING, minItems=1),
                "security_groups": _list("Security group ids.", _STRING),
                "public_ip": {"description": "Assign a public address.", "type": "boolean", "default": False},
            },
            required=["subnets"],
            description="Where run-task puts a task; by default where the service is.",
        ),
        "launch_type": {"description": "For run-task.", "enum": list(keys.LAUNCH_TYPES)},
    }
    return _object(properties, required=["task_definition", "containers"])


def _container() -> _Schema:
    words = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    value = {"type": ["string", "null"]}
    mapping = _object(
        {
            "image": _text("Name of an image here.", keys.NAME_PATTERN),
            "environment": _map("Variables; ~ removes one.", keys.VARIABLE_PATTERN, value),
            "secrets": _map("Variables to ARNs of secrets or parameters; ~ removes one.", keys.VARIABLE_PATTERN, value),
            "command": {"description": "A list, or a text that is split as a shell does.", **words},
            "entry_point": {"description": "Likewise.", **words},
            "labels": _map("Docker labels; ~ removes one.", keys.LABEL_PATTERN, value),
            "log_driver": _text("Log driver.", minLength=1),
            "log_options": _map("Options of the log driver; ~ removes one.", keys.LABEL_PATTERN, value),
        }
    )
    return {"oneOf": [_text("Name of an image here.", keys.NAME_PATTERN), mapping]}


def _scan() -> _Schema:
    ignored = _object(
        {
            "id": _text("The finding, as in CVE-2026-1234.", minLength=1),
            "until": _text("The last day on which it is ignored.", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            "reason": _text("Why.", minLength=1),
        },
        required=["id", "until", "reason"],
    )
    return _object(
        {
            "fail_on": _words("The least severity that fails.", keys.SCAN_FAIL_WORDS, "high"),
            "api": _words("Whose API tells of scans; ECR's is known by its host.", keys.SCAN_API_WORDS, "auto"),
            "ignore": _list("Findings that do not count for a while.", ignored),
        },
        description="What pipeline-kit scan lets pass.",
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
            "keep_ecs": _list("Names of deploy.ecs entries whose images are kept; by default all of them.", _STRING),
            "keep_revisions": {
                "description": "Newest task definition revisions of each family whose images are kept.",
                **count,
                "default": 10,
            },
            "keep_tags": _list("Patterns (* and ?) of tags for people whose images are kept; by default all.", _STRING),
            "min_age": _text("Keep every image for at least this long, as in 2d.", keys.AGE_PATTERN, default="1d"),
        },
        description="What prune must keep.",
    )
