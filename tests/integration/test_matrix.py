"""The jobs of ``plan --format github-matrix`` carried out one by one on a real engine, as GitHub would (design D11)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.ci_events import github_pull
from fakes.main_job import Job, make_job
from fakes.project_files import config_text
from fakes.strict_pages import judge_html

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
AMD, ARM = "linux/amd64", "linux/arm64"
FOLDERS = ("base", "middle", "api", "alone", "odd", "arm")


@pytest.fixture
def job(tmp_path: Path, registry_host: str, engine_env: dict[str, str]) -> Job:
    """Give images of three levels for both platforms; ``alone`` has one only, and ``odd``, for both, builds upon it."""
    job = make_job(tmp_path / "repository", registry_host, engine_env, base="scratch")
    both = {"platforms": [AMD, ARM]}
    images: dict[str, dict[str, Any]] = {
        "base": {"context": "base", **both},
        "middle": {"context": "middle", "contexts": {"base": "image:base"}, **both},
        "api": {"context": "api", "contexts": {"middle": "image:middle"}, "aliases": ["{branch}"], **both},
        "alone": {"context": "alone", "contexts": {"base": "image:base"}, "aliases": ["{branch}"], "platforms": [AMD]},
        "odd": {"context": "odd", "contexts": {"alone": "image:alone"}, **both},
        "arm": {"context": "arm", "platforms": [ARM]},
    }
    job.write("pipeline-kit.yaml", config_text(images, registry=registry_host).replace('"shop"', f'"{job.project}"'))
    for name in FOLDERS:
        upon = next(iter(images[name].get("contexts", {"scratch": ""})))
        start = "FROM scratch\nCOPY --from=alone /alone /\n" if name == "odd" else f"FROM {upon}\n"
        job.write(f"{name}/Dockerfile", f"{start}COPY {name} /\n")
        job.write(f"{name}/{name}", f"{job.project}\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "levels")
    return job


def carry_out(job: Job, *words: str) -> list[dict[str, str]]:
    """Run every job of the matrix, level by level, and return them; each must build what it names and nothing else."""
    planned = job.kit("plan", "--format", "github-matrix", *words)
    assert planned.returncode == 0, planned.stderr
    matrix = json.loads(planned.stdout)
    jobs = [entry for level in matrix["levels"] for entry in level["include"]]
    assert len(jobs) == matrix["count"]
    for entry in jobs:
        platform = ["--platform", entry["platform"]] if entry["platform"] else []
        images = job.build(*platform, *entry["images"].split())
        built = {name for name, image in images.items() if image["status"] != "skipped"}
        assert built == set(entry["images"].split()), entry
    if matrix["join"]:
        joined = job.kit("join", "--json", *matrix["join"].split())
        assert joined.returncode == 0, joined.stderr
    return jobs


def nothing_to_do(job: Job, *names: str) -> bool:
    """Return whether a plan finds nothing left."""
    return job.kit("plan", "--detailed-exitcode", *names).returncode == 0


def without(job: Job, name: str) -> None:
    """Take an image out of the configuration."""
    config = json.loads((job.directory / "pipeline-kit.yaml").read_text())
    del config["images"][name]
    job.write("pipeline-kit.yaml", json.dumps(config))


def test_the_jobs_of_each_platform_and_a_join_leave_nothing_to_do(job: Job) -> None:
    """Later jobs find the bases that earlier ones staged, also for an image of one platform."""
    without(job, "odd")
    jobs = carry_out(job, "--per-platform")
    assert [(entry["images"], entry["platform"]) for entry in jobs] == [
        ("base", AMD),
        ("base", ARM),
        ("arm", ""),
        ("middle", AMD),
        ("middle", ARM),
        ("alone", AMD),
        ("api", AMD),
        ("api", ARM),
    ]
    assert nothing_to_do(job)
    assert job.digest("api", "main")
    assert job.digest("alone", "main")
    job.write("middle/middle", "changed\n")
    jobs = carry_out(job, "--per-platform")
    assert [entry["images"] for entry in jobs] == ["middle", "middle", "api", "api"]
    assert nothing_to_do(job)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [("base", ""), ("arm", ""), ("middle", ""), ("alone", ""), ("api", ""), ("odd", "")]),
        (
            ("--per-platform",),
            [
                ("base", ""),
                ("arm", ""),
                ("middle", AMD),
                ("middle", ARM),
                ("alone", ""),
                ("api", AMD),
                ("api", ARM),
                ("odd", ""),
            ],
        ),
        (("--per-platform", "--levels", "1"), [("base middle alone api odd", ""), ("arm", "")]),
        (
            ("--per-platform", "--levels", "1", "api", "alone"),
            [("base middle alone api", AMD), ("base middle api", ARM)],
        ),
    ],
)
def test_every_way_of_cutting_the_graph_leaves_nothing_to_do(
    job: Job, words: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    """Whole where something builds upon a lesser base, and everything below it too; together beyond the last level."""
    jobs = carry_out(job, *words)
    assert [(entry["images"], entry["platform"]) for entry in jobs] == expected
    assert nothing_to_do(job, *(word for word in words if word in FOLDERS))


def test_jobs_that_demand_records_find_those_of_the_jobs_before(job: Job) -> None:
    """A base under a staging tag is proven like any hit, and so is what is joined."""
    for name in ("middle", "api", "odd", "arm"):
        without(job, name)
    config = json.loads((job.directory / "pipeline-kit.yaml").read_text())
    job.write("pipeline-kit.yaml", json.dumps({**config, "verify": "record"}))
    jobs = carry_out(job, "--per-platform")
    assert [(entry["images"], entry["platform"]) for entry in jobs] == [("base", AMD), ("base", ARM), ("alone", AMD)]
    assert nothing_to_do(job)


def test_jobs_of_an_untrusted_run_find_their_bases_in_its_lane(job: Job, tmp_path: Path) -> None:
    """A pull request's images never lie where trusted ones do, and its own matrix works all the same."""
    for name in ("middle", "odd", "alone", "arm"):
        without(job, name)
    config = json.loads((job.directory / "pipeline-kit.yaml").read_text())
    config["images"]["api"] |= {"contexts": {"middle": "image:base"}}
    job.write("pipeline-kit.yaml", json.dumps({**config, "scopes": {"trusted": ["refs/heads/main"]}}))
    pull = replace(job, environment={**job.environment, **github_pull(tmp_path, is_fork=False)})
    jobs = carry_out(pull, "--per-platform")
    assert [(entry["images"], entry["platform"]) for entry in jobs] == [
        ("base", AMD),
        ("base", ARM),
        ("api", AMD),
        ("api", ARM),
    ]
    assert nothing_to_do(pull)
    assert not nothing_to_do(job)
    assert job.fetch(f"{job.project}/api/tags/list") is None


def test_aliases_of_what_is_there_move_with_the_join(job: Job, tmp_path: Path) -> None:
    """Nothing is to be built, and still there is something to do. What was built before has a page with its parts."""
    page = tmp_path / "page.html"
    built = job.build("--html", str(page))
    root = judge_html(page.read_text())
    text = "".join(root.itertext())
    assert "6 built" in text
    assert "Dashed: publish." in text
    assert all(image["digest"] in text for image in built.values())
    assert [step["name"] for step in built["api"]["steps"]] == ["build", "publish"]
    assert len(list(root.iter("path"))) == 4
    job.git("checkout", "--quiet", "-b", "other")
    planned = json.loads(job.kit("plan", "--format", "github-matrix").stdout)
    assert planned == {"count": 0, "levels": [], "join": "alone api"}
    assert carry_out(job) == []
    assert job.digest("api", "other") == job.digest("api", "main")
    assert nothing_to_do(job)
