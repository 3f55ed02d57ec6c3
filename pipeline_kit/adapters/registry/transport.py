"""One HTTP request over kept connections: redirects, caps, deadlines, proxies; no retries, no authentication.

Sources: OCI distribution specification; RFC 9110 section 15.4 (redirects). What a registry sends is untrusted.
"""

from __future__ import annotations

import ssl
import threading
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import urllib3
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

from pipeline_kit.adapters.registry.addresses import Origin, check_target, origin_of
from pipeline_kit.adapters.registry.answers import SMALL_BODY, Answer
from pipeline_kit.adapters.registry.deadline import LIMITS, READ_SECONDS, Aborted, DeadlineExceeded, Pool, TlsPool
from pipeline_kit.adapters.registry.proxies import proxy_for
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.retry import FailureKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pipeline_kit.ports.clock import Clock

CONNECT_SECONDS = 5.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 64 * 1024
_PRIVATE_HEADERS = frozenset({"authorization", "cookie"})


class NetworkFailure(Exception):
    """A request ended without a usable answer; the text names no secret."""

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request on behalf of ``registry`` (``host[:port]``); ``limit`` caps the body of a success, in bytes."""

    method: str
    url: str
    registry: str
    headers: Mapping[str, str]
    body: bytes | None = None
    limit: int = SMALL_BODY


class Transport:
    """Kept connections to any number of hosts; safe for use by many threads.

    ``read_seconds`` is the longest silence; ``ca_file`` adds to nothing: it replaces the system's certificates.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        plain_http: Collection[str] = (),
        connections: int = 32,
        read_seconds: float = READ_SECONDS,
        ca_file: str | None = None,
        user_agent: str = "pipeline-kit",
    ) -> None:
        self._clock = clock
        self._environment = environment
        self._plain_http = frozenset(plain_http)
        self._options: dict[str, Any] = {"num_pools": 64, "maxsize": connections, "block": False, "retries": False}
        self._ca_file = ca_file
        self._read_seconds = read_seconds
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._managers: dict[str | None, urllib3.PoolManager] = {}
        self._aborted = threading.Event()
        self._requests = 0

    @property
    def requests(self) -> int:
        """Return how many HTTP requests were sent."""
        return self._requests

    def send(self, request: Outgoing, deadline: float) -> Answer:
        """Send, follow redirects, read the body; ``deadline`` is a time of the clock's ``monotonic``.

        Raises NetworkFailure, or RegistryRefused for a redirect that must not be followed and for a body above its cap.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send_once(request, deadline)
            target = self._redirect(request, answer)
            if target is None:
                return answer
            request = target
        raise RegistryRefused(f"the registry redirects more than {_MAX_REDIRECTS} times")

    def abort(self) -> None:
        """Make every request of every thread fail within about a second, and every later one at once."""
        self._aborted.set()

    @property
    def is_aborted(self) -> bool:
        """Return whether ``abort`` was called."""
        return self._aborted.is_set()

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    def _send_once(self, request: Outgoing, deadline: float) -> Answer:
        LIMITS.deadline, LIMITS.read_seconds = deadline, self._read_seconds
        LIMITS.now, LIMITS.is_aborted = self._clock.monotonic, self._aborted.is_set
        remaining = deadline - self._clock.monotonic()
        if self._aborted.is_set() or remaining <= 0:
            raise NetworkFailure(FailureKind.DEADLINE, "no time is left")
        seconds = min(CONNECT_SECONDS, remaining)
        origin = origin_of(request.url)
        try:
            response = self._manager(origin).request(
                request.method,
                request.url,
                body=request.body,
                headers={"User-Agent": self._user_agent, **request.headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=seconds, read=min(self._read_seconds, remaining)),
            )
            return _answer(request, response)
        except (HTTPError, OSError) as error:
            raise _failure(error, origin) from error

    def _manager(self, origin: Origin) -> urllib3.PoolManager:
        proxy = proxy_for(origin, self._environment)
        with self._lock:
            self._requests += 1
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            return self._managers[proxy]

    def _new_manager(self, proxy: str | None) -> urllib3.PoolManager:
        tls: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": self._ca_file} if self._ca_file else {}
        if proxy is None:
            manager = urllib3.PoolManager(**self._options, **tls)
        else:
            credentials = urllib3.util.parse_url(proxy).auth
            headers = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
            manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **self._options, **tls)
        manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
        return manager

    def _redirect(self, request: Outgoing, answer: Answer) -> Outgoing | None:
        location = answer.header("location")
        if answer.status not in _REDIRECTS or not location:
            return None
        if request.method not in ("GET", "HEAD"):
            raise RegistryRefused(f"the registry redirects a {request.method}")
        url = urljoin(request.url, location)
        target = check_target(url, registry=request.registry, plain_http=self._plain_http, what="redirect")
        here = origin_of(request.url)
        if here.scheme == "https" and target.scheme == "http":
            raise RegistryRefused("the registry redirects from https to http")
        headers = request.headers
        if target != here:
            headers = {name: value for name, value in headers.items() if name.lower() not in _PRIVATE_HEADERS}
        return replace(request, url=url, headers=headers)


def _answer(request: Outgoing, response: urllib3.BaseHTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    is_success = 200 <= response.status < 300  # noqa: PLR2004 - HTTP
    limit = request.limit if is_success else SMALL_BODY
    try:
        body, is_whole = _read(response, limit)
    except BaseException:
        response.close()
        raise
    if is_whole:
        response.release_conn()
    else:
        response.close()
        if is_success:
            raise RegistryRefused(f"the registry's answer is larger than {limit} bytes")
    return Answer(request.method, response.status, headers, _decoded(headers, body, limit))


def _read(response: urllib3.BaseHTTPResponse, limit: int) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    size = 0
    while True:
        part = response.read(_CHUNK, decode_content=False)
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
        if size > limit:
            return b"".join(parts)[:limit], False


def _decoded(headers: Mapping[str, str], body: bytes, limit: int) -> bytes:
    """Return the body, inflated up to ``limit`` bytes where a server compresses although it was not asked to."""
    if headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate") or not body:
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit)
    except zlib.error:
        return body


def _failure(error: HTTPError | OSError, origin: Origin) -> NetworkFailure:
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
