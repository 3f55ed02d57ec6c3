"""Challenges, tokens, and where credentials may never go (faults C7, C8, C10, D3; design D12)."""

from __future__ import annotations

import sys
import threading
import time
from subprocess import run
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from fakes.fake_clock import FakeClock
from fakes.fake_registry import FakeRegistry, Logged
from fakes.real_registry import auths, basic_header, client_for, docker_environment
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.registry.addresses import (
    Origin,
    api_host,
    base_url,
    check_target,
    is_internal,
    origin_of,
    path_of,
)
from pipeline_kit.adapters.registry.answers import Answer
from pipeline_kit.adapters.registry.challenge import Challenge, check_realm, choose, parse_challenges
from pipeline_kit.adapters.registry.client import RegistryClient
from pipeline_kit.adapters.registry.proxies import proxy_for
from pipeline_kit.adapters.registry.transport import Outgoing, Transport
from pipeline_kit.errors import AuthenticationFailed, RegistryRefused
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USERS = {"builder": "secret-password"}
SLOW_MISS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def refs(registry: FakeRegistry, count: int) -> list[Reference]:
    """Store ``count`` images in as many repositories and return their references."""
    for number in range(count):
        registry.put_image(f"kit/app-{number:03}", "t")
    return [Reference(registry.host, f"kit/app-{number:03}", "t") for number in range(count)]


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    """Run a second server, which records what it gets."""
    with FakeRegistry() as fake:
        yield fake


def secrets_in(requests: list[Logged]) -> list[str]:
    """Return every trace of a credential in the requests."""
    return [str(item) for item in requests if "authorization" in item.headers or b"refresh_token" in item.body]


@pytest.mark.parametrize(("mode", "requests"), [("open", 45), ("basic", 46), ("token", 45 + 1 + 3)])
def test_request_counts(tmp_path: Path, mode: str, requests: int) -> None:
    """N checks cost N requests, one more for the challenge, and one for each 20 repositories' token."""
    users = {} if mode == "open" else USERS
    with FakeRegistry(users=users, token=mode == "token") as registry:
        references = refs(registry, 45)
        client = client_for(registry, tmp_path)
        assert {answer.verdict for answer in client.observe_all(references)} == {Verdict.PRESENT}
        client.observe_all(references)
        assert client.statistics.requests == requests + 45
        assert len(registry.log) == requests + 45
        assert registry.connections <= 33
        client.close()


def test_tokens_to_write_are_shared_as_well(tmp_path: Path) -> None:
    """45 tags that are known to be written take three tokens more than those to read, and not 45."""
    with FakeRegistry(users=USERS, token=True) as registry:
        references = refs(registry, 45)
        client = client_for(registry, tmp_path)
        client.observe_all(references)
        client.expect(references, writes=True)
        for reference in references:
            client.put_manifest(reference.with_tag("moved"), client.manifest(reference))
        tokens = registry.requests("GET", "^/token")
        assert [item.path.count("pull,push") for item in tokens] == [0, 0, 0, 20, 20, 5]
        client.close()


def test_connections_stand_when_the_first_answer_comes(tmp_path: Path) -> None:
    """While one thread learns how to log in, the others connect: with 40 ms a round trip, they save one."""
    with FakeRegistry(users=USERS) as registry:
        references = refs(registry, 30)
        client = client_for(registry, tmp_path)
        registry.add_rule(do="pause", seconds=1.0, times=1)
        counts: list[int] = []
        timer = threading.Timer(0.7, lambda: counts.append(registry.connections))
        timer.start()
        assert {answer.verdict for answer in client.observe_all(references)} == {Verdict.PRESENT}
        timer.join()
        assert counts[0] > 10
        assert len(registry.log) == 31
        client.close()


