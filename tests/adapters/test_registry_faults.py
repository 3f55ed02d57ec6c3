"""Faults of the network and of HTTP (faults C1-C9): retried within bounds, and never taken for an absence."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import client_for

from pipeline_kit.adapters.registry.client import RegistryClient
from pipeline_kit.adapters.registry.failures import from_network
from pipeline_kit.adapters.registry.gate import HostGate
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.retrying import Retry, call, is_temporary, retrying
from pipeline_kit.adapters.registry.transport import Outgoing, Transport
from pipeline_kit.adapters.system_clock import SystemClock
from pipeline_kit.errors import EngineUnreachable, Interrupted, RegistryRefused, RegistryUnreachable
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import Reference
from pipeline_kit.retry import FailureKind, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline_kit.ports.clock import Clock


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """Run a registry that holds kit/app:t."""
    with FakeRegistry() as fake:
        fake.put_image("kit/app", "t")
        yield fake


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that only sleeping moves."""
    return FakeClock()


@pytest.fixture
def client(registry: FakeRegistry, tmp_path: Path, clock: FakeClock) -> Iterator[RegistryClient]:
    """Give a client with the greatest jitter."""
    client = client_for(registry, tmp_path, clock=clock, random=lambda: 0.999)
    yield client
    client.close()


@pytest.fixture
def reference(registry: FakeRegistry) -> Reference:
    """Return the reference of the image."""
    return Reference(registry.host, "kit/app", "t")


@pytest.mark.parametrize(
    "members",
    [{"do": "reset"}, {"do": "stall"}, *({"status": status} for status in (408, 429, 500, 502, 503, 504, 522))],
)
def test_once(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, members: dict[str, Any], clock: FakeClock
) -> None:
    """A fault that passes costs one retry and one wait."""
    registry.add_rule(times=1, **members)
    assert client.observe(reference).verdict is Verdict.PRESENT
    assert [retry.failed_attempt for retry in client.statistics.retries] == [1]
    assert 0.9 < clock.slept <= 1.0


@pytest.mark.parametrize("members", [{"do": "reset"}, {"status": 503, "body": b"<html>busy</html>"}])
def test_always(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, members: dict[str, Any], clock: FakeClock
) -> None:
    """A fault that stays is unknown after five attempts within the budget, and the detail counts them."""
    registry.add_rule(**members)
    answer = client.observe(reference)
    assert answer.verdict is Verdict.UNKNOWN
    assert "after 5 attempts" in answer.detail
    assert "html" not in answer.detail
    assert "run the job again" in answer.hint
    assert len(registry.log) == 5
    assert clock.slept < 60


