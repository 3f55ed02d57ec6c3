"""Engine pushes under faults (rows E2, E3, E10): a real engine, whose errors are in its stream only.

The engine pushes the classic way (layers, manifest, tag) through the proxy; the registry alone says what became of it.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fault_proxy import FaultProxy
from faults.scene import SPEC, errors

from pipeline_kit.adapters.builders.push import Pusher
from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.builder import BuildRequest
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


@dataclass
class Push:
    """A local image, the way to push it, and what the registry then holds."""

    environ: dict[str, str]
    proxy: FaultProxy
    client: ContentClient
    past: ContentClient
    repository: str
    clock: FakeClock = field(default_factory=FakeClock)
    retries: list[str] = field(default_factory=list)

    def make(self, folder: Path) -> None:
        """Build the image in the engine."""
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
        (folder / "file").write_text(secrets.token_hex(2000))
        words = ["docker", "build", "--quiet", "--tag", f"{self.repository}:t", str(folder)]
        subprocess.run(words, env=self.environ, check=True, capture_output=True)

    def run(self) -> str | int:
        """Push and return the digest, or the exit code of what it ended with."""
        request = BuildRequest("app", "/", "/", None, {}, {}, ("linux/amd64",), {}, self.repository, "t")
        pusher = Pusher(
            environ=lambda: self.environ,
            clock=self.clock,
            observe=self.observe,
            credentials=lambda _: None,
            probe=self.probe,
            on_retry=lambda _, retry: self.retries.append(retry.retry_class),
        )
        try:
            return pusher.push(request, lambda _: None)
        except PipelineKitError as error:
            return error.exit_code

    def observe(self, reference: str) -> str | None:
        """Ask through the proxy, as a run does."""
        answer = self.client.observe(parse_reference(reference))
        require_certain(answer, parse_reference(reference))
        return answer.digest

    def probe(self, repository: str) -> bool | None:
        """Ask whether the registry answers for the repository."""
        verdict = self.client.observe(parse_reference(repository)).verdict
        return None if verdict is Verdict.UNKNOWN else verdict is not Verdict.DENIED

    def there(self) -> str | None:
        """Return what the tag names, past the proxy."""
        _, _, path = self.repository.partition("/")
        return self.past.observe(parse_reference(f"{self.proxy.upstream}/{path}:t")).digest


@pytest.fixture
def push(tmp_path: Path, registry_host: str, engine_env: dict[str, str]) -> Iterator[Push]:
    """Give an image in the engine that no registry has."""
    with FaultProxy(registry_host) as proxy:
        clock = FakeClock()
        client, past = ContentClient(environment={}, clock=clock), ContentClient(environment={})
        made = Push(engine_env, proxy, client, past, f"{proxy.host}/push-{secrets.token_hex(6)}/app")
        made.make(tmp_path)
        yield made
        client.close()
        past.close()


BLOB, MANIFEST, TAG = "/blobs/uploads/", r"/manifests/", r"/manifests/t$"


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "answer", "method": "PUT|PATCH", "path": BLOB, "status": 503},
        {"do": "reset", "method": "PUT|PATCH", "path": BLOB, "keep": 1000},
        {"do": "answer", "method": "POST", "path": BLOB, "status": 429, "headers": {"Retry-After": "2"}},
        {"do": "lost", "method": "PUT", "path": BLOB},
        {"do": "answer", "method": "PUT", "path": MANIFEST, "status": 503},
        {"do": "answer", "method": "PUT", "path": MANIFEST, "status": 502, "body": b"<html>"},
        {"do": "answer", "method": "PUT", "path": MANIFEST, "status": 429},
        {"do": "reset", "method": "PUT", "path": MANIFEST},
        {"do": "lost", "method": "PUT", "path": MANIFEST},
        {"do": "answer", "method": "HEAD", "path": "/blobs/", "status": 503},
        {"do": "headers", "method": "PUT", "path": TAG, "headers": {"docker-content-digest": f"sha256:{'2' * 64}"}},
    ],
    ids=lambda rule: f"{rule['method']} {rule['path'].strip('/')} {rule['do']} {rule.get('status', '')}".strip(),
)
def test_e3_once(push: Push, rule: dict[str, Any]) -> None:
    """What fails once is pushed in the end, whatever the engine makes of it; the digest is the registry's."""
    push.proxy.add(**rule)
    digest = push.run()
    if digest != push.there():  # an engine may write once more after it has given up: a run looks again before it ends
        time.sleep(1)
        digest = push.observe(f"{push.repository}:t") or ""
    assert digest == push.there()
    assert isinstance(digest, str)


@pytest.mark.parametrize(
    ("rule", "code", "retries"),
    [
        ({"status": 503}, 4, 3),
        ({"status": 429}, 4, 3),
        ({"status": 403, "body": errors("DENIED", "no"), "headers": SPEC}, 3, 0),
        ({"status": 401, "body": errors("UNAUTHORIZED", "who?"), "headers": SPEC}, 3, 0),
        ({"status": 413, "body": errors("SIZE_INVALID", "too large"), "headers": SPEC}, 3, 0),
    ],
    ids=["503", "429", "403", "401", "413"],
)
def test_e3_always(push: Push, rule: dict[str, Any], code: int, retries: int) -> None:
    """An error that the engine tells in its stream alone is one here: its code, its retries, and no tag."""
    push.proxy.add("answer", method="PUT|POST|PATCH", times=10_000, **rule)
    assert push.run() == code
    assert len(push.retries) == retries
    assert push.there() is None


def test_e10_no_such_image(push: Push) -> None:
    """An image that the engine does not have is an error of the work, at once: exit 1, nothing pushed."""
    push.repository += "-gone"
    assert (push.run(), push.retries) == (1, [])
    assert push.there() is None


def test_e2_the_tag_is_there_although_all_failed(push: Push) -> None:
    """Where every answer to the last request is lost, asking the registry tells that it is done."""
    push.proxy.add("lost", method="PUT", path=MANIFEST, times=1000)
    assert push.run() == push.there() is not None