def test_a_host_that_is_gone_warms_nothing(tmp_path: Path) -> None:
    """Connecting ahead fails without a word: the request itself will say what is wrong."""
    client = RegistryClient(environment=docker_environment(tmp_path, {}))
    for url in ("http://127.0.0.1:9/v2/", "ftp://127.0.0.1/"):
        with client._transport.warmed(url):
            assert client.statistics.requests == 0
    client.close()


def test_anonymous_token(tmp_path: Path) -> None:
    """Without credentials a public registry's token is asked for anonymously."""
    with FakeRegistry(token=True) as registry:
        client = client_for(registry, tmp_path)
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.PRESENT
        assert [item.headers.get("authorization") for item in registry.requests(path="/token")] == [None]
        client.close()


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("config", [{}, None], ids=["anonymous", "wrong password"])
def test_denied(tmp_path: Path, token: bool, config: dict[str, Any] | None) -> None:
    """Missing and wrong credentials are a refusal with the next step, never an absence, and name no secret."""
    with FakeRegistry(users=USERS, token=token) as registry:
        config = auths(registry.host, "builder", "wrong-password") if config is None else config
        client = RegistryClient(environment=docker_environment(tmp_path, config))
        answer = client.observe(Reference(registry.host, "kit/app", "t"))
        assert answer.verdict is Verdict.DENIED
        assert f"pipeline-kit login {registry.host}" in answer.hint
        assert "wrong-password" not in str(answer)
        assert len(registry.log) <= 3
        client.close()


def test_token_expiry_by_time(tmp_path: Path) -> None:
    """A token is renewed before its end, without a refused request."""
    clock = FakeClock()
    with FakeRegistry(users=USERS, token=True) as registry:
        client = client_for(registry, tmp_path, clock=clock)
        reference = refs(registry, 1)[0]
        for wait in (0, 100, 200):
            clock.sleep(wait)
            assert client.observe(reference).verdict is Verdict.PRESENT
        assert len(registry.requests(path="/token")) == 2
        assert len(registry.requests("HEAD")) == 3 + 1
        client.close()


def test_token_refused_in_between(tmp_path: Path) -> None:
    """A token that the registry no longer takes is replaced once and the request sent again, without a retry."""
    with FakeRegistry(users=USERS, token=True) as registry:
        client = client_for(registry, tmp_path)
        reference = refs(registry, 1)[0]
        client.observe(reference)
        registry.tokens.clear()
        assert client.observe(reference).verdict is Verdict.PRESENT
        assert len(registry.requests(path="/token")) == 2
        assert client.statistics.retries == []
        client.close()


def test_one_denied_repository_spoils_no_batch(tmp_path: Path) -> None:
    """Where a token for many repositories is refused, each is asked for alone."""
    with FakeRegistry(users=USERS, token=True) as registry:
        references = refs(registry, 3)
        registry.add_rule(path=r"/token\?.*scope=.*scope=", status=403)
        registry.add_rule(path=r"/token\?.*app-001", status=403)
        client = client_for(registry, tmp_path)
        verdicts = [answer.verdict for answer in client.observe_all(references)]
        assert verdicts == [Verdict.PRESENT, Verdict.DENIED, Verdict.PRESENT]
        client.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nX: y"}', b'{"token": "\xc3\xa9"}', b"[" * 50000],
)
def test_odd_token_answers(tmp_path: Path, body: bytes) -> None:
    """A token server that talks nonsense is a refusal."""
    with FakeRegistry(users=USERS, token=True) as registry:
        registry.add_rule(path="/token", status=200, body=body)
        client = client_for(registry, tmp_path)
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.DENIED
        client.close()


def test_huge_token_answer(tmp_path: Path) -> None:
    """A token answer above 64 KiB is not read on."""
    with FakeRegistry(users=USERS, token=True) as registry:
        registry.add_rule(path="/token", status=200, body=b" " * 1_000_000)
        client = client_for(registry, tmp_path)
        assert "larger than 65536" in client.observe(refs(registry, 1)[0]).detail
        client.close()


