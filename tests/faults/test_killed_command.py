"""Row I2 with the command itself, a real engine and BuildKit: killed before a request, run again (design D6)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import stack
import urllib3
from fakes.fault_proxy import FaultProxy
from fakes.main_job import Job, make_job
from faults.whole import holding

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


@pytest.mark.parametrize(
    "path",
    ["/base/manifests/sha256:", "/api/blobs/uploads/", r"/base/manifests/[0-9a-f]{40}$", "/api/manifests/main$"],
    ids=["a push by digest", "a layer", "a content tag", "an alias"],
)
def test_i2_the_killed_command_is_repaired_by_the_next(
    tmp_path: Path, running_stack: stack.Stack, engine_env: dict[str, str], path: str
) -> None:
    """SIGKILL before a write: everything under a tag is whole, the alias has not moved, and the next run ends well."""
    stack.seed_base(running_stack.engine, running_stack.registry)
    with FaultProxy(running_stack.registry) as proxy, urllib3.PoolManager(retries=False) as http:
        base = f"{running_stack.registry}/library/busybox:1.36"
        job = make_job(tmp_path / "repository", proxy.host, engine_env, base=base)
        running = job.start("build")
        proxy.add("reset", method="PUT|PATCH", path=path, also=running.kill)
        running.communicate(timeout=120)
        assert running.returncode == -9
        _settle(proxy)
        for image in ("base", "api"):
            held = holding(running_stack.registry, f"{job.project}/{image}", http)
            assert "main" not in held.tags
        proxy.clear()
        _check_next(job)


def _settle(proxy: FaultProxy) -> None:
    """Wait until what the killed command had started (BuildKit goes on) says nothing more."""
    heard = -1
    while heard != len(proxy.log):
        heard = len(proxy.log)
        time.sleep(1)


def _check_next(job: Job) -> None:
    images = job.build()
    assert {image["status"] for image in images.values()} <= {"built", "skipped"}
    assert {name: job.digest(name, image["tag"]) for name, image in images.items()} == {
        name: image["digest"] for name, image in images.items()
    }
    assert job.digest("api", "main") == images["api"]["digest"]
    assert {image["status"] for image in job.build().values()} == {"skipped"}
