"""Listings page by page, referrers with and without the API, deletion: under faults, and never silently incomplete."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry, digest_of
from fakes.real_registry import content_client_for
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.registry.listing import next_link
from pipeline_kit.errors import AuthorizationDenied, RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.content import ContentClient

KIND = "application/vnd.kit.record"
LIST = r"/tags/list"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Run a registry that holds kit/app:t."""
    with FakeRegistry() as fake:
        fake.put_image("kit/app", "t")
        yield fake


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that only sleeping moves."""
    return FakeClock()


@pytest.fixture
def client(registry: FakeRegistry, tmp_path: Path, clock: FakeClock) -> Iterator[ContentClient]:
    """Give a client whose waits take no time."""
    client = content_client_for(registry, tmp_path, clock=clock)
    yield client
    client.close()


@pytest.fixture
def subject(registry: FakeRegistry) -> Reference:
    """Return the image by digest."""
    return Reference(registry.host, "kit/app", None, registry.tags["kit/app"]["t"])


def artifact(subject: Reference, number: int = 0, **members: Any) -> Manifest:
    """Return an artifact without blobs about ``subject``."""
    about = {"mediaType": OCI_MANIFEST, "digest": subject.digest, "size": 1}
    document = {"schemaVersion": 2, "artifactType": KIND, "layers": [], "subject": about, "number": number, **members}
    return Manifest(OCI_MANIFEST, json.dumps(document).encode())


def fallback(registry: FakeRegistry, subject: Reference) -> list[dict[str, Any]]:
    """Return what the tag schema's index lists."""
    tag = str(subject.digest).replace(":", "-")
    stored = registry.manifests["kit/app"][registry.tags["kit/app"][tag]]
    assert stored[0] == OCI_INDEX
    listed = json.loads(stored[1])["manifests"]
    assert isinstance(listed, list)
    return listed


def test_tags_page_by_page(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """Pages of a thousand are asked for; a registry may give fewer, and every tag comes once."""
    names = [f"tag-{number:04}" for number in range(25)]
    registry.tags["kit/app"] |= dict.fromkeys(names, str(subject.digest))
    registry.page = 10
    assert list(client.tags(subject)) == sorted([*names, "t"])
    assert [item.path.partition("?")[2] for item in registry.requests("GET", LIST)] == [
        "n=1000",
        "n=10&last=tag-0008",
        "n=10&last=tag-0018",
    ]


def test_pages_come_as_they_are_wanted(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """The first page's tags can be used before the second is asked for."""
    registry.tags["kit/app"] |= {"u": str(subject.digest)}
    registry.page = 1
    assert next(iter(client.tags(subject))) == "t"
    assert len(registry.log) == 1


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/kit/app/tags/list?n=1000>; rel="next"', "in a circle"),
        ('<http://127.0.0.1:9/v2/kit/app/tags/list>; rel="next"', "at another host"),
        ('<http://169.254.169.254/latest>; rel="next"', "without TLS"),
        ('<https://storage.example.com/list>; rel="next"', "at another host"),
    ],
)
def test_where_a_next_page_must_not_be(
    registry: FakeRegistry, client: ContentClient, subject: Reference, link: str, expected: str
) -> None:
    """A list that leads elsewhere or in a circle is an error: half a list would let prune delete what is in use."""
    registry.add_rule(method="GET", path=LIST, do="headers", headers={"Link": link})
    with pytest.raises(RegistryRefused, match=expected):
        list(client.tags(subject))
    assert len(registry.log) <= 3


def test_a_fault_between_pages(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """Each page is retried by itself."""
    registry.tags["kit/app"] |= {"u": str(subject.digest), "v": str(subject.digest)}
    registry.page = 1
    registry.add_rule(method="GET", path=LIST, skip=1, times=1, do="reset")
    assert list(client.tags(subject)) == ["t", "u", "v"]
    assert len(client.statistics.retries) == 1


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"name":"x","tags":"t"}', RegistryRefused),
        (200, b'{"name":"x","tags":["a b"]}', RegistryRefused),
        (200, b'{"name":"x","tags":[1]}', RegistryRefused),
        (200, b"<html>", RegistryRefused),
        (404, b"404 page not found", RegistryRefused),
        (403, b"", AuthorizationDenied),
        (503, b"", RegistryUnreachable),
    ],
)
def test_answers_that_are_no_list(
    registry: FakeRegistry,
    client: ContentClient,
    subject: Reference,
    status: int,
    body: bytes,
    expected: type[Exception],
) -> None:
    """What is not a list of tags is not an empty one."""
    registry.add_rule(method="GET", path=LIST, status=status, body=body)
    with pytest.raises(expected):
        list(client.tags(subject))