def test_token_server_down_is_unknown(tmp_path: Path) -> None:
    """A failing token server is retried, and unknown in the end."""
    with FakeRegistry(users=USERS, token=True) as registry:
        registry.add_rule(path="/token", status=503)
        client = client_for(registry, tmp_path, clock=FakeClock())
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.UNKNOWN
        assert len(client.statistics.retries) == 4
        client.close()


def test_identity_token(tmp_path: Path) -> None:
    """An identity token is exchanged by POST and never sent as a password."""
    with FakeRegistry(users=USERS, token=True) as registry:
        config = {"auths": {registry.host: {"identitytoken": USERS["builder"]}}}
        client = RegistryClient(environment=docker_environment(tmp_path, config))
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.PRESENT
        asked = registry.requests("POST", "/token")
        assert b"grant_type=refresh_token" in asked[0].body
        assert "authorization" not in asked[0].headers
        client.close()


def test_registry_token(tmp_path: Path) -> None:
    """A registry token is sent as it is, and no token server is asked."""
    with FakeRegistry(users=USERS, token=True) as registry:
        reference = refs(registry, 1)[0]
        registry.tokens["ready-made"] = frozenset({f"{reference.repository}:pull"})
        config = {"auths": {registry.host: {"registrytoken": "ready-made"}}}
        client = RegistryClient(environment=docker_environment(tmp_path, config))
        assert client.observe(reference).verdict is Verdict.PRESENT
        assert registry.requests(path="/token") == []
        client.close()


@pytest.mark.parametrize(
    "realm", ["", "token", "ftp://h/t", "http://user:pw@127.0.0.1/t", "http://192.0.2.7/t", "http://example.com/t"]
)
def test_realms_that_get_nothing(tmp_path: Path, realm: str) -> None:
    """A realm without TLS elsewhere, with credentials, or missing, ends the run's trust: nothing is sent."""
    with FakeRegistry(users=USERS) as registry:
        challenge = f'Bearer realm="{realm}",service="x"'
        registry.add_rule(status=401, headers={"WWW-Authenticate": challenge})
        client = client_for(registry, tmp_path)
        answer = client.observe(refs(registry, 1)[0])
        assert answer.verdict is Verdict.DENIED
        assert "secret-password" not in str(answer)
        assert secrets_in(registry.log) == []
        client.close()


@pytest.mark.parametrize(
    ("realm", "registry", "is_good"),
    [
        ("https://auth.docker.io/token", "registry-1.docker.io", True),
        ("https://elsewhere.example/token", "registry.example", True),
        ("http://registry.example/token", "registry.example", False),
        ("https://169.254.169.254/latest", "registry.example", False),
        ("https://[fe80::1]/t", "registry.example", False),
        ("https://[::ffff:10.0.0.1]/t", "registry.example", False),
        ("https://127.1/t", "registry.example", False),
        ("https://2130706433/t", "registry.example", False),
        ("https://0x7f000001/t", "registry.example", False),
        ("https://localhost/t", "registry.example", False),
        ("https://10.0.0.6/t", "10.0.0.5:5000", True),
        ("http://10.0.0.6/t", "10.0.0.5:5000", False),
        ("http://plain.example/t", "plain.example", True),
        ("http://other.example/t", "plain.example", False),
        ("http://127.0.0.1:5001/t", "127.0.0.1:5000", True),
        ("https://[::1/t", "registry.example", False),
        ("https://h:99999/t", "registry.example", False),
    ],
)
def test_realm_rules(realm: str, registry: str, is_good: bool) -> None:
    """A realm needs TLS unless the registry is plain too, and leads into private networks only from one."""
    challenge = Challenge("bearer", {"realm": realm})
    if is_good:
        assert check_realm(challenge, registry=registry, plain_http=["plain.example"]) == realm
    else:
        with pytest.raises(AuthenticationFailed, match="credentials elsewhere"):
            check_realm(challenge, registry=registry, plain_http=["plain.example"])


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_redirect_to_another_port_loses_the_credentials(
    tmp_path: Path, other: FakeRegistry, token: bool, method: str
) -> None:
    """A redirect is followed without the Authorization header when host or port change."""
    with FakeRegistry(users=USERS, token=token) as registry:
        reference = refs(registry, 1)[0]
        other.put_image(reference.repository, "t")
        client = client_for(registry, tmp_path)
        client.observe(reference.with_tag("warm"))
        location = f"http://{other.host}/v2/{reference.repository}/manifests/t"
        registry.add_rule(method=method, path="/t$", status=307, headers={"Location": location})
        assert client.manifest(reference).digest == client.observe(reference).digest
        assert len(other.log) == 1
        assert secrets_in(other.log) == []
        client.close()


