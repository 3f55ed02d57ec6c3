"""The build action, run by act against the real engine and a registry that wants a password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.ci_events import FORK
from fakes.workflow_files import one_step

if TYPE_CHECKING:
    from fakes.act_runner import Act
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


def test_builds_once_and_has_nothing_to_do_the_second_time(act: Act, job: Job) -> None:
    """The images are pushed, digests and a task definition are handed on; then everything is there already."""
    workflow = one_step(job, "build", {"report": "report.json"}, more="      - run: cat report.json\n")
    first = act.run(job.directory, workflow)
    assert first.code == 0, first.text
    outputs = first.outputs("it")
    assert (json.loads(outputs["built"]), outputs["skipped"]) == (["base", "api"], "[]")
    assert outputs["task-definition"].endswith("/pipeline-kit/prod-shop.json")
    assert [entry["image"] for entry in json.loads(outputs["matrix"])["include"]] == ["base", "api"]
    assert "| <code>api</code> |" in first.summary
    assert '"exit_code": 0' in first.printed
    assert "job-token" not in first.text

    second = act.run(job.directory, one_step(job, "build", {"images": "api\n  base", "push": "true"}))
    assert second.code == 0, second.text
    assert (second.outputs("it")["built"], second.outputs("it")["skipped"]) == ("[]", '["base", "api"]')
    assert second.outputs("it")["images"] == outputs["images"]


def test_a_pull_request_without_credentials_builds_and_pushes_nothing(act: Act, job: Job) -> None:
    """A fork's run: ``push: auto`` tries to push nothing, ``push: false`` says the same aloud."""
    done = act.run(job.directory, one_step(job, "build", {"push": "false"}), "pull_request", FORK)
    assert done.code == 0, done.text
    assert done.outputs("it")["images"] == "{}"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"images": "--no-push"}, "there is no image '--no-push'"),
        ({"images": "apy"}, "there is no image 'apy'"),
        ({"push": "yes"}, "input push is 'yes': write auto, true or false"),
        ({"force": "1"}, "input force is '1': write true or false"),
        ({"aws": "no"}, "input aws is 'no': write true or false"),
        ({"working-directory": "nowhere"}, "nowhere"),
        ({"plan": "nowhere.json"}, "nowhere.json"),
        ({"platform": "--force"}, "--force"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_input_that_cannot_be_meant_fails_and_is_named(
    act: Act, job: Job, inputs: dict[str, str], told: str
) -> None:
    """The job fails with an annotation before anything is built."""
    done = act.run(job.directory, one_step(job, "build", inputs))
    assert done.jobs == {"one": "failure"}
    assert told in done.text
    assert done.outputs("it") == {}


def test_a_dockerfile_that_cannot_be_built_fails_the_job_at_its_line(act: Act, job: Job) -> None:
    """The annotation names file and line; what was built before is handed on, what failed is not."""
    job.write("services/api/Dockerfile", "FROM base\nRUN exit 7\n")
    done = act.run(job.directory, one_step(job, "build", {}))
    assert done.jobs == {"one": "failure"}
    assert json.loads(done.outputs("it")["built"]) == ["base"]
    told = [record for record in done.commands("error") if "kvPairs" in record or "file" in str(record)]
    assert any("services/api/Dockerfile" in str(record) for record in told), done.text
    assert "api failed" in done.summary


def test_a_saved_plan_is_carried_out_as_it_is(act: Act, job: Job) -> None:
    """Plan and build in one job; after a change between the two the build refuses."""
    build = (
        "      - uses: OWNER/pipeline-kit/actions/build@COMMIT\n        id: built\n        with: {plan: plan.json}\n"
    )
    done = act.run(job.directory, one_step(job, "plan", {"out": "plan.json"}, more=build))
    assert done.code == 0, done.text
    assert json.loads(done.outputs("built")["built"]) == ["base", "api"]
    moved = "      - run: echo changed > base/base.txt\n" + build
    job.write("base/base.txt", "first\n")
    refused = act.run(job.directory, one_step(job, "plan", {"out": "plan.json"}, more=moved))
    assert refused.jobs == {"one": "failure"}
    assert "base" in refused.text
    assert refused.outputs("built") == {}
