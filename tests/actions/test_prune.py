"""The prune action, run by act against a real registry."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from fakes.workflow_files import one_step

if TYPE_CHECKING:
    from fakes.act_runner import Act
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
_CONFIG = """\
version: 1
project: {project}
registry: {registry}
images: {{only: {{context: only}}}}
retention: {{keep_last: 1}}
"""


def test_lists_first_and_deletes_where_told(act: Act, job: Job) -> None:
    """An image of 2020 that nothing keeps: listed, then deleted, then nothing is left to do."""
    job.write("pipeline-kit.yaml", _CONFIG.format(project=job.project, registry=job.registry))
    job.write("only/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "two")
    built = act.run(job.directory, one_step(job, "build", {}))
    assert built.code == 0, built.text
    reference = f"{job.registry}/{job.project}/only:{'a' * 40}"
    words = ["docker", "buildx", "build", "--push", "--provenance=false", "--tag", reference]
    words += ["--build-arg", "SOURCE_DATE_EPOCH=1600000000", "only"]
    subprocess.run(words, cwd=job.directory, env=dict(act.environment), check=True, capture_output=True)
    listed = act.run(job.directory, one_step(job, "prune", {}))
    assert listed.code == 0, listed.text
    found = listed.outputs("it")
    kept = found["kept"]
    assert (found["delete"], found["deleted"], found["kept"]) == ("1", "0", kept), listed.text
    assert "Nothing was deleted." in listed.summary
    done = act.run(job.directory, one_step(job, "prune", {"delete": "true", "images": "only"}))
    assert done.code == 0, done.text
    assert (done.outputs("it")["deleted"], done.outputs("it")["kept"]) == ("1", kept)
    again = act.run(job.directory, one_step(job, "prune", {"delete": "true"}))
    assert (again.code, again.outputs("it")["delete"]) == (0, "0")


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "retention"),
        ({"delete": "please"}, "input delete is 'please'"),
        ({"manifests": "nowhere.yaml"}, "nowhere.yaml"),
        ({"keep-commits": "--yes"}, "--yes"),
    ],
    ids=["no-rules", "no-flag", "no-manifest", "an-option"],
)
def test_nothing_is_deleted_where_something_is_wrong(act: Act, job: Job, inputs: dict[str, str], told: str) -> None:
    """The job fails and names it."""
    if inputs:
        job.write("pipeline-kit.yaml", _CONFIG.format(project=job.project, registry=job.registry))
        job.write("only/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    done = act.run(job.directory, one_step(job, "prune", {"delete": "true", **inputs}))
    assert done.jobs == {"one": "failure"}
    assert told in done.text, done.text