@pytest.mark.parametrize("tags", [b"null", b"[]"])
def test_a_repository_without_tags(
    registry: FakeRegistry, client: ContentClient, subject: Reference, tags: bytes
) -> None:
    """Registries say ``null`` of no tags."""
    registry.add_rule(method="GET", path=LIST, status=200, body=b'{"name":"x","tags":%s}' % tags)
    assert list(client.tags(subject)) == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ""),
        ('</x?a=1,2>; rel="next"', "/x?a=1,2"),
        ("</x>; rel=next", "/x"),
        ('</p>; rel="prev", </x>; title="a, b"; rel="next"', "/x"),
        ('</x>; rel="last next"', "/x"),
        ('</x>; rel="nextly"', ""),
        ("</x>", ""),
        ("/x; rel=next", ""),
    ],
)
def test_next_link(header: str, expected: str) -> None:
    """RFC 8288, as far as registries use it."""
    assert next_link(header) == expected


@given(st.text(max_size=200))
def test_any_link_header(header: str) -> None:
    """Any text is read, quickly."""
    assert isinstance(next_link(header), str)


def test_referrers_by_the_api(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """Pages are followed, and a registry that does not filter is filtered here."""
    made = [artifact(subject, number, artifactType=f"{KIND}-{number % 2}") for number in range(5)]
    for manifest in made:
        client.attach(subject, manifest)
    assert [item.method for item in registry.log] == ["PUT"] * 5
    registry.page = 2
    assert {item.digest for item in client.referrers(subject)} == {item.digest for item in made}
    assert {item.digest for item in client.referrers(subject, f"{KIND}-1")} == {made[1].digest, made[3].digest}
    body = json.dumps({"manifests": [{"mediaType": OCI_MANIFEST, "digest": "sha256:1", "size": 1}] * 2}).encode()
    registry.add_rule(method="GET", path="/referrers/", status=200, headers={"Content-Type": OCI_INDEX}, body=body)
    assert len(client.referrers(subject)) == 1
    assert client.referrers(subject, KIND) == ()


def test_referrers_by_the_tag_schema(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """Without the API the index under the digest's tag is kept: with the type and the annotations."""
    registry.has_referrers = False
    made = artifact(subject, annotations={"a": "b"})
    assert client.attach(subject, made) == made.digest
    assert fallback(registry, subject) == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": made.digest,
            "size": len(made.data),
            "artifactType": KIND,
            "annotations": {"a": "b"},
        }
    ]
    assert [item.digest for item in client.referrers(subject, KIND)] == [made.digest]


