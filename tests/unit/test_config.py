"""A right configuration: values, defaults, JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.config import (
    CacheSpec,
    Config,
    DirectoryContext,
    ImageContext,
    Location,
    PathKind,
    ReferenceContext,
    Retention,
    Secret,
    load,
)
from pipeline_kit.config.paths import join, relative
from pipeline_kit.config.render import resolved
from pipeline_kit.values import fields, replace

FULL = """\
version: 1
project: shop
registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com
x-common: &common
  bases: lock
  cache: {to: ["type=gha,mode=max"], from: ["type=gha"]}
defaults:
  platforms: [linux/amd64]
  cache: auto
  bases: resolve
  aliases: ["{branch}"]
  tag_prefix: v-
images:
  base:
    context: images/base
  api:
    <<: *common
    context: services/api
    dockerfile: ../Dockerfile.api
    repository: teams/api
    target: runtime
    args: {PYTHON_VERSION: "3.12", GIT_SHA: "{sha}", STAGE: "{env.STAGE:-dev}", JSON: '{{"a": 1}}'}
    volatile_args: [GIT_SHA]
    contexts: {base: "image:base", schemas: ./schemas/, alpine: "docker-image://alpine:3.20"}
    inputs: [VERSION, ./VERSION, schemas]
    platforms: [linux/arm64/v8, aarch64, linux/x86_64, arm]
    secrets: {npmrc: {env: NPM_TOKEN}, pip: {file: secrets/pip.conf}}
    ssh: [default]
    max_age: 7d
    aliases: []