def test_redirect_on_the_same_origin_keeps_them(tmp_path: Path) -> None:
    """A redirect within the registry stays authorised."""
    with FakeRegistry(users=USERS) as registry:
        reference = refs(registry, 1)[0]
        registry.add_rule(path="/moved$", status=302, headers={"Location": f"/v2/{reference.repository}/manifests/t"})
        client = client_for(registry, tmp_path)
        assert client.observe(reference.with_tag("warm")).verdict is Verdict.ABSENT
        registry.users["builder"] = USERS["builder"]
        assert client.observe(reference.with_tag("moved")).verdict is Verdict.PRESENT
        client.close()


@pytest.mark.parametrize(
    "location", ["/loop", "file:///etc/passwd", "http://example.com/", "http://192.0.2.1/", "//user:pw@127.0.0.1/"]
)
def test_redirects_that_are_not_followed(tmp_path: Path, location: str) -> None:
    """Loops, other schemes, credentials and the loss of TLS or loopback are refused."""
    with FakeRegistry() as registry:
        registry.add_rule(status=302, headers={"Location": location})
        client = client_for(registry, tmp_path)
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.DENIED
        assert len(registry.log) == (6 if location == "/loop" else 1)
        client.close()


@pytest.mark.parametrize("registry", ["127.0.0.1:1", "registry.example"])
def test_redirect_never_loses_tls(registry: str) -> None:
    """Once on https, a redirect to http is refused, even on behalf of a registry that is spoken to without TLS."""
    transport = Transport(clock=FakeClock(), environment={})
    request = Outgoing("GET", f"https://{registry}/x", registry, {})
    answer = Answer("GET", 307, {"location": "http://127.0.0.1:2/x"})
    with pytest.raises(RegistryRefused, match=r"from https to http|without TLS"):
        transport._redirect(request, answer)


def test_redirected_put_is_refused(tmp_path: Path, other: FakeRegistry) -> None:
    """A write is never sent to where a registry points."""
    with FakeRegistry() as registry:
        reference = refs(registry, 1)[0]
        client = client_for(registry, tmp_path)
        manifest = client.manifest(reference)
        registry.add_rule(method="PUT", status=307, headers={"Location": f"http://{other.host}/"})
        with pytest.raises(RegistryRefused, match="redirects a PUT"):
            client.put_manifest(reference.with_tag("new"), manifest)
        assert other.log == []
        client.close()


def test_redirected_token_request_loses_the_password(tmp_path: Path, other: FakeRegistry) -> None:
    """A realm that redirects elsewhere does not pass the password on."""
    with FakeRegistry(users=USERS, token=True) as registry:
        registry.add_rule(path="/token", status=302, headers={"Location": f"http://{other.host}/token?x=y"})
        client = client_for(registry, tmp_path)
        client.observe(refs(registry, 1)[0])
        assert [item.path for item in other.log] != []
        assert secrets_in(other.log) == []
        client.close()


