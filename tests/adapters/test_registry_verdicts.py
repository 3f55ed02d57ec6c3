"""What odd answers mean for a verdict (faults D1-D12, C5, C11, C12): unknown and denied are never absent."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import client_for

from pipeline_kit.adapters.registry import hints
from pipeline_kit.errors import DigestMismatch, RegistryRefused, RepositoryMissing, TagConflict
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.adapters.registry.client import RegistryClient

SPEC = {"Docker-Distribution-Api-Version": "registry/2.0"}
JSON = {"Content-Type": "application/json"}
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Run a registry that holds kit/app:t."""
    with FakeRegistry() as fake:
        fake.put_image("kit/app", "t")
        yield fake


@pytest.fixture
def client(registry: FakeRegistry, tmp_path: Path) -> Iterator[RegistryClient]:
    """Give a client whose waits take no time."""
    client = client_for(registry, tmp_path, clock=FakeClock())
    yield client
    client.close()


@pytest.fixture
def reference(registry: FakeRegistry) -> Reference:
    """Return the reference of the image."""
    return Reference(registry.host, "kit/app", "t")


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({"status": 404, "body": b"404 page not found\n", "headers": {"Content-Type": "text/plain"}}, Verdict.DENIED),
        ({"status": 404, "body": b"<html>", "headers": {"Content-Type": "text/html"}}, Verdict.DENIED),
        ({"status": 404}, Verdict.DENIED),
        ({"status": 404, "body": b'{"errors":[{"code":"PROJECT_POLICY"}]}', "headers": JSON}, Verdict.DENIED),
        ({"status": 404, "body": b'{"errors":"none"}', "headers": JSON}, Verdict.DENIED),
        ({"status": 404, "body": b"[" * 60000, "headers": JSON}, Verdict.DENIED),
        ({"status": 404, "headers": SPEC}, Verdict.ABSENT),
        ({"status": 404, "body": b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "headers": JSON}, Verdict.ABSENT),
        ({"status": 404, "body": b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "headers": JSON}, Verdict.ABSENT),
        ({"status": 401}, Verdict.DENIED),
        ({"status": 403, "body": b'{"errors":[{"code":"DENIED","message":"no"}]}', "headers": JSON}, Verdict.DENIED),
        ({"status": 400}, Verdict.DENIED),
        ({"status": 405}, Verdict.DENIED),
        ({"status": 414}, Verdict.DENIED),
        ({"status": 418}, Verdict.DENIED),
        ({"status": 200, "body": b"<html>Log in</html>", "headers": {"Content-Type": "text/html"}}, Verdict.DENIED),
        ({"status": 200, "body": b"", "headers": SPEC}, Verdict.DENIED),
        ({"status": 200, "body": b'{"schemaVersion":1}', "headers": {"Content-Type": SCHEMA_1}}, Verdict.DENIED),
        ({"status": 429}, Verdict.UNKNOWN),
        ({"status": 500}, Verdict.UNKNOWN),
        ({"status": 503}, Verdict.UNKNOWN),
        ({"do": "reset"}, Verdict.UNKNOWN),
    ],
)
def test_every_answer_has_a_verdict(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, members: dict[str, Any], verdict: Verdict
) -> None:
    """Only a spec-true 404 is absent; whatever is refused or broken says why."""
    registry.add_rule(**members)
    answer = client.observe(reference)
    assert answer.verdict is verdict
    assert answer.detail


