"""Imports as a user has them: files on disk and in commits, the real bake, tags equal to those written by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import stack_programs
from fakes.project_files import tags, write_files

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

COMPOSE = """
services:
  base: {build: base}
  api:
    build:
      context: api
      args: {STAGE: "${STAGE:-prod}"}
      additional_contexts: {base: "service:base"}
  web: {build: web, profiles: [front]}
"""
BAKE = """
variable "STAGE" { default = "prod" }
function "twice" {
  params = [x]
  result = "${x}"
}
group "default" { targets = ["api", "web"] }
target "_common" { args = { STAGE = twice(STAGE) } }
target "api" {
  inherits = ["_common"]
  context = "api"
  contexts = { base = "target:base" }
}
target "base" { context = "base" }
target "web" {
  context = "web"
  matrix = { x = ["web"] }
  name = x
}
"""
API = "FROM base\nARG STAGE\nRUN echo $STAGE\nCOPY . /\n"


def write(shop: Shop, **imported: str) -> None:
    """Let the shop take its images from one file; keyword names are file names with ``_`` for ``.``."""
    files = {name.replace("_", "."): text for name, text in imported.items()}
    head = {"version": 1, "project": "shop", "registry": shop.registry.host, "imports": list(files)}
    write_files(shop.root, {**files, "pipeline-kit.yaml": json.dumps(head), "api/Dockerfile": API})


def by_hand(shop: Shop, stage: str = "prod") -> dict[str, str]:
    """Return the tags of the same images written under ``images:``."""
    place = Path(shop.root, "pipeline-kit.yaml")
    before = place.read_bytes()
    api = {"context": "api", "args": {"STAGE": stage}, "contexts": {"base": "image:base"}}
    shop.write({"base": {"context": "base"}, "api": api, "web": {"context": "web"}})
    found = tags(shop.root)
    place.write_bytes(before)
    return found


def asked(shop: Shop, **env: str) -> dict[str, str]:
    """Return the tags that the command prints."""
    ran = shop.run("tag", "--json", env=env)
    assert ran.code == 0, ran.err
    return {name: image["tag"] for name, image in ran.json()["images"].items()}


def test_compose_gives_the_tags_of_the_same_images_written_by_hand(shop: Shop) -> None:
    """Nothing is written twice, and nobody can tell from the tag where it was written."""
    write(shop, compose_yaml=COMPOSE)
    assert asked(shop) == by_hand(shop)
    assert asked(shop, STAGE="test") == by_hand(shop, "test") != by_hand(shop)


def test_bake_gives_the_tags_of_the_same_images_written_by_hand(shop: Shop, buildx: None) -> None:
    """Variables, functions, inheritance, matrices and linked targets are bake's own to resolve."""
    write(shop, **{"docker-bake_hcl": BAKE})
    assert asked(shop) == by_hand(shop)
    assert asked(shop, STAGE="test") == by_hand(shop, "test") != by_hand(shop)


def test_bake_in_json(shop: Shop, buildx: None) -> None:
    """The other spelling of a bake file."""
    api = {"context": "api", "args": {"STAGE": "prod"}, "contexts": {"base": "target:base"}}
    targets = {"api": api, "base": {"context": "base"}, "web": {"context": "web"}}
    document = {"group": {"default": {"targets": ["api", "web"]}}, "target": targets}
    write(shop, **{"docker-bake_json": json.dumps(document, indent=1)})
    assert asked(shop) == by_hand(shop)


def test_a_commit_has_imports_of_its_own(shop: Shop, buildx: None) -> None:
    """A tag of a commit is computed from the files of that commit, not from those on disk."""
    write(shop, compose_yaml=COMPOSE)
    shop.commit()
    first = asked(shop)
    write(shop, **{"docker-bake_hcl": BAKE.replace('default = "prod"', 'default = "later"')})
    (shop.root / "compose.yaml").unlink()
    shop.commit()
    assert asked(shop)["api"] != first["api"]
    at_first = shop.run("tag", "--json", "--commit", "HEAD~1").json()["images"]
    assert {name: image["tag"] for name, image in at_first.items()} == first
    told = shop.run("explain", "api", "--against", "HEAD~1")
    assert told.code == 0, told.err
    assert "STAGE" in told.out


def test_what_bake_refuses_is_shown_where_it_is(shop: Shop, buildx: None) -> None:
    """Bake's own word, with the file's name instead of bake's ``-``."""
    write(shop, **{"docker-bake_hcl": 'target "default" {\n  context = nothing\n}\n'})
    ran = shop.run("tag")
    assert (ran.code, ran.out) == (2, "")
    assert "docker-bake.hcl:2:13: bake refuses it: " in ran.err


def test_a_bake_file_without_a_default_group(shop: Shop, buildx: None) -> None:
    """Which of its targets are images is the file's to say."""
    write(shop, **{"docker-bake_hcl": 'target "api" { context = "api" }\n'})
    ran = shop.run("tag")
    assert ran.code == 2
    assert "the images are those of the group 'default'" in ran.err


def test_without_buildx(shop: Shop, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4: nothing is known about the images; with a next step."""
    write(shop, **{"docker-bake_hcl": BAKE})
    git = home / "bin"
    git.mkdir()
    for name in ("git", "python3"):
        found = next(Path(place, name) for place in os.environ["PATH"].split(":") if Path(place, name).exists())
        (git / name).symlink_to(found)
    ran = shop.run("tag", env={"PATH": str(git)})
    assert ran.code == 4
    assert "no docker command" in ran.err
    assert "install the buildx plugin" in ran.err


def test_docker_without_the_plugin(shop: Shop, home: Path) -> None:
    """The same, said more exactly."""
    write(shop, **{"docker-bake_hcl": BAKE})
    client = stack_programs.docker_client()
    path = os.environ["PATH"] if client is None else f"{client}:{os.environ['PATH']}"
    ran = shop.run("tag", env={"DOCKER_CONFIG": str(home), "PATH": path})
    has_plugin = "docker-bake.hcl" not in ran.err and ran.code == 0
    if has_plugin:
        pytest.skip("docker finds a buildx plugin of the machine's")
    assert ran.code == 4
    assert "docker has no buildx plugin" in ran.err


def test_secrets_are_kept_from_bake(shop: Shop, buildx: None) -> None:
    """A bake file may not turn a secret of the environment into an argument, which stays in the image."""
    text = 'variable "NPM_TOKEN" { default = "none" }\n' + BAKE.replace("twice(STAGE)", "NPM_TOKEN")
    write(shop, **{"docker-bake_hcl": text})
    ran = shop.run("config", env={"NPM_TOKEN": "s3cret"})
    assert ran.code == 0, ran.err
    assert "s3cret" not in ran.out + ran.err
    assert ran.json()["images"]["api"]["args"] == {"STAGE": "none"}


def test_problems_of_an_import_are_annotated_in_its_file(shop: Shop) -> None:
    """On GitHub, at the file and line of the Compose file."""
    write(shop, compose_yaml="services:\n  api:\n    build: {contxt: api}\n")
    ran = shop.run("plan", env={"GITHUB_ACTIONS": "true"})
    assert ran.code == 2
    assert "::error file=compose.yaml,line=3,col=13" in ran.err


def test_doctor_reads_imports(shop: Shop) -> None:
    """The images of a Compose file are examined as the others are."""
    write(shop, compose_yaml=COMPOSE)
    shop.commit()
    ran = shop.run("doctor", "--json", "web")
    assert ran.code in (0, 3, 4), ran.err
    assert "'web'" not in ran.err
