"""One run of the main job over a registry that may fail: it plans, builds, publishes, leaves records, moves aliases.

Everything but the builder is the product's own. Builds are never the same twice, so that a needless one shows. In a
process of its own, which may be killed: ``python -m faults.runner JSON``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.build_requests import request_for

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.adapters.registry.retrying import call
from pipeline_kit.app.job import _refuse_uncertain
from pipeline_kit.content_tag import KEY_LABEL, KeyInputs
from pipeline_kit.errors import PipelineKitError, Unreachable
from pipeline_kit.execute.labels import REVISION_LABEL
from pipeline_kit.execute.records import Recorder, RunFacts
from pipeline_kit.execute.run import Run
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from pipeline_kit.plan import Candidate, decide
from pipeline_kit.ports.builder import BuildOutcome, BuildRequest
from pipeline_kit.record import Stamp
from pipeline_kit.reference import Reference
from pipeline_kit.retry import PUSHES, REQUESTS, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.plan import Plan
    from pipeline_kit.ports.builder import BuildEvent

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
ALIAS = "main"
SHARED = b"what all images share"
BRISK = RetryPolicy(base=0.05, floor=0.02, cap=1.0)
"""As many attempts as ever, with short waits."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is about: ``commit`` counts along the branch, ``keys`` gives each image's content by a number."""

    host: str
    project: str
    commit: int
    keys: Mapping[str, int]
    platforms: int = 1
    layer: int = 20_000
    """Bytes of each platform's own layer; above a mebibyte it goes in pieces."""
    is_brisk: bool = True
    needs_record: bool = False
    is_repeatable: bool = False
    """The same key is built from the same bytes, as with a layer cache; otherwise no two builds are alike."""

    def repository(self, name: str) -> Reference:
        """Return an image's repository."""
        return Reference(self.host, f"{self.project}/{name}")

    def key(self, name: str) -> str:
        """Return the whole key of an image."""
        return hashlib.sha256(f"{self.project} {name} {self.keys[name]}".encode()).hexdigest()

    def tag(self, name: str) -> str:
        """Return an image's content tag."""
        return self.key(name)[:40]


@dataclass(slots=True)
class Finish:
    """How a run ended: ``builds`` are the images built, ``sent`` the blobs uploaded, each with its image."""

    code: int = 0
    digests: dict[str, str | None] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    builds: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    """Images built although an earlier start of this very run had brought them."""
    sent: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warning: str = ""
    again: int = 0
    """How often the run had to be started anew, as its message said."""
    requests: int = 0
    retries: list[str] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0


