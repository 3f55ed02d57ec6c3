"""The images of a repository through the distribution API: everything a tag leads to, and a last look at tags."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes.memory_registry import MemoryRegistry

from pipeline_kit.errors import RegistryUnreachable
from pipeline_kit.execute.image_store import RegistryImages
from pipeline_kit.manifest import OCI_MANIFEST, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation
from pipeline_kit.record import CREATED_NOTE
from pipeline_kit.reference import Reference
from pipeline_kit.retention import Rules, Uses, decide, deletion_waves

if TYPE_CHECKING:
    from pipeline_kit.retention import StoredImage

REPOSITORY = Reference("r.example", "shop/web")
CONTENT = re.compile(r"[0-9a-f]{40}")
BOTH = ("linux/amd64", "linux/arm64")


def store(registry: MemoryRegistry) -> RegistryImages:
    """Return what is tested."""
    return RegistryImages(registry, CONTENT)


def listed(registry: MemoryRegistry) -> dict[str, StoredImage]:
    """Return the images by digest."""
    return {image.digest: image for image in store(registry).images(REPOSITORY)}


def attach(registry: MemoryRegistry, subject: str, created: str = "") -> str:
    """Attach an artifact and return its digest."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "a/b",
        "config": {"mediaType": "x", "digest": subject, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
        "annotations": {CREATED_NOTE: created} if created else {},
    }
    return registry.attach(REPOSITORY.with_digest(subject), Manifest(OCI_MANIFEST, json.dumps(document).encode()))


def test_parts_and_referrers_of_parts_are_found() -> None:
    """Children, attestations, and what refers to the index, to a platform, and to a signature."""
    registry = MemoryRegistry()
    root = registry.put_image(REPOSITORY.with_tag("v1"), platforms=BOTH, attested=True)
    children = [child.digest for child in registry.manifest(REPOSITORY.with_digest(root)).children()]
    first = attach(registry, root)
    second, third = attach(registry, first), attach(registry, children[0])
    found = listed(registry)
    assert set(found) == {root, *children, first, second, third}
    assert found[root].children == tuple(children)
    assert (found[first].subject, found[second].subject) == (root, first)
    assert found[third].subject == children[0]


@pytest.mark.parametrize(
    ("record", "config", "expected"),
    [
        ("2026-05-01T00:00:00Z", "2020-01-01T00:00:00Z", 1_777_593_600),
        ("", "2020-01-01T00:00:00Z", 1_577_836_800),
        ("soon", "2020-01-01T00:00:00.5Z", 1_577_836_800.5),
        ("", "1980-01-01T00:00:00Z", None),
        ("", "2020-01-01T00:00:00", None),
        ("", 5, None),
    ],
)
def test_age(record: str, config: object, expected: float | None) -> None:
    """A build record knows best; what a reproducible build stamped tells nothing."""
    registry = MemoryRegistry()
    root = registry.put_image(REPOSITORY.with_tag("v1"), platforms=BOTH)
    for value in registry.configs.values():
        assert isinstance(value, dict)
        value["created"] = config
    if record:
        attach(registry, root, record)
    assert listed(registry)[root].created == expected


def test_a_config_that_is_gone_leaves_the_age_open() -> None:
    """Then the image is kept."""
    registry = MemoryRegistry()
    root = registry.put_image(REPOSITORY.with_tag("v1"))
    registry.configs.clear()
    assert listed(registry)[root].created is None


def test_tags_are_looked_at_again() -> None:
    """A tag that was moved, one that is gone, one that is new, and a tag for people that came over: all left."""
    registry = MemoryRegistry()
    tags = [f"{number:040x}" for number in range(6)]
    digests = [registry.put_image(REPOSITORY.with_tag(tag), content=tag) for tag in tags]
    registry.put_image(REPOSITORY.with_tag("prod"), content="other")
    images = store(registry)
    planned = {image.digest: image for image in images.images(REPOSITORY)}
    registry.put_image(REPOSITORY.with_tag(tags[0]), content="moved")
    registry.delete(REPOSITORY.with_tag(tags[1]))
    registry.tagged[str(REPOSITORY.with_tag("fresh"))] = digests[2]
    registry.tagged[str(REPOSITORY.with_tag("prod"))] = digests[3]
    done = images.remove(REPOSITORY, [planned[digest] for digest in digests])
    assert [one.outcome for one in done] == ["left", "left", "left", "left", "deleted", "deleted"]
    assert [one.detail for one in done[:4]] == [
        f"tag {tags[0]} was moved meanwhile",
        f"tag {tags[1]} is gone meanwhile",
        "tag fresh names it by now",
        "tag prod names it by now",
    ]


def test_doubt_about_a_tag_deletes_nothing_of_its_batch() -> None:
    """A registry that does not answer is no permission."""
    registry = MemoryRegistry()
    registry.put_image(REPOSITORY.with_tag("v1"))
    images = store(registry)
    planned = images.images(REPOSITORY)
    registry.answers[str(REPOSITORY.with_tag("v1"))] = Observation(Verdict.UNKNOWN, detail="HTTP 503")
    with pytest.raises(RegistryUnreachable):
        images.remove(REPOSITORY, planned)
    assert not [call for call in registry.calls if call.startswith("delete")]


def test_everything_that_goes_is_gone() -> None:
    """List, decide, delete: an empty repository, and nothing asked for twice."""
    registry = MemoryRegistry()
    root = registry.put_image(REPOSITORY.with_tag("a" * 40), platforms=BOTH, attested=True)
    attach(registry, attach(registry, root, "2020-01-01T00:00:00Z"))
    images = store(registry)
    decided = decide(images.images(REPOSITORY), Uses(), Rules(CONTENT), 2e9)
    for wave in deletion_waves(decided):
        assert {one.outcome for one in images.remove(REPOSITORY, wave)} == {"deleted"}
    assert not registry.manifests