plain_http: ["registry.internal:5000"]
verify: record
scopes:
  trusted: [refs/heads/main, refs/tags/*]
deploy:
  ecs:
    prod:
      cluster: prod
      services:
        api: {task_definition: ecs/api.json, containers: {api: api, migrate: api}}
retention: {keep_last: 20, keep_days: 30, keep_branches: true, keep_ecs: [prod]}
"""

SMALL = "version: 1\nproject: shop\nregistry: ghcr.io/acme\nimages: {api: {context: api}}\n"


def _exists(path: str) -> PathKind:
    name = path.rpartition("/")[2]
    if path.startswith("secrets/"):
        return PathKind.MISSING
    is_file = name.startswith("Dockerfile") or name in ("VERSION", "api.json", "task.json")
    return PathKind.FILE if is_file else PathKind.DIRECTORY


def _load(text: str, *, environ: dict[str, str] | None = None, allow_outside: bool = False) -> Config:
    return load(text.encode(), "pipeline-kit.yaml", environ=environ or {}, exists=_exists, allow_outside=allow_outside)


def test_every_key_reaches_its_value() -> None:
    """The whole of the documented example, and more, as values."""
    config = _load(FULL)
    api = config.images["api"]
    assert {field.name: getattr(api, field.name) for field in fields(api)} == {
        "name": "api",
        "repository": "teams/api",
        "context": "services/api",
        "dockerfile": "services/Dockerfile.api",
        "location": Location("pipeline-kit.yaml", 16, 3),
        "dockerfile_location": Location("pipeline-kit.yaml", 19, 17),
        "target": "runtime",
        "args": {"PYTHON_VERSION": "3.12", "GIT_SHA": "{sha}", "STAGE": "dev", "JSON": '{{"a": 1}}'},
        "volatile_args": ("GIT_SHA",),
        "contexts": {
            "base": ImageContext("base"),
            "schemas": DirectoryContext("schemas"),
            "alpine": ReferenceContext("alpine:3.20"),
        },
        "inputs": ("VERSION", "schemas"),
        "platforms": ("linux/amd64", "linux/arm/v7", "linux/arm64"),
        "secrets": {"npmrc": Secret(env="NPM_TOKEN"), "pip": Secret(file="secrets/pip.conf")},
        "ssh": ("default",),
        "max_age": 604800,
        "aliases": (),
        "bases": "lock",
        "cache": CacheSpec("custom", ("type=gha,mode=max",), ("type=gha",)),
    }
    assert config.plain_http == ("registry.internal:5000",)
    assert (config.verify, config.tag_prefix) == ("record", "v-")
    assert config.trusted == ("refs/heads/main", "refs/tags/*")
    service = config.ecs["prod"].services["api"]
    assert (service.task_definition, dict(service.containers)) == ("ecs/api.json", {"api": "api", "migrate": "api"})
    assert config.retention == Retention(20, 30, keep_branches=True, keep_ecs=("prod",))
    assert config.warnings == ()


def test_defaults_are_applied() -> None:
    """What an image does not say comes from ``defaults:``, then from the product."""
    base = _load(FULL).images["base"]
    assert (base.repository, base.dockerfile, base.aliases) == ("shop/base", "images/base/Dockerfile", ("{branch}",))
    assert (base.platforms, base.bases, base.cache) == (("linux/amd64",), "resolve", CacheSpec())
    assert base.dockerfile_location is None
    config = _load(SMALL)
    assert config.images["api"].aliases == ()
    assert (config.verify, config.trusted, config.retention, config.tag_prefix) == ("tag", (), None, "")


@pytest.mark.parametrize(
    ("registry", "host", "repository"),
    [
        ("ghcr.io/acme", "ghcr.io", "acme/shop/api"),
        ("ghcr.io", "ghcr.io", "shop/api"),
        ("docker.io", "docker.io", "shop/api"),
        ("index.docker.io/acme", "docker.io", "acme/shop/api"),
        ("localhost:5000/a/b", "localhost:5000", "a/b/shop/api"),
        ("'[::1]:5000'", "[::1]:5000", "shop/api"),
        ('"{env.HOST}"', "registry.test:443", "x/shop/api"),
        ('"{env.OTHER:-quay.io}/{env.TEAM}"', "quay.io", "t/shop/api"),
    ],
)
def test_registry_with_a_path(registry: str, host: str, repository: str) -> None:
    """The path behind the host becomes the beginning of every repository."""
    text = SMALL.replace("ghcr.io/acme", registry)
    config = _load(text, environ={"HOST": "registry.test:443/x", "TEAM": "t"})
    assert (config.registry, config.images["api"].repository) == (host, repository)


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("2w", 1209600)]
)
def test_ages(written: str, seconds: int) -> None:
    """A number and a unit, in seconds."""
    config = _load(SMALL.replace("context: api", f"context: api, max_age: {written}"))
    assert config.images["api"].max_age == seconds


def test_lower_case_dockerfile_is_found() -> None:
    """As BuildKit does, ``dockerfile`` is taken when there is no ``Dockerfile``."""
    tree = {"api": PathKind.DIRECTORY, "api/dockerfile": PathKind.FILE}
    config = load(SMALL.encode(), "f", environ={}, exists=lambda path: tree.get(path, PathKind.MISSING))
    assert config.images["api"].dockerfile == "api/dockerfile"


def test_paths_outside_need_the_callers_permission() -> None:
    """With permission, paths that leave the repository are kept as they are."""
    text = SMALL.replace("context: api", "context: /srv/api, inputs: [../VERSION], secrets: {x: {file: /run/x}}")
    asked: list[str] = []

    def exists(path: str) -> PathKind:
        asked.append(path)
        return PathKind.OUTSIDE

    api = load(text.encode(), "f", environ={}, exists=exists, allow_outside=True).images["api"]
    assert (api.context, api.dockerfile, api.inputs) == ("/srv/api", "/srv/api/Dockerfile", ("../VERSION",))
    assert len(asked) == len(set(asked))


def test_the_same_path_is_asked_once() -> None:
    """The caller's look at the disk happens once for each path."""
    asked: list[str] = []

    def exists(path: str) -> PathKind:
        asked.append(path)
        return _exists(path)

    load(FULL.encode(), "f", environ={}, exists=exists)
    assert sorted(asked) == sorted(set(asked))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ('{VERSION: "{short_sha}"}', "'VERSION' holds {short_sha}, so the content tag changes"),
        ("{NPM_TOKEN: abc}", "'NPM_TOKEN' looks like a secret written in plain text"),
        ("{X: AKIAIOSFODNN7EXAMPLE}", "'X' looks like a secret written in plain text"),
        (f"{{X: ghp_{'a' * 36}}}", "'X' looks like a secret written in plain text"),
        ("{X: 'https://me:pw@host/'}", "'X' looks like a secret written in plain text"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(args: str, message: str) -> None:
    """The configuration is valid, and the warning stands at its place without the value."""
    (warning,) = _load(SMALL.replace("context: api", f"context: api, args: {args}")).warnings
    assert message in warning.message
    assert (warning.line, warning.column > 30) == (4, True)
    assert not [secret for secret in ("abc", "AKIA", "ghp_", "pw@") if secret in str(warning)]


@pytest.mark.parametrize("args", ["{CACHE_KEY: abc}", "{AWS_ACCESS_KEY_ID: abc}", "{MONKEY: abc}", "{TOKEN: ''}"])
def test_what_is_no_secret_gives_no_warning(args: str) -> None:
    """Names that only look similar are left alone."""
    assert _load(SMALL.replace("context: api", f"context: api, args: {args}")).warnings == ()


def test_extension_keys_are_ignored() -> None:
    """``x-…`` at the top may hold anything."""
    assert _load(SMALL + "x-note: [1, {a: ~}, on]\n") == _load(SMALL)


def test_resolved_shows_no_secret() -> None:
    """Secrets appear by id and source, arguments that look like one not at all."""
    text = SMALL.replace(
        "context: api", "context: api, args: {DB_PASSWORD: hunter2, A: b}, secrets: {n: {env: NPM_TOKEN}}"
    )
    document = resolved(_load(text, environ={"NPM_TOKEN": "s3cret"}))
    assert document["images"]["api"]["args"] == {"A": "b", "DB_PASSWORD": "***"}
    assert document["images"]["api"]["secrets"] == {"n": {"env": "NPM_TOKEN"}}
    assert "s3cret" not in json.dumps(document)


def test_resolved_is_the_configuration_again() -> None:
    """What ``config`` prints can be read as a configuration and means the same."""
    document = resolved(_load(FULL))
    assert list(document["images"]) == ["api", "base"]
    assert document["images"]["api"]["dockerfile"] == "../Dockerfile.api"
    assert document["images"]["base"]["repository"] == "shop/base"
    assert resolved(_load(json.dumps(document))) == document


def test_resolved_does_not_depend_on_order() -> None:
    """Two spellings of one configuration print alike."""
    one = SMALL.replace("{api: {context: api}}", "{a: {context: a, args: {X: '1', Y: '2'}}, b: {context: b}}")
    two = SMALL.replace("{api: {context: api}}", "{b: {context: b}, a: {args: {Y: '2', X: '1'}, context: a}}")
    assert json.dumps(resolved(_load(one))) == json.dumps(resolved(_load(two)))


def test_values_cannot_be_changed() -> None:
    """A configuration is a value: its mappings refuse writes."""
    config = _load(FULL)
    with pytest.raises(TypeError):
        config.images["x"] = config.images["api"]  # type: ignore[index]
    with pytest.raises(TypeError):
        config.images["api"].args["X"] = "y"  # type: ignore[index]


_PART = st.sampled_from(["a", "b", "c", "..", "d.e", "Dockerfile"])
_PATHS = st.lists(_PART, min_size=1, max_size=5).map("/".join)


@given(_PATHS, _PATHS)
def test_relative_undoes_join(base: str, path: str) -> None:
    """A path written relative to its context comes back when joined again."""
    start = join(".", base)
    joined = join(start, path)
    assert join(start, relative(joined, start)) == joined


_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=12)
_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
_LITERAL = _TEXT.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
_IMAGE = st.fixed_dictionaries(
    {"context": st.sampled_from([".", "a", "a/b"])},
    optional={
        "dockerfile": st.sampled_from(["Dockerfile", "x/Dockerfile", "../Dockerfile"]),
        "target": st.sampled_from(["run", "on", "1.10", "é"]),
        "args": st.dictionaries(st.sampled_from(["A", "B_1", "on"]), _LITERAL | st.just("{sha}"), max_size=3),
        "platforms": st.lists(st.sampled_from(["linux/amd64", "aarch64", "linux/arm/v7"]), min_size=1),
        "secrets": st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([{"env": "A"}, {"file": "a/b"}])),
        "max_age": st.sampled_from(["1s", "90m", "7d"]),
        "aliases": st.lists(st.sampled_from(["latest", "{branch}", "v-{tag}", "1.10"]), unique=True),
        "bases": st.sampled_from(["resolve", "lock", "ignore"]),
        "cache": st.sampled_from(["none", "gha", {"to": ["type=inline"]}, {"from": ["a/b:c"]}]),
        "contexts": st.dictionaries(
            st.sampled_from(["s", "t"]), st.sampled_from(["a", "docker-image://alpine:3", "./a:b", "image:zz-base"])
        ),
        "ssh": st.lists(st.just("default"), max_size=1),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_NAMES, _IMAGE, min_size=1, max_size=4), st.sampled_from(["ghcr.io", "localhost:5000/x"]))
def test_round_trip(images: dict[str, Any], registry: str) -> None:
    """Any configuration, printed and read again, prints the same and keeps every image's values."""
    document = {
        "version": 1,
        "project": "shop",
        "registry": registry,
        "images": images | {"zz-base": {"context": "."}},
    }

    def exists(path: str) -> PathKind:
        return PathKind.FILE if path.endswith(("Dockerfile", "a/b")) and path != "a/b" else PathKind.DIRECTORY

    def read(value: dict[str, Any]) -> Config:
        data = json.dumps(value, ensure_ascii=False).encode()
        return load(
            data,
            "f",
            environ={},
            exists=lambda path: PathKind.OUTSIDE if path == "a/b" else exists(path),
            allow_outside=True,
        )

    first = read(document)
    second = read(resolved(first))
    assert resolved(second) == resolved(first)
    somewhere = Location("f", 1, 1)
    for name, image in first.images.items():
        again = second.images[name]
        prefix = "" if registry == "ghcr.io" else "x/"
        assert again.repository == image.repository
        assert prefix + image.repository.removeprefix(prefix) == image.repository
        assert replace(again, location=somewhere, dockerfile_location=None) == replace(
            image, location=somewhere, dockerfile_location=None
        )
