"""Manifests over the distribution API: asked for, read, written and proven, once each; the client retries.

Source: OCI distribution specification 1.1, "Pulling manifests", "Pushing manifests". Unknown is not absent: only a
404 that is truly a registry's, about a manifest, says absent (design D5).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pipeline_kit.adapters.registry.failures import DoubtfulDigest, TemporaryFailure, evidence_of, refusal
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.errors import ManifestMissing, RegistryRefused, TagConflict
from pipeline_kit.manifest import ACCEPTED, MAX_BYTES, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation
from pipeline_kit.retry import RetryClass, classify

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.reference import Reference

_ACCEPT = {"Accept": ", ".join(ACCEPTED)}
_SCHEMA_1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)


class Manifests:
    """One attempt at each thing that is done with a manifest; ``deadline`` is a time of the session's clock."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def observe(self, reference: Reference, deadline: float, actions: str = "pull") -> Observation:
        """Return that ``reference`` is present, by one request where a HEAD proves it. Raises ManifestMissing."""
        return self.look(reference, deadline, actions) or self.prove(reference, deadline, actions)

    def look(self, reference: Reference, deadline: float, actions: str = "pull") -> Observation | None:
        """Return that ``reference`` is present where a HEAD proves it, ``None`` where only a GET can tell."""
        head = self._ask("HEAD", reference, deadline, actions)
        if head.status == 200 and _is_proof(head, reference):  # noqa: PLR2004 - HTTP
            return Observation(Verdict.PRESENT, head.digest, head.media_type)
        # A 401 without a challenge is not cured by logging in; what it is about stands in a body only.
        if head.status == 401 and head.header("www-authenticate"):  # noqa: PLR2004 - HTTP
            raise refusal(head, reference, f"HEAD {reference}")
        return None

    def prove(self, reference: Reference, deadline: float, actions: str = "pull") -> Observation:
        """Return by a GET that ``reference`` is present. Raises ManifestMissing."""
        manifest = self.read(reference, deadline, actions)
        digest = hash_like(manifest.data, reference.digest) if reference.digest else manifest.digest
        return Observation(Verdict.PRESENT, digest, manifest.media_type)

    def _ask(self, method: str, reference: Reference, deadline: float, actions: str = "pull") -> Answer:
        path = f"manifests/{reference.identifier}"
        call = Call(method, reference, path, _ACCEPT, actions=actions, limit=MAX_BYTES)
        return self._session.exchange(call, deadline)

    def read(self, reference: Reference, deadline: float, actions: str = "pull") -> Manifest:
        """Return the manifest, verified. Raises ManifestMissing, RegistryRefused or DoubtfulDigest."""
        answer = self._ask("GET", reference, deadline, actions)
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise refusal(answer, reference, f"GET {reference}")
        manifest = Manifest(_media_type(answer, reference), answer.body)
        for digest in (reference.digest, answer.digest):
            if digest is not None and hash_like(answer.body, digest) != digest:
                raise DoubtfulDigest(f"{reference}: the registry sent bytes that do not hash to {digest}")
        return manifest

    def write(
        self,
        reference: Reference,
        manifest: Manifest,
        deadline: float,
        *,
        is_asked: bool = False,
        over: Collection[str | None] | None = None,
    ) -> str:
        """Bring the manifest there unless it is there; return its digest, proven. Raises as the client says."""
        if not is_asked and is_done(reference, manifest, self._digest_at(reference, deadline), over):
            return manifest.digest
        answer = self.put(reference, manifest, deadline)
        if not answer.is_success and classify(evidence_of(answer, reference.host)) is not RetryClass.CONFLICT:
            raise refusal(answer, reference, f"PUT {reference} ({len(manifest.data)} bytes)")
        return self._proven(reference, manifest, answer, deadline, is_stored=answer.is_success)

    def put(self, reference: Reference, manifest: Manifest, deadline: float) -> Answer:
        """PUT the very bytes and return what the registry answers."""
        path = f"manifests/{reference.identifier}"
        headers = {"Content-Type": manifest.media_type}
        call = Call("PUT", reference, path, headers, manifest.data, actions="pull,push")
        return self._session.exchange(call, deadline)

    def _proven(
        self, reference: Reference, manifest: Manifest, answer: Answer, deadline: float, *, is_stored: bool
    ) -> str:
        is_doubtful = is_stored and answer.digest not in (None, manifest.digest)
        # A registry that misnames what it got is not believed in a HEAD either: only the bytes count then.
        found = self.read(reference, deadline).digest if is_doubtful else self._digest_at(reference, deadline)
        if found == manifest.digest:
            return found
        if is_stored and found is None:
            raise TemporaryFailure(
                f"PUT {reference}: stored, and not there afterwards", retry_class=RetryClass.TRANSIENT_HTTP
            )
        if not is_stored and found is None:
            raise refusal(answer, reference, f"PUT {reference} ({len(manifest.data)} bytes)")
        told = "the registry stored something else" if is_stored else f"refused: {answer.describe()}"
        raise TagConflict(
            f"{reference} holds {found or 'nothing'}, not {manifest.digest} ({told})",
            hint="another run pushed other content under this name; look at both digests before deleting either",
        )

    def _digest_at(self, reference: Reference, deadline: float) -> str | None:
        try:
            return self.observe(reference, deadline, "pull,push").digest
        except ManifestMissing:
            return None


def is_done(reference: Reference, manifest: Manifest, held: str | None, over: Collection[str | None] | None) -> bool:
    """Return whether ``reference``, holding ``held``, is right already. Raises TagConflict unless ``over`` has it."""
    if held == manifest.digest:
        return True
    if over is not None and held not in over:
        raise TagConflict(
            f"{reference} holds {held or 'nothing'} by now, so {manifest.digest} was not written over it",
            hint="another run was faster",
        )
    return False


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


def hash_like(data: bytes, digest: str) -> str:
    """Return the digest of ``data`` by the algorithm of ``digest`` (which is one)."""
    algorithm = digest.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