@pytest.mark.parametrize(
    ("value", "waited"),
    [
        ("7", (7.0, 7.7)),
        ("Tue, 24 Nov 2026 12:00:09 GMT", (9.0, 9.9)),
        ("Tue, 24 Nov 2026 11:59:00 GMT", (0.2, 1.0)),
        ("0", (0.2, 1.0)),
        ("soon", (0.2, 1.0)),
        ("-3", (0.2, 1.0)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(
    registry: FakeRegistry,
    client: RegistryClient,
    reference: Reference,
    clock: FakeClock,
    value: str,
    waited: tuple[float, float],
    status: int,
) -> None:
    """What the registry asks is waited, by its own clock; nonsense falls back to our own waits."""
    headers = {"Retry-After": value, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    registry.add_rule(times=1, status=status, headers=headers)
    assert client.observe(reference).verdict is Verdict.PRESENT
    assert waited[0] <= clock.slept <= waited[1]


@pytest.mark.parametrize("value", ["86400", "90"])
def test_retry_after_beyond_the_budget(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, clock: FakeClock, value: str
) -> None:
    """A wait that the budget does not hold is not begun; the detail says until when."""
    headers = {"Retry-After": value, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    registry.add_rule(status=429, headers=headers)
    answer = client.observe(reference)
    assert answer.verdict is Verdict.UNKNOWN
    assert "asks to wait until 12:0" in answer.detail
    assert clock.slept == 0
    assert len(registry.log) == 1


def test_retry_after_holds_the_host(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, clock: FakeClock
) -> None:
    """While a host asks for patience, other calls to it wait as well, or fail at once where they cannot."""
    registry.add_rule(times=1, status=429, headers={"Retry-After": "100"})
    assert client.observe(reference).verdict is Verdict.UNKNOWN
    other = client.observe(reference.with_tag("other"))
    assert (other.verdict, len(registry.log)) == (Verdict.UNKNOWN, 1)
    clock.sleep(60)
    assert client.observe(reference).verdict is Verdict.PRESENT
    assert clock.slept == pytest.approx(100)


def test_a_dead_host_is_left_alone(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    """After five calls in a row without an answer, later ones fail without a request; time opens the circuit."""
    registry.add_rule(times=25, status=503)
    verdicts = [client.observe(reference.with_tag(f"t{number}")).verdict for number in range(40)]
    assert set(verdicts) == {Verdict.UNKNOWN}
    assert len(registry.log) == 25


def test_the_retry_budget_is_finite(clock: FakeClock) -> None:
    """A host's retries are bounded for the whole run, and answers refill them slowly."""
    gate = HostGate(clock)
    assert sum(gate.take_retry() for _ in range(200)) == 100
    for _ in range(10):
        gate.succeeded()
    assert [gate.take_retry() for _ in range(3)] == [True, True, False]


def test_refused_connection(tmp_path: Path, clock: FakeClock) -> None:
    """Nobody listening is unknown, after retries."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
        client = RegistryClient(environment={"HOME": str(tmp_path)}, clock=clock)
        answer = client.observe(Reference(host, "kit/app", "t"))
    assert answer.verdict is Verdict.UNKNOWN
    assert "connection failed" in answer.detail
    assert len(client.statistics.retries) == 4


def test_unknown_name(tmp_path: Path, clock: FakeClock) -> None:
    """A name that does not resolve is tried twice."""
    client = RegistryClient(environment={"HOME": str(tmp_path)}, clock=clock, plain_http=["registry.invalid"])
    answer = client.observe(Reference("registry.invalid", "kit/app", "t"))
    assert answer.verdict is Verdict.UNKNOWN
    assert "name not found" in answer.detail
    assert len(client.statistics.retries) == 1


@pytest.mark.parametrize("keep", [0, 10])
def test_truncated_body(registry: FakeRegistry, client: RegistryClient, reference: Reference, keep: int) -> None:
    """A body cut short is fetched again."""
    registry.add_rule(method="GET", do="truncate", keep=keep, times=1)
    assert client.manifest(reference).digest == registry.tags["kit/app"]["t"]
    assert [retry.retry_class for retry in client.statistics.retries] == ["transient-net"]
    assert "answer cut short" in client.statistics.retries[0].reason


def test_not_http(clock: FakeClock, tmp_path: Path) -> None:
    """A server that speaks something else is unknown, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(5):
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        client = RegistryClient(environment={"HOME": str(tmp_path)}, clock=clock)
        answer = client.observe(Reference(f"127.0.0.1:{server.getsockname()[1]}", "kit/app", "t"))
        thread.join()
    assert answer.verdict is Verdict.UNKNOWN


SLOW = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Pad: " + b"y" * 4000


@pytest.mark.parametrize(
    "body", [SLOW, b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000], ids=["headers", "body"]
)
def test_slow_drip_ends_at_the_deadline(
    registry: FakeRegistry, tmp_path: Path, reference: Reference, body: bytes
) -> None:
    """One byte at a time, in headers or body, does not outlast the whole call's budget."""
    registry.add_rule(do="drip", body=body, seconds=0.02)
    client = client_for(registry, tmp_path, policy=RetryPolicy(deadline=0.7))
    started = time.monotonic()
    answer = client.observe(reference)
    assert time.monotonic() - started < 3
    assert answer.verdict is Verdict.UNKNOWN
    client.close()


def test_silence_times_out(registry: FakeRegistry) -> None:
    """A server that says nothing is left after the longest silence."""
    registry.add_rule(do="stall", seconds=10)
    transport = Transport(clock=SystemClock(), environment={}, read_seconds=0.3)
    request = Outgoing("GET", f"http://{registry.host}/v2/", registry.host, {})
    started = time.monotonic()
    with pytest.raises(NetworkFailure) as caught:
        transport.send(request, started + 60)
    assert caught.value.kind is FailureKind.TIMEOUT
    assert time.monotonic() - started < 2
    transport.close()


def test_abort_ends_what_waits(registry: FakeRegistry, tmp_path: Path, reference: Reference) -> None:
    """An interruption ends requests that wait for an answer within about a second."""
    registry.add_rule(do="stall", seconds=20)
    client = client_for(registry, tmp_path)
    threading.Timer(0.2, client.abort).start()
    started = time.monotonic()
    answers = client.observe_all([reference.with_tag(f"t{number}") for number in range(8)])
    assert time.monotonic() - started < 5
    assert {answer.verdict for answer in answers} == {Verdict.UNKNOWN}
    client.close()


def test_interruption_leaves_at_once(registry: FakeRegistry, tmp_path: Path, reference: Reference) -> None:
    """An interruption in one thread comes out of a parallel question, and the others do not hold it up."""

    def interrupt(retry: Retry) -> None:
        raise Interrupted(15)

    registry.add_rule(path="/first$", status=503)
    registry.add_rule(path="/slow", do="stall", seconds=20)
    client = client_for(registry, tmp_path, on_retry=interrupt)
    client.observe(reference)
    started = time.monotonic()
    with pytest.raises(Interrupted):
        client.observe_all([reference.with_tag(tag) for tag in ("first", "slow-1", "slow-2")])
    assert time.monotonic() - started < 5
    client.close()


def test_what_an_untrusted_certificate_says() -> None:
    """A certificate that is not trusted is a refusal with a hint, without a retry."""
    error = from_network(NetworkFailure(FailureKind.TLS_VERIFICATION, "certificate"), "HEAD x")
    assert isinstance(error, RegistryRefused)
    assert not is_temporary(error)
    assert "certificate authority" in (error.hint or "")


def test_untrusted_certificate(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused at once, and no request is sent."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    command = ["openssl", "req", *options.split(), "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with (
                    connection,
                    context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls,
                ):
                    try:
                        tls.do_handshake()
                        tls.recv(4096)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}/v2/"
        with pytest.raises(NetworkFailure) as caught:
            _get(url)
        assert caught.value.kind is FailureKind.TLS_VERIFICATION
        assert _get(url, ca_file=str(certificate)) == 200
        thread.join()


def _get(url: str, **members: Any) -> int:
    transport = Transport(clock=SystemClock(), environment={}, **members)
    try:
        return transport.send(Outgoing("GET", url, "localhost", {}), time.monotonic() + 10).status
    finally:
        transport.close()


POLICY = RetryPolicy(attempts=4, base=1.0, cap=8.0, deadline=20.0)


def _failing(errors: list[BaseException], seen: list[float], clock: Clock) -> Any:
    def operation() -> str:
        seen.append(clock.monotonic())
        if errors:
            raise errors.pop(0)
        return "done"

    return operation


def test_call_retries_temporary_errors(clock: FakeClock) -> None:
    """Temporary errors of any adapter are retried with growing waits, each announced before it."""
    told: list[Retry] = []
    seen: list[float] = []
    operation = _failing([RegistryUnreachable("one"), RegistryUnreachable("two")], seen, clock)
    assert call(operation, POLICY, clock, told.append, random=lambda: 0.5) == "done"
    assert seen == [1000.0, 1001.0, 1003.0]
    assert [str(retry) for retry in told] == ["retry 2/4 in 1.0 s  one", "retry 3/4 in 2.0 s  two"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), Interrupted(15), EngineUnreachable("x"), KeyError("x")]
)
def test_what_is_never_retried(clock: FakeClock, error: BaseException) -> None:
    """An interruption, an exit and a final error pass at once, first or after a retry."""
    for errors in ([error], [RegistryUnreachable("first"), error]):
        with pytest.raises(type(error)):
            call(_failing(list(errors), [], clock), POLICY, clock, lambda _: None)
    assert not is_temporary(error)


def test_the_last_error_is_raised(clock: FakeClock) -> None:
    """After the last attempt its own error comes out, not a wrapper."""
    errors: list[BaseException] = [RegistryUnreachable(str(number)) for number in range(9)]
    with pytest.raises(RegistryUnreachable, match=r"^3$"):
        call(_failing(errors, [], clock), POLICY, clock, lambda _: None, random=lambda: 0.0)


def test_no_wait_beyond_the_budget(clock: FakeClock) -> None:
    """A wait that would end after the budget is not begun."""
    policy = RetryPolicy(attempts=50, base=4.0, cap=8.0, deadline=20.0)
    errors: list[BaseException] = [RegistryUnreachable("x") for _ in range(60)]
    with pytest.raises(RegistryUnreachable):
        call(_failing(errors, [], clock), policy, clock, lambda _: None, random=lambda: 0.999)
    assert clock.slept < 20


def test_retrying_object(clock: FakeClock) -> None:
    """The tenacity object alone does the same, for other adapters."""
    operation = _failing([RegistryUnreachable("x")], [], clock)
    assert retrying(POLICY, clock, lambda _: None)(operation) == "done"
    assert clock.slept > 0
