"""Docker's configuration file, real helper programs, and ECR (faults K1-K7)."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError
from fakes.fake_registry import FakeRegistry
from fakes.real_registry import docker_environment
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.aws.ecr import EcrCredentials, EcrHost, is_ecr_host, parse_ecr_host, translate
from pipeline_kit.adapters.registry import credential_helpers
from pipeline_kit.adapters.registry.credential_helpers import helper_get
from pipeline_kit.adapters.registry.credentials import Credential, CredentialChain, DockerConfig, normalize_key
from pipeline_kit.errors import AuthenticationFailed, AuthorizationDenied, AwsUnreachable, PipelineKitError

if TYPE_CHECKING:
    from collections.abc import Iterator

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def encoded(text: str) -> str:
    """Return base64 of text."""
    return base64.b64encode(text.encode()).decode()


def helper(folder: Path, name: str, body: str) -> None:
    """Write an executable shell script docker-credential-NAME."""
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("quay.io", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("https://Quay.io/", "quay.io"),
        ("http://h:5000/v2/", "h:5000"),
        ("https://h/v1", "h"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("quay.io/team", ""),
        ("https://h/v1/x", ""),
        ("user@h", ""),
        ("", ""),
    ],
)
def test_normalize_key(key: str, expected: str) -> None:
    """Keys of every age name one host and port; those with a path name none."""
    assert normalize_key(key) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded("u:p:with:colons")}, Credential("u", "p:with:colons")),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        ({"auth": encoded("u:"), "identitytoken": "idt"}, Credential("u", "", "idt")),
        ({"registrytoken": "rt"}, Credential(registry_token="rt")),
        ({}, None),
        ({"email": "x"}, None),
        (None, None),
    ],
)
def test_entries(tmp_path: Path, entry: Any, expected: Credential | None) -> None:
    """Every form of an entry is read."""
    config = DockerConfig(docker_environment(tmp_path, {"auths": {"h:5000": entry}}))
    assert config.lookup("h:5000") == expected


@pytest.mark.parametrize("host", ["h", "h:5001", "h:50000", "xh:5000", "h:5000.evil.example", "sub.h:5000"])
def test_only_the_exact_host(tmp_path: Path, host: str) -> None:
    """A credential for one host and port is nothing for its neighbours, prefixes or subdomains."""
    config = DockerConfig(docker_environment(tmp_path, {"auths": {"h:5000": {"auth": encoded("u:p")}}}))
    assert config.lookup(host) is None
    assert config.lookup("h:5000") is not None


def test_hub_aliases(tmp_path: Path) -> None:
    """Docker Hub's login is found by its old key."""
    entries = {"auths": {"https://index.docker.io/v1/": {"auth": encoded("u:p")}}}
    assert DockerConfig(docker_environment(tmp_path, entries)).lookup("docker.io") == Credential("u", "p")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "\x00\x01",
        "[" * 100_000,
        '{"auths": []}',
        '{"auths": {"h": "text"}}',
        '{"auths": {"h": {"auth": "!!"}}}',
        f'{{"auths": {{"h": {{"auth": "{encoded("no-colon-SECRET")}"}}}}}}',
        '{"credHelpers": 5}',
    ],
)
def test_broken_files(tmp_path: Path, text: str) -> None:
    """A broken file is an error that names it and no secret, never an anonymous run."""
    with pytest.raises(AuthenticationFailed) as caught:
        DockerConfig(docker_environment(tmp_path, text)).lookup("h")
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that cannot be read is an error as well."""
    (tmp_path / "config.json").mkdir()
    with pytest.raises(AuthenticationFailed, match="cannot read"):
        DockerConfig({"DOCKER_CONFIG": str(tmp_path)}).lookup("h")


def test_no_file(tmp_path: Path) -> None:
    """Without a file, or with an empty one, there are no credentials."""
    assert DockerConfig({"HOME": str(tmp_path)}).lookup("h") is None
    assert DockerConfig(docker_environment(tmp_path, "")).lookup("h") is None


def test_path(tmp_path: Path) -> None:
    """DOCKER_CONFIG names the folder, else HOME does."""
    assert DockerConfig({"HOME": "/home/u"}).path == Path("/home/u/.docker/config.json")
    assert DockerConfig({"HOME": "/home/u", "DOCKER_CONFIG": "/c"}).path == Path("/c/config.json")


@given(st.text(min_size=4), st.text(min_size=4))
def test_secrets_do_not_show(user: str, secret: str) -> None:
    """A credential's repr and str hold no secret."""
    credential = Credential("user", f"<{secret}>", f"<{secret}>", f"<{user}>")
    assert repr(credential) == str(credential) == "Credential(username='user')"