def test_the_missing_api_is_asked_for_once(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """A registry without the API is known after one answer; one that lacks the repository is not."""
    registry.has_referrers = False
    assert client.referrers(subject) == client.referrers(subject) == ()
    assert len(registry.requests("GET", "/referrers/")) == 1


@pytest.mark.parametrize(
    ("status", "headers"),
    [(404, {}), (405, {}), (400, {}), (200, {"Content-Type": "text/html"})],
)
def test_faces_of_a_missing_api(
    registry: FakeRegistry, client: ContentClient, subject: Reference, status: int, headers: dict[str, str]
) -> None:
    """Registries without the API say so in several ways."""
    registry.add_rule(method="GET", path="/referrers/", status=status, headers=headers, body=b"no such page")
    assert client.referrers(subject) == ()


@pytest.mark.parametrize(("status", "expected"), [(503, RegistryUnreachable), (403, AuthorizationDenied)])
def test_unknown_is_not_absent(
    registry: FakeRegistry, client: ContentClient, subject: Reference, status: int, expected: type[Exception]
) -> None:
    """A registry that cannot or will not say has not said that there is nothing."""
    registry.add_rule(method="GET", path="/referrers/", status=status)
    with pytest.raises(expected):
        client.referrers(subject)


def test_another_writer_in_between(
    registry: FakeRegistry, client: ContentClient, subject: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another writer lists between our read and our write is not lost for ever: each looks after its own."""
    registry.has_referrers = False
    mine, other = artifact(subject, 1), artifact(subject, 2)
    registry.put_manifest("kit/app", None, other.media_type, other.data)
    tag = str(subject.digest).replace(":", "-")
    lost = [True]

    def overwrite(_: float) -> None:
        """Be a writer that read before our write and writes after it."""
        if lost:
            lost.pop()
            entry = {"mediaType": OCI_MANIFEST, "digest": other.digest, "size": len(other.data)}
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
            registry.put_manifest("kit/app", tag, OCI_INDEX, json.dumps(document).encode())

    monkeypatch.setattr(client.session, "nap", overwrite)
    client.attach(subject, mine)
    assert {item["digest"] for item in fallback(registry, subject)} == {mine.digest, other.digest}


def test_an_entry_whose_manifest_is_gone(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """Registries refuse an index with a child that is not there: what was deleted leaves the list."""
    registry.has_referrers = False
    gone, kept, fresh = (artifact(subject, number) for number in range(3))
    client.attach(subject, gone)
    client.attach(subject, kept)
    del registry.manifests["kit/app"][gone.digest]
    client.attach(subject, fresh)
    assert [item["digest"] for item in fallback(registry, subject)] == [kept.digest, fresh.digest]


def test_two_clients_at_once(registry: FakeRegistry, tmp_path: Path, subject: Reference) -> None:
    """Several runners that attach to one subject at the same time are all listed in the end."""
    registry.has_referrers = False
    clients = [content_client_for(registry, tmp_path / str(number)) for number in range(4)]
    made = [artifact(subject, number) for number in range(len(clients))]
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda pair: pair[0].attach(subject, pair[1]), zip(clients, made, strict=True)))
    assert {item["digest"] for item in fallback(registry, subject)} == {item.digest for item in made}
    for client in clients:
        client.close()


def test_a_writer_that_never_wins(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """When others keep overwriting the list, the run says so instead of going on for ever."""
    registry.has_referrers = False
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    headers = {"Content-Type": OCI_INDEX}
    registry.add_rule(method="GET", path="/manifests/sha256-", status=200, headers=headers, body=body)
    with pytest.raises(RegistryUnreachable, match="other writers"):
        client.attach(subject, artifact(subject))
    assert len(registry.requests("PUT", "sha256-")) <= 13


def test_a_list_under_an_immutable_tag(tmp_path: Path) -> None:
    """The tag schema needs a tag that moves, and the error says which."""
    with FakeRegistry(immutable=[".*"]) as registry:
        registry.has_referrers = False
        digest = registry.put_image("kit/app", "t").digest
        subject = Reference(registry.host, "kit/app", None, digest)
        client = content_client_for(registry, tmp_path)
        client.attach(subject, artifact(subject, 1))
        with pytest.raises(TagConflict) as caught:
            client.attach(subject, artifact(subject, 2))
        assert "sha256-" in (caught.value.hint or "")
        client.close()


def test_an_image_where_the_list_should_be(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """A tag of the schema's form that holds an image is not written over."""
    registry.has_referrers = False
    registry.put_image("kit/app", str(subject.digest).replace(":", "-"), content="other")
    with pytest.raises(RegistryRefused, match="is an image"):
        client.attach(subject, artifact(subject))


@pytest.mark.parametrize("do", ["reset", "lost", "answer"])
def test_attaching_through_a_fault(registry: FakeRegistry, client: ContentClient, subject: Reference, do: str) -> None:
    """The same bytes are put again, and listed once."""
    registry.has_referrers = False
    registry.add_rule(method="PUT", do=do, times=1)
    registry.add_rule(method="PUT", path="/manifests/sha256-", do=do, times=1)
    made = artifact(subject)
    client.attach(subject, made)
    assert [item["digest"] for item in fallback(registry, subject)] == [made.digest]


def test_no_subject_without_a_digest(client: ContentClient, subject: Reference) -> None:
    """A tag may move: what an artifact is about is named by digest."""
    with pytest.raises(RegistryRefused, match="no digest"):
        client.referrers(subject.with_tag("t"))
    with pytest.raises(RegistryRefused, match="no digest"):
        client.attach(subject.with_tag("t"), artifact(subject))


def test_deleting_is_switched_off(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """405 names what to enable."""
    registry.deletes = False
    for reference in (subject, subject.with_tag("t")):
        with pytest.raises(RegistryRefused, match="405 UNSUPPORTED") as caught:
            client.delete(reference)
        assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in (caught.value.hint or "")


def test_the_lost_answer_of_a_deletion(registry: FakeRegistry, client: ContentClient, subject: Reference) -> None:
    """It was there, and is not any more: that is what the caller hears."""
    registry.add_rule(method="DELETE", do="lost", times=1)
    assert client.delete(subject)
    assert not client.delete(subject)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"404 page not found", RegistryRefused),
        (403, b"", AuthorizationDenied),
        (412, b'{"errors":[{"code":"PRECONDITION","message":"immutable"}]}', RegistryRefused),
        (503, b"", RegistryUnreachable),
    ],
)
def test_deletions_that_fail(
    registry: FakeRegistry,
    client: ContentClient,
    subject: Reference,
    status: int,
    body: bytes,
    expected: type[Exception],
) -> None:
    """What was not deleted is not reported as if it had not been there."""
    registry.add_rule(method="DELETE", status=status, body=body)
    with pytest.raises(expected):
        client.delete(subject)
    assert registry.manifests["kit/app"][str(subject.digest)]


def test_what_tokens_are_asked_for(tmp_path: Path) -> None:
    """Reading needs pull, deleting delete: no more is asked for."""
    with FakeRegistry(users={"u": "p"}, token=True) as registry:
        digest = registry.put_image("kit/app", "t").digest
        client = content_client_for(registry, tmp_path)
        subject = Reference(registry.host, "kit/app", None, digest)
        assert list(client.tags(subject)) == ["t"]
        assert client.referrers(subject) == ()
        assert client.delete(subject)
        asked = [item.path.rpartition("scope=")[2] for item in registry.requests("GET", "^/token")]
        assert asked == ["repository:kit/app:pull", "repository:kit/app:delete"]
        client.close()


def test_digests_are_the_bytes(subject: Reference) -> None:
    """The artifact's digest is that of its very bytes."""
    made = artifact(subject)
    assert made.digest == digest_of(made.data)
