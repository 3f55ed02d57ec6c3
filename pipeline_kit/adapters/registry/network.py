"""How a request ends without a usable answer: from urllib3's and Python's exceptions to one kind and a safe text."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    InvalidChunkLength,
    NameResolutionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from pipeline_kit.adapters.registry.deadline import Aborted, DeadlineExceeded
from pipeline_kit.retry import FailureKind

if TYPE_CHECKING:
    from pipeline_kit.adapters.registry.addresses import Origin


class NetworkFailure(Exception):
    """A request ended without a usable answer; the text names no secret."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def network_failure(error: HTTPError | OSError, origin: Origin) -> NetworkFailure:
    """Return what ``error`` in an exchange with ``origin`` is."""
    kind = _kind(error)
    cause = _chain(error)[-1]
    reason = getattr(cause, "strerror", None) or getattr(cause, "verify_message", None) or type(cause).__name__
    return NetworkFailure(kind, f"{kind}: {origin.host}:{origin.port} ({reason})")


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while True:
        last = chain[-1]
        inner = next((item for item in last.args if isinstance(item, BaseException)), None)
        following = inner or last.__cause__ or last.__context__
        if following is None or following in chain:
            return chain
        chain.append(following)


_KINDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FailureKind], ...] = (
    ((DeadlineExceeded, Aborted), FailureKind.DEADLINE),
    (ssl.SSLCertVerificationError, FailureKind.TLS_VERIFICATION),
    (NameResolutionError, FailureKind.NAME_RESOLUTION),
    ((ssl.SSLError, SSLError), FailureKind.TLS_HANDSHAKE),
    (ConnectionError, FailureKind.CONNECTION),
    ((ReadTimeoutError, ConnectTimeoutError, TimeoutError), FailureKind.TIMEOUT),
    ((IncompleteRead, InvalidChunkLength), FailureKind.SHORT_BODY),
)


def _kind(error: BaseException) -> FailureKind:
    chain = _chain(error)
    for types, kind in _KINDS:
        if any(isinstance(item, types) for item in chain):
            return kind
    if any(isinstance(item, ProxyError) for item in chain):
        is_refused = any("Tunnel connection failed: 4" in str(item) for item in chain)
        return FailureKind.PROXY_REFUSED if is_refused else FailureKind.CONNECTION
    return FailureKind.CONNECTION if any(isinstance(item, OSError) for item in chain) else FailureKind.PROTOCOL
