"""Requests to registries as the client needs them: authenticated, retried, gated, counted."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from pipeline_kit.adapters.registry.addresses import api_host, base_url, check_target, origin_of
from pipeline_kit.adapters.registry.answers import SMALL_BODY, sanitize
from pipeline_kit.adapters.registry.failures import TemporaryFailure, WaitTooLong, from_network, transient
from pipeline_kit.adapters.registry.gate import HostGate
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.retrying import Retry, call
from pipeline_kit.adapters.registry.tokens import Access
from pipeline_kit.adapters.registry.transport import Outgoing
from pipeline_kit.errors import RegistryRefused
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.tokens import Authorizer
    from pipeline_kit.adapters.registry.transport import Transport
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.reference import Reference
    from pipeline_kit.retry import RetryPolicy

_T = TypeVar("_T")
_WARNING_RE = re.compile(r'299\s+\S+\s+"((?:[^"\\]|\\.){1,4096})"')
_NAP = 1.0


@value_class(frozen=False)
class Statistics:
    """What a session did, for reports: HTTP requests sent (redirects and tokens included), retries, warnings once."""

    requests: int = 0
    retries: list[Retry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@value_class()
class Call:
    """One API request: ``path`` follows ``/v2/<repository>/``; ``limit`` caps a success's body in bytes.

    ``url`` replaces the path by an address that the registry gave us for an upload: it was checked, and gets no
    credential unless it leads to the registry itself. The rest is as in Outgoing and Access.
    """

    method: str
    reference: Reference
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], Iterator[bytes]] | None = None
    actions: str = "pull"
    limit: int = SMALL_BODY
    url: str = ""
    mount_from: str = ""
    is_streamed: bool = False
    read_seconds: float | None = None

    @property
    def doing(self) -> str:
        """Return what this is, for messages."""
        return f"{self.method} {self.reference.name} {self.path}"


class Session:
    """The registries of one run; safe for use by many threads."""

    def __init__(
        self,
        *,
        transport: Transport,
        authorizer: Authorizer,
        clock: Clock,
        policy: RetryPolicy,
        random: Callable[[], float],
        on_retry: Callable[[Retry], None],
        plain_http: Collection[str] = (),
    ) -> None:
        self._transport = transport
        self._authorizer = authorizer
        self._clock = clock
        self._policy = policy
        self._random = random
        self._on_retry = on_retry
        self._plain_http = plain_http
        self._lock = threading.Lock()
        self._gates: dict[str, HostGate] = {}
        self._bases: dict[str, str] = {}
        self._retries: list[Retry] = []
        self._warnings: dict[str, None] = {}

    @property
    def statistics(self) -> Statistics:
        """Return a copy of the counts so far."""
        with self._lock:
            return Statistics(self._transport.requests, list(self._retries), list(self._warnings))

    def run(self, reference: Reference, operation: Callable[[float], _T], *, seconds: float = 0.0) -> _T:
        """Return what ``operation(deadline)`` returns, tried again while its errors are temporary.

        ``seconds`` is a budget above the policy's, for large bodies. Raises the operation's last error; WaitTooLong
        when the host is not asked any more.
        """
        gate = self._gate(reference.host)
        policy = self._policy._replace(deadline=seconds) if seconds > self._policy.deadline else self._policy
        deadline = self._clock.monotonic() + policy.deadline
        tried = [0]

        def attempt() -> _T:
            self._pass(gate, reference.host, deadline)
            tried[0] += 1
            try:
                return operation(deadline)
            except TemporaryFailure as failure:
                if failure.retry_after and failure.retry_after <= policy.retry_after_cap:
                    gate.hold(failure.retry_after)
                raise

        try:
            result = call(
                attempt,
                policy,
                _Naps(self),
                lambda retry: self._note(retry._replace(subject=str(reference))),
                random=self._random,
                may_retry=gate.take_retry,
            )
        except TemporaryFailure as failure:
            gate.gave_up(str(reference))
            if tried[0] > 1:
                failure.message = f"{failure.message} (after {tried[0]} attempts)"
                failure.args = (failure.message,)
            raise
        gate.succeeded()
        return result

    def open_ahead(self, host: str, connections: int) -> None:
        """Begin to open connections to ``host``. Raises RegistryRefused for what is no host."""
        self._transport.open_ahead(base_url(host, self._plain_http), connections)

    def exchange(self, request: Call, deadline: float) -> Answer:
        """Send once (again with better authorization after a 401) and return the answer, whatever its final status.

        Raises TemporaryFailure for what another attempt may mend, RegistryRefused for what must not be followed.
        """
        host = request.reference.host
        lock = self._authorizer.first_contact(host)
        if lock is None:
            return self._authorized(request, deadline)
        if not lock.acquire(blocking=False):
            # Another thread is learning how to log in here; by the time it knows, this connection stands.
            with self._transport.warmed(self._base(request.reference)):
                lock.acquire()
        try:
            if self._authorizer.first_contact(host) is not None:
                try:
                    return self._authorized(request, deadline)
                finally:
                    self._authorizer.contacted(host)
        finally:
            lock.release()
        return self._authorized(request, deadline)

    def _authorized(self, request: Call, deadline: float) -> Answer:
        if request.url and not self.is_own(request.reference, request.url):
            return self._sent(request, None, deadline)
        reference = request.reference
        access = Access(reference.host, reference.repository, request.actions, request.mount_from)
        sent = self._authorizer.header(access, deadline)
        may_refresh = True
        while True:
            answer = self._sent(request, sent, deadline)
            if answer.status not in (400, 401, 403) or (sent is not None and not may_refresh):
                return answer
            fresh = self._authorizer.renew(access, answer, sent, deadline)
            if fresh is None or fresh == sent:
                return answer
            may_refresh = may_refresh and sent is None
            sent = fresh

    def is_own(self, reference: Reference, url: str) -> bool:
        """Return whether ``url`` leads to the registry of ``reference`` itself."""
        return origin_of(url) == origin_of(self._base(reference))

    def _base(self, reference: Reference) -> str:
        base = self._bases.get(reference.host)
        if base is None:
            base = self._bases.setdefault(reference.host, base_url(reference.host, self._plain_http))
        return base

    def _sent(self, request: Call, authorization: str | None, deadline: float) -> Answer:
        reference = request.reference
        url = request.url or f"{self._base(reference)}/v2/{reference.repository}/{request.path}"
        headers = dict(request.headers)
        if authorization is not None:
            headers["Authorization"] = authorization
        outgoing = Outgoing(
            request.method,
            url,
            api_host(reference.host),
            headers,
            request.body,
            request.limit,
            request.is_streamed,
            request.read_seconds,
        )
        try:
            answer = self._transport.send(outgoing, deadline)
        except NetworkFailure as failure:
            raise from_network(failure, request.doing) from failure
        if "warning" in answer.headers:
            self._warn(urlsplit(url).netloc, answer.header("warning"))
        failed = transient(answer, reference.host, request.doing)
        if failed is not None:
            raise failed
        return answer

    def follow(self, request: Call, link: str, what: str) -> str:
        """Return the absolute address of ``link``, which the answer to ``request`` gave as its ``what``.

        Raises RegistryRefused where it must not be followed: without TLS, or to an internal address (design D12).
        """
        base = self._base(request.reference)
        url = urljoin(request.url or f"{base}/v2/{request.reference.repository}/{request.path}", link)
        registry = api_host(request.reference.host)
        target = check_target(url, registry=registry, plain_http=self._plain_http, what=what)
        if base.startswith("https:") and target.scheme == "http":
            raise RegistryRefused(f"the registry's {what} leads from https to http")
        return url

    def _warn(self, host: str, header: str) -> None:
        found = [sanitize(text) for text in _WARNING_RE.findall(header)]
        with self._lock:
            self._warnings.update({f"{host}: {text}": None for text in found})

    def _note(self, retry: Retry) -> None:
        with self._lock:
            self._retries.append(retry)
        self._on_retry(retry)

    def _gate(self, host: str) -> HostGate:
        with self._lock:
            if host not in self._gates:
                self._gates[host] = HostGate(self._clock)
            return self._gates[host]

    def _pass(self, gate: HostGate, host: str, deadline: float) -> None:
        if gate.is_closed():
            raise WaitTooLong(f"{host} failed several times in a row and is left alone for now", hint="run it later")
        while (seconds := gate.seconds_to_wait()) > 0:
            if self._clock.monotonic() + seconds >= deadline:
                raise WaitTooLong(f"{host} asks everybody to wait {seconds:.0f} s, longer than this call may take")
            self.nap(seconds)

    def nap(self, seconds: float) -> None:
        """Wait in short pieces, so that an interruption of the run ends it. Raises WaitTooLong when interrupted."""
        end = self._clock.monotonic() + seconds
        while (remaining := end - self._clock.monotonic()) > 0:
            if self._transport.is_aborted:
                raise WaitTooLong("interrupted")
            self._clock.sleep(min(_NAP, remaining))

    def monotonic(self) -> float:
        """Return the clock's time."""
        return self._clock.monotonic()


class _Naps:
    """The session's clock with interruptible sleeps."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def monotonic(self) -> float:
        return self._session.monotonic()

    def sleep(self, seconds: float) -> None:
        self._session.nap(seconds)