def test_helper_by_host_before_store_before_file(tmp_path: Path) -> None:
    """CredHelpers win over credsStore, and what a helper does not know is looked up in the file."""
    helper(tmp_path, "one", """cat >/dev/null; echo '{"ServerURL":"h","Username":"one","Secret":"s1"}'""")
    body = 'read host; [ "$host" = other ] && echo \'{"Username":"two","Secret":"s2"}\' && exit 0'
    helper(tmp_path, "two", f'{body}\necho "credentials not found in native keychain"; exit 1')
    config = {"credHelpers": {"h": "one"}, "credsStore": "two", "auths": {"third": {"auth": encoded("u:p")}, "h": {}}}
    docker = DockerConfig(docker_environment(tmp_path, config))
    assert docker.lookup("h") == Credential("one", "s1")
    assert docker.lookup("other") == Credential("two", "s2")
    assert docker.lookup("third") == Credential("u", "p")
    assert docker.lookup("fourth") is None


def test_helper_identity_token(tmp_path: Path) -> None:
    """The user name <token> marks an identity token; the Hub is asked for by its old key."""
    check = 'read host; [ "$host" = https://index.docker.io/v1/ ] || exit 9'
    helper(tmp_path, "x", f"""{check}; echo '{{"Username":"<token>","Secret":"t"}}'""")
    docker = DockerConfig(docker_environment(tmp_path, {"credsStore": "x"}))
    assert docker.lookup("docker.io") == Credential(identity_token="t")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("echo SECRET; exit 3", "failed with status 3"),
        ("echo SECRET", "printed no credentials"),
        ("echo '[]'", "printed no credentials"),
        ("""echo '{"Username":"u","Secret":5}'""", "printed no credentials"),
        ("head -c 10000000 /dev/zero", "more than 64 KiB"),
        ("kill -9 $$", "failed with status -9"),
    ],
)
def test_helpers_that_fail(tmp_path: Path, body: str, expected: str) -> None:
    """A failing helper is named; what it printed is not shown, and nobody goes on anonymously."""
    helper(tmp_path, "bad", body)
    environment = docker_environment(tmp_path, {"credsStore": "bad", "auths": {"h": {"auth": encoded("u:p")}}})
    with pytest.raises(AuthenticationFailed, match=expected) as caught:
        DockerConfig(environment).lookup("h")
    assert "docker-credential-bad" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["none", "../../bin/sh", "a/b", "", "x" * 100])
def test_helpers_that_are_missing(tmp_path: Path, name: str) -> None:
    """A helper that is not on PATH, or whose name is a path, is an error."""
    with pytest.raises(AuthenticationFailed, match="not on PATH"):
        helper_get(name, "h", {"PATH": str(tmp_path)})


