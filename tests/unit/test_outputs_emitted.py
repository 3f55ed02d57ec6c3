"""Digests in other programs' forms: shapes, names that must stay apart, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted import codepipeline, kubernetes, scripts, services
from pipeline_kit.outputs.emitted.image import PinnedImage

DIGEST = f"sha256:{'a' * 64}"
API = PinnedImage("api", "r.example:5000/shop/api", DIGEST, "tag1")
WEB = PinnedImage("web-app", "r.example:5000/shop/web", f"sha256:{'b' * 64}", "tag2")
BOTH = [API, WEB]
REST = {"tag": "tag1", "digest": DIGEST}
NAMES = st.from_regex(r"\A[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")


def test_kustomize() -> None:
    """A component: a kustomization can use it as it is."""
    document = yaml.safe_load(kubernetes.kustomize(BOTH, "{path}"))
    assert (document["kind"], document["apiVersion"]) == ("Component", "kustomize.config.k8s.io/v1alpha1")
    assert document["images"][0] == {"name": "shop/api", "newName": "r.example:5000/shop/api", "digest": DIGEST}


@pytest.mark.parametrize(
    ("key", "layout", "expected"),
    [
        ("{name}.image", "repository", {"api": {"image": {"repository": API.repository, **REST}}}),
        (
            "images.{name}",
            "registry",
            {"images": {"api": {"registry": "r.example:5000", "repository": "shop/api", **REST}}},
        ),
        ("image", "reference", {"image": API.pinned}),
    ],
)  # fmt: skip
def test_helm_values(key: str, layout: str, expected: Any) -> None:
    """The layouts that charts have."""
    assert yaml.safe_load(kubernetes.helm_values([API], key, layout=layout)) == expected


@pytest.mark.parametrize("key", ["image", "a..{name}", "{nam}", "{name}.{name}.x.", ""])
def test_helm_keys_that_cannot_be_meant(key: str) -> None:
    """Two images in one place, empty parts, unknown placeholders."""
    with pytest.raises(InputError):
        kubernetes.helm_values(BOTH, key, layout="repository")


def test_compose_and_swarm() -> None:
    """By the images' names, or by given ones; Swarm's with the version that older clients ask for."""
    assert yaml.safe_load(services.compose(BOTH, {})) == {
        "services": {"api": {"image": API.pinned}, "web-app": {"image": WEB.pinned}}
    }
    assert yaml.safe_load(services.stack(BOTH, {"x": "api", "y": "api"})) == {
        "version": "3.8",
        "services": {"x": {"image": API.pinned}, "y": {"image": API.pinned}},
    }
    with pytest.raises(InputError, match="there is no image 'nothing'"):
        services.compose(BOTH, {"x": "nothing"})


def test_env_file() -> None:
    """One assignment a line, no quotes needed."""
    assert scripts.env_file(BOTH, "{NAME}_IMAGE") == f"API_IMAGE={API.pinned}\nWEB_APP_IMAGE={WEB.pinned}\n"
    assert scripts.env_file([API._replace(name="2to3")], "{NAME}").startswith("_2TO3=")
    with pytest.raises(InputError, match=r"both get the variable 'WEB_APP'"):
        scripts.env_file([WEB, WEB._replace(name="web.app")], "{NAME}")
    with pytest.raises(InputError, match="no name of a variable"):
        scripts.env_file(BOTH, "{name}")


def test_json() -> None:
    """Everything, by name."""
    assert json.loads(scripts.json_document(BOTH))["images"]["api"] == {
        "image": API.pinned,
        "repository": API.repository,
        "digest": DIGEST,
        "tag": "tag1",
    }


@given(st.lists(NAMES, unique_by=lambda name: name.replace(".", "-").replace("_", "-"), max_size=5))
def test_every_name_reads_back(names: list[str]) -> None:
    """No legal image name becomes a number, a boolean or nothing in YAML."""
    images = [API._replace(name=name) for name in names]
    assert list(yaml.safe_load(services.compose(images, {}))["services"]) == names
    values = yaml.safe_load(kubernetes.helm_values(images, "images.{name}", layout="reference")) or {}
    assert list(values.get("images", {})) == names
    assert [item["name"] for item in yaml.safe_load(kubernetes.kustomize(images, "{name}"))["images"]] == names


def test_image_definitions() -> None:
    """The documented shape and its limit."""
    data = codepipeline.image_definitions({"web": API.pinned, "side": WEB.pinned})
    assert json.loads(data) == [{"name": "web", "imageUri": API.pinned}, {"name": "side", "imageUri": WEB.pinned}]
    with pytest.raises(InputError, match="100000"):
        codepipeline.image_definitions({f"c{number}": API.pinned for number in range(1000)})


def test_blue_green_files() -> None:
    """One image's file lies beside the others; each of several has a directory of its own; a fifth is refused."""
    files = codepipeline.blue_green(b"{}", {"version": 0.0}, [("api", API.pinned)])
    assert sorted(files) == ["appspec.yaml", "imageDetail.json", "taskdef.json"]
    assert json.loads(files["imageDetail.json"]) == {"ImageURI": API.pinned}
    many = [(f"i{number}", API.pinned) for number in range(5)]
    assert {name for name in codepipeline.blue_green(b"", {}, many[:2]) if "imageDetail" in name} == {
        "image1/imageDetail.json",
        "image2/imageDetail.json",
    }
    with pytest.raises(InputError, match="at most 4 images, not 5"):
        codepipeline.blue_green(b"", {}, many)
