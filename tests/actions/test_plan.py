"""The plan action, run by act: summary, comment and matrix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.workflow_files import one_step

if TYPE_CHECKING:
    from fakes.act_runner import Act
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
_SHOW = '      - run: cat "$FILE"\n        env: {FILE: "${{ steps.it.outputs.comment-file }}"}\n'


def test_work_becomes_a_summary_a_comment_and_levels_and_then_nothing_is_left(act: Act, job: Job) -> None:
    """All outputs of a plan with work; after the build has-work is false and there is no level."""
    done = act.run(job.directory, one_step(job, "plan", {}, more=_SHOW))
    assert done.code == 0, done.text
    outputs = done.outputs("it")
    assert (outputs["has-work"], outputs["count"], outputs.get("join")) == ("true", "2", None)
    assert [[entry["images"] for entry in level["include"]] for level in json.loads(outputs["levels"])] == [
        ["base"],
        ["api"],
    ]
    assert json.loads(outputs["matrix"])["levels"] == json.loads(outputs["levels"])
    assert (outputs["build"], outputs["skip"]) == ('["base", "api"]', "[]")
    assert outputs["comment"].startswith("<!-- pipeline-kit plan -->\n")
    assert outputs["comment"].strip() in done.printed
    assert "api" in done.summary
    built = "      - uses: OWNER/pipeline-kit/actions/build@COMMIT\n"
    assert act.run(job.directory, one_step(job, "plan", {}, more=built)).code == 0
    after = act.run(job.directory, one_step(job, "plan", {"comment-file": "comment.md"}, more=_SHOW))
    assert after.code == 0, after.text
    outputs = after.outputs("it")
    assert (outputs["has-work"], outputs["count"], outputs["levels"]) == ("false", "0", "[]")
    assert (outputs["build"], outputs["skip"]) == ("[]", '["base", "api"]')
    assert outputs["comment-file"] == "comment.md"


def test_jobs_by_platform_and_on_the_runners_that_are_named(act: Act, job: Job) -> None:
    """Each platform of an image is a job on its own runner, and the image is joined afterwards."""
    job.write("only/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    job.write(
        "pipeline-kit.yaml",
        f"version: 1\nproject: {job.project}\nregistry: {job.registry}\n"
        "images: {only: {context: only, platforms: [linux/amd64, linux/arm64]}}\n",
    )
    inputs = {"per-platform": "true", "runners": "linux/arm64=my arm, runner\n\n  linux/amd64=x64  "}
    done = act.run(job.directory, one_step(job, "plan", inputs))
    assert done.code == 0, done.text
    (level,) = json.loads(done.outputs("it")["levels"])
    found = {entry["platform"]: entry["runner"] for entry in level["include"]}
    assert set(found) == {"linux/amd64", "linux/arm64"}
    assert found["linux/amd64"] == "x64"
    assert done.outputs("it")["join"] == "only"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"images": "apy"}, "there is no image 'apy'"),
        ({"runners": "arm"}, "is not PLATFORM=LABEL"),
        ({"per-platform": "True"}, "input per-platform is 'True': write true or false"),
        ({"levels": "none"}, "none"),
        ({"password": "x"}, "input password is set without registry"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_input_that_cannot_be_meant_fails_and_is_named(
    act: Act, job: Job, inputs: dict[str, str], told: str
) -> None:
    """The job fails and says why."""
    done = act.run(job.directory, one_step(job, "plan", inputs, login=False))
    assert done.jobs == {"one": "failure"}
    assert told in done.text


def test_a_registry_that_refuses_fails_the_plan(act: Act, job: Job) -> None:
    """Denied is not absent: without a login the plan of a push ends with an error."""
    done = act.run(job.directory, one_step(job, "plan", {}, login=False))
    assert done.jobs == {"one": "failure"}
    assert "no decision about" in done.text
