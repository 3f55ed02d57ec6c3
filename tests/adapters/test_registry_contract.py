"""One contract for the Registry port's adapter, against the fake registry and the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import USERS, RealRegistry, client_for

from pipeline_kit.errors import ManifestMissing, RegistryRefused
from pipeline_kit.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.client import RegistryClient

    AnyRegistry = FakeRegistry | RealRegistry

ABSENT_DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(
    params=[
        "fake",
        "fake-basic",
        "fake-token",
        pytest.param("real_open", marks=pytest.mark.registry),
        pytest.param("real_login", marks=pytest.mark.registry),
    ]
)
def registry(request: pytest.FixtureRequest) -> Iterator[AnyRegistry]:
    """Give each kind of registry in turn."""
    if request.param.startswith("real"):
        yield request.getfixturevalue(request.param)
        return
    users = {} if request.param == "fake" else USERS
    with FakeRegistry(users=users, token=request.param == "fake-token") as fake:
        yield fake


@pytest.fixture
def client(registry: AnyRegistry, tmp_path: Path) -> Iterator[RegistryClient]:
    """Give a client that may log in."""
    client = client_for(registry, tmp_path / "docker")
    yield client
    client.close()


def at(registry: AnyRegistry, repository: str, tag: str = "t") -> Reference:
    """Return a reference at the registry."""
    return Reference(registry.host, repository, tag)


@pytest.mark.parametrize(
    ("platforms", "media_type", "expected"),
    [
        (("linux/amd64",), OCI_MANIFEST, OCI_MANIFEST),
        (("linux/amd64",), DOCKER_MANIFEST, DOCKER_MANIFEST),
        (("linux/amd64", "linux/arm64"), OCI_MANIFEST, OCI_INDEX),
    ],
)
def test_present(
    registry: AnyRegistry, client: RegistryClient, platforms: tuple[str, ...], media_type: str, expected: str
) -> None:
    """A tag and its digest are present with the digest and the type that were pushed, in one request each."""
    pushed = registry.put_image("kit/present", "t", platforms, media_type=media_type)
    before = client.observe(at(registry, "kit/present"))
    count = client.statistics.requests
    by_digest = client.observe(at(registry, "kit/present").with_digest(pushed.digest))
    assert (before.verdict, before.digest, before.media_type) == (Verdict.PRESENT, pushed.digest, expected)
    assert by_digest == before
    assert client.statistics.requests == count + 1


@pytest.mark.parametrize("identifier", ["another", ABSENT_DIGEST])
def test_absent_in_a_known_repository(registry: AnyRegistry, client: RegistryClient, identifier: str) -> None:
    """A tag or digest that a repository lacks is absent."""
    registry.put_image("kit/known", "t")
    name = at(registry, "kit/known")
    reference = name.with_digest(identifier) if ":" in identifier else name.with_tag(identifier)
    assert client.observe(reference).verdict is Verdict.ABSENT
    with pytest.raises(ManifestMissing):
        client.manifest(reference)


def test_absent_in_an_unknown_repository(registry: AnyRegistry, client: RegistryClient) -> None:
    """A repository that a push would create is absent as well."""
    assert client.observe(at(registry, "kit/never-pushed")).verdict is Verdict.ABSENT


def test_observe_all_keeps_order(registry: AnyRegistry, client: RegistryClient) -> None:
    """Many references are answered in their order, equal ones asked once."""
    digests = [registry.put_image(f"kit/many-{number}", "t", content=str(number)).digest for number in range(5)]
    references = [at(registry, f"kit/many-{number}") for number in range(5)]
    missing = at(registry, "kit/many-0", "absent")
    answers = client.observe_all([missing, *reversed(references), *references])
    assert [answer.digest for answer in answers] == [None, *reversed(digests), *digests]
    assert client.statistics.requests <= 5 + 2 + 3
    assert client.observe_all([]) == []


def test_manifest_and_config(registry: AnyRegistry, client: RegistryClient) -> None:
    """An index leads to its platforms' manifests and those to their configs."""
    pushed = registry.put_image("kit/config", "t", ("linux/amd64", "linux/arm/v7"), labels={"key": "value"})
    reference = at(registry, "kit/config")
    index = client.manifest(reference)
    assert (index.digest, index.platforms()) == (pushed.digest, ("linux/amd64", "linux/arm/v7"))
    child = client.manifest(reference.with_digest(pushed.platforms["linux/arm/v7"]))
    config = client.config(reference, child.config_digest())
    assert (config["architecture"], config["config"]) == ("arm", {"Labels": {"key": "value"}})


def test_missing_config(registry: AnyRegistry, client: RegistryClient) -> None:
    """A config blob that is not there is an error that says so."""
    registry.put_image("kit/blobless", "t")
    with pytest.raises(ManifestMissing):
        client.config(at(registry, "kit/blobless"), ABSENT_DIGEST)


def test_put_moves_a_tag(registry: AnyRegistry, client: RegistryClient) -> None:
    """The same bytes under another tag keep their digest; the tag can move on to other bytes."""
    first = registry.put_image("kit/alias", "one", content="1").digest
    second = registry.put_image("kit/alias", "two", content="2").digest
    alias = at(registry, "kit/alias", "latest")
    for tag, digest in (("one", first), ("two", second)):
        manifest = client.manifest(alias.with_tag(tag))
        assert client.put_manifest(alias, manifest) == digest
        assert client.observe(alias).digest == digest


def test_put_an_index_of_present_children(registry: AnyRegistry, client: RegistryClient) -> None:
    """An index can be written by its own digest and by tag."""
    index = registry.put_image("kit/index", "t", ("linux/amd64", "linux/arm64"))
    reference = at(registry, "kit/index")
    manifest = client.manifest(reference)
    assert client.put_manifest(reference.with_digest(index.digest), manifest) == index.digest
    assert client.put_manifest(reference.with_tag("again"), manifest) == index.digest


def test_put_without_blobs(registry: AnyRegistry, client: RegistryClient) -> None:
    """A manifest whose blobs are missing is refused, after one more try, and the tag does not appear."""
    registry.put_image("kit/source", "t")
    manifest = client.manifest(at(registry, "kit/source"))
    target = at(registry, "kit/empty")
    with pytest.raises(RegistryRefused, match="MANIFEST_BLOB_UNKNOWN"):
        client.put_manifest(target, manifest)
    assert [retry.retry_class for retry in client.statistics.retries] == ["once-more"]
    assert client.observe(target).verdict is Verdict.ABSENT


def test_put_what_is_not_a_manifest(registry: AnyRegistry, client: RegistryClient) -> None:
    """A reference by another digest, and a manifest above 4 MiB, are refused before any request."""
    reference = at(registry, "kit/large")
    with pytest.raises(RegistryRefused, match="more than 4194304"):
        client.put_manifest(reference, Manifest(OCI_MANIFEST, b" " * (4 * 1024 * 1024 + 1)))
    with pytest.raises(RegistryRefused, match="cannot hold"):
        client.put_manifest(reference.with_digest(ABSENT_DIGEST), Manifest(OCI_MANIFEST, b"{}"))
    assert client.statistics.requests == 0
