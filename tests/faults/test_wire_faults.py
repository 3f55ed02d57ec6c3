"""Rows C1-C13 of the fault catalogue on the wire: verdict, retries, exit code, and what the registry holds after."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fault_proxy import FaultProxy
from faults.scene import ALIAS, errors

from pipeline_kit.manifest import ACCEPTED
from pipeline_kit.retry import RetryPolicy

if TYPE_CHECKING:
    from faults.scene import FaultScene

pytestmark = pytest.mark.registry
REQUESTS = {
    "the question about the tag": ("HEAD", r"/manifests/[0-9a-f]{40}$"),
    "the question about a blob": ("HEAD", "/blobs/"),
    "the upload's start": ("POST", "/blobs/uploads/"),
    "the upload": ("PUT", "/blobs/uploads/"),
    "the manifest": ("PUT", "/manifests/sha256:"),
    "the content tag": ("PUT", r"/manifests/[0-9a-f]{40}$"),
    "the alias": ("PUT", f"/manifests/{ALIAS}$"),
}
STATUSES = (503, 502, 500, 408, 504, 429, 522)
every_request = pytest.mark.parametrize(("method", "path"), REQUESTS.values(), ids=list(REQUESTS))


def ended_well(scene: FaultScene) -> str | None:
    """Run; everything is there and right, also for the next run, which does nothing. Return the digest."""
    ended = scene.run()
    assert (ended.code, ended.status, ended.warnings) == (0, "built", ()), ended
    held = scene.held()
    assert held.tags[scene.tag] == held.tags[ALIAS] == ended.digest
    again = scene.run()
    assert (again.code, again.status, again.builds, again.retries) == (0, "skipped", (), ())
    return ended.digest


@every_request
def test_c1_reset(scene: FaultScene, method: str, path: str) -> None:
    """A connection reset before an answer costs one retry, at whatever request."""
    scene.proxy.add("reset", method=method, path=path)
    ended_well(scene)
    assert len(scene.proxy.hits(method, path)) >= 2


def test_c1_reset_in_the_middle_of_a_layer(scene: FaultScene) -> None:
    """What the registry has of a large layer is found out, and the layer is whole in the end."""
    scene.layer = 1_500_000
    scene.proxy.add("reset", method="PATCH", path="/blobs/uploads/", keep=400_000)
    ended_well(scene)
    assert [hit.method for hit in scene.proxy.hits("PATCH|GET", "/blobs/uploads/")][:2] == ["PATCH", "GET"]


def test_c1_nobody_listens(scene: FaultScene) -> None:
    """A refused connection is unknown: exit 4 after five attempts, nothing built, never another port or protocol."""
    with FaultProxy(scene.proxy.upstream) as gone:
        host = gone.host
    scene.proxy.host = host
    ended = scene.run()
    assert (ended.code, ended.builds) == (4, ())
    assert "after 5 attempts" in ended.text
    assert set(ended.retries) == {"transient-net"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [(*request, status) for request, status in zip(REQUESTS.values(), STATUSES, strict=True)],
    ids=list(REQUESTS),
)
def test_c2_once(scene: FaultScene, method: str, path: str, status: int) -> None:
    """A status that passes costs one retry, and nothing is sent that need not be."""
    scene.proxy.add("answer", method=method, path=path, status=status, body=b"<html>busy</html>")
    ended = scene.run()
    assert (ended.code, ended.status, ended.retries) == (0, "built", ("transient-http",))
    held = scene.held()
    assert held.tags[scene.tag] == held.tags[ALIAS] == ended.digest


@pytest.mark.parametrize(
    ("method", "path", "tags"),
    [
        ("HEAD", "/manifests/", set()),
        ("PUT", "/blobs/uploads/", set()),
        ("PUT", r"/manifests/[0-9a-f]{40}$", set()),
        ("PUT", f"/manifests/{ALIAS}$", {"tag"}),
    ],
)
def test_c3_always(scene: FaultScene, method: str, path: str, tags: set[str]) -> None:
    """A registry that keeps failing ends the run with 4; what is tagged is whole, and no alias names what is not."""
    scene.proxy.add("answer", method=method, path=path, times=1000)
    ended = scene.run()
    assert ended.code == 4, ended
    assert "after 5 attempts" in ended.text
    assert ended.builds == (() if method == "HEAD" else ("api",))
    assert scene.tags() == ({scene.tag} if tags else set())
    scene.proxy.clear()
    again = scene.run()
    assert (again.code, again.status) == (0, "skipped" if tags else "built")
    assert scene.held().tags[ALIAS] == again.digest


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        ("7", (7.0, 7.7)),
        ("Tue, 24 Nov 2026 12:00:09 GMT", (9.0, 9.9)),
        ("Tue, 24 Nov 2026 11:59:00 GMT", (0.2, 1.0)),
        ("soon", (0.2, 1.0)),
        ("-3", (0.2, 1.0)),
    ],
)
def test_c4_retry_after(scene: FaultScene, value: str, waited: tuple[float, float]) -> None:
    """What the registry asks for is waited by its own clock; nonsense falls back to our own waits."""
    headers = {"Retry-After": value, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    scene.proxy.add("answer", method="PUT", path=r"/manifests/[0-9a-f]{40}$", status=429, headers=headers)
    ended = scene.run()
    assert (ended.code, ended.status, ended.retries) == (0, "built", ("transient-http",))
    assert waited[0] <= ended.slept <= waited[1] + 0.5  # the list of records takes its moments, too


def test_c4_a_day(scene: FaultScene) -> None:
    """A wait that no run can have is not begun: exit 4 at once, telling until when, and nothing is built."""
    headers = {"Retry-After": "86400", "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    scene.proxy.add("answer", method="HEAD", status=429, headers=headers, times=1000)
    ended = scene.run()
    assert (ended.code, ended.retries, ended.slept, ended.builds) == (4, (), 0.0, ())
    assert "wait until 12:00Z on 2026-11-25" in ended.text
    assert len(scene.proxy.hits()) <= 2  # the tag and the alias are asked at once


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><h1>\x1b[31mForbidden</h1>::error::x</html>", {"Content-Type": "text/html"}),
        (errors("DENIED", "\x1b[2J::set-output name=x::y\u202e"), {"Content-Type": "application/json"}),
        (b"\xff\xfe" * 100, {}),
        (b"x" * 20_000_000, {}),
        (gzip.compress(b"0" * 10_000_000), {"Content-Encoding": "gzip"}),
    ],
    ids=["html", "control codes", "no UTF-8", "20 MB", "gzip"],
)
def test_c5_odd_bodies(scene: FaultScene, body: bytes, headers: dict[str, str]) -> None:
    """Whatever an error's body is, its status decides: exit 3, harmless text, nothing built."""
    scene.proxy.add("answer", status=403, body=body, headers=headers, times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds, ended.retries) == (3, (), ())
    assert ended.text.isprintable() or set(ended.text) - {"\n"} == set(ended.text.replace("\n", ""))
    assert "\x1b" not in ended.text
    assert "::" not in ended.text
    assert len(ended.text) < 2000


