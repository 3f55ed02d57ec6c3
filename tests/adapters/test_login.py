"""``login``: nothing is stored that the registry did not accept, nothing secret is shown, docker's file stays whole."""

from __future__ import annotations

import base64
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.command_line import Ran
from fakes.fake_registry import FakeRegistry
from fakes.tls_front import TlsFront, make_certificate

from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.adapters.registry.credential_store import store, use_own_helper
from pipeline_kit.adapters.registry.credentials import Credential, DockerConfig
from pipeline_kit.errors import AuthenticationFailed, OutputFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cret-w0rd"
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
KIT = Path(sys.executable).with_name("pipeline-kit")


@pytest.fixture(params=[False, True], ids=["basic", "token"])
def registry(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    """A registry that knows one user, by either kind of challenge."""
    with FakeRegistry(users={"me": SECRET}, token=request.param) as made:
        yield made


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of an empty Docker configuration: config.json, not yet there."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker/config.json"


def login(*words: str, given: str = "", **environment: str) -> Ran:
    """Run the command in a process of its own; the secret may be nowhere in what it says."""
    done = subprocess.run(
        [KIT, "login", *words],
        input=given.encode(),
        env={**os.environ, **environment},
        capture_output=True,
        cwd="/",
        timeout=60,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ran.err
    told = ran.out + ran.err
    assert SECRET not in told
    assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in told
    return ran


def entry(user: str, password: str) -> dict[str, str]:
    """Return an element of auths."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def written(path: Path, document: Any) -> bytes:
    """Write a Docker configuration and return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path.read_bytes()


def helper(folder: Path, name: str = "vault", status: int = 0) -> str:
    """Write a credential helper that keeps what it is told in files, and return a PATH with it."""
    folder.mkdir(exist_ok=True)
    program = folder / f"docker-credential-{name}"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = store ]; then cat > {folder}/kept; exit {status}; fi\n'
        f"[ -e {folder}/kept ] || {{ echo credentials not found in native keychain; exit 1; }}\ncat {folder}/kept\n"
    )
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_an_accepted_login_is_kept_where_docker_looks(registry: FakeRegistry, docker: Path) -> None:
    """The file has mode 0600, and what reads Docker's configuration finds the login."""
    ran = login(registry.host, "--username", "me", "--password-stdin", given=f"{SECRET}\n")
    assert (ran.code, ran.out) == (0, f"{registry.host}: logged in as me, kept in {docker}\n")
    assert json.loads(docker.read_bytes()) == {"auths": {registry.host: entry("me", SECRET)}}
    assert stat.S_IMODE(docker.stat().st_mode) == 0o600
    assert DockerConfig(os.environ).lookup(registry.host) == Credential("me", SECRET)
    assert sorted(path.name for path in docker.parent.iterdir()) == ["config.json"]


@pytest.mark.parametrize("password", ["wrong", f"{SECRET}x"])
def test_what_the_registry_refuses_is_not_stored(registry: FakeRegistry, docker: Path, password: str) -> None:
    """Exit 3, the file as it was, and the wrong password is shown no more than a right one."""
    before = written(docker, {"auths": {registry.host: entry("me", "older")}})
    ran = login(registry.host, "--username", "me", "--password-stdin", given=password)
    assert ran.code == 3
    assert "does not accept the login" in ran.err
    assert password not in ran.err
    assert docker.read_bytes() == before


def test_everything_else_in_the_file_stays(registry: FakeRegistry, docker: Path) -> None:
    """Other logins, settings, and a link to the file; a file readable by all is closed."""
    others = {"auths": {"ghcr.io": entry("a", "b")}, "credHelpers": {"x.example": "x"}, "currentContext": "mine"}
    real = docker.parent / "real.json"
    written(real, others)
    real.chmod(0o644)
    docker.symlink_to("real.json")
    assert login(registry.host, "--username", "me", "--password-stdin", given=SECRET).code == 0
    assert docker.is_symlink()
    auths = {**others["auths"], registry.host: entry("me", SECRET)}  # type: ignore[dict-item]
    assert json.loads(real.read_bytes()) == {**others, "auths": auths}
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@pytest.mark.parametrize("section", ["credsStore", "credHelpers"])
def test_a_configured_helper_keeps_the_login(
    registry: FakeRegistry, docker: Path, tmp_path: Path, section: str
) -> None:
    """The secret goes to the helper through a pipe, and none is left in the file."""
    named: Any = "vault" if section == "credsStore" else {registry.host: "vault"}
    written(docker, {section: named, "auths": {registry.host: {**entry("me", "old"), "email": "e"}}})
    path = helper(tmp_path / "bin")
    ran = login(registry.host, "--username", "me", "--password-stdin", given=SECRET, PATH=path)
    assert (ran.code, ran.out) == (0, f"{registry.host}: logged in as me, kept in docker-credential-vault\n")
    kept = json.loads((tmp_path / "bin/kept").read_bytes())
    assert kept == {"ServerURL": registry.host, "Username": "me", "Secret": SECRET}
    assert json.loads(docker.read_bytes()) == {section: named, "auths": {registry.host: {"email": "e"}}}
    assert login(registry.host, PATH=path).out.endswith("already in docker-credential-vault\n")


