"""What every test gets: a clean environment, and the real engine and registry when it asks for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import stack

_DROPPED = (
    *("GIT_", "PIPELINE_KIT_", "AWS_"),
    *("GITHUB_", "CODEBUILD_", "RUNNER_", "ACTIONS_", "CI_", "GITLAB_", "JENKINS_", "BUILDKITE", "CIRCLE", "CHANGE_"),
)
_KEPT = ("PIPELINE_KIT_STACK_",)
_NAMES = ("NO_COLOR", "FORCE_COLOR", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "CI")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the machine's CI, git or AWS configuration reaches a test."""
    for name in list(os.environ):
        if (name.startswith(_DROPPED) and not name.startswith(_KEPT)) or name in _NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)


@pytest.fixture(scope="session")
def running_stack() -> stack.Stack:
    """The real engine and registry, started if need be and left running for the next test run."""
    import stack as parts

    return parts.up()


@pytest.fixture(scope="session")
def engine_env(running_stack: stack.Stack) -> dict[str, str]:
    """Environment for subprocesses that talk to the real engine."""
    return {**os.environ, **running_stack.environment()}


@pytest.fixture(scope="session")
def registry_host(running_stack: stack.Stack) -> str:
    """``host:port`` of the real, open registry."""
    return running_stack.environment()["PIPELINE_KIT_STACK_REGISTRY"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, so that no Docker configuration of the machine is read."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    return place