def test_helper_not_executable(tmp_path: Path) -> None:
    """A helper in no format that the system runs is an error."""
    path = tmp_path / "docker-credential-odd"
    path.write_bytes(b"\x7fELF nothing")
    path.chmod(0o755)
    with pytest.raises(AuthenticationFailed, match="cannot be run"):
        helper_get("odd", "h", {"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "body", ["sleep 60 & echo $! > pid; wait", "sleep 60 >/dev/null & echo $! > pid; exec >&-; wait"]
)
def test_helper_that_hangs(tmp_path: Path, body: str) -> None:
    """A helper that hangs is killed with its children when its time is up."""
    helper(tmp_path, "slow", f"cd {tmp_path}; {body}")
    started = time.monotonic()
    with pytest.raises(AuthenticationFailed, match=r"did not answer within 0\.5 s"):
        helper_get("slow", "h", {"PATH": f"{tmp_path}:/usr/bin:/bin"}, seconds=0.5)
    assert time.monotonic() - started < 5
    child = int((tmp_path / "pid").read_text(encoding="ascii"))
    assert not _is_running(child)


def _is_running(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


def test_helper_has_no_terminal(tmp_path: Path) -> None:
    """A helper gets the host on its stdin and then its end, in a session of its own without a terminal."""
    code = "import sys,os,json; h=sys.stdin.read(); print(json.dumps({'Username': h, 'Secret': str(os.getsid(0))}))"
    helper(tmp_path, "py", f'exec {sys.executable} -c "{code}"')
    found = helper_get("py", "h:5000", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert found is not None
    assert found[0] == "h:5000"
    assert int(found[1]) != os.getsid(0)


def test_default_time_limit() -> None:
    """A helper has twenty seconds."""
    assert credential_helpers.HELPER_SECONDS == 20.0


def test_docker_auth_config_is_refused_where_it_matters(tmp_path: Path) -> None:
    """DOCKER_AUTH_CONFIG is not read; where it would have been needed, that is said without its secret."""
    environment = docker_environment(tmp_path, {"auths": {"other": {"auth": encoded("u:p")}}})
    environment["DOCKER_AUTH_CONFIG"] = f'{{"auths": {{"h": {{"auth": "{encoded("u:SECRET")}"}}}}}}'
    config = DockerConfig(environment)
    with pytest.raises(AuthenticationFailed, match="DOCKER_AUTH_CONFIG") as caught:
        config.lookup("h")
    assert encoded("u:SECRET") not in str(caught.value)
    assert config.lookup("other") == Credential("u", "p")
    assert config.lookup("third") is None


def test_chain_asks_each_source_once(tmp_path: Path) -> None:
    """A helper runs once for each host, until what it gave was refused."""
    helper(tmp_path, "count", """echo x >> "$DOCKER_CONFIG/calls"; echo '{"Username":"u","Secret":"s"}'""")
    chain = CredentialChain((DockerConfig(docker_environment(tmp_path, {"credsStore": "count"})),))
    assert {chain.lookup("h") for _ in range(3)} == {Credential("u", "s")}
    assert (tmp_path / "calls").read_text(encoding="ascii") == "x\n"
    chain.forget("h")
    chain.lookup("h")
    assert (tmp_path / "calls").read_text(encoding="ascii") == "x\nx\n"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (ECR, EcrHost("111122223333", "eu-west-1")),
        ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", EcrHost("111122223333", "cn-north-1")),
        ("111122223333.dkr.ecr-fips.us-gov-east-1.amazonaws.com", EcrHost("111122223333", "us-gov-east-1", True)),
        ("111122223333.dkr-ecr.us-east-1.on.aws", EcrHost("111122223333", "us-east-1")),
        ("111122223333.dkr-ecr-fips.us-east-1.on.aws", EcrHost("111122223333", "us-east-1", is_fips=True)),
        ("111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov", EcrHost("111122223333", "us-iso-east-1")),
        ("111122223333.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", EcrHost("111122223333", "us-isob-east-1")),
        ("111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu", EcrHost("111122223333", "eusc-de-east-1")),
        ("111122223333.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", EcrHost("111122223333", "cn-north-1")),
        ("111122223333.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", EcrHost("111122223333", "eu-isoe-west-1")),
        ("111122223333.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", EcrHost("111122223333", "us-isof-south-1")),
        (f"{ECR}.evil.example", None),
        (f"evil-{ECR}", None),
        (f"{ECR}:443", None),
        (f"{ECR}\n", None),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil", None),
        ("111122223333.dkr.ecr.eu-west-1xamazonaws.com", None),
        ("11112222333.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("111122223333.dkr.ecr.evil.example.amazonaws.com", None),
        ("111122223333.dkr.ecr.-.amazonaws.com", None),
        ("public.ecr.aws", None),
        ("docker.io", None),
    ],
)  # fmt: skip
def test_ecr_hosts(host: str, expected: EcrHost | None) -> None:
    """Every partition's registries are known, and nothing that only looks like one."""
    assert parse_ecr_host(host) == expected
    assert is_ecr_host(host) == (expected is not None or host == "public.ecr.aws")


AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_MAX_ATTEMPTS": "1",
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """Run a server that stands for every AWS API, and credentials for it; its answers are rules."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with FakeRegistry() as server:
        for name, value in {**AWS_VARIABLES, "AWS_ENDPOINT_URL": f"http://{server.host}"}.items():
            monkeypatch.setenv(name, value)
        yield server


def answer_token(aws: FakeRegistry, token: str, *, is_public: bool = False) -> None:
    """Let the API give ``token``."""
    data = {"authorizationToken": token, "expiresAt": 1795521600}
    body = json.dumps({"authorizationData": data if is_public else [data]}).encode()
    aws.add_rule(method="POST", status=200, body=body, headers={"Content-Type": "application/x-amz-json-1.1"})


def answer_error(aws: FakeRegistry, code: str, status: int = 400) -> None:
    """Let the API refuse with ``code``."""
    body = json.dumps({"__type": code, "message": "SECRET detail"}).encode()
    aws.add_rule(method="POST", status=status, body=body, headers={"Content-Type": "application/x-amz-json-1.1"})


def test_ecr_token(aws: FakeRegistry) -> None:
    """One call in the host's own region gives user AWS and the token, kept until it is refused."""
    answer_token(aws, encoded("AWS:token"))
    source = EcrCredentials()
    assert {source.lookup(ECR) for _ in range(3)} == {Credential("AWS", "token")}
    assert source.lookup("quay.io") is None
    assert len(aws.log) == 1
    assert aws.log[0].headers["x-amz-target"].endswith(".GetAuthorizationToken")
    assert "/eu-west-1/ecr/" in aws.log[0].headers["authorization"]
    source.forget(ECR)
    source.lookup(ECR)
    assert len(aws.log) == 2


def test_ecr_of_two_accounts(aws: FakeRegistry) -> None:
    """Each registry's token comes from its own region; the caller's own account is not asked for another's."""
    answer_token(aws, encoded("AWS:token"))
    source = EcrCredentials()
    for host in (ECR, "444455556666.dkr.ecr.us-east-2.amazonaws.com"):
        assert source.lookup(host) == Credential("AWS", "token")
    assert ["/us-east-2/" in item.headers["authorization"] for item in aws.log] == [False, True]
    assert [json.loads(item.body) for item in aws.log] == [{}, {}]


def test_ecr_public_token(aws: FakeRegistry) -> None:
    """The public registry's token comes from us-east-1."""
    answer_token(aws, encoded("AWS:public"), is_public=True)
    assert EcrCredentials().lookup("public.ecr.aws") == Credential("AWS", "public")
    assert "/us-east-1/ecr-public/" in aws.log[0].headers["authorization"]


def test_docker_configuration_before_aws(aws: FakeRegistry, tmp_path: Path) -> None:
    """AWS is asked only where Docker's configuration has nothing for the host."""
    answer_token(aws, encoded("AWS:token"))
    config = DockerConfig(docker_environment(tmp_path, {"auths": {ECR: {"auth": encoded("AWS:stored")}}}))
    assert CredentialChain((config, EcrCredentials())).lookup(ECR) == Credential("AWS", "stored")
    assert aws.log == []


@pytest.mark.parametrize("token", ["", "!!!", encoded("AWS"), encoded("AWS:"), encoded(":x")])
def test_odd_ecr_tokens(aws: FakeRegistry, token: str) -> None:
    """An answer without user and password is an error."""
    answer_token(aws, token)
    with pytest.raises(AuthenticationFailed, match="holds no token"):
        EcrCredentials().lookup(ECR)


@pytest.mark.parametrize(
    ("code", "expected", "hint"),
    [
        ("ExpiredTokenException", AuthenticationFailed, "renew"),
        ("UnrecognizedClientException", AuthenticationFailed, "renew"),
        ("InvalidSignatureException", AuthenticationFailed, "clock"),
        ("RequestTimeTooSkewed", AuthenticationFailed, "clock"),
        ("AccessDeniedException", AuthorizationDenied, "allow ecr:GetAuthorizationToken"),
        ("ServerException", AwsUnreachable, ""),
    ],
)
def test_aws_errors(aws: FakeRegistry, code: str, expected: type[PipelineKitError], hint: str) -> None:
    """Each of AWS's refusals becomes one of ours, with the next step and without AWS's own text."""
    answer_error(aws, code)
    with pytest.raises(expected) as caught:
        EcrCredentials().lookup(ECR)
    assert code in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "SECRET" not in caught.value.message


def test_no_aws_credentials(aws: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AWS credentials a private registry is an error, the public one is asked anonymously."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AuthenticationFailed, match="no usable AWS credentials"):
        EcrCredentials().lookup(ECR)
    assert EcrCredentials().lookup("public.ecr.aws") is None
    assert aws.log == []


def test_unknown_profile(aws: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that does not exist is an error of authentication."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(AuthenticationFailed, match="ProfileNotFound"):
        EcrCredentials().lookup(ECR)
    assert aws.log == []


def test_aws_out_of_reach() -> None:
    """An endpoint that cannot be reached is unknown; a fault of our own passes unchanged."""
    error = translate(EndpointConnectionError(endpoint_url="https://x"), "ecr:GetAuthorizationToken")
    assert isinstance(error, AwsUnreachable)
    with pytest.raises(KeyError):
        translate(KeyError("x"), "ecr:GetAuthorizationToken")


def test_without_boto3(tmp_path: Path) -> None:
    """Where boto3 is not installed, the error says how to get it, and the public registry is asked anonymously."""
    code = f"""
import sys
sys.modules["boto3"] = None
from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.errors import AuthenticationFailed
assert EcrCredentials().lookup("public.ecr.aws") is None
try:
    EcrCredentials().lookup({ECR!r})
except AuthenticationFailed as error:
    print(error.hint)
"""
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "pip install 'pipeline-kit[aws]'\n"
