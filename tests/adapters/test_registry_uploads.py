"""Uploads under faults of the wire: resumed or begun anew, never half there, never sent without need."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import content_client_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.registry.answers import Answer
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.adapters.registry.uploads import _received
from pipeline_kit.errors import (
    AuthorizationDenied,
    DigestMismatch,
    RegistryRefused,
    RegistryUnreachable,
    RepositoryMissing,
)
from pipeline_kit.manifest import Descriptor
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.content import ContentClient

LARGE = bytes(range(251)) * 12_345
DIGEST = f"sha256:{hashlib.sha256(LARGE).hexdigest()}"
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar", DIGEST, len(LARGE))
SMALL_DATA = b"a config"
SMALL_BLOB = Descriptor(BLOB.media_type, f"sha256:{hashlib.sha256(SMALL_DATA).hexdigest()}", len(SMALL_DATA))
UPLOADS = r"/blobs/uploads/"


class Source:
    """The blob's bytes; ``offsets`` tells from where it was read."""

    def __init__(self, data: bytes = LARGE) -> None:
        self.data = data
        self.offsets: list[int] = []

    def __call__(self, offset: int) -> Iterator[bytes]:
        """Yield pieces of an odd size."""
        self.offsets.append(offset)
        for start in range(offset, len(self.data), 77_777):
            yield self.data[start : start + 77_777]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Run an empty registry."""
    with FakeRegistry() as fake:
        yield fake


@pytest.fixture
def client(registry: FakeRegistry, tmp_path: Path) -> Iterator[ContentClient]:
    """Give a client whose waits take no time."""
    client = content_client_for(registry, tmp_path, clock=FakeClock())
    yield client
    client.close()


@pytest.fixture
def target(registry: FakeRegistry) -> Reference:
    """Return where blobs go."""
    return Reference(registry.host, "kit/app")


def methods(registry: FakeRegistry) -> list[str]:
    """Return the methods of all requests in order."""
    return [item.method for item in registry.log]


def sent(registry: FakeRegistry) -> int:
    """Return how many bytes of blobs the registry was sent."""
    return sum(len(item.body) for item in registry.requests("P.*"))


def test_what_is_sent(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """A small blob takes three requests, a large one four, one that is there one; no byte goes twice."""
    assert client.write_blob(target, SMALL_BLOB, Source(SMALL_DATA)) == "uploaded"
    assert methods(registry) == ["HEAD", "POST", "PUT"]
    registry.log.clear()
    source = Source()
    assert client.write_blob(target, BLOB, source) == "uploaded"
    assert methods(registry) == ["HEAD", "POST", "PATCH", "PUT"]
    assert (sent(registry), source.offsets) == (len(LARGE), [0])
    assert registry.requests("PATCH")[0].headers["content-range"] == f"0-{len(LARGE) - 1}"
    registry.log.clear()
    assert client.write_blob(target, BLOB, source) == "present"
    assert methods(registry) == ["HEAD"]


def test_a_mount_takes_one_request(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """No byte is sent and nothing else asked; where the registry refuses, its own upload session is used."""
    registry.put_blob("kit/base", LARGE)
    assert client.write_blob(target, BLOB, Source(), mount_from=["kit/base"]) == "mounted"
    assert methods(registry) == ["POST"]
    registry.log.clear()
    registry.mounts = False
    other = Reference(registry.host, "kit/other")
    assert client.write_blob(other, BLOB, Source(), mount_from=["kit/base"]) == "uploaded"
    assert methods(registry) == ["POST", "HEAD", "PATCH", "PUT"]
    assert client.write_blob(other, BLOB, Source(), mount_from=["kit/base"]) == "present"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
def test_a_mount_that_fails_is_an_upload(
    registry: FakeRegistry, client: ContentClient, target: Reference, status: int
) -> None:
    """A registry that cannot mount gets the bytes."""
    registry.put_blob("kit/base", LARGE)
    registry.add_rule(method="POST", path="mount=", status=status)
    assert client.write_blob(target, BLOB, Source(), mount_from=["kit/base"]) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("keep", [0, 1, 1_000_000, len(LARGE) - 1])
def test_a_cut_in_the_middle(
    registry: FakeRegistry, client: ContentClient, target: Reference, keep: int, remembers: bool
) -> None:
    """What the registry keeps of a broken chunk is not sent again; one that keeps nothing gets it all."""
    registry.remembers_cuts = remembers
    registry.add_rule(method="PATCH", do="cut", keep=keep, times=1)
    source = Source()
    assert client.write_blob(target, BLOB, source) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE
    assert source.offsets[0] == 0
    if keep > 1:
        assert source.offsets[1:] == [keep if remembers else 0]
        assert sent(registry) == len(LARGE) + (0 if remembers else keep)
    assert len(client.statistics.retries) == 1 + (keep == 1 and remembers)  # "0-0" does not tell one byte from none


def test_many_cuts_that_get_further_each_time(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """A large upload on a bad line ends well as long as it gets further."""
    registry.add_rule(method="PATCH", do="cut", keep=200_000, times=12)
    assert client.write_blob(target, BLOB, Source()) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE
    assert len(client.statistics.retries) >= 12


def test_cuts_that_get_nowhere(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """A line that carries nothing is given up after five attempts, and nothing is there."""
    registry.remembers_cuts = False
    registry.add_rule(method="PATCH", do="cut", keep=1000)
    with pytest.raises(RegistryUnreachable, match="after 5 attempts"):
        client.write_blob(target, BLOB, Source())
    assert len(registry.requests("PATCH")) == 5
    assert registry.blobs == {}


@pytest.mark.parametrize("blob", [SMALL_BLOB, BLOB])
def test_the_lost_answer_of_the_commit(
    registry: FakeRegistry, client: ContentClient, target: Reference, blob: Descriptor
) -> None:
    """The registry did its work and nobody heard: it is asked, and nothing is sent again."""
    registry.add_rule(method="PUT", do="lost", times=1)
    data = LARGE if blob is BLOB else SMALL_DATA
    assert client.write_blob(target, blob, Source(data)) == "uploaded"
    assert sent(registry) == len(data)
    assert methods(registry)[-2:] == ["PUT", "HEAD"]


@pytest.mark.parametrize(
    "rule",
    [
        {"method": "POST", "do": "reset"},
        {"method": "POST", "do": "lost"},
        {"method": "HEAD", "status": 503},
        {"method": "PATCH", "do": "lost"},
        {"method": "PATCH", "status": 503},
        {"method": "PATCH", "status": 429, "headers": {"Retry-After": "3"}},
        {"method": "PATCH", "do": "stall"},
        {"method": "PUT", "status": 502, "body": b"<html>"},
        {"method": "PUT", "do": "reset"},
        {"method": "PUT", "status": 404, "body": b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'},
        {"method": "PUT", "do": "work", "status": 500},
    ],
)
@pytest.mark.parametrize("blob", [SMALL_BLOB, BLOB])
def test_any_request_may_fail_once(
    registry: FakeRegistry, client: ContentClient, target: Reference, rule: dict[str, Any], blob: Descriptor
) -> None:
    """Every request of an upload can fail once, and the blob is whole in the end."""
    registry.add_rule(times=1, **rule)
    data = LARGE if blob is BLOB else SMALL_DATA
    assert client.write_blob(target, blob, Source(data)) == "uploaded"
    assert registry.blobs["kit/app"][blob.digest] == data
    assert len(client.statistics.retries) == (0 if rule["method"] == "PATCH" and blob is SMALL_BLOB else 1)


def test_the_registry_has_another_part(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """416: the registry says how much it has, and the rest is sent."""
    client.parts.uploads._chunk = 1_000_000
    registry.add_rule(method="PATCH", skip=1, times=1, status=416)
    source = Source()
    assert client.write_blob(target, BLOB, source) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE
    assert source.offsets == [0, 1_000_000, 1_000_000, 2_000_000, 3_000_000]


def test_chunks_that_are_dropped_without_a_word(
    registry: FakeRegistry, client: ContentClient, target: Reference
) -> None:
    """ECR answers a second chunk with 201 and keeps nothing of it: the upload begins anew."""
    client.parts.uploads._chunk = 2_000_000
    registry.add_rule(method="PATCH", skip=1, times=1, status=201, headers={"Range": "0-1999999"})
    assert client.write_blob(target, BLOB, Source()) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE


def test_a_registry_that_takes_one_chunk_only(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """Where a second chunk is refused, everything goes in one."""
    client.parts.uploads._chunk = 1_000_000
    registry.add_rule(method="PATCH", skip=1, times=1, status=400)
    source = Source()
    assert client.write_blob(target, BLOB, source) == "uploaded"
    assert source.offsets == [0, 1_000_000, 0]
    assert registry.blobs["kit/app"][DIGEST] == LARGE


@pytest.mark.parametrize("received", ["0-0", "0-99999999", "nonsense", "5-9"])
def test_a_wrong_range(registry: FakeRegistry, client: ContentClient, target: Reference, received: str) -> None:
    """A Range that cannot be right is not believed; the digest decides."""
    registry.add_rule(method="PATCH", do="headers", headers={"Range": received}, times=1)
    assert client.write_blob(target, BLOB, Source()) == "uploaded"
    assert registry.blobs["kit/app"][DIGEST] == LARGE


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://169.254.169.254/latest/meta-data", "without TLS"),
        ("ftp://example.com/x", "neither http nor https"),
        ("http://user:secret@127.0.0.1/x", "credentials in it"),
        ("http://example.com/x", "without TLS"),
    ],
)
def test_where_an_upload_must_not_go(
    registry: FakeRegistry, client: ContentClient, target: Reference, location: str, expected: str
) -> None:
    """A Location is judged as a redirect is."""
    registry.add_rule(method="POST", do="headers", headers={"Location": location})
    with pytest.raises(RegistryRefused, match=expected):
        client.write_blob(target, BLOB, Source())


@pytest.mark.parametrize("location", ["https://10.0.0.7/upload", "http://registry.example.com/v2/upload"])
def test_where_an_upload_to_a_public_registry_must_not_go(client: ContentClient, location: str) -> None:
    """Neither to an internal address nor from TLS to none."""
    call = Call("POST", Reference("registry.example.com", "kit/app"), "blobs/uploads/")
    with pytest.raises(RegistryRefused, match="upload location"):
        client.session.follow(call, location, "upload location")
    relative = client.session.follow(call, "/v2/kit/app/blobs/uploads/1?x=y", "upload location")
    assert relative == "https://registry.example.com/v2/kit/app/blobs/uploads/1?x=y"


def test_no_location(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """A registry that does not say where to upload to is refused, not guessed at."""
    registry.add_rule(method="POST", status=202)
    with pytest.raises(RegistryRefused, match="does not say where"):
        client.write_blob(target, BLOB, Source())


def test_an_upload_elsewhere_gets_no_credential(tmp_path: Path) -> None:
    """A Location at another port gets the bytes and not the password."""
    with FakeRegistry(users={"u": "secret"}) as registry, FakeRegistry() as storage:
        storage.uploads["session"] = b""
        location = f"http://{storage.host}/v2/kit/app/blobs/uploads/session"
        registry.add_rule(method="POST", do="headers", headers={"Location": location})
        client = content_client_for(registry, tmp_path)
        target = Reference(registry.host, "kit/app")
        assert client.write_blob(target, BLOB, Source()) == "uploaded"
        assert methods(storage) == ["PATCH", "PUT"]
        assert all("authorization" not in item.headers for item in storage.log)
        client.close()


@pytest.mark.parametrize("blob", [SMALL_BLOB, BLOB])
def test_bytes_that_do_not_make_the_digest(
    registry: FakeRegistry, client: ContentClient, target: Reference, blob: Descriptor
) -> None:
    """Other bytes are an error of their own kind; a large blob is tried once more, since the line may be to blame."""
    data = bytes(len(LARGE) if blob is BLOB else len(SMALL_DATA))
    with pytest.raises(DigestMismatch):
        client.write_blob(target, blob, Source(data))
    assert registry.blobs == {}
    assert len(registry.requests("PATCH")) == (2 if blob is BLOB else 0)


def test_the_registry_names_another_digest(registry: FakeRegistry, client: ContentClient, target: Reference) -> None:
    """A commit that is answered with another digest is not a success."""
    registry.add_rule(method="PUT", do="headers", headers={"Docker-Content-Digest": SMALL_BLOB.digest})
    with pytest.raises(DigestMismatch, match="stored sha256"):
        client.write_blob(target, BLOB, Source())


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b'{"errors":[{"code":"DENIED","message":"no"}]}', AuthorizationDenied),
        (413, b"too large", RegistryRefused),
        (405, b"", RegistryRefused),
    ],
)
def test_refusals_are_final(
    registry: FakeRegistry,
    client: ContentClient,
    target: Reference,
    method: str,
    status: int,
    body: bytes,
    expected: type[Exception],
) -> None:
    """What a registry refuses is not tried again."""
    registry.add_rule(method=method, status=status, body=body)
    with pytest.raises(expected):
        client.write_blob(target, BLOB, Source())
    assert len(registry.requests(method)) == 1
    assert client.statistics.retries == []


def test_a_missing_repository(registry: FakeRegistry, client: ContentClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECR says that the repository has to be made first."""
    monkeypatch.setattr("pipeline_kit.adapters.registry.hints.is_ecr_host", lambda _: True)
    registry.creates_repositories = False
    with pytest.raises(RepositoryMissing):
        client.write_blob(Reference(registry.host, "kit/none"), BLOB, Source())