def test_credentials_stay_with_their_port(tmp_path: Path, other: FakeRegistry) -> None:
    """A login for one port is not used for another port of the same host."""
    other.users = dict(USERS)
    with FakeRegistry(users=USERS) as registry:
        client = client_for(registry, tmp_path)
        assert client.observe(refs(registry, 1)[0]).verdict is Verdict.PRESENT
        assert client.observe(Reference(other.host, "kit/app", "t")).verdict is Verdict.DENIED
        assert secrets_in(other.log) == []
        client.close()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="a"', [Challenge("basic", {"realm": "a"})]),
        ("Basic", [Challenge("basic")]),
        (
            'Bearer realm="https://h/t",service="s",scope="repository:a/b:pull,push"',
            [Challenge("bearer", {"realm": "https://h/t", "service": "s", "scope": "repository:a/b:pull,push"})],
        ),
        (r'bearer Realm="a\"b", Error = "insufficient_scope"',
         [Challenge("bearer", {"realm": 'a"b', "error": "insufficient_scope"})]),
        ('Basic realm="x", Bearer realm=y,service=z',
         [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y", "service": "z"})]),
        ('Bearer realm="first",realm="second"', [Challenge("bearer", {"realm": "first"})]),
        ("Negotiate, Basic", [Challenge("negotiate"), Challenge("basic")]),
        ('Bearer realm="open', [Challenge("bearer")]),
        ("", []),
        ('="x"', []),
    ],
)  # fmt: skip
def test_parse_challenges(header: str, expected: list[Challenge]) -> None:
    """Quoted and bare parameters, several challenges, and broken ones."""
    assert list(parse_challenges(header)) == expected


def test_choose() -> None:
    """Bearer is preferred, other schemes are ignored."""
    assert choose('Basic realm="x", Bearer realm="y"') == Challenge("bearer", {"realm": "y"})
    assert choose('Negotiate, Basic realm="x"') == Challenge("basic", {"realm": "x"})
    assert choose("Negotiate abc==") is None


@given(st.text())
def test_any_challenge_header(header: str) -> None:
    """No header makes the parser raise or hang."""
    assert isinstance(parse_challenges(header), tuple)


@pytest.mark.parametrize("text", ["file:///x", "https://", "http://u:p@h/", "http://[::1", "http://h:1x/", "x"])
def test_urls_without_an_origin(text: str) -> None:
    """A URL that is no plain http(s) one is refused."""
    with pytest.raises(RegistryRefused):
        origin_of(text)


def test_addresses() -> None:
    """TLS is left out only for loopback and configured hosts; Docker Hub has its API elsewhere."""
    assert base_url("docker.io", ()) == "https://registry-1.docker.io"
    assert base_url("[::1]:5000", ()) == "http://[::1]:5000"
    assert base_url("localhost:5000", ()) == "http://localhost:5000"
    assert base_url("127.9.9.9", ()) == "http://127.9.9.9"
    assert base_url("127.0.0.1.evil.example", ()) == "https://127.0.0.1.evil.example"
    assert base_url("plain:80", ("plain:80",)) == "http://plain:80"
    assert base_url("plain:81", ("plain:80",)) == "https://plain:81"
    assert api_host("quay.io") == "quay.io"
    assert [is_internal(name) for name in ("a.localhost", "1.1.1.1", "100.64.0.1", "0.0.0.0", "db8.example")] == [
        True, False, True, True, False,
    ]  # fmt: skip
    with pytest.raises(RegistryRefused, match="internal address"):
        check_target("https://[fd00::1]/x", registry="h.example", plain_http=(), what="redirect")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a/b?c=d#e", "/a/b?c=d"),
        ("http://h:1/", "/"),
        ("http://h", ""),
        ("http://h?a/b", ""),
        ("http://h#a/b", ""),
        ("https://[::1]:5/x", "/x"),
    ],
)
def test_paths(url: str, expected: str) -> None:
    """What is sent as the request's target; where a path is missing, urllib3 has to make one."""
    assert path_of(url) == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_path_changes_the_origin(start: str, path: str) -> None:
    """Reading only what stands before the path gives the origin of the whole."""
    url = f"http://{start}/{path}"
    try:
        whole = urlsplit(url)
        expected = (whole.hostname or "").lower(), whole.port or 80
        has_credentials = whole.username is not None or whole.password is not None
    except ValueError:
        expected, has_credentials = ("", 0), True
    if has_credentials or not expected[0]:
        with pytest.raises(RegistryRefused):
            origin_of(url)
    else:
        assert origin_of(url) == Origin("http", *expected)


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://r.example/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://r.example/", {"https_proxy": "p:2", "HTTPS_PROXY": "http://p:1"}, "http://p:2"),
        ("https://r.example/", {"ALL_PROXY": "http://p:3"}, "http://p:3"),
        ("https://r.example/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://r.example/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("http://r.example/", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.example"}, None),
        ("https://a.r.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x, .r.example"}, None),
        ("https://a.r.example/", {"HTTPS_PROXY": "http://p:1", "no_proxy": "*.r.example"}, None),
        ("https://xr.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.example"}, "http://p:1"),
        ("https://r.example:8443/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.example:443"}, "http://p:1"),
        ("https://r.example:443/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.example:443"}, None),
        ("https://10.1.2.3/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://r.example/", {"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, None),
        ("http://127.0.0.1:5000/", {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}, None),
        ("http://localhost/", {"http_proxy": "http://p:1"}, None),
    ],
)
def test_proxies(url: str, environment: dict[str, str], expected: str | None) -> None:
    """The usual variables choose the proxy; loopback has none."""
    assert proxy_for(origin_of(url), environment) == expected


