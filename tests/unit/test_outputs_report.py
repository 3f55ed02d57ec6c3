from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fakes.sample_report import HOSTILE, digest, image, sample

from pipeline_kit.outputs.json_report import json_document, json_text, report_schema
from pipeline_kit.outputs.report import RunReport, TaskDefinitionResult
from pipeline_kit.outputs.text import format_seconds, result_lines, summary_line, tolerate
from pipeline_kit.plan import Status
from pipeline_kit.values import replace

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_the_functions() -> None:
    """docs/report.schema.json is what report_schema() returns, to the byte."""
    assert SCHEMA_FILE.read_text() == json.dumps(report_schema(), indent=2) + "\n"
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("hostile", ["", *HOSTILE])
def test_the_report_validates_whatever_stands_in_it(hostile: str) -> None:
    """Read back from its text, the document fits the schema, and the schema knows every member."""
    document = json.loads(json_text(sample(hostile=hostile)))
    jsonschema.Draft202012Validator(_closed(report_schema())).validate(document)


def test_an_empty_run_validates() -> None:
    """No images, nothing known."""
    jsonschema.validate(json_document(RunReport(())), report_schema())


@pytest.mark.parametrize(
    ("member", "value"),
    [("status", "lost"), ("digest", "sha256:short"), ("seconds", -1), ("aliases", [{"tag": "x", "state": "gone"}])],
)
def test_the_schema_refuses_other_shapes(member: str, value: object) -> None:
    """A schema that accepts anything would prove nothing."""
    document = json_document(sample())
    document["images"]["api"][member] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, report_schema())


def test_the_members_scripts_rely_on() -> None:
    """The shape of design D7, literally."""
    document = json_document(sample())
    api = document["images"]["api"]
    assert document["exit_code"] == 1
    assert {key: api[key] for key in ("status", "tag", "reference", "digest", "seconds", "reasons")} == {
        "status": "built",
        "tag": "c-0123456789abcdef01234567",
        "reference": "registry.example:5000/shop/api:c-0123456789abcdef01234567",
        "digest": digest("a"),
        "seconds": 12.346,
        "reasons": ["the Dockerfile changed", "base image moved"],
    }
    assert document["images"]["cron"]["digest"] is None


def test_task_definition_documents_stay_out_of_the_report() -> None:
    """Their environment values may be secrets; so may their repr."""
    result = TaskDefinitionResult("prod", "api", "api.json", {}, document=b'{"PASSWORD": "hunter2"}')
    report = replace(sample(), task_definitions=(result,))
    assert "hunter2" not in json_text(report) + repr(report)


def test_json_text_is_ascii() -> None:
    """It can be written to any terminal and read in any locale."""
    assert json_text(sample(hostile="käse \u202e \ud800")).isascii()


def test_result_lines() -> None:
    """One line for each image: name, reference with digest, status; blocked and failed ones without a digest."""
    api, worker, *_ = result_lines(sample())
    name = "registry.example:5000/shop"
    assert api == f"api {name}/api:c-0123456789abcdef01234567@{digest('a')} built"
    assert worker == f"worker {name}/worker:c-0123456789abcdef01234567 failed"


def test_an_image_is_pinned_only_when_the_registry_holds_it() -> None:
    """Not when it failed, was blocked, or was built without pushing."""
    assert image("api", Status.SKIPPED, digest=digest("a")).pinned == f"registry.example:5000/shop/api@{digest('a')}"
    assert image("api", Status.BUILT).pinned is None
    assert image("api", Status.FAILED, digest=digest("a")).pinned is None


def test_summary_line() -> None:
    """Counts in a fixed order, the time, the requests."""
    assert summary_line(sample()) == (
        "1 built, 1 completed, 1 skipped, 1 reused, 1 failed, 1 blocked in 21.0 s (41 requests, 1 retry)"
    )
    assert summary_line(RunReport((), is_interrupted=True, requests=1, retries=2)) == (
        "interrupted: no images in 0.0 s (1 request, 2 retries)"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_format_seconds(seconds: float, text: str) -> None:
    """Tenths below a minute, no ``60.0 s``."""
    assert format_seconds(seconds) == text


def test_a_stream_in_an_ascii_locale_takes_any_text() -> None:
    """What the encoding lacks is spelt out instead of raising UnicodeEncodeError."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        print("käse 🐳 \ud800", file=tolerate(stream), flush=True)
        assert raw.getvalue() == b"k\\xe4se \\U0001f433 \\ud800\n"


def _closed(schema: Any) -> Any:
    """Return ``schema`` with every object closed, so that an undocumented member is a failure."""
    if isinstance(schema, dict):
        closed = {key: _closed(value) for key, value in schema.items()}
        if "properties" in closed and "required" in closed:
            closed["additionalProperties"] = False
        return closed
    return [_closed(entry) for entry in schema] if isinstance(schema, list) else schema