@pytest.mark.parametrize("when", ["PATCH", "PUT"])
def test_a_token_that_expires_in_the_middle(tmp_path: Path, when: str) -> None:
    """The chunks before and after it are one blob."""
    with FakeRegistry(users={"u": "p"}, token=True) as registry:
        client = content_client_for(registry, tmp_path, clock=FakeClock())
        client.parts.uploads._chunk = 1_000_000
        skip = 2 if when == "PATCH" else 0
        expired = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token",service="fake"'}
        registry.add_rule(method=when, skip=skip, times=1, status=401, headers=expired)
        target = Reference(registry.host, "kit/app")
        assert client.write_blob(target, BLOB, Source()) == "uploaded"
        assert registry.blobs["kit/app"][DIGEST] == LARGE
        assert len(registry.requests("GET", "^/token")) == 2
        client.close()


def test_a_token_known_to_expire_is_replaced_in_time(tmp_path: Path) -> None:
    """Time passes between the chunks: each is sent with a token that is still good, without a 401."""
    clock = FakeClock()
    with FakeRegistry(users={"u": "p"}, token=True) as registry:
        registry.token_seconds = 60
        client = content_client_for(registry, tmp_path, clock=clock)
        client.parts.uploads._chunk = 1_000_000

        def slow(offset: int) -> Iterator[bytes]:
            clock.now += 40
            yield LARGE[offset:]

        assert client.write_blob(Reference(registry.host, "kit/app"), BLOB, slow) == "uploaded"
        assert registry.blobs["kit/app"][DIGEST] == LARGE
        used = {item.headers["authorization"] for item in registry.requests("PATCH|PUT")}
        assert len(used) == len(registry.requests("GET", "^/token")) == 3
        assert sum("authorization" not in item.headers for item in registry.requests(".*", "/v2/")) == 1
        client.close()