def digest_of(data: bytes) -> str:
    """Return the sha256 digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def to_json(document: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _layer(platform: str, size: int, mark: bytes) -> bytes:
    return mark + platform.encode() * (size // len(platform))


class _Clock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(slots=True)
class PushingBuilder:
    """Pushes an image of random bytes for each request, by digest, as BuildKit does: blobs, manifests, index.

    A whole push is repeated as the real builders' are.
    """

    client: ContentClient
    order: Order
    pushes: RetryPolicy = PUSHES
    builds: list[str] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Build all; a push that fails is that image's."""
        del push, on_event
        return {request.name: self._outcome(request) for request in requests}

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Refuse: everything was pushed by digest."""
        del on_event
        raise AssertionError(request.name)

    def _outcome(self, request: BuildRequest) -> BuildOutcome:
        self.builds.append(request.name)
        host, _, path = request.repository.partition("/")
        repository = Reference(host, path)
        mark = request.labels[KEY_LABEL].encode() if self.order.is_repeatable else secrets.token_bytes(16)
        layers = {platform: _layer(platform, self.order.layer, mark) for platform in request.platforms}
        try:
            digest = call(lambda: self._pushed(repository, request, layers), self.pushes, _Clock(), lambda _: None)
        except PipelineKitError as error:
            return BuildOutcome(request.name, error=f"push: {error.message}", exit_code=error.exit_code)
        return BuildOutcome(request.name, digest, seconds=0.1)

    def _pushed(self, repository: Reference, request: BuildRequest, layers: Mapping[str, bytes]) -> str:
        children = [self._image(repository, platform, request, layers[platform]) for platform in request.platforms]
        if len(children) == 1:
            return str(children[0]["digest"])
        index = to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
        return self._put(repository, Manifest(OCI_INDEX, index))

    def _image(self, repository: Reference, platform: str, request: BuildRequest, layer: bytes) -> dict[str, Any]:
        system, _, arch = platform.partition("/")
        layers = [SHARED, layer]
        config = {
            "os": system,
            "architecture": arch,
            "config": {"Labels": dict(request.labels)},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._blob(repository, _CONFIG, to_json(config)),
            "layers": [self._blob(repository, _LAYER, layer) for layer in layers],
        }
        data = to_json(document)
        return {
            "mediaType": OCI_MANIFEST,
            "digest": self._put(repository, Manifest(OCI_MANIFEST, data)),
            "size": len(data),
            "platform": {"os": system, "architecture": arch},
        }

    def _put(self, repository: Reference, manifest: Manifest) -> str:
        return self.client.put_manifest(repository.with_digest(manifest.digest), manifest)

    def _blob(self, repository: Reference, media_type: str, data: bytes) -> dict[str, Any]:
        blob = Descriptor(media_type, digest_of(data), len(data))

        def source(offset: int) -> Iterator[bytes]:
            yield data[offset:]

        if self.client.write_blob(repository, blob, source) == "uploaded":
            self.sent.append((repository.repository.rpartition("/")[2], blob.digest))
        return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def run(order: Order, *, on_retry: Callable[[Retry], None] = lambda _: None, **members: Any) -> Finish:
    """Do the whole run and return how it ended, by the exit codes of the command; ``members`` go to the client."""
    client = ContentClient(
        environment={}, on_retry=on_retry, **{"policy": BRISK if order.is_brisk else REQUESTS, **members}
    )
    finish = Finish(began=time.monotonic())
    try:
        _run(order, client, finish)
    except PipelineKitError as error:
        finish.code, finish.errors = error.exit_code, [error.message]
    finally:
        client.close()
    finish.requests = client.statistics.requests
    finish.retries = [f"{retry.retry_class} {retry.status or ''}".strip() for retry in client.statistics.retries]
    finish.ended = time.monotonic()
    return finish


def run_until_done(order: Order) -> Finish:
    """Do the run, and start it anew where it ended with exit 4, as its message says; at most twice."""
    began = time.monotonic()
    finish = run(order)
    for again in (1, 2):
        if finish.code != Unreachable.exit_code:
            break
        before, finish = finish, run(order)
        finish.again, finish.began = again, began
        finish.needless = [name for name in finish.builds if before.digests.get(name)]
        finish.builds = [*before.builds, *finish.builds]
        finish.requests += before.requests
        finish.retries = [*before.retries, *finish.retries]
    return finish


def _run(order: Order, client: ContentClient, finish: Finish) -> None:
    plan = _plan(order, client)
    _refuse_uncertain(plan, is_read_only=False)
    commit = f"{order.commit:040x}"
    facts = RunFacts(Stamp(commit, 1_700_000_000 + order.commit, "refs/heads/main", "test", order.commit, 1))
    inputs = {name: KeyInputs(order.key(name)[:40], _platforms(order)) for name in order.keys}
    recorder = Recorder(client, facts, inputs, is_required=order.needs_record)
    job = Run(plan, client, recorder=recorder)
    builder = PushingBuilder(client, order, PUSHES._replace(base=0.1) if order.is_brisk else PUSHES)
    requests = [
        request_for(
            image,
            platforms=image.missing_platforms or image.platforms,
            labels={KEY_LABEL: str(image.key), REVISION_LABEL: commit},
        )
        for image in plan.builds
    ]
    if requests:
        job.build(builder, requests, recheck=tuple, on_event=lambda _: None)
    job.move_aliases(lambda revision: int(revision, 16) > order.commit)
    outcomes = job.outcomes
    finish.code = job.exit_code
    finish.digests = {name: outcome.digest for name, outcome in outcomes.items()}
    finish.statuses = {name: outcome.status.value for name, outcome in outcomes.items()}
    finish.aliases = {name: alias.state for name, outcome in outcomes.items() for alias in outcome.aliases}
    finish.builds, finish.sent = builder.builds, builder.sent
    finish.errors = [outcome.error for outcome in outcomes.values() if outcome.error]
    finish.errors += [alias.detail for outcome in outcomes.values() for alias in outcome.aliases if alias.error]
    finish.warning = recorder.warning


def _platforms(order: Order) -> tuple[str, ...]:
    return ("linux/amd64", "linux/arm64", "linux/riscv64")[: order.platforms]


def _plan(order: Order, client: ContentClient) -> Plan:
    tagged = [order.repository(name).with_tag(order.tag(name)) for name in order.keys]
    aliases = [order.repository(name).with_tag(ALIAS) for name in order.keys]
    answers = client.observe_all([*tagged, *aliases])
    candidates = {
        name: Candidate(
            name=name,
            repository=order.repository(name).name,
            needs=(),
            platforms=_platforms(order),
            key=order.key(name),
            tag=order.tag(name),
            verdict=answer.verdict,
            digest=answer.digest,
            detail=answer.detail,
            aliases={ALIAS: alias.digest},
        )
        for name, answer, alias in zip(order.keys, answers, answers[len(tagged) :], strict=False)
    }
    return decide(candidates, wanted=tuple(order.keys), force=False)


def main() -> int:
    """Do the run that the first argument describes and print how it ended."""
    finish = run(Order(**json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps(asdict(finish)))
    return finish.code


if __name__ == "__main__":
    sys.exit(main())
