"""Blob uploads: what is there is not sent, what can be mounted is mounted, what was cut is resumed.

Source: OCI distribution specification 1.1, "Pushing blobs", "Mounting a blob from another repository". A large blob
goes as docker sends it, in one PATCH that streams all of it and a PUT that commits: every registry takes that, and
some (ECR, Artifact Registry) take no second chunk. After a cut, the registry is asked how much it has; one that does
not say starts over.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from pipeline_kit.adapters.registry.bodies import PIECE, transfer_seconds
from pipeline_kit.adapters.registry.failures import DoubtfulDigest, TemporaryFailure, refusal
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.errors import DigestMismatch, RegistryRefused
from pipeline_kit.reference import is_digest, is_repository
from pipeline_kit.retry import RetryClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.blobs import Blobs
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.manifest import Descriptor
    from pipeline_kit.ports.registry import BlobSource
    from pipeline_kit.reference import Reference

SMALL = 1024 * 1024
"""Up to so many bytes a blob is held in memory and sent in one PUT."""
CHUNK = 1 << 30
"""Bytes of one PATCH."""
_COMMIT_RATE = 8 * 1024 * 1024
"""Bytes a second at which a registry is trusted to read what it got before it answers the commit."""
_ACTIONS = "pull,push"
_RANGE_RE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
_NO_MOUNT = frozenset({202, 400, 401, 403, 404, 405, 415, 501})
_AUTHORIZATION = frozenset({401, 403})


class Uploads:
    """Uploads into every repository; safe for use by many threads. ``chunk`` is for tests."""

    def __init__(self, session: Session, blobs: Blobs, *, chunk: int = CHUNK) -> None:
        self._session = session
        self._blobs = blobs
        self._chunk = chunk

    def write(
        self, reference: Reference, blob: Descriptor, source: BlobSource, mount_from: Sequence[str]
    ) -> Literal["present", "mounted", "uploaded"]:
        """Bring the blob there; see the port. Raises DigestMismatch, RegistryRefused, RegistryUnreachable."""
        if not is_digest(blob.digest):
            raise RegistryRefused(f"{blob.digest[:80]!r} is not a digest")
        upload = _Upload(self._session, self._blobs, reference, blob, source, self._chunk)
        for repository in dict.fromkeys(mount_from):
            # Not asked for first: a mount sends nothing, and is right as well where the blob is there already.
            if repository != reference.repository and is_repository(repository) and upload.mount(repository):
                return "mounted"
        if self._blobs.has(reference, blob.digest, actions=_ACTIONS):
            return "present"
        upload.send()
        return "uploaded"


class _SourceFailed(Exception):
    """The source of the bytes failed, which no further attempt at the registry mends."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Upload:
    """One blob on its way: the session's address, and how much of it the registry has."""

    def __init__(
        self, session: Session, blobs: Blobs, reference: Reference, blob: Descriptor, source: BlobSource, chunk: int
    ) -> None:
        self._session = session
        self._blobs = blobs
        self._reference = reference
        self._blob = blob
        self._source = source
        self._chunk = chunk
        self._location = ""
        self._offset = 0
        self._cut: TemporaryFailure | None = None
        self._has_failed = False
        self._is_doubtful = False
        self._is_told = False

    def mount(self, repository: str) -> bool:
        """Ask for the blob of another repository; return False where the registry wants it uploaded instead."""
        path = f"blobs/uploads/?{urlencode({'mount': self._blob.digest, 'from': repository})}"
        call = Call("POST", self._reference, path, _EMPTY, b"", actions=_ACTIONS, mount_from=repository)
        try:
            answer = self._session.run(self._reference, lambda deadline: self._session.exchange(call, deadline))
        except TemporaryFailure as failure:
            if failure.status is None:
                raise
            return False  # it answers, and cannot do this
        if answer.status == 201:  # noqa: PLR2004 - HTTP
            return answer.digest in (None, self._blob.digest)
        if answer.status == 202 and answer.header("location"):  # noqa: PLR2004 - HTTP
            self._location = self._session.follow(call, answer.header("location"), "upload location")
        elif answer.status not in _NO_MOUNT:
            raise refusal(answer, self._reference, call.doing)
        return False

    def send(self) -> None:
        """Upload; as long as the registry gets further, cuts do not add up."""
        seconds = transfer_seconds(self._blob.size) + self._commit_seconds()
        while True:
            reached = self._offset
            try:
                self._session.run(self._reference, self._attempt, seconds=seconds)
            except _SourceFailed as failure:
                raise failure.error from None
            except TemporaryFailure as failure:
                if self._offset <= reached:
                    raise
                self._cut = failure
            else:
                return

    def _attempt(self, deadline: float) -> None:
        if self._cut is not None:
            # The last failure before is this call's first attempt: it is waited for and noted as any other.
            failed, self._cut = self._cut, None
            raise failed
        try:
            if self._has_failed and self._blobs.has_once(self._reference, self._blob.digest, deadline, _ACTIONS):
                return  # the answer to the commit was lost, or another run brought the same blob
            self._continue(deadline)
        except Exception:
            self._has_failed = self._is_doubtful = True
            raise

    def _continue(self, deadline: float) -> None:
        self._is_told = bool(self._location) and self._is_doubtful
        if self._is_told:
            self._ask_status(deadline)
        if not self._location:
            self._start(deadline)
        self._is_doubtful = False
        if self._blob.size <= SMALL and not self._offset:
            self._commit(self._whole(), deadline)
            return
        while self._offset < self._blob.size:
            self._send_chunk(deadline)
        self._commit(b"", deadline)

    def _start(self, deadline: float) -> None:
        call = Call("POST", self._reference, "blobs/uploads/", _EMPTY, b"", actions=_ACTIONS)
        answer = self._session.exchange(call, deadline)
        self._offset = 0
        if answer.status != 202:  # noqa: PLR2004 - HTTP
            raise refusal(answer, self._reference, call.doing)
        self._move(call, answer)
        if not self._location:
            raise RegistryRefused(f"{call.doing}: the registry does not say where to upload to")

    def _move(self, call: Call, answer: Answer) -> None:
        """Go on at the address of the answer: every answer about an upload may name another one."""
        if answer.header("location"):
            self._location = self._session.follow(call, answer.header("location"), "upload location")

    def _ask_status(self, deadline: float) -> None:
        """Find out how much the registry has; one that has forgotten the upload, or does not say, starts anew."""
        call = Call("GET", self._reference, "blobs/uploads/…", url=self._location, actions=_ACTIONS)
        try:
            answer = self._session.exchange(call, deadline)
        except TemporaryFailure as failure:
            if failure.status != 404:  # noqa: PLR2004 - BLOB_UPLOAD_UNKNOWN is as temporary as a 503
                raise
            answer = None
        received = _received(answer) if answer is not None and answer.status in (200, 204) else None
        if answer is None or received is None or received > self._blob.size:
            self._restart()
            return
        self._offset = received
        self._move(call, answer)

    def _restart(self) -> None:
        self._location, self._offset = "", 0

    def _send_chunk(self, deadline: float) -> None:
        begin, end = self._offset, min(self._offset + self._chunk, self._blob.size)
        headers = {**_BYTES, "Content-Length": str(end - begin), "Content-Range": f"{begin}-{end - 1}"}
        call = self._call("PATCH", headers, lambda: self._pieces(begin, end))
        answer = self._session.exchange(call, deadline)
        if answer.status == 416:  # noqa: PLR2004 - HTTP
            if self._is_told:
                self._restart()  # it has just said what it has, and that was not it
            raise TemporaryFailure(
                f"{call.doing}: the registry has another part of it than was thought",
                retry_class=RetryClass.TRANSIENT_HTTP,
                status=416,
            )
        if answer.status not in (201, 202, 204):  # ECR answers 201
            self._refuse(call, answer, begin)
        received = _received(answer)
        if received is not None and not begin < received <= end:
            # ECR takes the first chunk and drops every other without a word.
            self._restart()
            raise TemporaryFailure(
                f"{call.doing}: {received} bytes arrived where {end} were due", retry_class=RetryClass.TRANSIENT_HTTP
            )
        self._offset = end if received is None else received
        self._move(call, answer)

    def _refuse(self, call: Call, answer: Answer, begin: int) -> None:
        """Raise for a refused chunk; one that is not the first is once more tried in one piece with all others."""
        if not begin or answer.status in _AUTHORIZATION or self._chunk >= self._blob.size:
            raise refusal(answer, self._reference, call.doing)
        self._chunk = self._blob.size
        self._restart()
        raise TemporaryFailure(
            f"{call.doing}: {answer.describe()}", retry_class=RetryClass.TRANSIENT_HTTP, status=answer.status
        )

    def _commit(self, body: bytes, deadline: float) -> None:
        separator = "&" if "?" in self._location else "?"
        headers = {**_BYTES, "Content-Length": str(len(body))}
        call = self._call("PUT", headers, body, separator + urlencode({"digest": self._blob.digest}))
        answer = self._session.exchange(call, deadline)
        if answer.status in (201, 204):
            if answer.digest in (None, self._blob.digest):
                return
            raise DigestMismatch(f"{call.doing}: the registry stored {answer.digest}, not {self._blob.digest}")
        self._restart()
        if "DIGEST_INVALID" in answer.codes or answer.status == 416:  # noqa: PLR2004 - HTTP
            raise DoubtfulDigest(f"{call.doing}: the bytes do not make {self._blob.digest}: {answer.describe()}")
        raise refusal(answer, self._reference, call.doing)

    def _call(
        self, method: str, headers: dict[str, str], body: bytes | Callable[[], Iterator[bytes]], more: str = ""
    ) -> Call:
        silence = max(60.0, self._commit_seconds())
        return Call(
            method,
            self._reference,
            f"blob {self._blob.digest}",
            headers,
            body,
            actions=_ACTIONS,
            url=self._location + more,
            read_seconds=silence,
        )

    def _commit_seconds(self) -> float:
        return self._blob.size / _COMMIT_RATE

    def _whole(self) -> bytes:
        """Return the small blob, checked before anything is sent of it."""
        data = b"".join(self._pieces(0, self._blob.size))
        algorithm = self._blob.digest.partition(":")[0]
        if f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}" != self._blob.digest:
            raise DigestMismatch(f"the bytes to upload do not make {self._blob.digest}")
        return data

    def _pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield the source's bytes from ``begin`` up to ``end``. Raises _SourceFailed, also when there are too few."""
        at = begin
        try:
            for given in self._source(begin):
                for start in range(0, len(given), PIECE):
                    piece = given[start : min(start + PIECE, start + end - at)]
                    at += len(piece)
                    yield piece
                    if at == end:
                        return
        except Exception as error:
            raise _SourceFailed(error) from error
        if at < end:
            short = DigestMismatch(f"{at} bytes were given of {self._blob.digest}, which has {self._blob.size}")
            raise _SourceFailed(short)


_EMPTY = {"Content-Length": "0"}
_BYTES = {"Content-Type": "application/octet-stream"}


def _received(answer: Answer) -> int | None:
    """Return how many bytes the answer's Range says have arrived, ``None`` where it says nothing that can be read.

    Range ends at the last byte, so that ``0-0`` should be one; every registry says so of none.
    """
    found = _RANGE_RE.fullmatch(answer.header("range").strip())
    if found is None:
        return None
    last = int(found[1])
    return last + 1 if last else 0