@pytest.mark.parametrize("broken", ["missing", "failing"])
def test_a_broken_helper_stores_nothing(registry: FakeRegistry, docker: Path, tmp_path: Path, broken: str) -> None:
    """Exit 3, the helper is named, and the secret does not fall back into the file."""
    before = written(docker, {"credsStore": "vault"})
    path = helper(tmp_path / "bin", status=1) if broken == "failing" else os.environ["PATH"]
    ran = login(registry.host, "--username", "me", "--password-stdin", given=SECRET, PATH=path)
    assert ran.code == 3
    assert "docker-credential-vault" in ran.err
    assert docker.read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"credHelpers": "x"}'])
def test_a_broken_file_is_left_as_it_is(registry: FakeRegistry, docker: Path, text: str) -> None:
    """Exit 3 and what to do; it may hold other logins that somebody can still rescue."""
    docker.parent.mkdir()
    docker.write_text(text)
    ran = login(registry.host, "--username", "me", "--password-stdin", given=SECRET)
    assert ran.code == 3
    assert "is broken" in ran.err
    assert docker.read_text() == text


def test_the_stored_login_is_tried(registry: FakeRegistry, docker: Path) -> None:
    """Without a user name: 0 where the registry accepts what is stored, 3 where it does not; nothing is written."""
    right = written(docker, {"auths": {registry.host: entry("me", SECRET)}})
    ran = login(registry.host)
    assert (ran.code, ran.out) == (0, f"{registry.host}: logged in as me, already in {docker}\n")
    assert docker.read_bytes() == right
    wrong = written(docker, {"auths": {registry.host: entry("me", "old")}})
    assert login(registry.host).code == 3
    assert docker.read_bytes() == wrong


def test_nothing_to_log_in_with_is_a_usage_error(registry: FakeRegistry, docker: Path) -> None:
    """Exit 2, with the command to use."""
    ran = login(registry.host)
    assert ran.code == 2
    assert f"pipeline-kit login {registry.host} --username USER --password-stdin" in ran.err


def test_a_registry_that_asks_for_no_login(docker: Path) -> None:
    """The login is kept, and that it proves nothing is said."""
    with FakeRegistry() as registry:
        ran = login(registry.host, "--username", "me", "--password-stdin", "--json", given=SECRET)
        assert ran.json()["registries"][registry.host] == {
            "username": "me",
            "proof": "not asked for",
            "kept": str(docker),
            "holds_secret": True,
            "is_new": True,
        }
        assert "answers everybody" in login(registry.host).out


@pytest.mark.parametrize(
    "words",
    [
        ("--password-stdin",),
        ("--username", "me", "--password-stdin"),
        ("a.example", "b.example", "--username", "me", "--password-stdin"),
        ("127.0.0.1:1", "--username", "me"),
        ("127.0.0.1:1", "--username", "m:e", "--password-stdin"),
        ("me:s3cret-w0rd@127.0.0.1:1",),
        ("127.0.0.1:1/team/api",),
        ("",),
        ("a\nb",),
    ],
)
def test_usage(docker: Path, words: tuple[str, ...]) -> None:
    """Exit 2 before anything is asked: among others a password without a named registry, credentials in the name."""
    assert login(*words, given=SECRET).code == 2
    assert not docker.exists()


@pytest.mark.parametrize("given", ["", "\n", "a\0b", "x" * 70_000])
def test_passwords_that_cannot_be_meant(docker: Path, given: str) -> None:
    """Empty, with a NUL, or longer than any token."""
    assert login("127.0.0.1:1", "--username", "me", "--password-stdin", given=given).code == 2


def test_a_key_of_several_lines_is_sent_whole(docker: Path) -> None:
    """As Google's _json_key; only the last line's end is dropped."""
    key = '{\n  "type": "service_account"\n}'
    with FakeRegistry(users={"_json_key": key}) as registry:
        assert login(registry.host, "--username", "_json_key", "--password-stdin", given=f"{key}\r\n").code == 0
        assert json.loads(docker.read_bytes())["auths"][registry.host] == entry("_json_key", key)


