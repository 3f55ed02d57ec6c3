"""Bodies of answers: small ones read whole up to a cap, large ones handed on piece by piece."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from pipeline_kit.adapters.registry.deadline import Limits, limited
from pipeline_kit.adapters.registry.network import network_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import urllib3

    from pipeline_kit.adapters.registry.addresses import Origin

PIECE = 256 * 1024
"""Bytes of one piece of a large body."""
_CHUNK = 64 * 1024
_SLOWEST = 32 * 1024
"""Bytes a second below which a large body is given up."""
_UNKNOWN_SECONDS = 900.0


def transfer_seconds(size: int | None) -> float:
    """Return how long a body of ``size`` bytes may take to be sent or received, ``None`` where it is not known."""
    return 60.0 + (_UNKNOWN_SECONDS if size is None else size / _SLOWEST)


class Body:
    """The body of one success, read once; ``close`` frees the connection. For one thread at a time."""

    def __init__(self, response: urllib3.BaseHTTPResponse, origin: Origin, limits: Limits) -> None:
        self._response = response
        self._origin = origin
        self._limits = limits
        length = response.headers.get("content-length", "")
        self.length = int(length) if length.isascii() and length.isdigit() else None
        """Bytes to come, ``None`` where the answer does not say."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces of at most PIECE bytes. Raises NetworkFailure.

        Only the time spent reading counts: whoever takes the pieces may be slow.
        """
        left = transfer_seconds(self.length)
        try:
            while True:
                started = self._limits.now()
                with limited(self._limits._replace(deadline=started + left)):
                    piece = self._response.read(PIECE, decode_content=False)
                left -= self._limits.now() - started
                if not piece:
                    self._response.release_conn()
                    return
                yield piece
        except (HTTPError, OSError) as error:
            raise network_failure(error, self._origin) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection unless everything was read."""
        self._response.close()


def read_whole(response: urllib3.BaseHTTPResponse, limit: int) -> tuple[bytes, bool]:
    """Return up to ``limit`` bytes of the body, and whether that is all of it; the connection is freed or closed."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := response.read(_CHUNK, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > limit:
                response.close()
                return b"".join(parts)[:limit], False
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return b"".join(parts), True


def decoded(headers: Mapping[str, str], body: bytes, limit: int) -> bytes:
    """Return the body, inflated up to ``limit`` bytes where a server compresses although it was not asked to."""
    if headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate") or not body:
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit)
    except zlib.error:
        return body
