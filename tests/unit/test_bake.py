from __future__ import annotations

import csv
import json
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.builders.bake import Export, build_graph, csv_field, definition, escape, needs, target_names
from pipeline_kit.adapters.builders.bake_run import Bake
from pipeline_kit.adapters.builders.capabilities import Capabilities
from pipeline_kit.errors import InputError
from pipeline_kit.ports.builder import BuildRequest
from pipeline_kit.values import replace

_PLAIN = BuildRequest(
    name="api",
    context="/src/api",
    dockerfile="/src/api/Dockerfile",
    target=None,
    args={},
    contexts={},
    platforms=("linux/amd64",),
    labels={},
    repository="host:5000/shop/api",
    tag="pk-1",
)
_TEMPLATES = st.text(alphabet=st.sampled_from("$%{}~ \"'\\\n,ax\u2028é"), max_size=12)


def _document(request: BuildRequest, export: Export = Export.CACHE) -> dict[str, object]:
    document = json.loads(definition([request], [request.name], export).text)
    (target,) = document["target"].values()
    return dict(target)


def test_a_full_request() -> None:
    """Every member of a request reaches its bake attribute, and attestations are off."""
    request = replace(
        _PLAIN,
        target="run",
        args={"A": "1"},
        contexts={"more": "/src/more", "b:1": "docker-image://h/b@sha256:0"},
        platforms=("linux/amd64", "linux/arm64"),
        labels={"k": "v"},
        secrets={"tok": "env=TOKEN", "rc": "src=/home/a, b"},
        ssh=("default",),
        cache_from=("type=gha",),
        cache_to=("type=gha,mode=max",),
    )
    assert _document(request) == {
        "context": "/src/api",
        "dockerfile": "/src/api/Dockerfile",
        "target": "run",
        "args": {"A": "1"},
        "contexts": {"more": "/src/more", "b:1": "docker-image://h/b@sha256:0"},
        "labels": {"k": "v"},
        "platforms": ["linux/amd64", "linux/arm64"],
        "secret": ["id=tok,env=TOKEN", 'id=rc,"src=/home/a, b"'],
        "ssh": ["default"],
        "cache-from": ["type=gha"],
        "cache-to": ["type=gha,mode=max"],
        "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
        "output": ["type=cacheonly"],
    }


@pytest.mark.parametrize(
    ("export", "output", "tags"),
    [
        (Export.DIGEST, "type=image,name=host:5000/shop/api,push-by-digest=true,name-canonical=true,push=true", None),
        (Export.ENGINE_DIGEST, "type=image,push=,dangling-name-prefix=host:5000/shop/api", None),
        (Export.ENGINE, "type=image", ["host:5000/shop/api:pk-1"]),
        (Export.ENGINE_CLASSIC, "type=docker", ["host:5000/shop/api:pk-1"]),
        (Export.CACHE, "type=cacheonly", None),
    ],
)
def test_exports(export: Export, output: str, tags: list[str] | None) -> None:
    """What is pushed has no tag; what stays in the engine is named by its content tag."""
    target = _document(_PLAIN, export)
    assert target["output"] == [output]
    assert target.get("tags") == tags


@pytest.mark.parametrize(
    ("driver", "containerd", "push", "export"),
    [
        ("docker", True, True, Export.ENGINE_DIGEST),
        ("docker", True, False, Export.ENGINE),
        ("docker", False, True, Export.ENGINE_CLASSIC),
        ("docker", False, False, Export.ENGINE_CLASSIC),
        ("docker-container", False, True, Export.DIGEST),
        ("remote", False, True, Export.DIGEST),
        ("kubernetes", False, False, Export.CACHE),
    ],
)
def test_export_by_driver(driver: str, containerd: bool, push: bool, export: Export) -> None:
    """The driver and the image store decide where images go."""
    found = Capabilities((0, 13, 1), "x", driver, has_containerd_store=containerd)
    assert found.export(push=push) is export