def test_schema_1_is_named(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """An image of schema 1 is refused with its reason."""
    registry.add_rule(status=200, body=b'{"schemaVersion": 1}', headers={"Content-Type": SCHEMA_1})
    with pytest.raises(RegistryRefused, match="too old"):
        client.manifest(reference)


@pytest.mark.parametrize(
    "members",
    [
        {"status": 405},
        {"status": 404},
        {"do": "headers", "headers": {"Docker-Content-Digest": ""}},
        {"do": "headers", "headers": {"Docker-Content-Digest": "sha256:../../etc"}},
        {"do": "headers", "headers": {"Content-Length": "0"}},
        {"do": "headers", "headers": {"Content-Type": "application/json"}},
    ],
)
def test_head_that_says_too_little(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, members: dict[str, Any]
) -> None:
    """Where HEAD is not enough, the body is fetched and hashed."""
    registry.add_rule(method="HEAD", **members)
    answer = client.observe(reference)
    assert (answer.verdict, answer.digest) == (Verdict.PRESENT, registry.tags["kit/app"]["t"])
    assert [item.method for item in registry.log] == ["HEAD", "GET"]


def test_missing_ecr_repository(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a push does not create repositories, NAME_UNKNOWN is no miss and says what to create."""
    registry.creates_repositories = False
    monkeypatch.setattr(hints, "is_ecr_host", lambda _: True)
    answer = client.observe(Reference(registry.host, "kit/gone", "t"))
    assert answer.verdict is Verdict.DENIED
    assert answer.detail == f"repository kit/gone does not exist at {registry.host}"
    assert answer.hint == "create it: aws ecr create-repository --repository-name kit/gone"
    with pytest.raises(RepositoryMissing):
        client.manifest(Reference(registry.host, "kit/gone", "t"))
    assert client.observe(reference.with_tag("gone")).verdict is Verdict.ABSENT


def test_hostile_text_is_harmless(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """Control codes, workflow commands, tokens and length in a registry's text do not reach people."""
    text = "\\u001b[31mred\\u0007\\n::error::x\\u202egnp Bearer abcdefghijklmnop " + "x" * 5000
    body = f'{{"errors":[{{"code":"DENIED","message":"{text}"}}]}}'.encode()
    registry.add_rule(status=403, body=body, headers=JSON)
    detail = client.observe(reference).detail
    assert detail.isprintable()
    assert "::error" not in detail
    assert "abcdefghijklmnop" not in detail
    assert len(detail) < 400


@pytest.mark.parametrize("body", [b"\xff\xfe\x00" * 10, b"x" * 20_000_000, gzip.compress(b"0" * 30_000_000)])
def test_large_and_odd_error_bodies(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, body: bytes
) -> None:
    """A body that is huge, a bomb or no text is cut, and the status still decides."""
    registry.add_rule(status=403, body=body, headers={"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {})
    answer = client.observe(reference)
    assert answer.verdict is Verdict.DENIED
    assert len(answer.detail) < 400


def test_manifest_above_its_cap(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A manifest of more than 4 MiB is not read to its end."""
    registry.add_rule(method="GET", status=200, body=b" " * 5_000_000)
    with pytest.raises(RegistryRefused, match="larger than 4194304 bytes"):
        client.manifest(reference)


@pytest.mark.parametrize("times", [1, 2])
def test_wrong_digest(registry: FakeRegistry, client: RegistryClient, reference: Reference, times: int) -> None:
    """Bytes that do not match the digest header are asked for once more, then refused."""
    registry.add_rule(method="GET", do="headers", times=times, headers={"Docker-Content-Digest": f"sha256:{'1' * 64}"})
    if times == 1:
        assert client.manifest(reference).digest == registry.tags["kit/app"]["t"]
    else:
        with pytest.raises(DigestMismatch):
            client.manifest(reference)
    assert len(registry.requests("GET")) == 2


def test_other_bytes_under_a_digest(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A digest that answers with another digest is unknown, not present."""
    digest = registry.tags["kit/app"]["t"]
    media_type, _ = registry.manifests["kit/app"][digest]
    registry.manifests["kit/app"][digest] = (media_type, b'{"other": true}')
    registry.add_rule(do="headers", headers={"Docker-Content-Digest": ""})
    assert client.observe(reference.with_digest(digest)).verdict is Verdict.UNKNOWN


def test_warnings_once(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A Warning: 299 is kept once however often it comes, and changes nothing."""
    registry.add_rule(do="headers", headers={"Warning": '299 - "this repository moves \x1b[1msoon"'})
    assert {client.observe(reference).verdict for _ in range(3)} == {Verdict.PRESENT}
    assert client.statistics.warnings == [f"{registry.host}: this repository moves soon"]


@pytest.fixture
def frozen(registry: FakeRegistry) -> FakeRegistry:
    """Make every tag of the registry immutable and add a second image."""
    registry.immutable = (".*",)
    registry.put_image("kit/app", "other", content="other")
    return registry


def test_immutable_tag_with_the_same_content(
    frozen: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    """What an immutable tag holds already is success, without a PUT."""
    manifest = client.manifest(reference)
    assert client.put_manifest(reference, manifest) == manifest.digest
    assert frozen.requests("PUT") == []


def test_immutable_tag_with_other_content(frozen: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A conflict names both digests."""
    manifest = client.manifest(reference.with_tag("other"))
    with pytest.raises(TagConflict) as caught:
        client.put_manifest(reference, manifest)
    assert frozen.tags["kit/app"]["t"] in str(caught.value)
    assert manifest.digest in str(caught.value)


@pytest.mark.parametrize("status", [409, 412])
def test_refusal_of_identical_content(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, status: int
) -> None:
    """A conflict answer is success when, asked afterwards, the tag holds our digest: another pusher was faster."""
    manifest = client.manifest(reference)
    registry.add_rule(method="HEAD", times=1, status=404, headers=SPEC)
    registry.add_rule(method="GET", times=1, status=404, headers=SPEC)
    registry.add_rule(method="PUT", status=status)
    assert client.put_manifest(reference, manifest) == manifest.digest


def test_lost_answer_to_a_put(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A PUT whose answer was lost is found by asking, not repeated."""
    manifest = client.manifest(reference)
    registry.add_rule(method="PUT", do="lost", times=1)
    assert client.put_manifest(reference.with_tag("new"), manifest) == manifest.digest
    assert len(registry.requests("PUT")) == 1
    assert len(client.statistics.retries) == 1


def test_last_answer_lost(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """Before a write counts as failed, the registry is asked once more."""
    manifest = client.manifest(reference)
    registry.add_rule(method="PUT", times=4, status=503)
    registry.add_rule(method="PUT", times=1, do="lost")
    assert client.put_manifest(reference.with_tag("new"), manifest) == manifest.digest
    assert len(registry.requests("PUT")) == 5


def test_put_that_stores_something_else(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A created answer is no proof: the tag's digest afterwards is."""
    manifest = client.manifest(reference)
    registry.put_image("kit/app", "new", content="other")
    registry.add_rule(method="PUT", status=201, headers={"Docker-Content-Digest": manifest.digest})
    with pytest.raises(TagConflict, match="stored something else"):
        client.put_manifest(reference.with_tag("new"), manifest)


def test_wrong_digest_in_the_answer_to_a_put(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    """A wrong digest header after a PUT makes the bytes themselves the proof."""
    manifest = client.manifest(reference)
    registry.add_rule(method="PUT", do="headers", headers={"Docker-Content-Digest": f"sha256:{'2' * 64}"})
    assert client.put_manifest(reference.with_tag("new"), manifest) == manifest.digest
    assert registry.log[-1].method == "GET"


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_refused_put(registry: FakeRegistry, client: RegistryClient, reference: Reference, status: int) -> None:
    """A refusal is final at once and says how large the manifest was."""
    manifest = client.manifest(reference)
    registry.add_rule(method="PUT", status=status)
    with pytest.raises(RegistryRefused, match=f"{len(manifest.data)} bytes.*{status}"):
        client.put_manifest(reference.with_tag("new"), manifest)
    assert len(registry.requests("PUT")) == 1


def test_stored_and_not_there(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A created answer for something that does not appear is tried again."""
    manifest = client.manifest(reference)
    registry.add_rule(method="PUT", status=201, times=1)
    assert client.put_manifest(reference.with_tag("new"), manifest) == manifest.digest
    assert len(registry.requests("PUT")) == 2


@pytest.mark.parametrize("data", [b"[]", b"{", b"[" * 100_000])
def test_config_that_is_no_object(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, data: bytes
) -> None:
    """An image config that is not a JSON object is refused."""
    digest = registry.put_blob("kit/app", data)
    with pytest.raises(RegistryRefused, match="not a JSON object"):
        client.config(reference, digest)


def test_config_with_other_bytes(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """A config whose bytes do not match its digest is asked for twice, then refused."""
    digest = registry.put_blob("kit/app", b"{}")
    registry.blobs["kit/app"][digest] = b'{"other": 1}'
    with pytest.raises(DigestMismatch):
        client.config(reference, digest)
    assert len(registry.log) == 2
