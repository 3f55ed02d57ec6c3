"""Downloads under faults of the wire: resumed where they were cut, verified, and never half a blob."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import content_client_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.registry.bodies import PIECE, transfer_seconds
from pipeline_kit.errors import (
    AuthorizationDenied,
    DigestMismatch,
    ManifestMissing,
    RegistryRefused,
    RegistryUnreachable,
)
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.content import ContentClient

LARGE = bytes(range(251)) * 5_000
DIGEST = f"sha256:{hashlib.sha256(LARGE).hexdigest()}"
BLOB = r"/blobs/sha256"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Run a registry that holds the blob."""
    with FakeRegistry() as fake:
        fake.put_blob("kit/app", LARGE)
        yield fake


@pytest.fixture
def client(registry: FakeRegistry, tmp_path: Path) -> Iterator[ContentClient]:
    """Give a client whose waits take no time."""
    client = content_client_for(registry, tmp_path, clock=FakeClock())
    yield client
    client.close()


@pytest.fixture
def source(registry: FakeRegistry) -> Reference:
    """Return where the blob is."""
    return Reference(registry.host, "kit/app")


def ranges(registry: FakeRegistry) -> list[str]:
    """Return the Range headers of all requests."""
    return [item.headers.get("range", "") for item in registry.requests("GET", BLOB)]


def read(client: ContentClient, source: Reference, offset: int = 0) -> bytes:
    """Return the whole stream."""
    return b"".join(client.stream_blob(source, DIGEST, offset=offset))


def test_nothing_is_asked_before_it_is_wanted(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """A stream costs one request, and none when nobody reads it; pieces are small."""
    stream = client.stream_blob(source, DIGEST)
    assert registry.log == []
    assert max(map(len, stream)) <= PIECE
    assert ranges(registry) == [""]


@pytest.mark.parametrize("keep", [0, 1, 300_000, len(LARGE) - 1])
@pytest.mark.parametrize("do", ["cut", "truncate"])
@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_cut_is_resumed(
    registry: FakeRegistry, client: ContentClient, source: Reference, keep: int, do: str, has_ranges: bool
) -> None:
    """The rest is asked for from where the cut was; a registry that knows no ranges is read past it."""
    registry.has_ranges = has_ranges
    registry.add_rule(method="GET", path=BLOB, do=do, keep=keep, times=1)
    assert read(client, source) == LARGE
    asked = ranges(registry)
    assert len(asked) == 2
    assert asked[0] == ""
    assert len(client.statistics.retries) == 1
    resumed = int(asked[1].removeprefix("bytes=").removesuffix("-") or 0)
    assert 0 <= resumed <= keep


def test_many_cuts(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """A line that breaks again and again gets there, as long as every connection brings something."""
    registry.add_rule(method="GET", path=BLOB, do="truncate", keep=PIECE + 1, times=20)
    assert read(client, source) == LARGE
    assert len(client.statistics.retries) == len(ranges(registry)) - 1 == len(LARGE) // (PIECE + 1)


def test_cuts_without_a_byte(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """A line that brings nothing any more is given up after five attempts."""
    registry.add_rule(method="GET", path=BLOB, do="truncate", keep=PIECE, times=1)
    registry.add_rule(method="GET", path=BLOB, do="truncate", keep=0)
    with pytest.raises(RegistryUnreachable, match="after 5 attempts"):
        read(client, source)


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "reset"},
        {"do": "stall"},
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "2"}},
        {"do": "truncate", "keep": 0},
    ],
)
def test_the_first_request_may_fail(
    registry: FakeRegistry, client: ContentClient, source: Reference, rule: dict[str, Any]
) -> None:
    """A fault before the first byte is retried as any."""
    registry.add_rule(method="GET", times=1, **rule)
    assert read(client, source) == LARGE
    assert len(client.statistics.retries) == 1


@pytest.mark.parametrize(
    "content_range", ["bytes 5-9/1255000", "bytes 999999-1254999/1255000", "nonsense", "bytes 300001-1254999/1255000"]
)
def test_a_wrong_range(registry: FakeRegistry, client: ContentClient, source: Reference, content_range: str) -> None:
    """A part that is not the one asked for is not put in its place: the bytes are right or there is an error."""
    registry.add_rule(method="GET", path=BLOB, do="truncate", keep=300_000, times=1)
    registry.add_rule(method="GET", path=BLOB, do="headers", headers={"Content-Range": content_range}, times=1)
    try:
        assert read(client, source) == LARGE
    except DigestMismatch:
        assert content_range.startswith("bytes 5-")