def test_on_a_terminal_the_password_is_asked_for(docker: Path) -> None:
    """It is not echoed."""
    with FakeRegistry(users={"me": SECRET}) as registry:
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            [KIT, "login", registry.host, "--username", "me"],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=dict(os.environ),
            start_new_session=True,
        )
        os.close(terminal)
        shown = b""
        while b"Password:" not in shown:
            shown += os.read(main, 1024)
        os.write(main, f"{SECRET}\n".encode())
        out, _ = process.communicate(timeout=30)
        os.close(main)
        assert process.returncode == 0
        assert b"logged in as me" in out
        assert SECRET.encode() not in shown + out


def test_an_outage_is_no_refusal(registry: FakeRegistry, docker: Path) -> None:
    """One 503 is retried, which -v shows; a registry that is gone ends with 4; nothing is stored."""
    registry.add_rule(path="/v2/$", status=503, times=1)
    done = subprocess.run(
        [KIT, "-v", "login", registry.host, "--username", "me", "--password-stdin"],
        input=SECRET.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr.count(b"retry 2/")) == (0, 1)
    docker.unlink()
    registry.close()
    assert login(registry.host, "--username", "me", "--password-stdin", given=SECRET).code == 4
    assert not docker.exists()


def test_a_web_page_is_no_registry(docker: Path) -> None:
    """Exit 3; the password is not even sent to it."""
    with FakeRegistry(users={"me": SECRET}) as registry:
        registry.add_rule(status=200, headers={"Content-Type": "text/html"}, body=b"<h1>Log in</h1>")
        ran = login(registry.host, "--username", "me", "--password-stdin", given=SECRET)
        assert ran.code == 3
        assert "does not answer as a registry" in ran.err
        assert [item.headers.get("authorization") for item in registry.log] == [None]
        assert not docker.exists()


def test_several_registries_are_each_told(docker: Path) -> None:
    """One refusal keeps no other from being tried; the gravest code counts."""
    with FakeRegistry(users={"me": SECRET}) as good, FakeRegistry(users={"me": "other"}) as bad:
        written(docker, {"auths": {good.host: entry("me", SECRET), bad.host: entry("me", SECRET)}})
        ran = login(bad.host, good.host)
        assert ran.code == 3
        assert ran.out.startswith(f"{good.host}: logged in")
        assert bad.host in ran.err


