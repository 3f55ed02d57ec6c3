"""Images from what ``docker buildx bake --print`` says, old and new spellings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.import_files import HEAD, Files

from pipeline_kit.config import Config, ImageContext, Location, ReferenceContext, Secret
from pipeline_kit.errors import ConfigError

BAKE = HEAD.replace("compose.yaml", "docker-bake.hcl")
HCL = 'group "default" { targets = ["api"] }\n\n  target "api" {\n  }\ntarget low {\n}\n'


def printed(**targets: Any) -> Config:
    """Load a configuration that imports a bake file of which bake says that it has these targets."""
    answer = json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets}).encode()
    return Files({"docker-bake.hcl": HCL}, answer).load(BAKE)


def test_a_target_is_an_image() -> None:
    """What decides the image is taken over; tags, outputs and caches are not."""
    target = {
        "context": "app",
        "dockerfile": "Dockerfile.x",
        "target": "t",
        "args": {"A": "{x}", "N": None},
        "contexts": {"b": "target:low", "alpine": "docker-image://alpine"},
        "platforms": ["linux/arm64"],
        "tags": ["x/y:1"],
        "output": ["type=docker"],
        "cache-from": ["type=gha"],
        "secret": ["id=npm,env=NPM", "id=key,src=key.txt", "id=SAME"],
        "ssh": ["default", "git=/tmp/agent"],
    }
    config = printed(api=target, low={"context": ".", "dockerfile": "Dockerfile"})
    api = config.images["api"]
    assert (api.context, api.dockerfile, api.target, api.repository) == (
        "app",
        "app/Dockerfile.x",
        "t",
        "acme/shop/api",
    )
    assert dict(api.args) == {"A": "{{x}}"}
    assert api.contexts == {"b": ImageContext("low"), "alpine": ReferenceContext("alpine")}
    assert api.platforms == ("linux/arm64",)
    assert api.secrets == {"npm": Secret(env="NPM"), "key": Secret(file="key.txt"), "SAME": Secret(env="SAME")}
    assert api.ssh == ("default", "git")
    assert api.location == Location("sub/docker-bake.hcl", 3, 3)
    assert config.images["low"].location == Location("sub/docker-bake.hcl", 5, 1)


def test_newer_bakes_print_objects() -> None:
    """Secrets and ssh agents as objects."""
    config = printed(api={"context": ".", "secret": [{"id": "npm", "env": "NPM"}], "ssh": [{"id": "default"}]})
    assert (config.images["api"].secrets, config.images["api"].ssh) == ({"npm": Secret(env="NPM")}, ("default",))


def test_what_is_not_taken_over_is_said() -> None:
    """With the target's place."""
    config = printed(api={"context": ".", "labels": {"a": "b"}, "network": ""})
    assert [(one.line, one.message) for one in config.warnings] == [
        (3, "target 'api': 'labels' is not taken over: images are built without it")
    ]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"api": {"dockerfile-inline": "FROM x"}}, "'dockerfile-inline' is not read"),
        ({"api": {"context": "https://github.com/x/y.git"}}, "a remote context has no content tag"),
        ({"api": {"context": "../x"}}, "'../x' lies outside the repository"),
        ({"api": {"context": ".", "platforms": ["linux/z80"]}}, "unknown platform 'linux/z80'"),
        ({"api": {"context": ".", "contexts": {"a": "target:b"}}}, "'image:b' names no image of this file"),
    ],
)
def test_problems_bear_the_targets_place(targets: dict[str, Any], message: str) -> None:
    """The bake file's line and column of the target."""
    with pytest.raises(ConfigError) as caught:
        printed(**targets)
    found = caught.value.problems[0]
    assert message in found.message
    assert (found.file, found.line, found.column) == ("sub/docker-bake.hcl", 3, 3)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"target": []}', b"[" * 100_000])
def test_an_answer_that_is_none(answer: bytes) -> None:
    """A problem, not a traceback."""
    with pytest.raises(ConfigError, match="bake's answer cannot be read"):
        Files({"docker-bake.hcl": HCL}, answer).load(BAKE)


def test_no_buildx() -> None:
    """Callers without bake say so at the import."""
    with pytest.raises(ConfigError, match="there is no buildx"):
        Files({"docker-bake.hcl": HCL}).load(BAKE)
