"""The promote action, run by act."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.workflow_files import one_step

if TYPE_CHECKING:
    from fakes.act_runner import Act
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]


def test_copies_once_and_says_where_the_images_are(act: Act, job: Job) -> None:
    """By digest and with a tag; the second time everything is there."""
    inputs = {"to": f"{job.registry}/{job.project}-prod", "tags": "v1  v1.2", "report": "report.json"}
    promote = one_step(job, "build", {})
    assert act.run(job.directory, promote).code == 0
    tried = act.run(job.directory, one_step(job, "promote", {**inputs, "dry-run": "true", "report": ""}))
    assert (tried.code, tried.outputs("it")) == (0, {}), tried.text
    done = act.run(job.directory, one_step(job, "promote", inputs))
    assert done.code == 0, done.text
    outputs = done.outputs("it")
    assert (outputs["promoted"], outputs["unchanged"]) == ('["base", "api"]', "[]")
    images = json.loads(outputs["images"])
    assert images["api"].startswith(f"{job.registry}/{job.project}-prod/api@sha256:")
    assert "| <code>api</code> | promoted |" in done.summary
    again = act.run(job.directory, one_step(job, "promote", inputs))
    assert again.code == 0, again.text
    assert (again.outputs("it")["promoted"], again.outputs("it")["unchanged"]) == ("[]", '["base", "api"]')
    assert again.outputs("it")["images"] == outputs["images"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"to": ""}, "input to is required"),
        ({"to": "--force"}, "--force"),
        ({"to": "other", "referrers": "maybe"}, "input referrers is 'maybe'"),
        ({"to": "other"}, "not in the registry"),
    ],
    ids=["no-target", "an-option", "no-flag", "nothing-built"],
)
def test_what_cannot_be_promoted_fails_and_is_named(act: Act, job: Job, inputs: dict[str, str], told: str) -> None:
    """Also where nothing was built yet."""
    done = act.run(job.directory, one_step(job, "promote", inputs))
    assert done.jobs == {"one": "failure"}
    assert told in done.text, done.text
