"""Each repetition stands in the report once, at the image that it was for."""

from __future__ import annotations

from fakes.sample_report import sample

from pipeline_kit.adapters.registry.retrying import Retry
from pipeline_kit.app.retries import with_attempts
from pipeline_kit.outputs.json_report import json_document
from pipeline_kit.values import replace

HOST = "registry.example:5000"
TAG = "c-0123456789abcdef01234567"


def retry(subject: str, status: int | None = 503) -> Retry:
    """Return one repetition of a request about ``subject``."""
    return Retry(1, 5, 0.25, f"HEAD {subject}: {status}", "transient-http", status, subject)


def test_repetitions_are_counted_where_they_belong() -> None:
    """By tag, alias or digest of the image's repository; base images and other tags at the report; pushes by name."""
    own = [f"{HOST}/shop/api:{TAG}", f"{HOST}/shop/api:main", f"{HOST}/shop/api@sha256:{'a' * 64}", f"{HOST}/shop/api"]
    others = [
        "docker.io/library/python:3",
        f"{HOST}/shop/api:another",
        f"{HOST}/shop/apix:{TAG}",
        "",
        "not a reference:",
    ]
    pushes = [("worker", Retry(2, 4, 3.5, "push: 502", "transient-net")), ("gone", retry(""))]
    report = with_attempts(sample(), [retry(text) for text in (*own, *others)], pushes)
    images = {image.name: image.attempts for image in report.images}
    assert [attempt.subject for attempt in images["api"]] == own
    assert [(attempt.number, attempt.wait_seconds, attempt.reason) for attempt in images["worker"]] == [
        (2, 3.5, "push: 502")
    ]
    assert [attempt.subject for attempt in report.attempts] == [*others, ""]
    assert sum(map(len, images.values())) + len(report.attempts) == len(own) + len(others) + len(pushes)


def test_the_json_report_has_the_numbers_of_each_attempt() -> None:
    """n, class, status and wait, as in the faults table, and why."""
    report = with_attempts(replace(sample(), attempts=()), [retry("docker.io/library/python:3", None)], [])
    assert json_document(report)["attempts"] == [
        {
            "number": 1,
            "class": "transient-http",
            "status": None,
            "wait_seconds": 0.25,
            "reason": "HEAD docker.io/library/python:3: None",
            "subject": "docker.io/library/python:3",
        }
    ]
