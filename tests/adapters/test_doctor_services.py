"""Doctor beyond the checkout: each trouble is provoked on real sockets, and told apart from its neighbours."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import pytest
from fakes.fake_registry import FakeRegistry
from fakes.tls_front import TlsFront, make_certificate

from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.app.doctor_services import examine_services
from pipeline_kit.checkup import RULES, Severity, exit_code
from pipeline_kit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.checkup import Finding

SECRET = "s3cret-w0rd"
USERS = {"me": SECRET}
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
DENIED = b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'
EXPIRED = b'{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate."}]}'
UNSUPPORTED = b'{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}'
NAME_UNKNOWN = b'{"errors":[{"code":"NAME_UNKNOWN","message":"project shop not found"}]}'
JSON = {"Content-Type": "application/json", "Docker-Distribution-Api-Version": "registry/2.0"}


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Docker configuration; returns the place of its file."""
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker/config.json"


def project(root: Path, host: str, extra: str = "", image: str = "") -> Path:
    """Write a project of two images whose registry is ``host``."""
    folder = root / "project"
    for name in ("api", "web"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "Dockerfile").write_text("FROM scratch\n")
    images = f"images:\n  api: {{context: api{image}}}\n  web: {{context: web}}\n"
    (folder / "pipeline-kit.yaml").write_text(f"version: 1\nproject: shop\nregistry: {host}\n{extra}{images}")
    return folder


def login(docker: Path, host: str, user: str = "me", password: str = SECRET) -> None:
    """Store a login as docker does."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    docker.write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def find(root: Path, *images: str, parts: tuple[str, ...] = ("registry",), **members: Any) -> tuple[Finding, ...]:
    """Return what doctor finds; every finding says what was seen or names its subject, and never a secret."""
    found = examine_services(root, None, os.environ, images, parts, **members)  # type: ignore[arg-type]
    assert all(finding.subject and finding.hint for finding in found)
    assert SECRET not in repr(found)
    return found


def rules(found: tuple[Finding, ...]) -> list[str]:
    """Return the names of the rules, each once."""
    return list(dict.fromkeys(finding.rule for finding in found))


@pytest.mark.parametrize("token", [False, True], ids=["basic", "token"])
def test_a_registry_in_order_has_no_findings_and_keeps_nothing(tmp_path: Path, docker: Path, token: bool) -> None:
    """The right to push is tried by an upload that is begun and cancelled; no blob, tag or session stays."""
    with FakeRegistry(users=USERS, token=token) as registry:
        login(docker, registry.host)
        assert find(project(tmp_path, registry.host)) == ()
        assert len(registry.requests("POST", "/v2/shop/.*/blobs/uploads/")) == 2
        assert registry.requests("DELETE", "/v2/shop/.*/blobs/uploads/.")
        assert (registry.uploads, registry.blobs, registry.tags, registry.manifests) == ({}, {}, {}, {})


def test_an_open_registry_needs_no_login(tmp_path: Path) -> None:
    """As on a laptop."""
    with FakeRegistry() as registry:
        assert find(project(tmp_path, registry.host)) == ()


@pytest.mark.registry
def test_the_real_registry_is_in_order_and_keeps_nothing(tmp_path: Path, registry_host: str) -> None:
    """Against the distribution project's own registry: no finding, and the repositories still do not exist."""
    folder = project(tmp_path, registry_host)
    text = (folder / "pipeline-kit.yaml").read_text().replace("project: shop", f"project: doctor-{os.getpid()}")
    (folder / "pipeline-kit.yaml").write_text(text)
    assert find(folder) == ()
    from urllib.request import urlopen

    with urlopen(f"http://{registry_host}/v2/_catalog?n=1000", timeout=10) as answer:
        assert f"doctor-{os.getpid()}" not in answer.read().decode()


