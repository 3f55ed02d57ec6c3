"""A repository, a registry that wants a password, and act."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import gh_stand_in
from fakes.act_runner import Act, copy_library
from fakes.main_job import KIT, Job, make_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    import stack

USERS = {"ann": "job-token", "oauth2accesstoken": "google-token"}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a runner downloads of this repository."""
    return copy_library(tmp_path_factory.mktemp("library") / "pipeline-kit")


@pytest.fixture(scope="session")
def locked_registry(running_stack: stack.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a registry that knows the job's token, and Google's."""
    import stack as parts

    place = tmp_path_factory.mktemp("registry")
    with parts.running_registry(place, parts.RegistryConfig(users=USERS)) as registry:
        yield registry.host


@pytest.fixture
def act(library: Path, tmp_path: Path, engine_env: dict[str, str]) -> Act:
    """Give act, whose steps reach the engine, log in to a file of their own, and find pipeline-kit installed."""
    config = tmp_path / "docker"
    config.mkdir()
    (config / "cli-plugins").symlink_to(Path(engine_env["DOCKER_CONFIG"]) / "cli-plugins")
    environment = {name: value for name, value in engine_env.items() if not name.startswith("PIPELINE_KIT_")}
    for name in ("home", "artifacts", "cache", "programs", "github"):
        (tmp_path / name).mkdir()
    gh = tmp_path / "programs" / "gh"
    gh.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{gh_stand_in.__file__}" "$@"\n', encoding="utf-8")
    gh.chmod(0o755)
    return Act(
        library,
        tmp_path / "act",
        {
            **environment,
            "PATH": f"{tmp_path / 'programs'}:{environment['PATH']}",
            "HOME": str(tmp_path / "home"),
            "DOCKER_CONFIG": str(config),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PIPELINE_KIT_PROGRAM": KIT,
            "TEST_ARTIFACTS": str(tmp_path / "artifacts"),
            "TEST_GITHUB": str(tmp_path / "github"),
            "TEST_CACHE": str(tmp_path / "cache"),
            "TEST_GOOGLE_TOKEN": USERS["oauth2accesstoken"],
        },
    )


@pytest.fixture
def job(tmp_path: Path, running_stack: stack.Stack, locked_registry: str, act: Act) -> Job:
    """Give a repository of two images, which no registry has; its registry wants a password."""
    import stack as parts

    parts.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    return make_job(tmp_path / "repository", locked_registry, act.environment, base=base)


@pytest.fixture
def open_job(tmp_path: Path, running_stack: stack.Stack, act: Act) -> Job:
    """Give such a repository whose registry is open, as Amazon ECR is to a job with AWS credentials."""
    import stack as parts

    parts.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    return make_job(tmp_path / "repository", running_stack.registry, act.environment, base=base)
