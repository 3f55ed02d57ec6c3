"""The keys of retention: and scan:, their defaults, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline_kit.config import PathKind, load
from pipeline_kit.config.model import IgnoredFinding, Retention, ScanRules
from pipeline_kit.config.render import resolved
from pipeline_kit.config.schema import schema
from pipeline_kit.errors import ConfigError


def read(**top: Any) -> Any:
    """Return the configuration with these keys."""
    base = {"version": 1, "project": "shop", "registry": "r.example", "images": {"api": {"context": "api"}}}

    def exists(path: str) -> PathKind:
        return PathKind.FILE if path.endswith("Dockerfile") else PathKind.DIRECTORY

    return load(json.dumps({**base, **top}, indent=1).encode(), "pipeline-kit.yaml", environ={}, exists=exists)


def test_defaults_are_the_safe_ones() -> None:
    """Nothing written: nothing is pruned; an empty mapping keeps tags, branches and a day."""
    assert read().retention is None
    assert read(retention={}).retention == Retention(None, None, True, (), 10, ("*",), 86_400)
    assert read().scan == ScanRules("high", "auto", ())


def test_values_and_back() -> None:
    """What is written is read, printed, and read again as the same."""
    ignore = [{"id": "CVE-1", "until": "2027-01-31", "reason": "no fix"}]
    written = {
        "retention": {"keep_last": 3, "keep_revisions": 4, "keep_tags": ["v*"], "min_age": "2h"},
        "scan": {"fail_on": "low", "api": "quay", "ignore": ignore},
    }
    config = read(**written)
    assert config.retention == Retention(3, keep_revisions=4, keep_tags=("v*",), min_age=7200)
    assert config.scan == ScanRules("low", "quay", (IgnoredFinding("CVE-1", "2027-01-31", "no fix"),))
    again = {name: value for name, value in resolved(config).items() if name in written}
    assert (read(**again).retention, read(**again).scan) == (config.retention, config.scan)
    assert {"retention", "scan"} <= schema()["properties"].keys()


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"retention": {"min_age": "soon"}}, "not an age"),
        ({"retention": {"keep_revisions": 0}}, "whole number above 0"),
        ({"scan": {"fail_on": "bad"}}, "fail_on"),
        ({"scan": {"api": "x"}}, "api"),
        ({"scan": {"ignore": [{"id": "CVE-1"}]}}, "until"),
        ({"scan": {"ignore": [{"id": "CVE-1", "until": "2027-02-30", "reason": "x"}]}}, "is not a day"),
        ({"scan": {"ignore": [{"id": "CVE-1", "until": "31.1.2027", "reason": "x"}]}}, "is not a day"),
        ({"scan": {"ignore": [{"id": "", "until": "2027-01-31", "reason": "x"}]}}, "empty"),
    ],
)
def test_problems(top: dict[str, Any], told: str) -> None:
    """Each at its own place."""
    with pytest.raises(ConfigError, match=told):
        read(**top)