ANSWERS: dict[str, tuple[dict[str, Any], str, int]] = {
    "html": (
        {"path": ".", "status": 200, "headers": {"Content-Type": "text/html"}, "body": b"<h1>Log in"},
        "not-a-registry",
        3,
    ),
    "404": ({"path": "/v2/$", "status": 404, "headers": {"Content-Type": "text/plain"}}, "not-a-registry", 3),
    "redirect": (
        {"path": "/v2/$", "status": 302, "headers": {"Location": "http://169.254.169.254/"}},
        "not-a-registry",
        3,
    ),
    "503": ({"path": "/v2/$", "status": 503, "headers": JSON}, "registry-failing", 4),
    "429": ({"path": "manifests", "status": 429, "headers": {**JSON, "Retry-After": "60"}}, "registry-failing", 4),
    "407": ({"path": "/v2/$", "status": 407}, "proxy-refused", 3),
    "reset": ({"path": ".", "do": "reset"}, "registry-unreachable", 4),
    "no http": ({"path": ".", "do": "drip", "body": b"SSH-2.0-OpenSSH_9\r\n"}, "not-a-registry", 3),
    "pull denied": (
        {"path": "manifests", "status": 403, "headers": JSON, "body": DENIED},
        "pull-denied",
        3,
    ),
    "push denied": (
        {"method": "POST", "path": "uploads", "status": 403, "headers": JSON, "body": DENIED},
        "push-denied",
        3,
    ),
    "expired": ({"path": "/shop/", "status": 403, "headers": JSON, "body": EXPIRED}, "login-expired", 3),
    "expired at once": (
        {"path": "/v2/$", "status": 403, "headers": JSON, "body": EXPIRED, "skip": 1},
        "login-expired",
        3,
    ),
    "read-only": (
        {"method": "POST", "path": "uploads", "status": 405, "headers": JSON, "body": UNSUPPORTED},
        "registry-read-only",
        3,
    ),
    "missing project": (
        {"method": "POST", "path": "uploads", "status": 404, "headers": JSON, "body": NAME_UNKNOWN},
        "repository-missing",
        3,
    ),
    "no cancelling": (
        {"method": "DELETE", "path": "uploads", "status": 405, "headers": JSON, "body": UNSUPPORTED},
        "upload-left",
        0,
    ),
    "slow clock": ({"path": "/v2/$", "do": "headers", "headers": {"Date": formatdate(time() + 3600)}}, "clock-skew", 0),
    "fast clock": ({"path": "/v2/$", "do": "headers", "headers": {"Date": formatdate(time() - 3600)}}, "clock-skew", 0),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_one_trouble_one_rule(tmp_path: Path, docker: Path, case: str) -> None:
    """Each answer gives one kind of finding, with what was seen and the right exit code, and nothing beside it."""
    members, rule, code = ANSWERS[case]
    with FakeRegistry(users=USERS) as registry:
        login(docker, registry.host)
        registry.add_rule(**members)
        found = find(project(tmp_path, registry.host))
        assert rules(found) == [rule]
        assert exit_code(found) == code
        assert all(finding.evidence for finding in found)


def test_an_ordinary_date_is_no_skew(tmp_path: Path) -> None:
    """Neither a few minutes nor a date that cannot be read."""
    for date in (formatdate(time() + 240), "yesterday", ""):
        with FakeRegistry() as registry:
            registry.add_rule(path="/v2/$", do="headers", headers={"Date": date})
            assert find(project(tmp_path, registry.host)) == ()


@pytest.mark.parametrize("token", [False, True], ids=["basic", "token"])
@pytest.mark.parametrize(
    ("user", "password", "rule"),
    [("me", "wrong", "login-refused"), ("", "", "login-missing"), ("x", "y", "login-refused")],
)
def test_logins(tmp_path: Path, docker: Path, token: bool, user: str, password: str, rule: str) -> None:
    """None and a wrong one are told apart; both say how to log in to this very host."""
    with FakeRegistry(users=USERS, token=token) as registry:
        if user:
            login(docker, registry.host, user, password)
        found = find(project(tmp_path, registry.host))
        assert rules(found) == [rule]
        assert f"pipeline-kit login {registry.host}" in found[0].hint
        assert "wrong" not in repr(found)


@pytest.mark.parametrize(
    "document",
    ["{", '{"credsStore": "missing-helper"}', '{"auths": {"HOST": {"auth": "!"}}}'],
    ids=["json", "helper", "auth"],
)
def test_a_login_that_cannot_be_read(tmp_path: Path, docker: Path, document: str) -> None:
    """A broken file or helper is no missing login."""
    with FakeRegistry(users=USERS) as registry:
        docker.write_text(document.replace("HOST", registry.host))
        assert rules(find(project(tmp_path, registry.host))) == ["login-broken"]


def test_each_repository_is_told_with_its_images(tmp_path: Path, docker: Path) -> None:
    """Where one repository is closed and the other is not."""
    with FakeRegistry(users=USERS) as registry:
        login(docker, registry.host)
        registry.add_rule(path="/shop/web/manifests", status=403, headers=JSON, body=DENIED)
        (finding,) = find(project(tmp_path, registry.host))
        assert (finding.subject, finding.images) == (f"{registry.host}/shop/web", ("web",))
        assert find(project(tmp_path, registry.host), "api") == ()
        with pytest.raises(InputError, match="no image 'nope'"):
            find(project(tmp_path, registry.host), "nope")


def test_nothing_listens(tmp_path: Path) -> None:
    """A wrong port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = find(project(tmp_path, f"127.0.0.1:{port}"))
    assert rules(found) == ["registry-unreachable"]
    assert "refused" in found[0].evidence


def test_a_name_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's answer is made here, so that no name server is asked."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = find(project(tmp_path, "registry.example"))
    assert (rules(found), exit_code(found)) == (["host-unknown"], 4)


@contextmanager
def behind_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str, days: tuple[int, int] = (-1, 1), trusted: bool = True
) -> Iterator[FakeRegistry]:
    """Give an open registry that any https host leads to, with a certificate for ``names``."""
    certificate = make_certificate(tmp_path, *names, days=days)
    with FakeRegistry() as registry, TlsFront(registry.host, certificate) as front:
        monkeypatch.setenv("HTTPS_PROXY", front.proxy)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        yield registry


@pytest.mark.parametrize(
    ("names", "days", "trusted", "expected"),
    [
        (("registry.example",), (-1, 1), True, []),
        (("registry.example",), (-1, 1), False, ["certificate-unknown"]),
        (("other.example",), (-1, 1), True, ["certificate-name"]),
        (("registry.example",), (-9, -1), True, ["certificate-expired"]),
        (("registry.example",), (1, 9), True, ["certificate-expired"]),
    ],
)
def test_certificates(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    days: tuple[int, int],
    trusted: bool,
    expected: list[str],
) -> None:
    """Unknown authority, another name, not valid now: exit 3, and TLS is never switched off."""
    with behind_tls(tmp_path, monkeypatch, *names, days=days, trusted=trusted) as registry:
        found = find(project(tmp_path, "registry.example"))
        assert rules(found) == expected
        assert exit_code(found) == (3 if expected else 0)
        assert bool(registry.log) != bool(expected)


def test_https_to_a_plain_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both schemes were tried, credentials by neither; the advice names plain_http."""
    with FakeRegistry() as registry:
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **more: real("127.0.0.1", *rest, **more))
        port = registry.host.partition(":")[2]
        found = find(project(tmp_path, f"registry.example:{port}"))
        assert (rules(found), exit_code(found)) == (["plain-http"], 3)
        assert "plain_http" in found[0].hint
        assert all("authorization" not in item.headers for item in registry.log)
        assert find(project(tmp_path, f"registry.example:{port}", f"plain_http: ['registry.example:{port}']\n")) == ()


