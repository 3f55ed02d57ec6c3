"""ECR tokens reach docker through a pipe, and through nothing else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.app.docker_config import docker_config_for

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
HELPER = Path(sys.executable).with_name("docker-credential-pipeline-kit")


@pytest.fixture
def aws(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[str, str]:
    """An environment with AWS credentials that reach only the double."""
    found = {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **found, "HOME": str(home)}


def _ask(host: str, environ: dict[str, str], verb: str = "get") -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELPER, verb], input=host, env=environ, capture_output=True, text=True, check=False)


def test_helper_answers_for_ecr(aws: dict[str, str]) -> None:
    """The helper gives docker the same token that the registry client uses."""
    answer = json.loads(_ask(f"https://{HOST}/", aws).stdout)
    expected = EcrCredentials().lookup(HOST)
    assert expected is not None
    assert (answer["Username"], answer["Secret"]) == ("AWS", expected.password)


@pytest.mark.parametrize("host", ["ghcr.io", f"{HOST}.evil.example", "", f"{HOST}@evil.example"])
def test_helper_knows_nothing_of_other_hosts(aws: dict[str, str], host: str) -> None:
    """A host that is not exactly ECR's gets no token."""
    answer = _ask(host, aws)
    assert (answer.returncode, answer.stdout) == (1, "credentials not found in native keychain\n")


def test_helper_without_credentials_says_so(home: Path) -> None:
    """Without AWS credentials docker gets a sentence, not a traceback."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ACCESS")}
    answer = _ask(HOST, {**environ, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"})
    assert answer.returncode == 1
    assert "no usable AWS credentials" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_children_get_a_configuration_without_any_token(aws: dict[str, str], home: Path) -> None:
    """The temporary configuration names the helper, keeps the user's settings, holds no secret, and goes away."""
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(
        json.dumps({"currentContext": "mine", "credHelpers": {"ghcr.io": "x"}})
    )
    with docker_config_for(HOST, aws) as (folder, environ):
        assert folder is not None
        path = folder / "config.json"
        document = json.loads(path.read_bytes())
        assert document == {"currentContext": "mine", "credHelpers": {"ghcr.io": "x", HOST: "pipeline-kit"}}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = subprocess.run(
            ["sh", "-c", "command -v docker-credential-pipeline-kit"], env=environ, capture_output=True, check=False
        )
        assert found.returncode == 0
    assert not folder.exists()


def test_users_own_credentials_are_left_alone(aws: dict[str, str], home: Path) -> None:
    """Where Docker's configuration has credentials for the registry, nothing is made."""
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": "QVdTOng="}}}))
    with docker_config_for(HOST, aws) as (folder, environ):
        assert folder is None
        assert environ is aws


def test_other_registries_need_none(aws: dict[str, str]) -> None:
    """Only ECR needs it."""
    with docker_config_for("ghcr.io", aws) as (folder, _):
        assert folder is None
