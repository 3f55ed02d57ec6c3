"""``codepipeline`` and ``emit`` as people and pipelines use them, against the registry in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.ecs_shop import DOCUMENT
from fakes.fake_ecs import FakeEcs
from fakes.project_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

FORMS = ["kustomize", "helm-values", "compose", "swarm", "env", "json"]
APPSPEC = """
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: old
        LoadBalancerInfo: {ContainerName: api, ContainerPort: 80}
Hooks: [{AfterInstall: check}]
"""


@pytest.fixture
def prod(shop: Shop) -> Shop:
    """Give the shop with two services, one standard and one blue/green, its images in the registry."""
    document = json.loads(json.dumps(DOCUMENT))
    document["containerDefinitions"].append({"name": "web", "image": "later"})
    write_files(shop.root, {"ecs/api.json": json.dumps(document), "ecs/appspec.yaml": APPSPEC})
    services = {
        "api": {"task_definition": "ecs/api.json", "containers": {"api": "api", "web": "web"}},
        "green": {
            "task_definition": "ecs/api.json",
            "containers": {"api": "api", "web": "web"},
            "codedeploy": {"container": "api", "port": 8080},
        },
    }
    shop.write(deploy={"ecs": {"prod": {"cluster": "prod", "services": services}}})
    shop.commit()
    shop.push()
    return shop


def digests(shop: Shop) -> dict[str, str]:
    """Return ``host/path@digest`` by image name, as the registry has them."""
    repositories = {name: shop.registry.tags[f"shop/{name}"] for name in ("base", "api", "web")}
    return {
        name: f"{shop.registry.host}/shop/{name}@{next(iter(found.values()))}" for name, found in repositories.items()
    }


def report_of(shop: Shop, **changed: Any) -> Path:
    """Write a report as ``build`` does, and return its path."""
    ran = shop.run("build", "--json")
    assert ran.code == 0, ran.err
    document = ran.json()
    for name, members in changed.items():
        document["images"][name] |= members
    path = shop.root / "report.json"
    path.write_text(json.dumps(document))
    return path


def test_image_definitions_of_a_standard_deployment(prod: Shop) -> None:
    """One entry a container, by digest."""
    ran = prod.run("codepipeline", "api", "--out", "out")
    assert (ran.code, ran.out, ran.err) == (0, "", "wrote out/imagedefinitions.json\n")
    pinned = digests(prod)
    assert json.loads((prod.root / "out/imagedefinitions.json").read_text()) == [
        {"name": "api", "imageUri": pinned["api"]},
        {"name": "web", "imageUri": pinned["web"]},
    ]


def test_blue_green_with_several_images(prod: Shop) -> None:
    """Placeholders in the task definition, one imageDetail.json an image, and what the action has to be told."""
    ran = prod.run("codepipeline", "green", "--out", "out")
    assert ran.code == 0, ran.err
    out, pinned = prod.root / "out", digests(prod)
    images = [item["image"] for item in json.loads((out / "taskdef.json").read_text())["containerDefinitions"]]
    assert images == ["<IMAGE1_NAME>", "<IMAGE2_NAME>"]
    assert json.loads((out / "image1/imageDetail.json").read_text()) == {"ImageURI": pinned["api"]}
    assert json.loads((out / "image2/imageDetail.json").read_text()) == {"ImageURI": pinned["web"]}
    text = (out / "appspec.yaml").read_text()
    assert "TaskDefinition: <TASK_DEFINITION>\n" in text
    document = yaml.safe_load(text)
    assert document["Resources"][0]["TargetService"]["Properties"]["LoadBalancerInfo"] == {
        "ContainerName": "api",
        "ContainerPort": 8080,
    }
    assert "prod/green: Image2ContainerName is IMAGE2_NAME: image web" in ran.err


def test_several_services_have_directories_of_their_own(prod: Shop) -> None:
    """An action reads one service's files."""
    assert prod.run("codepipeline", "--out", "out").code == 0
    found = sorted(path.relative_to(prod.root / "out").as_posix() for path in (prod.root / "out").rglob("*.*"))
    assert found == [
        "prod/api/imagedefinitions.json",
        "prod/green/appspec.yaml",
        "prod/green/image1/imageDetail.json",
        "prod/green/image2/imageDetail.json",
        "prod/green/taskdef.json",
    ]


def test_a_task_definition_that_only_ecs_has(prod: Shop) -> None:
    """Taken from its family; what registering does not accept is gone, as CodePipeline registers it."""
    with FakeEcs() as ecs:
        ecs.state.family(DOCUMENT)
        service = {
            "task_definition": f"family:{DOCUMENT['family']}",
            "containers": {"api": "api"},
            "codedeploy": {"container": "api", "port": 8080},
        }
        prod.write(deploy={"ecs": {"prod": {"cluster": "prod", "services": {"one": service}}}})
        prod.push()
        ran = prod.run("codepipeline", "--out", "out", env=ecs.environment())
    assert ran.code == 0, ran.err
    document = json.loads((prod.root / "out/taskdef.json").read_text())
    assert [item["image"] for item in document["containerDefinitions"]] == ["<IMAGE1_NAME>"]
    assert not {"taskDefinitionArn", "revision", "status", "registeredAt"} & set(document)


