"""One HTTP request over kept connections: redirects, caps, deadlines, proxies; no retries, no authentication.

Sources: OCI distribution specification; RFC 9110 section 15.4 (redirects). What a registry sends is untrusted.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError

from pipeline_kit.adapters.registry.addresses import Origin, check_target, origin_of, path_of
from pipeline_kit.adapters.registry.answers import SMALL_BODY, Answer
from pipeline_kit.adapters.registry.bodies import Body, decoded, read_whole
from pipeline_kit.adapters.registry.deadline import READ_SECONDS, Limits, Pool, TlsPool, limited
from pipeline_kit.adapters.registry.network import NetworkFailure, network_failure
from pipeline_kit.adapters.registry.proxies import proxy_for
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.retry import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pipeline_kit.ports.clock import Clock

CONNECT_SECONDS = 5.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PRIVATE_HEADERS = frozenset({"authorization", "cookie"})


class Outgoing(NamedTuple):
    """One request on behalf of ``registry`` (``host[:port]``); ``limit`` caps the body of a success, in bytes.

    A callable ``body`` is called for its pieces each time the request is sent; the headers hold its Content-Length.
    ``is_streamed`` leaves a success's body unread, in the answer's ``stream``. ``read_seconds`` is the longest silence
    where the transport's own is too short.
    """

    method: str
    url: str
    registry: str
    headers: Mapping[str, str]
    body: bytes | Callable[[], Iterator[bytes]] | None = None
    limit: int = SMALL_BODY
    is_streamed: bool = False
    read_seconds: float | None = None


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
        self._routes: dict[Origin, tuple[urllib3.HTTPConnectionPool | None, urllib3.PoolManager]] = {}
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

    @contextmanager
    def warmed(self, url: str) -> Iterator[None]:
        """Open a connection to the origin of ``url``, kept for a request after the block.

        It is held until then, or one and the same would be found open by every thread. Whatever goes wrong, the request
        itself will meet.
        """
        pool = None
        with suppress(RegistryRefused):
            pool, _ = self._route(origin_of(url))
        if pool is None:
            yield
            return
        connection = pool._get_conn()  # noqa: SLF001 - urllib3 has no public way to connect ahead
        try:
            if connection.is_closed:
                connection.timeout = CONNECT_SECONDS
                with suppress(HTTPError, OSError):
                    connection.connect()
            yield
        finally:
            pool._put_conn(connection)  # noqa: SLF001 - as above

    def open_ahead(self, url: str, connections: int) -> None:
        """Open ``connections`` to the origin of ``url`` while the caller goes on; nobody waits for them."""
        held = threading.Barrier(connections)

        def hold() -> None:
            with self.warmed(url), suppress(threading.BrokenBarrierError):
                held.wait(CONNECT_SECONDS)

        for number in range(connections):
            threading.Thread(target=hold, name=f"ahead_{number}", daemon=True).start()

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
            self._routes.clear()
            for manager in self._managers.values():
                manager.clear()

    def _send_once(self, request: Outgoing, deadline: float) -> Answer:
        silence = request.read_seconds or self._read_seconds
        limits = Limits(deadline, silence, self._clock.monotonic, self._aborted.is_set)
        remaining = deadline - self._clock.monotonic()
        if self._aborted.is_set() or remaining <= 0:
            raise NetworkFailure(FailureKind.DEADLINE, "no time is left")
        seconds = min(CONNECT_SECONDS, remaining)
        origin = origin_of(request.url)
        options: dict[str, Any] = {
            "body": _pieces(request.body, limits),
            "headers": {"User-Agent": self._user_agent, **request.headers},
            "redirect": False,
            "retries": False,
            "preload_content": False,
            "decode_content": False,
            "timeout": urllib3.Timeout(connect=seconds, read=min(silence, remaining)),
        }
        try:
            with limited(limits):
                return _answer(request, self._sent(request, origin, options), origin, limits)
        except (HTTPError, OSError) as error:
            raise network_failure(error, origin) from error

    def _sent(self, request: Outgoing, origin: Origin, options: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        with self._lock:
            self._requests += 1
        pool, manager = self._route(origin)
        path = path_of(request.url)
        if pool is not None and path:
            # What PoolManager would do for every request anew (parse the URL, find the pool) is a tenth of its time.
            return pool.urlopen(request.method, path, assert_same_host=False, **options)
        return manager.request(request.method, request.url, **options)

    def _route(self, origin: Origin) -> tuple[urllib3.HTTPConnectionPool | None, urllib3.PoolManager]:
        """Return how ``origin`` is reached: its own pool unless a proxy is between, and the manager of either."""
        with self._lock:
            known = self._routes.get(origin)
            if known is not None:
                return known
            proxy = proxy_for(origin, self._environment)
            if proxy not in self._managers:
                self._managers[proxy] = self._new_manager(proxy)
            manager = self._managers[proxy]
            pool = manager.connection_from_host(origin.host, origin.port, origin.scheme) if proxy is None else None
            return self._routes.setdefault(origin, (pool, manager))

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
        return request._replace(url=url, headers=headers)


def _pieces(body: bytes | Callable[[], Iterator[bytes]] | None, limits: Limits) -> bytes | Iterator[bytes] | None:
    return _checked_pieces(body(), limits) if callable(body) else body


def _checked_pieces(pieces: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    for piece in pieces:
        limits.check()
        yield piece


def _answer(request: Outgoing, response: urllib3.BaseHTTPResponse, origin: Origin, limits: Limits) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    is_success = 200 <= response.status < 300  # noqa: PLR2004 - HTTP
    if is_success and request.is_streamed:
        return Answer(request.method, response.status, headers, stream=Body(response, origin, limits))
    limit = request.limit if is_success else SMALL_BODY
    body, is_whole = read_whole(response, limit)
    if is_success and not is_whole:
        raise RegistryRefused(f"the registry's answer is larger than {limit} bytes")
    return Answer(request.method, response.status, headers, decoded(headers, body, limit))