def test_the_configured_registry_is_the_default(docker: Path, tmp_path: Path) -> None:
    """Its host alone counts, not the path below it."""
    with FakeRegistry(users={"me": SECRET}) as registry:
        written(docker, {"auths": {registry.host: entry("me", SECRET)}})
        (tmp_path / "api").mkdir()
        (tmp_path / "api/Dockerfile").write_text("FROM scratch\n")
        (tmp_path / "pipeline-kit.yaml").write_text(
            f"version: 1\nproject: shop\nregistry: {registry.host}/team\nimages: {{api: {{context: api}}}}\n"
        )
        done = subprocess.run([KIT, "-C", str(tmp_path), "login"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.partition(":")[0]) == (0, "127.0.0.1")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """OutputFailed with the system's reason, and no half file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="Not a directory"):
        store("a.example", Credential("me", SECRET), {"DOCKER_CONFIG": str(tmp_path / "file/docker")})


def test_two_logins_at_once_lose_neither(tmp_path: Path) -> None:
    """Twenty processes, twenty entries."""
    code = (
        "import os, sys\nfrom pipeline_kit.adapters.registry.credential_store import store\n"
        "from pipeline_kit.adapters.registry.credentials import Credential\n"
        "store(sys.argv[1], Credential('me', 'pw'), os.environ)\n"
    )
    environ = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", code, f"h{n}.example"], env=environ) for n in range(20)]
    assert [process.wait(60) for process in running] == [0] * 20
    assert len(json.loads((tmp_path / "config.json").read_bytes())["auths"]) == 20


def test_docker_hub_is_kept_under_dockers_own_key(tmp_path: Path) -> None:
    """Docker reads https://index.docker.io/v1/ and nothing else for its own registry."""
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    store("docker.io", Credential("me", SECRET), environ)
    assert list(json.loads((tmp_path / "config.json").read_bytes())["auths"]) == ["https://index.docker.io/v1/"]
    assert DockerConfig(environ).lookup("docker.io") == Credential("me", SECRET)


@pytest.fixture
def ecr(aws_endpoint: str, tmp_path: Path, docker: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """A registry behind TLS under ECR's name, which takes the token that the AWS double gives."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    found = EcrCredentials().lookup(ECR)
    assert found is not None
    certificate = make_certificate(tmp_path, ECR)
    with (
        FakeRegistry(users={found.username: found.password}) as registry,
        TlsFront(registry.host, certificate) as front,
    ):
        monkeypatch.setenv("HTTPS_PROXY", front.proxy)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        monkeypatch.setenv("PATH", f"{KIT.parent}:{os.environ['PATH']}")
        yield registry


def test_ecr_leaves_no_secret_behind(ecr: FakeRegistry, docker: Path) -> None:
    """The credential helper is named in the file, an older token there goes, a second login changes nothing."""
    written(docker, {"auths": {ECR: entry("AWS", "expired"), f"https://{ECR}": entry("AWS", "expired")}})
    ran = login(ECR)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{ECR}: logged in as AWS, kept in docker-credential-pipeline-kit in {docker}\n"
    assert json.loads(docker.read_bytes()) == {"auths": {}, "credHelpers": {ECR: "pipeline-kit"}}
    before = docker.stat().st_mtime_ns
    assert "already in" in login(ECR).out
    assert docker.stat().st_mtime_ns == before
    assert ecr.users["AWS"] not in docker.read_text()
    answered = subprocess.run(
        ["docker-credential-pipeline-kit", "get"], input=ECR.encode(), capture_output=True, check=True
    )
    assert json.loads(answered.stdout)["Secret"] == ecr.users["AWS"]


@pytest.mark.parametrize("why", ["asked for", "no helper on PATH"])
def test_ecrs_token_itself_can_be_stored(
    ecr: FakeRegistry, docker: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """With --token, and where docker could not run the helper."""
    if why == "no helper on PATH":
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert login(ECR, *(["--token"] if why == "asked for" else [])).code == 0
    assert json.loads(docker.read_bytes()) == {"auths": {ECR: entry("AWS", ecr.users["AWS"])}}


def test_ecr_with_another_helper_is_left_to_it(ecr: FakeRegistry, docker: Path, tmp_path: Path) -> None:
    """Amazon's own helper goes on answering; its answer is what is tried."""
    before = written(docker, {"credHelpers": {ECR: "ecr-login"}})
    path = helper(tmp_path / "bin", "ecr-login")
    (tmp_path / "bin/kept").write_text(json.dumps({"Username": "AWS", "Secret": ecr.users["AWS"]}))
    assert login(ECR, PATH=path).out == f"{ECR}: logged in as AWS, already in docker-credential-ecr-login\n"
    assert docker.read_bytes() == before


def test_ecr_that_refuses_the_token(ecr: FakeRegistry, docker: Path) -> None:
    """Exit 3, and how to see which account the credentials are of."""
    ecr.users["AWS"] = "another account's"
    ran = login(ECR)
    assert ran.code == 3
    assert "aws sts get-caller-identity" in ran.err
    assert not docker.exists()


def test_ecr_without_aws_credentials(ecr: FakeRegistry, docker: Path) -> None:
    """Exit 3 and where credentials come from."""
    ran = login(ECR, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert ran.code == 3
    assert "AWS credentials" in ran.err


def test_an_unknown_certificate_gets_no_password(tmp_path: Path, docker: Path) -> None:
    """TLS is never switched off: exit 3, and the registry saw no request."""
    certificate = make_certificate(tmp_path, "registry.example")
    with FakeRegistry(users={"me": SECRET}) as registry, TlsFront(registry.host, certificate) as front:
        words = ("registry.example", "--username", "me", "--password-stdin")
        refused = login(*words, given=SECRET, HTTPS_PROXY=front.proxy)
        assert (refused.code, registry.log, docker.exists()) == (3, [], False)
        assert "certificate authority" in refused.err
        known = {"HTTPS_PROXY": front.proxy, "SSL_CERT_FILE": str(certificate.path)}
        assert login(*words, given=SECRET, **known).code == 0
        assert set(front.targets) == {"registry.example:443"}


def test_our_own_helper_is_not_started_by_ourselves(ecr: FakeRegistry, docker: Path) -> None:
    """What it would answer is asked from AWS in this very process: the file gives no credential, and no error."""
    use_own_helper(ECR, os.environ)
    assert DockerConfig({**os.environ, "PATH": "/nowhere"}).lookup(ECR) is None


def test_a_link_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """As dotfile managers leave it: the file is made at the link's end."""
    (tmp_path / "config.json").symlink_to("dots/docker.json")
    store("a.example", Credential("me", SECRET), {"DOCKER_CONFIG": str(tmp_path)})
    assert (tmp_path / "config.json").is_symlink()
    assert (tmp_path / "dots/docker.json").is_file()


def test_a_broken_section_is_not_overwritten(tmp_path: Path) -> None:
    """AuthenticationFailed names the file and the section."""
    (tmp_path / "config.json").write_text('{"auths": 1}')
    with pytest.raises(AuthenticationFailed, match="auths"):
        use_own_helper(ECR, {"DOCKER_CONFIG": str(tmp_path)})
