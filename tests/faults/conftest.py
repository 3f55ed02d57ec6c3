"""A project over a real registry behind the fault proxy."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from fakes.fault_proxy import FaultProxy
from faults.scene import FaultScene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, registry_host: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultScene]:
    """Give a project that no registry has seen; nobody waits for other runners, since there are none."""
    monkeypatch.setattr("pipeline_kit.execute.run.LONGEST_WAIT", 0.0)
    monkeypatch.setattr("pipeline_kit.execute.run.SETTLE_SECONDS", 0.0)
    with FaultProxy(registry_host) as proxy:
        root = tmp_path / "repository"
        root.mkdir()
        yield FaultScene(root, proxy, f"fault-{secrets.token_hex(6)}")
