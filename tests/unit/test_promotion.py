from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import InputError, InvalidReference, RegistryRefused, TagConflict
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from pipeline_kit.promotion import (
    Attach,
    CopyBlob,
    Graph,
    Promotion,
    PutManifest,
    PutTag,
    cosign_tags,
    held_blobs,
    require_free,
    require_known,
    target_repository,
)
from pipeline_kit.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Reference("one.example", "shop/api", "abc")
TARGET = Reference("two.example", "prod/api")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def descriptor(name: str, size: int = 1, media_type: str = LAYER) -> dict[str, Any]:
    """Return a made-up descriptor."""
    return {"mediaType": media_type, "digest": f"sha256:{name.encode().hex():0<64}", "size": size}


def image(name: str, *layers: dict[str, Any], **members: Any) -> Manifest:
    """Return a manifest with a config of its own."""
    document = {"schemaVersion": 2, "config": descriptor(f"config {name}"[:20]), "layers": list(layers), **members}
    return Manifest(OCI_MANIFEST, json.dumps(document).encode())


def index(*children: Manifest) -> Manifest:
    """Return an index of manifests."""
    found = [
        {"mediaType": child.media_type, "digest": child.digest, "size": len(child.data)}
        for child in dict.fromkeys(children)
    ]
    return Manifest(OCI_INDEX, json.dumps({"schemaVersion": 2, "manifests": found}).encode())


def graph_of(root: Manifest, *others: Manifest, **members: Any) -> Graph:
    """Return a graph of manifests."""
    return Graph(root.digest, {item.digest: item for item in (root, *others)}, **members)


def promotion(graph: Graph, **members: Any) -> Promotion:
    """Return a promotion of a graph."""
    return Promotion("api", SOURCE, TARGET, graph, **members)


def test_tags_come_last_and_the_content_tag_before_the_others() -> None:
    """Blobs, children, the index by digest because something refers to it, referrers, cosign's tags, tags."""
    amd, arm = image("amd", descriptor("shared", 9), descriptor("amd")), image("arm", descriptor("shared", 9))
    root = index(amd, arm)
    bill = image("bill", descriptor("sbom"), subject={"digest": root.digest})
    signature = image("sig", descriptor("signed"))
    tag = cosign_tags(root.digest)[0]
    graph = graph_of(
        root, amd, arm, bill, signature, referrers={root.digest: (bill.digest,)}, tags={tag: signature.digest}
    )
    stages = promotion(graph, content_tag="abc", aliases=("prod", "v1"), held={"v1": "sha256:old"}).stages
    kinds = [{type(step) for step in stage} for stage in stages]
    assert kinds == [{CopyBlob}, {PutManifest}, {PutManifest}, {Attach}, {PutTag}, {PutTag}, {PutTag}]
    assert {step.digest for step in stages[1] if isinstance(step, PutManifest)} == {amd.digest, arm.digest}
    assert stages[2] == (PutManifest(root.digest),)
    assert stages[3] == (Attach(root.digest, bill.digest),)
    assert stages[4] == (PutTag(tag, signature.digest, "companion"),)
    assert stages[5] == (PutTag("abc", root.digest, "content"),)
    assert stages[6] == (PutTag("prod", root.digest, "alias"), PutTag("v1", root.digest, "alias", "sha256:old"))


def test_a_shared_blob_is_copied_once_and_the_largest_first() -> None:
    """The last to arrive is a small one."""
    one, two = image("a", descriptor("shared", 900), descriptor("x", 5)), image("b", descriptor("shared", 900))
    blobs = [step.blob for step in promotion(graph_of(index(one, two), one, two)).steps if isinstance(step, CopyBlob)]
    assert [blob.size for blob in blobs] == [900, 5, 1, 1]


def test_an_image_that_is_only_tagged_is_put_once() -> None:
    """Without anything that refers to it, the first tag stores the manifest."""
    graph = graph_of(image("a"))
    assert PutManifest(graph.root) not in promotion(graph, content_tag="abc").steps
    assert promotion(graph).steps[-1] == PutManifest(graph.root)


def test_two_referrers_of_one_subject_are_never_attached_at_once() -> None:
    """Where the tag schema lists them, the slower would undo the quicker."""
    root = image("a")
    first, second = image("r1"), image("r2")
    graph = graph_of(root, first, second, referrers={root.digest: (first.digest, second.digest)})
    attached = [stage for stage in promotion(graph, content_tag="abc").stages if isinstance(stage[0], Attach)]
    assert attached == [(Attach(root.digest, first.digest),), (Attach(root.digest, second.digest),)]