def test_only_what_is_wanted_is_exported() -> None:
    """Images that are only built upon stand in the definition, outside its default group; unrelated ones do not."""
    base = replace(_PLAIN, name="a.base")
    app = replace(_PLAIN, name="app", contexts={"base": "target:a.base"})
    other = replace(_PLAIN, name="other")
    made = definition([base, app, other], ["app"], Export.CACHE)
    document = json.loads(made.text)
    base_target = next(target for target, name in made.images.items() if name == "a.base")
    assert document["group"] == {"default": {"targets": ["app"]}}
    assert sorted(document["target"]) == sorted([base_target, "app"])
    assert document["target"]["app"]["contexts"] == {"base": f"target:{base_target}"}
    assert needs(app) == ("a.base",)


def test_link_to_nothing_is_refused() -> None:
    """A ``target:`` context that names no image of the call is an error that names both."""
    with pytest.raises(InputError, match="api builds upon gone"):
        build_graph([replace(_PLAIN, contexts={"x": "target:gone"})])


@given(st.lists(st.text(max_size=8), unique=True))
def test_target_names_are_legal_and_different(names: list[str]) -> None:
    """Any image names give legal target names, none twice."""
    targets = target_names(names)
    assert len(set(targets.values())) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", target) and target != "default" for target in targets.values())


@given(st.text())
def test_csv_field_reads_back(text: str) -> None:
    """A CSV reader gets back the very text."""
    if "\0" in text:
        return
    row = next(csv.reader([f"{csv_field(text)},end"], strict=True)) if "\n" not in text and "\r" not in text else None
    assert row is None or row == [text, "end"]


@pytest.mark.parametrize(
    ("text", "escaped"), [("${x}", "$${x}"), ("%{if}", "%%{if}"), ("$x %x {x}", "$x %x {x}"), ("$${x}", "$$${x}")]
)
def test_escape(text: str, escaped: str) -> None:
    """Only what opens a template is doubled."""
    assert escape(text) == escaped


@pytest.mark.engine
@settings(max_examples=3, deadline=None)
@given(st.lists(_TEMPLATES, min_size=20, max_size=40))
def test_bake_evaluates_nothing(engine_env: dict[str, str], values: list[str]) -> None:
    """The real bake reads back every argument, label, key and target exactly as it was."""
    values = [*values, "${x}", "%{ for a in b }", "$${x}", "$$${x}", "%%%{", "${", "${~ x ~}", "$%{"]
    request = replace(
        _PLAIN,
        args={f"A{number}": value for number, value in enumerate(values)},
        labels={f"k{value}": value for value in values},
        target="a${b}%{c",
    )
    made = definition([request], ["api"], Export.CACHE)
    done = subprocess.run(
        ["docker", "buildx", "bake", "--print", "-f", "-"],
        input=made.text,
        env=engine_env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    target = json.loads(done.stdout)["target"]["api"]
    assert target["args"] == dict(request.args)
    assert target["labels"] == dict(request.labels)
    assert target["target"] == "a${b}%{c"


@pytest.mark.parametrize(
    ("version", "ssh", "cache_to", "allowed"),
    [
        ((0, 13, 1), ("default",), (), []),
        ((0, 18, 0), (), (), []),
        ((0, 19, 0), (), (), ["fs.read=*"]),
        ((0, 30, 1), ("default",), ("type=local,dest=/c",), ["fs.read=*", "fs.write=*", "ssh"]),
    ],
)
def test_entitlements_by_version(
    version: tuple[int, int, int], ssh: tuple[str, ...], cache_to: tuple[str, ...], allowed: list[str]
) -> None:
    """Newer versions of bake are allowed what the request needs; older ones do not know the flag."""
    bake = Bake("docker", Capabilities(version, "x", "docker"), {})
    flags = bake._allowed([replace(_PLAIN, ssh=ssh, cache_to=cache_to)])
    assert flags == [word for entry in allowed for word in ("--allow", entry)]
