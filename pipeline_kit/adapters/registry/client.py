"""The distribution API as the main job needs it: verdicts, manifests, proven writes.

Source: OCI distribution specification 1.1, "Pulling manifests", "Pushing manifests". Unknown is not absent: only a
404 that is truly a registry's, about a manifest, says absent (design D5).
"""

from __future__ import annotations

import hashlib
import json
import os
import random as _random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.adapters.registry.credentials import CredentialChain, DockerConfig
from pipeline_kit.adapters.registry.failures import (
    DoubtfulDigest,
    TemporaryFailure,
    evidence_of,
    refusal,
)
from pipeline_kit.adapters.registry.session import Call, Session
from pipeline_kit.adapters.registry.tokens import Authorizer
from pipeline_kit.adapters.registry.transport import Transport
from pipeline_kit.errors import Conflict, ManifestMissing, RegistryRefused, TagConflict, Unreachable
from pipeline_kit.manifest import ACCEPTED, MAX_BYTES, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation, Registry
from pipeline_kit.retry import REQUESTS, RetryClass, RetryPolicy, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.credentials import CredentialSource
    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.adapters.registry.session import Statistics
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.reference import Reference

CONNECTIONS = 32
_ACCEPT = {"Accept": ", ".join(ACCEPTED)}
_SCHEMA_1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)


class _SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def _silent(retry: Retry) -> None:
    del retry


