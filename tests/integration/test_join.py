"""Platforms built apart on a real engine, and joined: what native runners of a matrix do (designs D2 and D11)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.main_job import Job, make_job
from fakes.project_files import config_text

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
AMD, ARM = "linux/amd64", "linux/arm64"


@pytest.fixture
def job(tmp_path: Path, registry_host: str, engine_env: dict[str, str]) -> Job:
    """Give a project of base and api (upon base) for two platforms, and tool for one; no step needs emulation."""
    job = make_job(tmp_path / "repository", registry_host, engine_env, base="scratch")
    images: dict[str, dict[str, Any]] = {
        "base": {"context": "base", "platforms": [AMD, ARM]},
        "api": {
            "context": "services/api",
            "platforms": [AMD, ARM],
            "contexts": {"base": "image:base"},
            "aliases": ["{branch}"],
        },
        "tool": {"context": "tool"},
    }
    job.write("pipeline-kit.yaml", config_text(images, registry=registry_host).replace('"shop"', f'"{job.project}"'))
    job.write("base/Dockerfile", "FROM scratch\nCOPY base.txt /\n")
    job.write("services/api/Dockerfile", "FROM base\nCOPY src /src\n")
    job.write("tool/Dockerfile", f"FROM scratch\nLABEL of={job.project}\nCOPY . /\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "platforms")
    return job


def statuses(images: dict[str, Any]) -> dict[str, str]:
    """Return what became of each image."""
    return {name: image["status"] for name, image in images.items()}


def join(job: Job, code: int = 0) -> dict[str, Any]:
    """Run ``join --json`` and return its images."""
    done = job.kit("join", "--json")
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    images: dict[str, Any] = json.loads(done.stdout)["images"]
    return images


def test_two_runners_and_a_join_make_whole_images(job: Job) -> None:
    """The join ends with indexes of both platforms under the content tags; then nothing is to be done."""
    first = job.build("--platform", AMD)
    assert statuses(first) == {"base": "built", "api": "built", "tool": "built"}
    assert first["api"]["reference"].endswith("-linux-amd64")
    tags = {name: tag.split()[1].rpartition(":")[2] for name, tag in _tags(job).items()}
    assert first["tool"]["tag"] == tags["tool"]
    assert job.digest("api", tags["api"]) is None
    assert job.digest("api", "main") is None
    failed = join(job, code=1)
    assert statuses(failed) == {"base": "failed", "api": "failed", "tool": "skipped"}
    assert "pipeline-kit build --platform linux/arm64 api" in failed["api"]["error"]
    second = job.build("--platform", ARM)
    assert statuses(second) == {"base": "built", "api": "built"}
    joined = join(job)
    assert statuses(joined) == {"base": "built", "api": "built", "tool": "skipped"}
    assert job.digest("api", tags["api"]) == joined["api"]["digest"] == job.digest("api", "main")
    index = json.loads(job.fetch(f"{job.project}/api/manifests/{tags['api']}") or b"{}")
    platforms = [item["platform"]["architecture"] for item in index["manifests"]]
    assert platforms[:2] == ["amd64", "arm64"]
    assert set(statuses(job.build()).values()) == {"skipped"}
    assert set(statuses(join(job)).values()) == {"skipped"}


def test_a_runner_does_not_build_what_another_has_staged(job: Job) -> None:
    """Run again, a platform is skipped, also as a base of what is new."""
    before = job.build("--platform", ARM)
    assert set(statuses(job.build("--platform", ARM)).values()) == {"skipped"}
    job.write("services/api/src/app.py", "print(2)\n")
    after = job.build("--platform", ARM)
    assert statuses(after) == {"base": "skipped", "api": "built"}
    assert after["base"]["digest"] == before["base"]["digest"]


def test_a_platform_of_a_whole_image_is_not_built_again(job: Job) -> None:
    """What a build of all platforms pushed serves each."""
    job.build()
    assert statuses(job.build("--platform", ARM)) == {"base": "skipped", "api": "skipped"}


def test_the_plan_of_one_platform_is_what_its_build_does(job: Job) -> None:
    """A dry run is the plan."""
    planned = job.kit("plan", "--platform", ARM, "--json", "--detailed-exitcode")
    dry = job.kit("build", "--platform", ARM, "--dry-run", "--json")
    assert planned.returncode == 10
    images = json.loads(planned.stdout)["images"]
    assert images == json.loads(dry.stdout)["images"]
    assert {name: image["action"] for name, image in images.items()} == {"base": "build", "api": "build"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tool", "--platform", ARM], "tool: not built for linux/arm64"),
        (["--platform", "linux/s390x"], "platforms of this project: linux/amd64, linux/arm64"),
        (["--platform", "a/b/c/d"], "is no platform"),
    ],
)
def test_a_platform_that_no_image_has_is_refused(job: Job, words: list[str], told: str) -> None:
    """Exit 2, before anything is asked."""
    done = job.kit("build", *words)
    assert done.returncode == 2
    assert told in done.stderr


def _tags(job: Job) -> dict[str, str]:
    return {line.split()[0]: line for line in job.kit("tag").stdout.splitlines()}
