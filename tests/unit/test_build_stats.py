from __future__ import annotations

import random
from typing import Any

import pytest

from pipeline_kit.build_stats import Cause, Seen, hit_rate, image_stats, read_report, stats_document
from pipeline_kit.content_tag import Change
from pipeline_kit.record import BuildRecord
from pipeline_kit.recorded_inputs import RecordedInputs
from pipeline_kit.values import replace


def record(number: int, *, key: str = "", **files: str) -> BuildRecord:
    """Return the record of the ``number``-th build."""
    inputs = RecordedInputs({"file": files, "dockerfile": {"": "d"}})
    hex_key = key or f"{number:064x}"
    return BuildRecord("api", hex_key, hex_key[:40], "r/api", ("linux/amd64",), inputs, "trusted", created=number)


RECORDS = [
    replace(record(1, a="1", b="1"), seconds=10.0),
    replace(record(2, a="2", b="1"), seconds=30.0),
    replace(record(3, a="3", b="2"), seconds=20.0),
    replace(record(4, key=f"{3:064x}", a="3", b="2"), seconds=20.0),
]


def test_causes_are_what_differed_from_the_build_before() -> None:
    """The first build has none, and a forced one of the same key neither; the order given does not matter."""
    shuffled = RECORDS.copy()
    random.Random(1).shuffle(shuffled)  # noqa: S311 - an order
    found = image_stats("api", shuffled, ())
    assert found == image_stats("api", RECORDS, ())
    assert (found.builds, found.total, found.median, found.longest) == (4, 80.0, 20.0, 30.0)
    assert found.causes == (Cause("file", "a", 2, 1), Cause("file", "b", 1, 0))


def test_what_is_not_known_is_not_claimed() -> None:
    """No record, no report: no median, no rate, no saving."""
    nothing = image_stats("api", (), ())
    assert (nothing.median, nothing.saved, hit_rate([nothing])) == (None, None, None)
    hits = image_stats("api", (), [Seen("api", "skipped", 0.0)])
    assert (hits.runs, hits.hits, hits.saved) == (1, 1, None)
    document = stats_document([nothing], 0)
    assert (document["hit_rate"], document["saved_seconds"]) == (None, None)
    assert document["images"]["api"]["seconds"]["median"] is None


def test_reports_give_times_where_no_record_does() -> None:
    """And statuses that decided nothing count for no rate."""
    seen = [
        Seen("api", "built", 12.0),
        Seen("api", "skipped", 0.0),
        Seen("api", "reused", 0.0),
        Seen("api", "blocked", 0.0),
        Seen("web", "skipped", 0.0),
    ]
    found = image_stats("api", (), seen)
    assert (found.runs, found.hits, found.median, found.saved) == (3, 1, 12.0, 12.0)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"images": {}}, {"images": [], "exit_code": 0}, {"images": {"a": {"status": 1}}, "exit_code": 0}],
)
def test_what_is_no_report(document: Any) -> None:
    """Files of other programs, plans, lists."""
    with pytest.raises(ValueError, match=r"report|status"):
        read_report(document)


def test_a_change_of_kind_without_a_name() -> None:
    """The Dockerfile is one input."""
    changed = replace(RECORDS[0], key="f" * 64, created=2, inputs=RecordedInputs({"file": {}, "dockerfile": {"": "e"}}))
    found = image_stats("api", [RECORDS[0], changed], ())
    assert Change("dockerfile", "", "changed").kind in {cause.kind for cause in found.causes}
