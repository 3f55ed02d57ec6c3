"""Rows D1-D12 of the fault catalogue on the wire: what an odd registry's answers mean, and what it holds after."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest
from fakes.fault_proxy import FaultProxy
from fakes.real_registry import RealRegistry
from faults.scene import ALIAS, SPEC, errors

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import InvalidReference, RegistryRefused
from pipeline_kit.manifest import OCI_INDEX, Descriptor, Manifest
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from faults.scene import FaultScene

pytestmark = pytest.mark.registry
TAG_PATH = r"/manifests/[0-9a-f]{40}$"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def test_d1_a_docker_image_is_found(scene: FaultScene) -> None:
    """A registry that answers narrow questions with schema 1, or 404, is asked about all four kinds: it is a hit."""
    for media_type in ("application/vnd.docker.distribution.manifest.v2+json", OCI_INDEX):
        scene.change(media_type)
        members = {"media_type": media_type} if media_type != OCI_INDEX else {"index": True}
        digest = scene.put_theirs(scene.tag, **members)
        ended = scene.run()
        assert (ended.code, ended.status, ended.digest, ended.builds) == (0, "skipped", digest, ())
    assert _narrow(scene) == 404  # so the registry under test is one of these


def _narrow(scene: FaultScene) -> int:
    url = f"http://{scene.proxy.upstream}/v2/{scene.repository}/manifests/{scene.tag}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_d1_schema_1(scene: FaultScene) -> None:
    """An image so old that nobody can use it any more is a refusal, never a hit and never a miss: exit 3."""
    body = json.dumps({"schemaVersion": 1, "name": "x"}).encode()
    scene.proxy.add("answer", status=200, headers={**SPEC, "Content-Type": SCHEMA_1}, body=body, times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds) == (3, ())
    assert "schema 1" in ended.text


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (SPEC, errors("MANIFEST_UNKNOWN"), 0),
        (SPEC, errors("NAME_UNKNOWN"), 0),
        ({"Content-Type": "text/plain"}, b"404 page not found\n", 3),
        ({"Content-Type": "text/html"}, b"<html>Sign in</html>", 3),
        ({}, b"", 3),
    ],
    ids=["no manifest", "no repository", "wrong path", "a page", "nothing"],
)
def test_d2_kinds_of_404(scene: FaultScene, headers: dict[str, str], body: bytes, code: int) -> None:
    """Only a registry's own 404 about a manifest is a miss, which is built; any other is a refusal: exit 3."""
    scene.proxy.add("answer", method="HEAD|GET", path=TAG_PATH, status=404, headers=headers, body=body, times=2)
    ended = scene.run()
    assert (ended.code, ended.builds) == (code, ("api",) if code == 0 else ())
    assert scene.tags() == ({scene.tag, ALIAS} if code == 0 else set())


@pytest.mark.parametrize("status", [401, 403])
def test_d3_a_denial_is_no_miss(scene: FaultScene, status: int) -> None:
    """Nobody said that it is absent: exit 3, nothing built, nothing sent."""
    scene.proxy.add("answer", status=status, headers=SPEC, body=errors("DENIED", "no"), times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds, ended.retries) == (3, (), ())
    assert not scene.proxy.hits("PUT|POST|PATCH")


IMMUTABLE = [
    (400, errors("TAG_INVALID", "The image tag already exists in the repository and cannot be overwritten: immutable")),
    (409, b""),
    (412, errors("PRECONDITION", "configured as immutable")),
]


