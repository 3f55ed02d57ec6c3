"""Blobs: asked for, read whole, or streamed with a resume where the connection is cut.

Source: OCI distribution specification 1.1, "Pulling blobs"; RFC 9110 section 14 (Range).
"""

from __future__ import annotations

import hashlib
import json
import re
from itertools import chain
from typing import TYPE_CHECKING

from pipeline_kit.adapters.registry.failures import DoubtfulDigest, from_network, refusal
from pipeline_kit.adapters.registry.manifests import hash_like
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.errors import DigestMismatch, ManifestMissing, PipelineKitError, RegistryRefused
from pipeline_kit.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.bodies import Body
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.reference import Reference

_CONTENT_RANGE_RE = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_ABSENT_CODES = frozenset({"BLOB_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})


class Blobs:
    """The blobs of every repository; safe for use by many threads."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def has(self, reference: Reference, digest: str, *, actions: str = "pull") -> bool:
        """Return whether the blob is there. Raises RegistryRefused or RegistryUnreachable."""
        return self._session.run(reference, lambda deadline: self.has_once(reference, digest, deadline, actions))

    def has_once(self, reference: Reference, digest: str, deadline: float, actions: str = "pull") -> bool:
        """Return the same by one attempt, for a caller that retries by itself."""
        _check(digest)
        head = self._session.exchange(Call("HEAD", reference, f"blobs/{digest}", actions=actions), deadline)
        if head.status == 404 and head.is_spec_answer:  # noqa: PLR2004 - HTTP
            return False
        if head.is_success:
            return True
        # A HEAD has no body, and only an error's code tells an absence from a page of somebody else's.
        answer = self._get(reference, digest, "bytes=0-0", actions, deadline)
        if answer.stream is not None:
            answer.stream.close()
        return not _is_absent(answer, reference, digest)

    def read(self, reference: Reference, digest: str, *, limit: int) -> bytes:
        """Return a blob of at most ``limit`` bytes, verified.

        Raises ManifestMissing, another RegistryRefused, RegistryUnreachable, or DigestMismatch.
        """
        _check(digest)

        def ask(deadline: float) -> bytes:
            answer = self._session.exchange(Call("GET", reference, f"blobs/{digest}", limit=limit), deadline)
            if _is_absent(answer, reference, digest):
                raise ManifestMissing(f"{reference.name} has no blob {digest}")
            if hash_like(answer.body, digest) != digest:
                raise DoubtfulDigest(f"{reference.name}: the registry sent bytes that do not hash to {digest}")
            return answer.body

        return self._session.run(reference, ask)

    def stream(self, reference: Reference, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield the blob's bytes from ``offset``; nothing is asked before the first is wanted.

        Raises as :meth:`read` does; DigestMismatch after the last byte, and only where ``offset`` is 0.
        """
        _check(digest)
        hasher = hashlib.new(digest.partition(":")[0])
        download = _Download(self._session, self, reference, digest, offset)
        for piece in download.pieces():
            hasher.update(piece)
            yield piece
        if not offset and f"{hasher.name}:{hasher.hexdigest()}" != digest:
            raise DigestMismatch(f"{reference.name}: the registry sent bytes that do not hash to {digest}")

    def opened(self, reference: Reference, digest: str, offset: int, deadline: float) -> tuple[Body, int, int | None]:
        """Return the body that begins at ``offset`` or before it, at which byte, and how many the blob has if told."""
        answer = self._get(reference, digest, f"bytes={offset}-" if offset else "", "pull", deadline)
        if _is_absent(answer, reference, digest):
            raise ManifestMissing(f"{reference.name} has no blob {digest}")
        body = answer.stream
        if body is None:
            raise refusal(answer, reference, f"GET {reference.name}@{digest}")
        if answer.status != 206:  # noqa: PLR2004 - HTTP
            return body, 0, body.length
        found = _CONTENT_RANGE_RE.fullmatch(answer.header("content-range").strip())
        if found is not None and int(found[1]) <= offset:
            return body, int(found[1]), int(found[3]) if found[3] != "*" else None
        body.close()
        if not offset:
            raise RegistryRefused(f"GET {reference.name}@{digest}: a part was sent where the whole was asked for")
        # Some caches answer with another range than was asked for; the whole blob is right in any case.
        return self.opened(reference, digest, 0, deadline)

    def _get(self, reference: Reference, digest: str, wanted: str, actions: str, deadline: float) -> Answer:
        headers = {"Range": wanted} if wanted else {}
        call = Call("GET", reference, f"blobs/{digest}", headers, actions=actions, is_streamed=True)
        return self._session.exchange(call, deadline)


class _Download:
    """One blob on its way: where it stands, and what cut it last."""

    def __init__(self, session: Session, blobs: Blobs, reference: Reference, digest: str, offset: int) -> None:
        self._session = session
        self._blobs = blobs
        self._reference = reference
        self._digest = digest
        self._at = offset
        self._size: int | None = None
        self._cut: PipelineKitError | None = None

    def pieces(self) -> Iterator[bytes]:
        while self._size is None or self._at < self._size:
            before = self._at
            body, rest = self._session.run(self._reference, self._begin)
            try:
                for piece in rest:
                    self._at += len(piece)
                    yield piece
            except NetworkFailure as failure:
                self._cut = self._failed(failure)
                continue
            finally:
                body.close()
            if self._size is None or self._at == before:
                return

    def _begin(self, deadline: float) -> tuple[Body, Iterator[bytes]]:
        """Open at the present position and read a first piece, so that only a connection that brings bytes counts."""
        if self._cut is not None:
            # The cut of the last connection is this call's first attempt: it is waited for and noted as any other.
            failed, self._cut = self._cut, None
            raise failed
        body, start, self._size = self._blobs.opened(self._reference, self._digest, self._at, deadline)
        rest = iter(body)
        try:
            return body, chain((self._first(rest, self._at - start),), rest)
        except NetworkFailure as failure:
            body.close()
            raise self._failed(failure) from failure

    def _first(self, rest: Iterator[bytes], skip: int) -> bytes:
        """Return the first bytes after ``skip`` that are here already, ``b""`` at the end."""
        for piece in rest:
            if len(piece) > skip:
                return piece[skip:]
            skip -= len(piece)
        return b""

    def _failed(self, failure: NetworkFailure) -> PipelineKitError:
        return from_network(failure, f"GET {self._reference.name}@{self._digest} at byte {self._at}")


def parse_config(data: bytes, digest: str) -> dict[str, object]:
    """Return an image config's JSON object. Raises RegistryRefused where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryRefused(f"the image config {digest} is not a JSON object")
    return document


def _check(digest: str) -> None:
    """Raise RegistryRefused unless ``digest`` is one: it comes from manifests, and goes into a path."""
    if not is_digest(digest):
        raise RegistryRefused(f"{digest[:80]!r} is not a digest")


def _is_absent(answer: Answer, reference: Reference, digest: str) -> bool:
    """Return whether the answer says that the blob is not there. Raises RegistryRefused for any other failure."""
    if answer.is_success:
        return False
    codes = answer.codes
    is_missing = _ABSENT_CODES.intersection(codes) or (answer.is_spec_answer and not codes)
    if answer.status == 404 and is_missing:  # noqa: PLR2004 - HTTP
        return True
    raise refusal(answer, reference, f"{answer.method} {reference.name}@{digest}")