def test_foreign_layers_stay_where_they_are() -> None:
    """Registries do not hold them, so they are not asked for."""
    foreign = descriptor("windows", media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    assert [blob.digest for blob in held_blobs(image("w", foreign))] == [image("w").config_digest()]


def test_an_index_of_something_else_is_refused() -> None:
    """What it holds would be lost."""
    other = Manifest(OCI_INDEX, json.dumps({"manifests": [descriptor("helm", media_type="text/plain")]}).encode())
    with pytest.raises(RegistryRefused, match="text/plain"):
        require_known(other.children(), other.digest)


@pytest.mark.parametrize("held", [None, "same"])
def test_a_free_or_equal_content_tag_is_no_conflict(held: str | None) -> None:
    """Equal digest means success, on immutable targets too."""
    graph = graph_of(image("a"))
    require_free(promotion(graph, content_tag="abc", held={"abc": graph.root} if held else {}))


def test_a_content_tag_with_another_image_is_a_conflict() -> None:
    """It is never overwritten."""
    with pytest.raises(TagConflict, match="holds sha256:other"):
        require_free(promotion(graph_of(image("a")), content_tag="abc", held={"abc": "sha256:other"}))


@pytest.mark.parametrize(
    ("prefix", "repository", "project", "expected"),
    [
        ("two.example/prod", "shop/api", "shop", "two.example/prod/api"),
        ("two.example:5000/a/b", "shop/api", "shop", "two.example:5000/a/b/api"),
        ("prod", "shop/api", "shop", "one.example/prod/api"),
        ("team/prod", "shop/api", "shop", "one.example/team/prod/api"),
        ("two.example", "shop/api", "shop", "two.example/shop/api"),
        ("localhost/prod", "shop/api", "shop", "localhost/prod/api"),
        ("two.example/prod", "legacy/backend", "shop", "two.example/prod/legacy/backend"),
        ("two.example/prod", "team/shop/api", "shop", "two.example/prod/api"),
        ("two.example/prod", "shop/api", "", "two.example/prod/shop/api"),
        ("docker.io/prod", "shop/api", "shop", "docker.io/prod/api"),
    ],
)
def test_where_an_image_goes(prefix: str, repository: str, project: str, expected: str) -> None:
    """The prefix stands in the place of registry and project."""
    source = Reference("one.example", repository, "abc")
    assert target_repository(prefix, source, project=project, registry="one.example").name == expected


@pytest.mark.parametrize("prefix", ["", "two.example/", "two.example/Prod", "two.example/prod:tag", "a b", "shop"])
def test_where_no_image_can_go(prefix: str) -> None:
    """What is no prefix, and the image's own place, are refused before anything is asked."""
    with pytest.raises((InputError, InvalidReference)):
        target_repository(prefix, SOURCE, project="shop", registry="one.example")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Return an image of nested indexes, with referrers on any of its manifests."""
    images = [image(f"i{n}", *map(descriptor, draw(st.lists(st.sampled_from("abcd"), max_size=3)))) for n in range(4)]
    known: list[Manifest] = images[: draw(st.integers(1, 4))]
    for _ in range(draw(st.integers(0, 3))):
        known.append(index(*draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))))
    reached = _reached(known[-1], {item.digest: item for item in known})
    referrers: dict[str, tuple[str, ...]] = {}
    for number, subject in enumerate(draw(st.lists(st.sampled_from(reached), max_size=3, unique=True))):
        about = image(f"r{number}", subject={"digest": subject.digest})
        known.append(about)
        referrers[subject.digest] = (about.digest,)
    manifests = {item.digest: item for item in (*reached, *known[len(known) - len(referrers) :])}
    return Graph(reached[0].digest, manifests, referrers)


def _reached(root: Manifest, known: dict[str, Manifest]) -> Sequence[Manifest]:
    found = {root.digest: root}
    for child in root.children():
        found |= {item.digest: item for item in _reached(known[child.digest], known)}
    return list(found.values())


@given(graphs())
def test_nothing_is_stored_before_what_it_needs(graph: Graph) -> None:
    """At every moment whatever is stored is whole, everything is stored, and nothing twice but by its tag."""
    done: set[str] = set()
    for stage in promotion(graph, content_tag="abc").stages:
        for step in stage:
            if isinstance(step, CopyBlob):
                assert step.blob.digest not in done
                continue
            manifest = graph.manifests[step.digest]
            needed = {item.digest for item in (*manifest.children(), *held_blobs(manifest))}
            assert needed <= done
            if isinstance(step, Attach):
                assert step.subject in done
        done |= {step.blob.digest if isinstance(step, CopyBlob) else step.digest for step in stage}
    assert set(graph.manifests) <= done


def test_an_index_that_contains_itself_is_refused() -> None:
    """It cannot exist but in a registry that lies; then it must not loop."""
    one = Manifest(OCI_INDEX, json.dumps({"manifests": [descriptor("loop", media_type=OCI_INDEX)]}).encode())
    loop = descriptor("loop")["digest"]
    with pytest.raises(RegistryRefused, match="contains itself"):
        Graph(loop, {loop: one}).below(loop)


def test_cosigns_tags() -> None:
    """As cosign's specification has them."""
    assert parse_reference(f"a.example/b:{cosign_tags('sha256:' + 'a' * 64)[0]}").tag == f"sha256-{'a' * 64}.sig"