@pytest.mark.parametrize("do", ["truncate", "cut"])
def test_c6_truncated(scene: FaultScene, do: str) -> None:
    """A manifest cut short is read again."""
    scene.proxy.add(do, method="GET", path="/manifests/sha256:", keep=50, skip=1)
    ended_well(scene)


@pytest.mark.parametrize("times", [1, 1000])
def test_c6_other_bytes(scene: FaultScene, times: int) -> None:
    """Bytes that do not make their digest are asked for once more; if they stay, nothing is tagged: exit 6."""
    body = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}'
    scene.proxy.add("body", method="GET", path="/manifests/sha256:", body=body, skip=1, times=times)
    ended = scene.run()
    assert ended.code == (0 if times == 1 else 6), ended
    assert scene.tags() == ({scene.tag, ALIAS} if times == 1 else set())
    if times > 1:
        assert "do not hash" in ended.text


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://10.0.0.1/x"]
)
def test_c7_redirects_that_are_not_followed(scene: FaultScene, location: str) -> None:
    """A redirect to an internal address, or away from HTTP, is a refusal: exit 3, nothing built."""
    scene.proxy.add("answer", status=307, headers={"Location": location}, times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds, ended.retries) == (3, (), ())


def test_c7_a_loop(scene: FaultScene) -> None:
    """A redirect that leads to itself ends."""
    scene.proxy.add("answer", status=307, headers={"Location": "."}, times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds) == (3, ())
    assert len(scene.proxy.hits()) < 20