def test_two_scopes_for_a_mount_and_few_tokens(tmp_path: Path) -> None:
    """One token serves every mount between two repositories; what follows needs one for the target alone."""
    with FakeRegistry(users={"u": "p"}, token=True) as registry:
        client = content_client_for(registry, tmp_path)
        target = Reference(registry.host, "kit/app")
        layers = [f"layer {number}".encode() for number in range(6)]
        for data in layers:
            registry.put_blob("kit/base", data)
            blob = Descriptor(BLOB.media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
            assert client.write_blob(target, blob, Source(data), mount_from=["kit/base"]) == "mounted"
        assert client.write_blob(target, BLOB, Source()) == "uploaded"
        tokens = registry.requests("GET", "^/token")
        assert [item.path.count("scope=") for item in tokens] == [2, 1]
        assert "scope=repository:kit/app:pull,push&scope=repository:kit/base:pull" in tokens[0].path
        client.close()


def test_a_mount_without_the_right_to_read_there(tmp_path: Path) -> None:
    """A token server that withholds the source's scope turns the mount into an upload."""
    with FakeRegistry(users={"u": "p"}, token=True) as registry:
        registry.withheld = frozenset({"kit/base:pull"})
        registry.put_blob("kit/base", LARGE)
        client = content_client_for(registry, tmp_path)
        target = Reference(registry.host, "kit/app")
        assert client.write_blob(target, BLOB, Source(), mount_from=["kit/base"]) == "uploaded"
        client.close()


@given(st.text(max_size=40))
def test_any_range_header(text: str) -> None:
    """Any text reads as a count of bytes or as nothing."""
    received = _received(Answer("PATCH", 202, {"range": text}))
    assert received is None or received >= 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(["POST", "PATCH", "PUT", "HEAD", "GET"]),
            st.sampled_from(["reset", "lost", "cut", "answer"]),
            st.integers(0, len(LARGE)),
        ),
        max_size=4,
    ),
    chunk=st.sampled_from([700_000, 2_000_000, 1 << 30]),
    remembers=st.booleans(),
)
def test_any_faults_end_in_the_whole_blob(
    tmp_path: Path, faults: list[tuple[str, str, int]], chunk: int, remembers: bool
) -> None:
    """Whatever four requests fail in whatever way, the registry has every byte in the end, in order."""
    with FakeRegistry() as registry:
        registry.remembers_cuts = remembers
        for method, do, keep in faults:
            registry.add_rule(method=method, do=do, keep=keep, times=1)
        client = content_client_for(registry, tmp_path, clock=FakeClock())
        client.parts.uploads._chunk = chunk
        assert client.write_blob(Reference(registry.host, "kit/app"), BLOB, Source()) in ("uploaded", "present")
        assert registry.blobs["kit/app"][DIGEST] == LARGE
        client.close()