def test_http_to_a_tls_server(tmp_path: Path) -> None:
    """Loopback is spoken to without TLS."""
    certificate = make_certificate(tmp_path, "localhost")
    with FakeRegistry() as registry, TlsFront(registry.host, certificate) as front:
        found = find(project(tmp_path, front.host))
        assert (rules(found), exit_code(found)) == (["tls-expected"], 3)
        assert "loopback" in found[0].hint


def test_http_to_a_tls_server_that_says_so(tmp_path: Path) -> None:
    """Go's servers answer 400 in plain text; that alone would look like no registry."""
    certificate = make_certificate(tmp_path, "localhost")
    with FakeRegistry() as registry, TlsFront(registry.host, certificate) as front, _go_like(front) as host:
        assert rules(find(project(tmp_path, host))) == ["tls-expected"]


@contextmanager
def _go_like(front: TlsFront) -> Iterator[str]:
    """A server that answers plain HTTP with 400, and leads TLS on to ``front``."""
    target = ("127.0.0.1", int(front.host.partition(":")[2]))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                first = connection.recv(65536)
                if first[:1] != b"\x16":
                    body = b"Client sent an HTTP request to an HTTPS server.\n"
                    head = f"HTTP/1.0 400 Bad Request\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode() + body)
                    continue
                with socket.create_connection(target) as upstream:
                    upstream.sendall(first)
                    while data := upstream.recv(65536):
                        connection.sendall(data)
                        try:
                            upstream.sendall(connection.recv(65536))
                        except OSError:
                            break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_proxies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses and one that is not there; the proxy is named, its password is not."""
    certificate = make_certificate(tmp_path, "registry.example")
    folder = project(tmp_path, "registry.example")
    with FakeRegistry() as registry, TlsFront(registry.host, certificate, refuses="407 Who are you") as front:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@{front.host}")
        refused = find(folder)
        assert (rules(refused), exit_code(refused)) == (["proxy-refused"], 3)
        assert front.host in refused[0].evidence
    gone = find(folder)
    assert (rules(gone), exit_code(gone)) == (["proxy-unreachable"], 4)


def test_a_run_that_cannot_push_does_not_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request of a fork: no upload is begun, and the reason is told."""
    event = {"pull_request": {"number": 1, "head": {"repo": None}, "base": {"repo": {"full_name": "a/b"}}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REF": "refs/pull/1/merge",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_OUTPUT": str(tmp_path / "out"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }.items():
        monkeypatch.setenv(name, value)
    with FakeRegistry() as registry:
        found = find(project(tmp_path, registry.host), parts=("registry", "ci"))
        assert rules(found) == ["ci-read-only"]
        assert registry.requests("POST") == []
        monkeypatch.delenv("GITHUB_SHA")
        told = find(project(tmp_path, registry.host), parts=("ci",))
        assert rules(told) == ["ci-variables", "ci-read-only"]
        assert "GITHUB_SHA" in told[0].evidence


@pytest.fixture
def ecr(aws_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """A registry behind TLS under ECR's name that makes no repositories, and AWS credentials that it knows."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    found = EcrCredentials().lookup(ECR)
    assert found is not None
    certificate = make_certificate(tmp_path, ECR)
    users = {found.username: found.password}
    with (
        FakeRegistry(users=users, creates_repositories=False) as registry,
        TlsFront(registry.host, certificate) as front,
    ):
        monkeypatch.setenv("HTTPS_PROXY", front.proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        yield registry


def make_repository(registry: FakeRegistry, name: str, mutability: str, filters: tuple[str, ...] = ()) -> None:
    """Make a repository in the AWS double and in the registry that stands for it."""
    import boto3

    more: dict[str, Any] = {}
    if filters:
        more["imageTagMutabilityExclusionFilters"] = [{"filterType": "WILDCARD", "filter": text} for text in filters]
    client = boto3.client("ecr", region_name="eu-west-1")
    for known in client.describe_repositories(registryId="111122223333")["repositories"]:
        if known["repositoryName"] == name:
            client.delete_repository(registryId="111122223333", repositoryName=name, force=True)
    client.create_repository(registryId="111122223333", repositoryName=name, imageTagMutability=mutability, **more)
    registry.manifests[name] = {}


def test_ecr_says_which_repositories_are_missing(tmp_path: Path, ecr: FakeRegistry) -> None:
    """Exit 3 and the command that makes each."""
    found = find(project(tmp_path, ECR))
    assert (rules(found), exit_code(found)) == (["repository-missing"], 3)
    assert [finding.hint for finding in found] == [
        f"aws ecr create-repository --repository-name shop/{name}" for name in ("api", "web")
    ]


@pytest.mark.parametrize(
    ("mutability", "filters", "expected"),
    [
        ("MUTABLE", (), "tags-mutable"),
        ("IMMUTABLE", (), "tags-immutable"),
        ("IMMUTABLE_WITH_EXCLUSION", ("v*",), "tags-immutable"),
        ("IMMUTABLE_WITH_EXCLUSION", ("branch-*", "latest"), ""),
    ],
)
def test_ecr_tags_that_cannot_move(
    tmp_path: Path, ecr: FakeRegistry, mutability: str, filters: tuple[str, ...], expected: str
) -> None:
    """Where aliases are configured and the repository's filters leave no way for them."""
    make_repository(ecr, "shop/api", mutability, filters)
    make_repository(ecr, "shop/web", "IMMUTABLE")
    found = find(project(tmp_path, ECR, image=', aliases: ["branch-{branch}", latest]'))
    assert rules(found) == ([expected] if expected else [])
    assert exit_code(found) == 0
    assert all(finding.images == ("api",) for finding in found)


def test_ecr_with_an_expired_token(tmp_path: Path, ecr: FakeRegistry) -> None:
    """ECR says so with 403."""
    ecr.add_rule(path="/v2/", status=403, headers=JSON, body=EXPIRED, skip=1)
    assert rules(find(project(tmp_path, ECR))) == ["login-expired"]


def test_aws_identity(tmp_path: Path, ecr: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who this run is, that the registry is another account's; without credentials exit 3, unreachable exit 4."""
    folder = project(tmp_path, ECR)
    found = find(folder, parts=("aws",))
    assert rules(found) == ["aws-identity", "aws-account"]
    assert found[0].subject.startswith("arn:aws:")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    missing = find(folder, parts=("aws",))
    assert (rules(missing), exit_code(missing)) == (["aws-login"], 3)
    assert find(project(tmp_path, "registry.example"), parts=("aws",)) == ()


def test_aws_that_does_not_answer(tmp_path: Path, ecr: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4: nothing is known."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = find(project(tmp_path, ECR), parts=("aws",))
    assert (rules(found), exit_code(found)) == (["aws-unreachable"], 4)


def test_github_without_a_way_to_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an OIDC token nor credentials: which permission the job lacks."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    found = find(project(tmp_path, ECR), parts=("ci",))
    (finding,) = [finding for finding in found if finding.rule == "id-token"]
    assert "id-token: write" in finding.hint
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://example")
    assert "id-token" not in rules(find(project(tmp_path, ECR), parts=("ci",)))


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4 with the socket; in CodeBuild the setting that starts one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    found = find(project(tmp_path, "127.0.0.1:1"), parts=("engine",))
    assert (rules(found), exit_code(found)) == (["engine-unreachable"], 4)
    assert "docker.sock" in found[0].evidence
    monkeypatch.setenv("CODEBUILD_BUILD_ID", "project:1")
    assert "privileged" in find(project(tmp_path, "127.0.0.1:1"), parts=("engine",))[0].hint


@pytest.mark.engine
@pytest.mark.xdist_group("engine")
def test_the_real_engine(tmp_path: Path, engine_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which builder builds, and that its classic store makes one platform at a time."""
    for name, value in engine_env.items():
        monkeypatch.setenv(name, value)
    folder = project(tmp_path, "127.0.0.1:1")
    (finding,) = find(folder, parts=("engine",))
    assert (finding.rule, finding.severity) == ("builder", Severity.NOTE)
    assert "buildx" in finding.evidence
    several = find(project(tmp_path, "127.0.0.1:1", image=", platforms: [linux/amd64, linux/arm64]"), parts=("engine",))
    has_containerd = "containerd" in finding.evidence
    assert rules(several) == (["builder"] if has_containerd else ["platforms-unsupported", "builder"])


def test_allowed_rules_are_warnings(tmp_path: Path) -> None:
    """As for the checkout."""
    folder = project(tmp_path, "127.0.0.1:1")
    found = find(folder, allowed=("registry-unreachable",))
    assert (exit_code(found), found[0].severity) == (0, Severity.WARNING)


def kit(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline_kit", *words], cwd=root, check=False, capture_output=True, text=True
    )


def test_the_command_looks_at_everything_or_at_what_is_named(tmp_path: Path, docker: Path) -> None:
    """The highest code counts; --offline asks no registry; --only looks at one part; JSON says which part it was."""
    with FakeRegistry(users=USERS) as registry:
        folder = project(tmp_path, registry.host)
        told = kit(folder, "doctor", "--only", "registry")
        assert told.returncode == 3
        assert f"login-missing (api): {registry.host}: it asks for a login" in told.stdout
        assert "seen: 401" in told.stdout
        assert f"do: pipeline-kit login {registry.host}" in told.stdout
        document = json.loads(kit(folder, "doctor", "--json", "--only", "registry").stdout)
        assert {item["part"] for item in document["findings"]} == {"registry"}
        assert document["exit_code"] == 3
        registry.log.clear()
        offline = json.loads(kit(folder, "doctor", "--json", "--offline", "--allow", "engine-unreachable").stdout)
        assert {item["part"] for item in offline["findings"]} <= {"checkout", "engine", "ci"}
        assert registry.log == []
        assert kit(folder, "doctor", "--only", "checkout").returncode == 0


def test_every_rule_of_a_service_is_provoked_somewhere_here() -> None:
    """A rule that no test provokes may never apply; those of the engine's version need an engine of that version."""
    text = Path(__file__).read_text(encoding="utf-8") + (
        Path(__file__).parents[1] / "unit/test_checkup_services.py"
    ).read_text(encoding="utf-8")
    services = [rule.name for rule in RULES.values() if rule.part != "checkout"]
    assert [name for name in services if f'"{name}"' not in text] == []