@pytest.mark.parametrize(("status", "body"), IMMUTABLE)
@pytest.mark.parametrize("is_ours", [True, False], ids=["the same", "another"])
def test_d4_immutable_tags(scene: FaultScene, status: int, body: bytes, *, is_ours: bool) -> None:
    """A tag that may not be written again is success where it holds an image of our key, else a conflict: exit 6."""
    theirs: list[str] = []

    def overtake() -> None:
        theirs.append(scene.put_theirs(scene.tag, **({} if is_ours else {"labels": {KEY_LABEL: "0" * 64}})))

    scene.proxy.add("answer", method="PUT", path=TAG_PATH, status=status, headers=SPEC, body=body, also=overtake)
    ended = scene.run()
    assert (ended.code, ended.status) == ((0, "reused") if is_ours else (6, "failed"))
    held = scene.held()
    assert held.tags[scene.tag] == theirs[0]
    assert held.tags.get(ALIAS) == (theirs[0] if is_ours else None)


def test_d5_a_platform_is_missing(scene: FaultScene) -> None:
    """An index without a wanted platform is completed: the present child stays as it is."""
    scene.platforms = ("linux/amd64", "linux/arm64")
    registry = RealRegistry(scene.proxy.upstream)
    members = {"labels": {KEY_LABEL: scene.key}, "index": True}
    there = registry.put_image(scene.repository, scene.tag, ("linux/amd64",), **members)
    ended = scene.run()
    assert (ended.code, ended.status, ended.builds) == (0, "completed", ("api",))
    held = scene.held()
    children = [child["digest"] for child in held.manifests[held.tags[scene.tag]]["manifests"]]
    assert len(children) == 2
    assert there.platforms["linux/amd64"] in children
    assert scene.run().status == "skipped"


def test_d5_attestations_alone_are_no_image(scene: FaultScene) -> None:
    """An index of nothing but attestations has no platform: it is built, and never skipped."""
    child = _put_attestation(scene)
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}
    _put(scene, scene.tag, Manifest(OCI_INDEX, json.dumps(document).encode()))
    ended = scene.run()
    assert (ended.code, ended.builds) == (0, ("api",))
    assert scene.held().labels(ended.digest, KEY_LABEL) == {scene.key}


def _put_attestation(scene: FaultScene) -> dict[str, object]:
    pushed = RealRegistry(scene.proxy.upstream).put_image(scene.repository, None, ("unknown/unknown",))
    client = ContentClient(environment={})
    manifest = client.manifest(scene.reference().with_digest(pushed.digest))
    client.close()
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }


def _put(scene: FaultScene, tag: str, manifest: Manifest) -> None:
    client = ContentClient(environment={})
    client.put_manifest(scene.reference(tag), manifest)
    client.close()


@pytest.mark.parametrize("verify", ["deep", "tag"])
def test_d6_a_layer_is_gone(scene: FaultScene, verify: str) -> None:
    """With ``verify: deep`` an image that a clean-up took a layer from is built anew, and is whole then."""
    scene.verify = "deep"
    first = scene.run()
    assert (first.code, first.status) == (0, "built"), first
    layer = scene.held().manifests[str(first.digest)]["layers"][1]["digest"]
    scene.proxy.add("answer", method="HEAD", path=layer, status=404, headers=SPEC, times=1)
    scene.verify = verify
    again = scene.run()
    assert (again.code, again.builds) == (0, ("api",) if verify == "deep" else ())
    assert scene.tags() == {scene.tag, ALIAS}


@pytest.mark.parametrize(
    ("link", "is_whole"),
    [("/v2/{repository}/tags/list?n=1&last=a", False), ("http://127.0.0.1:1/v2/x/tags/list", False)],
    ids=["a circle", "another host"],
)
def test_d7_pages(scene: FaultScene, link: str, *, is_whole: bool) -> None:
    """A list that leads in a circle, or elsewhere, is no list; half of one is never taken for the whole."""
    headers = {**SPEC, "Link": f'<{link.format(repository=scene.repository)}>; rel="next"'}
    scene.proxy.add("answer", path="/tags/list", status=200, headers=headers, body=b'{"tags":["a"]}', times=1000)
    client = ContentClient(environment={})
    with pytest.raises(RegistryRefused):
        list(client.tags(scene.reference()))
    client.close()
    assert len(scene.proxy.hits()) <= 3
    assert not is_whole


