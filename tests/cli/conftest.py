"""A shop whose registry is in this process, and golden files of what people read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import stack_programs
from fakes.cli_shop import Shop
from fakes.fake_registry import FakeRegistry
from fakes.project_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes golden files instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="write tests/cli/golden/ anew; review the diff")


@pytest.fixture
def shop(tmp_path: Path, home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Give a committed project of base, api (upon base) and web, and an empty registry."""
    root = tmp_path / "repo"
    write_files(
        root,
        {
            "base/Dockerfile": "FROM scratch\nCOPY . /\n",
            "api/Dockerfile": "FROM base\nCOPY . /\n",
            "api/src/app.py": "print(1)\n",
            "web/Dockerfile": "FROM scratch\nCOPY . /\n",
        },
    )
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with FakeRegistry() as registry:
        made = Shop(root, registry, bool(request.config.getoption("--update-golden", default=False)))
        made.git("init", "--quiet", "--initial-branch=main")
        made.write()
        made.commit()
        yield made


@pytest.fixture
def buildx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buildx plugin, without an engine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(stack_programs.docker_config()))
    client = stack_programs.docker_client()
    if client is not None:
        monkeypatch.setenv("PATH", f"{client}:{os.environ['PATH']}")