def test_through_a_proxy(tmp_path: Path, other: FakeRegistry) -> None:
    """A plain registry elsewhere is asked through the proxy, with the proxy's own credentials."""
    environment = docker_environment(tmp_path, {}) | {"http_proxy": f"http://me:pw@{other.host}"}
    client = RegistryClient(environment=environment, plain_http=["registry.example"], clock=FakeClock())
    client.observe(Reference("registry.example", "kit/app", "t"))
    assert other.log[0].path == "http://registry.example/v2/kit/app/manifests/t"
    assert other.log[0].headers["proxy-authorization"] == basic_header("me", "pw")["Authorization"]
    client.close()


@pytest.mark.parametrize(("status", "verdict"), [(407, Verdict.DENIED), (403, Verdict.DENIED), (502, Verdict.UNKNOWN)])
def test_refusing_proxy(tmp_path: Path, other: FakeRegistry, status: int, verdict: Verdict) -> None:
    """A proxy that refuses the tunnel is a refusal, one that cannot reach the registry is unknown; never absent."""
    other.add_rule(method="CONNECT", status=status)
    environment = docker_environment(tmp_path, {}) | {"https_proxy": f"http://{other.host}"}
    client = RegistryClient(environment=environment, clock=FakeClock())
    answer = client.observe(Reference("registry.example", "kit/app", "t"))
    assert answer.verdict is verdict
    assert {item.path for item in other.log} == {"registry.example:443"}
    assert len(other.log) == (1 if verdict is Verdict.DENIED else 5)
    client.close()


def test_imports_stay_light() -> None:
    """The client's module loads neither boto3 nor docker, git, requests, yaml or tenacity."""
    heavy = {"boto3", "botocore", "docker", "git", "requests", "yaml", "tenacity"}
    code = f"import sys, pipeline_kit.adapters.registry.client; print(sorted({heavy!r} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_many_checks_are_parallel(tmp_path: Path) -> None:
    """32 slow answers take about as long as one."""
    with FakeRegistry() as registry:
        references = refs(registry, 33)
        client = client_for(registry, tmp_path)
        client.observe(references[0])
        registry.add_rule(do="drip", seconds=0.01, body=SLOW_MISS)
        started = time.monotonic()
        client.observe_all(references[1:])
        assert time.monotonic() - started < 32 * len(SLOW_MISS) * 0.01 / 3
        client.close()