def test_d7_short_pages(scene: FaultScene) -> None:
    """Pages shorter than asked for are followed to the end."""
    for tag in ("a", "b", "c"):
        scene.put_theirs(tag)
    next_page = f'</v2/{scene.repository}/tags/list?n=2&last=a>; rel="next"'
    scene.proxy.add("answer", path=r"n=1000$", status=200, headers={**SPEC, "Link": next_page}, body=b'{"tags":["a"]}')
    client = ContentClient(environment={})
    assert list(client.tags(scene.reference())) == ["a", "b", "c"]
    client.close()


def test_d8_too_large(scene: FaultScene) -> None:
    """A manifest above 4 MiB is never sent; a layer that the registry finds too large is a refusal: exit 3."""
    client = ContentClient(environment={})
    with pytest.raises(RegistryRefused, match="bytes, more than"):
        client.put_manifest(scene.reference(), Manifest(OCI_INDEX, b" " * (4 * 1024 * 1024 + 1)))
    client.close()
    assert scene.proxy.log == []
    scene.proxy.add("answer", method="PUT", path="/blobs/uploads/", status=413, times=1000)
    ended = scene.run()
    assert (ended.code, ended.retries) == (3, ())
    assert "413" in ended.text
    assert scene.tags() == set()


@pytest.mark.parametrize("text", ["{host}/Shop/api:t", "{host}/shop/api:" + "t" * 129, "{host}/" + "a" * 256 + ":t"])
def test_d9_names_that_no_registry_takes(scene: FaultScene, text: str) -> None:
    """They are refused (exit 2) before anything is asked."""
    with pytest.raises(InvalidReference) as caught:
        parse_reference(text.format(host=scene.proxy.host))
    assert caught.value.exit_code == 2
    assert scene.proxy.log == []


@pytest.mark.parametrize("status", [401, 403, 500])
def test_d10_no_mount(scene: FaultScene, status: int) -> None:
    """A mount that is refused becomes an upload, and the blob is there."""
    source = scene.put_theirs("t")
    held = scene.held()
    config = held.manifests[source]["config"]
    data = held.blobs[config["digest"]]
    scene.proxy.add("answer", method="POST", path="mount=", status=status, times=1000)
    client = ContentClient(environment={})
    target = parse_reference(f"{scene.proxy.host}/{scene.project}/other")
    blob = Descriptor(config["mediaType"], config["digest"], len(data))
    assert client.write_blob(target, blob, lambda at: iter([data[at:]]), mount_from=[scene.repository]) == "uploaded"
    assert client.read_blob(target, blob.digest, limit=10_000) == data
    client.close()


def test_d11_only_the_push_host_is_asked(scene: FaultScene) -> None:
    """A mirror that holds the image is not asked, so what it holds, however old, is no hit."""
    with FaultProxy(scene.proxy.upstream) as mirror:
        (scene.root / "home").mkdir()
        scene.settings["environment"] = {"HOME": str(scene.root / "home")}
        ended = scene.run()
        assert (ended.code, ended.status) == (0, "built")
        assert mirror.log == []
    assert {hit.headers["host"] for hit in scene.proxy.hits()} == {scene.proxy.host}


@pytest.mark.parametrize("times", [1, 1000])
def test_d12_blobs_that_vanish_before_the_manifest(scene: FaultScene, times: int) -> None:
    """A clean-up in between is tried against once more; if the blobs stay away it is a refusal: exit 3, no tag."""
    body = errors("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
    scene.proxy.add("answer", method="PUT", path=TAG_PATH, status=404, headers=SPEC, body=body, times=times)
    ended = scene.run()
    assert (ended.code, ended.status) == ((0, "built") if times == 1 else (3, "failed"))
    assert ended.retries == ("once-more",)
    assert scene.tags() == ({scene.tag, ALIAS} if times == 1 else set())