def test_a_part_where_the_whole_was_asked_for(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """206 to a request without Range is taken only when it begins at the beginning."""
    registry.add_rule(method="GET", status=206, headers={"Content-Range": "bytes 7-9/10"}, body=b"789")
    with pytest.raises(RegistryRefused, match="a part was sent"):
        read(client, source)


def test_a_part_in_several_answers(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """A server may answer with less than the rest: what follows is asked for."""
    first = LARGE[10:300_000]
    headers = {"Content-Range": f"bytes 10-299999/{len(LARGE)}"}
    registry.add_rule(method="GET", status=206, headers=headers, body=first, times=1)
    assert read(client, source, offset=10) == LARGE[10:]
    assert ranges(registry) == ["bytes=10-", "bytes=300000-"]


def test_other_bytes(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """The whole stream is hashed, and read_blob asks once more before it gives up."""
    registry.blobs["kit/app"][DIGEST] = bytes(len(LARGE))
    with pytest.raises(DigestMismatch):
        read(client, source)
    with pytest.raises(DigestMismatch):
        client.read_blob(source, DIGEST, limit=len(LARGE))
    assert [retry.retry_class for retry in client.statistics.retries] == ["once-more"]


@pytest.mark.parametrize("digest", ["sha256:abc", "../../secrets", "latest", ""])
def test_what_is_no_digest_is_not_asked_for(
    registry: FakeRegistry, client: ContentClient, source: Reference, digest: str
) -> None:
    """A digest comes from a manifest and goes into a path."""
    with pytest.raises(RegistryRefused, match="not a digest"):
        client.has_blob(source, digest)
    with pytest.raises(RegistryRefused, match="not a digest"):
        client.read_blob(source, digest, limit=1)
    with pytest.raises(RegistryRefused, match="not a digest"):
        list(client.stream_blob(source, digest))
    assert registry.log == []


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (404, {}, b"404 page not found", RegistryRefused),
        (404, {}, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}', ManifestMissing),
        (403, {}, b'{"errors":[{"code":"DENIED","message":"no"}]}', AuthorizationDenied),
    ],
)
def test_answers_that_are_no_blob(
    registry: FakeRegistry,
    client: ContentClient,
    source: Reference,
    status: int,
    headers: dict[str, str],
    body: bytes,
    expected: type[Exception],
) -> None:
    """Only a registry's own 404 says that a blob is not there: a page of somebody else's does not."""
    registry.add_rule(status=status, headers=headers, body=body)
    if expected is ManifestMissing:
        assert not client.has_blob(source, DIGEST)
    else:
        with pytest.raises(expected) as caught:
            client.has_blob(source, DIGEST)
        assert not isinstance(caught.value, ManifestMissing)
    with pytest.raises(expected) as caught:
        read(client, source)
    assert isinstance(caught.value, ManifestMissing) == (expected is ManifestMissing)


def test_a_redirect_to_another_host_gets_no_credential(tmp_path: Path) -> None:
    """A blob that lies in a storage of somebody else's is fetched without the password, also when it is resumed."""
    with FakeRegistry(users={"u": "secret"}) as registry, FakeRegistry() as storage:
        storage.put_blob("kit/app", LARGE)
        headers = {"Location": f"http://{storage.host}/v2/kit/app/blobs/{DIGEST}?signature=x"}
        registry.add_rule(method="GET", path=BLOB, skip=1, status=307, headers=headers)
        storage.add_rule(method="GET", do="truncate", keep=PIECE, times=1)
        client = content_client_for(registry, tmp_path, clock=FakeClock())
        assert read(client, Reference(registry.host, "kit/app")) == LARGE
        assert [item.headers.get("range", "") for item in storage.log] == ["", f"bytes={PIECE}-"]
        assert all("authorization" not in item.headers for item in storage.log)
        assert all("authorization" in item.headers for item in registry.log[1:])
        client.close()


def test_a_reader_that_stops(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """Whoever stops reading leaves nothing open, and the client works on."""
    stream = client.stream_blob(source, DIGEST)
    assert len(b"".join(islice(stream, 1))) == PIECE
    stream.close()  # type: ignore[attr-defined]
    assert client.has_blob(source, DIGEST)


def test_two_streams_at_once(registry: FakeRegistry, client: ContentClient, source: Reference) -> None:
    """Streams read in turn do not disturb each other, nor a request between them."""
    one, two = client.stream_blob(source, DIGEST), client.stream_blob(source, DIGEST, offset=1)
    read_one, read_two = b"", b""
    for first, second in zip(one, two, strict=True):
        assert client.has_blob(source, DIGEST)
        read_one, read_two = read_one + first, read_two + second
    assert (read_one, read_two) == (LARGE, LARGE[1:])


def test_a_large_body_has_more_time() -> None:
    """The budget grows with the size, and a size that nobody told has one as well."""
    assert transfer_seconds(0) == 60
    assert transfer_seconds(10 * 1024**3) > 3600
    assert transfer_seconds(None) > 600


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(st.sampled_from(["reset", "cut", "truncate", "answer"]), st.integers(0, len(LARGE))), max_size=4
    ),
    has_ranges=st.booleans(),
    offset=st.integers(0, len(LARGE) - 1),
)
def test_any_faults_end_in_the_whole_blob(
    tmp_path: Path, faults: list[tuple[str, int]], has_ranges: bool, offset: int
) -> None:
    """Whatever breaks in whatever way, the bytes come whole and in order."""
    with FakeRegistry() as registry:
        registry.put_blob("kit/app", LARGE)
        registry.has_ranges = has_ranges
        for do, keep in faults:
            registry.add_rule(method="GET", do=do, keep=keep, times=1)
        client = content_client_for(registry, tmp_path, clock=FakeClock())
        assert read(client, Reference(registry.host, "kit/app"), offset) == LARGE[offset:]
        client.close()