def test_hooks_of_a_given_appspec_stay(prod: Shop) -> None:
    """Only the task definition is replaced; one image's imageDetail.json lies beside the others."""
    service = {
        "task_definition": "ecs/api.json",
        "containers": {"api": "api"},
        "codedeploy": {"appspec": "ecs/appspec.yaml"},
    }
    prod.write(deploy={"ecs": {"prod": {"cluster": "prod", "services": {"one": service}}}})
    prod.push()
    ran = prod.run("codepipeline", "--out", "out")
    assert ran.code == 0, ran.err
    document = yaml.safe_load((prod.root / "out/appspec.yaml").read_text())
    assert document["Hooks"] == [{"AfterInstall": "check"}]
    assert document["Resources"][0]["TargetService"]["Properties"]["TaskDefinition"] == "<TASK_DEFINITION>"
    assert (prod.root / "out/imageDetail.json").exists()


def test_blue_green_needs_a_container(prod: Shop) -> None:
    """What the load balancer shifts to is not guessed."""
    ran = prod.run("codepipeline", "api", "--kind", "blue-green", "--out", "out")
    assert ran.code == 2
    assert "appspec.yaml names a container and its port" in ran.err
    assert not (prod.root / "out").exists()


def test_codepipeline_from_a_report(prod: Shop) -> None:
    """The registry is not asked, and gives no digest that the report does not."""
    report = report_of(prod, web={"digest": f"sha256:{'c' * 64}"})
    prod.registry.log.clear()
    ran = prod.run("codepipeline", "api", "--report", str(report))
    assert ran.code == 0, ran.err
    entries = json.loads((prod.root / "imagedefinitions.json").read_text())
    assert entries[1]["imageUri"] == f"{prod.registry.host}/shop/web@sha256:{'c' * 64}"
    assert prod.registry.log == []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_every_digest(prod: Shop, form: str) -> None:
    """On stdout, in a file, and from a report without a checkout: the same text."""
    ran = prod.run("emit", form)
    assert (ran.code, ran.err) == (0, "")
    for pinned in digests(prod).values():
        assert pinned.rpartition("@")[2] in ran.out
        assert pinned.rpartition("@")[0] in ran.out
    assert prod.run("emit", form, "--out", "file").err == "wrote file\n"
    assert (prod.root / "file").read_text() == ran.out
    report = report_of(prod)
    elsewhere = prod.root.parent / "elsewhere"
    elsewhere.mkdir()
    again = prod.run("-C", str(elsewhere), "emit", form, "--report", str(report))
    assert (again.code, again.out) == (0, ran.out)


def test_only_what_was_asked_for(prod: Shop) -> None:
    """By image name; an unknown one is refused."""
    assert list(json.loads(prod.run("emit", "json", "web").out)["images"]) == ["web"]
    for extra in ([], ["--report", str(report_of(prod))]):
        ran = prod.run("emit", "json", "wbe", *extra)
        assert ran.code == 2
        assert "there is no image 'wbe'" in ran.err


def test_what_is_not_in_the_registry_is_not_handed_on(shop: Shop) -> None:
    """Exit 2 with the command that brings it, and nothing on stdout."""
    shop.push("base", "web")
    ran = shop.run("emit", "env")
    assert (ran.code, ran.out) == (2, "")
    assert "pipeline-kit build api" in ran.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not a JSON report"),
        ("[]", "not a report of build"),
        ('{"images": {"a": {"digest": "x", "reference": "r/a:1"}}}', "has no reference and digest"),
        ('{"images": {"a": {"digest": null, "reference": "r.x/a:1", "status": "failed"}}}', "the registry (failed)"),
        ('{"images": {"a": null}}', "has no reference and digest"),
    ],
)  # fmt: skip
def test_reports_that_are_none(shop: Shop, content: str, told: str) -> None:
    """A digest is a digest or nothing is handed on."""
    (shop.root / "r.json").write_text(content)
    ran = shop.run("emit", "env", "--report", "r.json")
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compose", "--service", "x"], "is not SERVICE=IMAGE"),
        (["compose", "--service", "x=nothing"], "there is no image 'nothing'"),
        (["kustomize", "--name", "{x}"], "{x} is no placeholder"),
        (["helm-values", "--key", "image"], "several images into one place"),
        (["env", "--variable", "IMAGE"], "both get the variable 'IMAGE'"),
    ],
)
def test_options_that_cannot_be_meant(prod: Shop, words: list[str], told: str) -> None:
    """Exit 2, with what was wrong."""
    ran = prod.run("emit", *words)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
