"""What ``emit`` writes, and what imports read, against the programs whose formats these are. No engine is asked."""

from __future__ import annotations

import json
import os
import subprocess
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import stack_programs
import witnesses
import yaml
from fakes.import_files import HEAD, Files
from fakes.project_files import write_files

from pipeline_kit.config import ImageContext, expand
from pipeline_kit.outputs.emitted import kubernetes, scripts, services
from pipeline_kit.outputs.emitted.image import PinnedImage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.registry
IMAGES = [
    PinnedImage("api", "127.0.0.1:5000/shop/api", f"sha256:{'a' * 64}", "tag1"),
    PinnedImage("web-app", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web", f"sha256:{'b' * 64}", "tag2"),
]
STACK = {
    "services": {"api": {"image": "api", "build": "api"}, "web-app": {"image": "web-app"}, "db": {"image": "db:1"}}
}
EXPECTED = {"api": IMAGES[0].pinned, "web-app": IMAGES[1].pinned, "db": "db:1"}


def ran(root: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
    """Return what a program prints in ``root``."""
    ended = subprocess.run(
        list(words),
        cwd=root,
        env={**os.environ, **(env or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def images_of(text: str) -> dict[str, str]:
    """Return the image of each service of a Compose document."""
    return {name: service["image"] for name, service in yaml.safe_load(text)["services"].items()}


def test_docker_compose_reads_the_override(tmp_path: Path) -> None:
    """Each service has its image by digest; the others keep theirs."""
    write_files(tmp_path, {"compose.yaml": yaml.safe_dump(STACK), "api/Dockerfile": "FROM scratch\n"})
    write_files(tmp_path, {"override.yaml": services.compose(IMAGES, {})})
    words = ("-f", "compose.yaml", "-f", "override.yaml", "config")
    assert images_of(ran(tmp_path, str(witnesses.compose()), *words)) == EXPECTED


def test_docker_compose_reads_the_env_file(tmp_path: Path) -> None:
    """As ``--env-file``, and a shell reads the same."""
    write_files(tmp_path, {"compose.yaml": "services: {api: {image: '${API_IMAGE}'}, w: {image: '${WEB_APP_IMAGE}'}}"})
    write_files(tmp_path, {"images.env": scripts.env_file(IMAGES, "{NAME}_IMAGE")})
    found = images_of(ran(tmp_path, str(witnesses.compose()), "--env-file", "images.env", "config"))
    assert found == {"api": IMAGES[0].pinned, "w": IMAGES[1].pinned}
    assert ran(tmp_path, "sh", "-c", '. ./images.env; printf %s "$WEB_APP_IMAGE"') == IMAGES[1].pinned


def test_docker_stack_reads_the_further_file(tmp_path: Path) -> None:
    """``docker stack config`` merges it into the stack's own file."""
    stack = {"version": "3.8", "services": {name: {"image": name} for name in ("api", "web-app")}}
    write_files(tmp_path, {"stack.yaml": yaml.safe_dump(stack), "more.yaml": services.stack(IMAGES, {})})
    client = stack_programs.docker_client()
    docker = "docker" if client is None else str(client / "docker")
    found = images_of(ran(tmp_path, docker, "stack", "config", "-c", "stack.yaml", "-c", "more.yaml"))
    assert found == {"api": IMAGES[0].pinned, "web-app": IMAGES[1].pinned}


def test_kustomize_reads_the_component(tmp_path: Path) -> None:
    """Every container that names the image runs the digest, whatever tag the manifest has."""
    containers = [{"name": "a", "image": "api"}, {"name": "w", "image": "web-app:dev"}, {"name": "d", "image": "db"}]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    write_files(
        tmp_path,
        {
            "deployment.yaml": yaml.safe_dump(deployment),
            "kustomization.yaml": "resources: [deployment.yaml]\ncomponents: [images]\n",
            "images/kustomization.yaml": kubernetes.kustomize(IMAGES, "{name}"),
        },
    )
    document = yaml.safe_load(ran(tmp_path, str(witnesses.kustomize()), "build", "."))
    found = [container["image"] for container in document["spec"]["template"]["spec"]["containers"]]
    assert found == [IMAGES[0].pinned, IMAGES[1].pinned, "db"]


COMPOSE: dict[str, tuple[str, dict[str, str]]] = {
    "short": ("services: {api: {build: ./app}}", {}),
    "long": (
        """
        services:
          api:
            build:
              context: app
              dockerfile: sub/Dockerfile.x
              target: t
              args: {A: "1", B: 2, C: true, D: "x${E:-y}", N: }
              platforms: [linux/arm64, linux/amd64]
          other: {build: .}
        """,
        {"E": "e", "N": "n"},
    ),
    "lists": (
        'services: {api: {build: {context: ., args: ["A=b=c", "D=$$x$${y}", E, F, "G="]}}}',
        {"E": "e $x"},
    ),
    "operators": (
        """
        services:
          api:
            build:
              context: ${DIR:-app}
              args:
                - A=${SET:-no}|${SET-no}|${SET:+yes}|${SET+yes}|${SET:?must}|${SET?must}
                - B=${EMPTY:-no}|${EMPTY-no}|${EMPTY:+yes}|${EMPTY+yes}|${EMPTY?must}
                - C=${UNSET:-no}|${UNSET-no}|${UNSET:+yes}|${UNSET+yes}
                - D=${UNSET:-${SET}x${EMPTY:-deep}}
                - E=$SET/$UNSET.$$SET$$
                - F=${UNSET:-a:b-c?d}
        """,
        {"SET": "set", "EMPTY": ""},
    ),
    "anchors": (
        "x-b: &b {context: app, args: {A: '1'}}\nservices: {api: {build: {<<: *b, target: t}}, o: {build: *b}}",
        {},
    ),
    "contexts": (
        """
        services:
          api: {build: {context: ., additional_contexts: {base: "service:base", dir: ./app}}}
          base: {build: app}
        """,
        {},
    ),
}
DOTENV = """
# defaults
export FROM_FILE=plain # comment
QUOTED="two \\"x\\" $FROM_FILE"
LITERAL='$FROM_FILE'
KEY="-----BEGIN
of # several
lines"
DIR=app
"""
COMPOSE["dotenv"] = (
    "services: {api: {build: {context: $DIR, args: ['A=$FROM_FILE|$QUOTED|$LITERAL|$OVER', FROM_FILE]}}}",
    {"OVER": "over"},
)


@pytest.mark.parametrize("name", COMPOSE)
def test_imports_understand_a_compose_file_as_compose_does(tmp_path: Path, name: str) -> None:
    """Context, Dockerfile, target, arguments, platforms and contexts are those of ``docker compose config``."""
    text, environ = COMPOSE[name]
    write_files(tmp_path, {".env": DOTENV, "app/x": ""})
    config = Files({"compose.yaml": text, ".env": DOTENV}).load(HEAD, environ)
    path = tmp_path / "compose.yaml"
    write_files(tmp_path, {"compose.yaml": Files({"compose.yaml": text}).read("compose.yaml") or b""})
    told = json.loads(
        ran(tmp_path, str(witnesses.compose()), "-f", str(path), "config", "--format", "json", env=environ)
    )
    expected = {name: _told(tmp_path, service["build"]) for name, service in told["services"].items()}
    assert {name: _ours(tmp_path, image) for name, image in config.images.items()} == expected


def _expression(random: Random, depth: int = 0) -> str:
    """Return a text with variables in it, of every form that always has a value."""
    parts = []
    for _ in range(random.randint(1, 3)):
        name = random.choice(("SET", "EMPTY", "UNSET"))
        operator = random.choice((":-", "-", ":+", "+"))
        inner = _expression(random, depth + 1) if depth < 3 else "end"
        parts.append(random.choice((f"${{{name}{operator}{inner}}}", f"${{{name}}}", f"${name} ", "$$", "a:b-c?d+e/")))
    return "".join(parts)


def test_random_interpolations_are_compose_s_own(tmp_path: Path) -> None:
    """400 nested expressions, one question to Compose."""
    random = Random(7)  # noqa: S311 - a fixed seed
    args = {f"A{number}": _expression(random) for number in range(400)}
    text = json.dumps({"services": {"api": {"build": {"context": ".", "args": args}}}})
    environ = {"SET": "set}$x", "EMPTY": ""}
    config = Files({"compose.yaml": text}).load(HEAD, environ)
    write_files(tmp_path, {"compose.yaml": text})
    words = ("-f", "compose.yaml", "config", "--format", "json")
    told = json.loads(ran(tmp_path, str(witnesses.compose()), *words, env=environ))
    expected = {name: value.replace("$$", "$") for name, value in told["services"]["api"]["build"]["args"].items()}
    assert {name: expand(value, {}) for name, value in config.images["api"].args.items()} == expected


def _told(root: Path, build: Mapping[str, Any]) -> dict[str, Any]:
    contexts = build.get("additional_contexts") or {}
    return {
        "context": build["context"],
        "dockerfile": os.path.join(build["context"], build.get("dockerfile") or "Dockerfile"),  # noqa: PTH118 - text
        "target": build.get("target"),
        # ``config`` prints what can be read again, so with every dollar sign doubled.
        "args": {name: text.replace("$$", "$") for name, text in (build.get("args") or {}).items() if text is not None},
        "platforms": sorted(build.get("platforms") or ["linux/amd64"]),
        "contexts": {
            name: value if ":" in value else os.path.normpath(root / value) for name, value in contexts.items()
        },
    }


def _ours(root: Path, image: Any) -> dict[str, Any]:
    return {
        "context": os.path.normpath(root / image.context),
        "dockerfile": str(root / image.dockerfile),
        "target": image.target,
        "args": {name: expand(text, {}) for name, text in image.args.items()},
        "platforms": list(image.platforms),
        "contexts": {
            name: f"service:{value.image}" if isinstance(value, ImageContext) else str(root / value.path)
            for name, value in image.contexts.items()
        },
    }