class RegistryClient:
    """Every registry of a run behind the :class:`~pipeline_kit.ports.Registry` port; safe for use by many threads.

    ``environment`` gives proxies and Docker's configuration file; ``plain_http`` names hosts (``host[:port]``) that
    are spoken to without TLS, as loopback always is; ``on_retry`` is called, from any thread, before each wait.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        credentials: CredentialSource | None = None,
        plain_http: Collection[str] = (),
        connections: int = CONNECTIONS,
        policy: RetryPolicy = REQUESTS,
        random: Callable[[], float] = _random.random,
        on_retry: Callable[[Retry], None] = _silent,
        transport: Transport | None = None,
    ) -> None:
        clock = clock or _SystemClock()
        environment = os.environ if environment is None else environment
        self._connections = connections
        self._transport = transport or Transport(
            clock=clock, environment=environment, plain_http=plain_http, connections=connections
        )
        self._authorizer = Authorizer(
            transport=self._transport,
            credentials=credentials or CredentialChain((DockerConfig(environment), EcrCredentials())),
            clock=clock,
            plain_http=plain_http,
        )
        self._session = Session(
            transport=self._transport,
            authorizer=self._authorizer,
            clock=clock,
            policy=policy,
            random=random,
            on_retry=on_retry,
            plain_http=plain_http,
        )

    @property
    def statistics(self) -> Statistics:
        """Return what was sent, retried and warned about so far."""
        return self._session.statistics

    @property
    def session(self) -> Session:
        """Return the session, for requests beyond this port (blobs, tags, referrers)."""
        return self._session

    def observe(self, reference: Reference) -> Observation:
        """Return the verdict about ``reference``, which takes one request, or two when it is absent; see the port."""
        try:
            return self._session.run(reference, lambda deadline: self._observe_once(reference, deadline))
        except ManifestMissing as error:
            return Observation(Verdict.ABSENT, detail=error.message)
        except RegistryRefused as error:
            return Observation(Verdict.DENIED, detail=error.message, hint=error.hint or "")
        except (Unreachable, Conflict) as error:
            return Observation(Verdict.UNKNOWN, detail=error.message, hint=error.hint or "")

    def observe_all(self, references: Iterable[Reference]) -> list[Observation]:
        """Return the verdicts in the order of ``references``: in parallel, equal ones asked once, tokens shared."""
        wanted = list(references)
        unique = list(dict.fromkeys(wanted))
        for host in {reference.host for reference in unique}:
            self._authorizer.expect(host, [item.repository for item in unique if item.host == host])
        verdicts = dict(zip(unique, self._observed(unique), strict=True))
        return [verdicts[reference] for reference in wanted]

    def _observed(self, references: Sequence[Reference]) -> list[Observation]:
        if len(references) < 2:  # noqa: PLR2004 - one needs no thread
            return [self.observe(reference) for reference in references]
        with ThreadPoolExecutor(min(self._connections, len(references)), "registry") as pool:
            futures = [pool.submit(self.observe, reference) for reference in references]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._transport.abort()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index, verified against its digest.

        Raises ManifestMissing, another RegistryRefused, RegistryUnreachable, or DigestMismatch.
        """
        return self._session.run(reference, lambda deadline: self._get(reference, deadline))

    def config(self, reference: Reference, descriptor_digest: str) -> Mapping[str, object]:
        """Return the image config blob ``descriptor_digest`` of the repository as parsed JSON, verified.

        Raises as :meth:`manifest` does.
        """
        data = self._session.run(reference, lambda deadline: self._blob(reference, descriptor_digest, deadline))
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise RegistryRefused(f"the image config {descriptor_digest} is not a JSON object")
        return document

    def put_manifest(self, reference: Reference, manifest: Manifest) -> str:
        """PUT the very bytes under a tag or their digest and return the digest, proven by a HEAD afterwards.

        What is there already is not sent again. A lost answer, or an immutable tag's refusal, is success when the
        digest is there. Raises TagConflict, DigestMismatch, RegistryRefused or RegistryUnreachable.
        """
        if len(manifest.data) > MAX_BYTES:
            raise RegistryRefused(f"the manifest for {reference} has {len(manifest.data)} bytes, more than {MAX_BYTES}")
        if reference.digest and reference.digest != manifest.digest:
            raise RegistryRefused(f"{reference} cannot hold a manifest whose digest is {manifest.digest}")
        try:
            return self._session.run(reference, lambda deadline: self._put_once(reference, manifest, deadline))
        except TemporaryFailure:
            # The last answer may have been lost although the registry did its work.
            if self.observe(reference).digest == manifest.digest:
                return manifest.digest
            raise

    def abort(self) -> None:
        """End every request of every thread within about a second; no later one is sent."""
        self._transport.abort()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def _observe_once(self, reference: Reference, deadline: float, actions: str = "pull") -> Observation:
        head = self._ask("HEAD", reference, deadline, actions)
        if head.status == 200 and _is_proof(head, reference):  # noqa: PLR2004 - HTTP
            return Observation(Verdict.PRESENT, head.digest, head.media_type)
        if head.status == 401:  # noqa: PLR2004 - HTTP
            raise refusal(head, reference, f"HEAD {reference}")
        manifest = self._get(reference, deadline, actions)
        digest = _hash(manifest.data, reference.digest) if reference.digest else manifest.digest
        return Observation(Verdict.PRESENT, digest, manifest.media_type)

    def _ask(self, method: str, reference: Reference, deadline: float, actions: str = "pull") -> Answer:
        path = f"manifests/{reference.identifier}"
        call = Call(method, reference, path, _ACCEPT, actions=actions, limit=MAX_BYTES)
        return self._session.exchange(call, deadline)

    def _get(self, reference: Reference, deadline: float, actions: str = "pull") -> Manifest:
        answer = self._ask("GET", reference, deadline, actions)
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise refusal(answer, reference, f"GET {reference}")
        manifest = Manifest(_media_type(answer, reference), answer.body)
        for digest in (reference.digest, answer.digest):
            if digest is not None and _hash(answer.body, digest) != digest:
                raise DoubtfulDigest(f"{reference}: the registry sent bytes that do not hash to {digest}")
        return manifest

    def _blob(self, reference: Reference, digest: str, deadline: float) -> bytes:
        answer = self._session.exchange(Call("GET", reference, f"blobs/{digest}", limit=MAX_BYTES), deadline)
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise refusal(answer, reference, f"GET {reference.name}@{digest}")
        if _hash(answer.body, digest) != digest:
            raise DoubtfulDigest(f"{reference.name}: the registry sent bytes that do not hash to {digest}")
        return answer.body

    def _put_once(self, reference: Reference, manifest: Manifest, deadline: float) -> str:
        if self._digest_at(reference, deadline) == manifest.digest:
            return manifest.digest
        answer = self._session.exchange(
            Call(
                "PUT",
                reference,
                f"manifests/{reference.identifier}",
                {"Content-Type": manifest.media_type},
                manifest.data,
                actions="pull,push",
            ),
            deadline,
        )
        is_stored = 200 <= answer.status < 300  # noqa: PLR2004 - HTTP
        if not is_stored and classify(evidence_of(answer, reference.host)) is not RetryClass.CONFLICT:
            raise refusal(answer, reference, f"PUT {reference} ({len(manifest.data)} bytes)")
        return self._proven(reference, manifest, answer, deadline, is_stored=is_stored)

    def _proven(
        self, reference: Reference, manifest: Manifest, answer: Answer, deadline: float, *, is_stored: bool
    ) -> str:
        is_doubtful = is_stored and answer.digest not in (None, manifest.digest)
        # A registry that misnames what it got is not believed in a HEAD either: only the bytes count then.
        found = self._get(reference, deadline).digest if is_doubtful else self._digest_at(reference, deadline)
        if found == manifest.digest:
            return found
        if is_stored and found is None:
            raise TemporaryFailure(
                f"PUT {reference}: stored, and not there afterwards", retry_class=RetryClass.TRANSIENT_HTTP
            )
        told = "the registry stored something else" if is_stored else f"refused: {answer.describe()}"
        raise TagConflict(
            f"{reference} holds {found or 'nothing'}, not {manifest.digest} ({told})",
            hint="another run pushed other content under this name; look at both digests before deleting either",
        )

    def _digest_at(self, reference: Reference, deadline: float) -> str | None:
        try:
            return self._observe_once(reference, deadline, "pull,push").digest
        except ManifestMissing:
            return None


def _is_proof(head: Answer, reference: Reference) -> bool:
    """Return whether a HEAD's answer suffices; what it leaves open (schema 1, a missing digest), a GET settles."""
    is_complete = head.media_type in ACCEPTED and head.header("content-length") != "0"
    return is_complete and head.digest is not None and reference.digest in (None, head.digest)


def _media_type(answer: Answer, reference: Reference) -> str:
    """Return which of the accepted types a body is. Raises RegistryRefused for schema 1 and for anything else."""
    if answer.media_type in ACCEPTED:
        return answer.media_type
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    said = document.get("mediaType") if isinstance(document, dict) else None
    is_schema_1 = isinstance(document, dict) and document.get("schemaVersion") == 1
    if is_schema_1 or answer.media_type in _SCHEMA_1:
        raise RegistryRefused(
            f"{reference} is too old an image (manifest schema 1)", hint="build and push it again with BuildKit"
        )
    if isinstance(said, str) and said in ACCEPTED:
        return said
    hint = f"check that {reference.host} is the registry's own address, without a proxy or login page before it"
    raise RegistryRefused(f"{reference}: the answer is not an image manifest", hint=hint)


def _hash(data: bytes, digest: str) -> str:
    """Return the digest of ``data`` by the algorithm of ``digest``."""
    algorithm = digest.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


_conforms: type[Registry] = RegistryClient