def test_c8_a_realm_elsewhere(scene: FaultScene) -> None:
    """A challenge that names an internal address gets nothing: exit 3."""
    challenge = {"WWW-Authenticate": 'Bearer realm="http://169.254.169.254/token",service="x"'}
    scene.proxy.add("answer", status=401, headers=challenge, times=1000)
    ended = scene.run()
    assert (ended.code, ended.builds, ended.retries) == (3, (), ())


@pytest.mark.parametrize("do", ["stall", "slow"])
@pytest.mark.parametrize("keep", [-1, 0, 20])
def test_c9_silence(scene: FaultScene, do: str, keep: int) -> None:
    """Silence before the answer, within it, or an answer that drips ends at the call's deadline: exit 4."""
    scene.settings = {"clock": _RealClock(), "policy": RetryPolicy(deadline=0.6)}
    scene.proxy.add(do, method="HEAD|GET", seconds=30, keep=keep, times=1000)
    began = time.monotonic()
    ended = scene.run()
    assert time.monotonic() - began < 8
    assert (ended.code, ended.builds) == (4, ())


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "answer", "status": 405},
        {"do": "headers", "drop": ("docker-content-digest",)},
        {"do": "headers", "headers": {"Content-Length": "0"}},
    ],
    ids=["405", "no digest", "no length"],
)
def test_c11_head_says_too_little(scene: FaultScene, fault: dict[str, Any]) -> None:
    """Where a HEAD does not prove it, a GET does, and its bytes are hashed."""
    digest = ended_well(scene)
    scene.proxy.clear()
    scene.proxy.add(method="HEAD", times=1000, **fault)
    ended = scene.run()
    assert (ended.code, ended.status, ended.digest, ended.builds) == (0, "skipped", digest, ())
    assert scene.proxy.hits("GET", scene.tag)


def test_c12_warnings(scene: FaultScene) -> None:
    """A Warning header is shown once, and changes nothing."""
    scene.proxy.add("headers", headers={"Warning": '299 - "tomorrow all tags go"'}, times=1000)
    ended = scene.run()
    assert (ended.code, ended.status) == (0, "built")
    assert [text for text in ended.warnings if "tomorrow all tags go" in text] == [
        f"{scene.proxy.host}: tomorrow all tags go"
    ]


@every_request
def test_c13_lost_answer(scene: FaultScene, method: str, path: str) -> None:
    """The registry did its work and nobody heard: it is asked, and what is there is not sent again."""
    scene.proxy.add("lost", method=method, path=path)
    ended_well(scene)
    if "manifests" in path and method == "PUT":
        sent = [hit.path for hit in scene.proxy.hits(method, path)]
        assert len(sent) == len(set(sent))


def test_every_question_accepts_all_kinds(scene: FaultScene) -> None:
    """No request about a manifest is so narrow that a registry would answer with schema 1, or with a 404."""
    ended_well(scene)
    asked = scene.proxy.hits("HEAD|GET", "/manifests/")
    assert asked
    assert all(set(hit.headers["accept"].split(", ")) == set(ACCEPTED) for hit in asked)


class _RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
