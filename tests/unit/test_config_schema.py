"""The JSON Schema says what the loader says, as far as one file's shape goes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pipeline_kit.config import PathKind, keys, load
from pipeline_kit.config.render import resolved
from pipeline_kit.config.schema import schema
from pipeline_kit.errors import ConfigError

MINIMAL: dict[str, Any] = {
    "version": 1,
    "registry": "ghcr.io/acme",
    "project": "shop",
    "images": {"a": {"context": "."}},
}
ECS: dict[str, Any] = {
    "prod": {"cluster": "c", "services": {"s": {"task_definition": "t.json", "containers": {"app": "a"}}}}
}


def _exists(path: str) -> PathKind:
    return PathKind.FILE if path.endswith(("Dockerfile", ".json", "VERSION")) else PathKind.DIRECTORY


def _with_image(**members: Any) -> dict[str, Any]:
    return MINIMAL | {"images": {"a": {"context": "."} | members}}


VALID = [
    MINIMAL,
    MINIMAL | {"x-anything": [1, None]},
    MINIMAL | {"imports": [], "verify": "label", "tag_prefix": "v", "plain_http": ["r:5000"]},
    MINIMAL | {"scopes": {"trusted": ["refs/heads/main"]}, "deploy": {"ecs": ECS}},
    MINIMAL | {"retention": {"keep_last": 1, "keep_days": 2, "keep_branches": False, "keep_ecs": []}},
    MINIMAL | {"defaults": {"platforms": ["arm64"], "cache": "gha", "bases": "lock", "aliases": ["{branch}"]}},
    _with_image(dockerfile="Dockerfile", repository="x/y", target="t", args={"A": "1"}, volatile_args=["A"]),
    _with_image(
        contexts={"x": "docker-image://alpine"}, inputs=["VERSION"], secrets={"n": {"env": "T"}}, ssh=["default"]
    ),
    _with_image(max_age="7d", cache={"to": ["type=inline"], "from": ["a"]}, aliases=[], bases="ignore"),
]

IMPORTS = {name: value for name, value in MINIMAL.items() if name != "images"} | {"imports": ["compose.yaml"]}

INVALID = [
    [],
    {},
    MINIMAL | {"version": 2},
    MINIMAL | {"version": "1"},
    MINIMAL | {"imgs": {}},
    MINIMAL | {"images": {}},
    MINIMAL | {"images": {"A": {"context": "."}}},
    MINIMAL | {"imports": "compose.yaml"},
    IMPORTS | {"imports": []},
    MINIMAL | {"imports": [], "images": {"a": {}}},
    MINIMAL | {"verify": "all"},
    MINIMAL | {"tag_prefix": "-x"},
    MINIMAL | {"scopes": {}},
    MINIMAL | {"scopes": {"trusted": []}},
    MINIMAL | {"scopes": {"trusted": ["main"]}},
    MINIMAL | {"deploy": {"ecs": {"prod": {"cluster": "c"}}}},
    MINIMAL | {"retention": {"keep_last": 0}},
    MINIMAL | {"retention": {"keep_branches": "yes"}},
    MINIMAL | {"defaults": {"context": "."}},
    MINIMAL | {"images": {"a": {}}},
    _with_image(contxt="x"),
    _with_image(args={"A": 3.12}),
    _with_image(args={"A-B": "x"}),
    _with_image(platforms=[]),
    _with_image(platforms="linux/amd64"),
    _with_image(secrets={"n": {}}),
    _with_image(secrets={"n": {"env": "A", "file": "b"}}),
    _with_image(max_age="7"),
    _with_image(cache="redis"),
    _with_image(cache={}),
    _with_image(bases=True),
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """A validator for the schema, which is itself checked against its dialect."""
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("document", VALID)
def test_what_loads_is_valid(document: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    """Editors mark nothing that the loader takes, and what ``config`` prints is valid as well."""
    validator.validate(document)
    config = load(json.dumps(document).encode(), "f", environ={}, exists=_exists)
    validator.validate(resolved(config))


@pytest.mark.parametrize("document", INVALID)
def test_what_the_schema_refuses_does_not_load(document: Any, validator: jsonschema.Draft202012Validator) -> None:
    """Editors mark what the loader refuses, and only that."""
    assert not validator.is_valid(document)
    with pytest.raises(ConfigError):
        load(json.dumps(document).encode(), "f", environ={}, exists=_exists)


@pytest.mark.parametrize("images", [None, {"a": {"target": "t"}}])
def test_imports_make_images_and_their_contexts_optional(images: dict[str, Any] | None) -> None:
    """What an imported file says need not be written again."""
    jsonschema.Draft202012Validator(schema()).validate(IMPORTS | ({} if images is None else {"images": images}))


def test_keys_are_those_of_the_loader() -> None:
    """Schema and loader know the same keys."""
    document = schema()
    image, ecs = document["$defs"]["image"], document["$defs"]["ecs"]
    service = ecs["properties"]["services"]["additionalProperties"]
    pairs = [
        (document, keys.TOP),
        (document["properties"]["defaults"], keys.DEFAULTS),
        (image, keys.IMAGE),
        (image["properties"]["secrets"]["additionalProperties"], keys.SECRET),
        (document["$defs"]["cache"]["oneOf"][1], keys.CACHE),
        (document["properties"]["scopes"], keys.SCOPES),
        (document["properties"]["deploy"], keys.DEPLOY),
        (ecs, keys.ECS),
        (service, keys.SERVICE),
        (document["properties"]["retention"], keys.RETENTION),
    ]
    for node, names in pairs:
        assert tuple(node["properties"]) == names


def test_every_property_is_described() -> None:
    """Each key has a text for the editor's hover, in the schema or behind its reference."""
    document = schema()
    images = document["$defs"]["image"]["properties"] | document["properties"]
    for name, node in images.items():
        target = document["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        assert target.get("description"), name


def test_schema_is_json_and_new_each_time() -> None:
    """A caller may change what it got."""
    first = schema()
    first["properties"].clear()
    assert json.loads(json.dumps(schema())) == schema()
    assert schema()["properties"]
