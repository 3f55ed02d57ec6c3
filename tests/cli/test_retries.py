"""What was repeated is visible with -v and counted in the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fakes.cli_shop import Shop


@pytest.mark.parametrize("words", [("-v",), ()], ids=["verbose", "quiet about it"])
def test_a_retried_request_is_told_and_counted(shop: Shop, words: tuple[str, ...]) -> None:
    """One line for each with -v, none without; number, class, status and wait in the report, at the right image."""
    shop.push()
    shop.registry.add_rule(path="/shop/api/manifests", status=503, times=1)
    shop.registry.add_rule(path="/shop/web/manifests", do="reset", times=2)
    ran = shop.run(*words, "build", "--report", "report.json")
    assert ran.code == 0
    told = [line for line in ran.err.splitlines() if line.startswith("retry ")]
    assert len(told) == (3 if words else 0)
    assert not words or any("503" in line and "shop/api" in line for line in told)
    document = json.loads((shop.root / "report.json").read_text())
    assert (document["retries"], document["attempts"]) == (3, [])
    (api,) = document["images"]["api"]["attempts"]
    assert (api["number"], api["class"], api["status"]) == (1, "transient-http", 503)
    assert [item["class"] for item in document["images"]["web"]["attempts"]] == ["transient-net"] * 2
    assert document["images"]["base"]["attempts"] == []
    assert "3 retries" in ran.err


@pytest.mark.parametrize("after", ["1", "DATE"])
def test_what_a_registry_asks_for_is_waited(shop: Shop, after: str) -> None:
    """Retry-After in seconds and as a date, counted from the answer's own Date."""
    shop.push()
    value = "Tue, 24 Nov 2026 12:00:01 GMT" if after == "DATE" else after
    headers = {"Retry-After": value, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    shop.registry.add_rule(path="/shop/api/manifests", status=429, times=1, headers=headers)
    ran = shop.run("-v", "build", "--json")
    (attempt,) = ran.json()["images"]["api"]["attempts"]
    assert 1.0 <= attempt["wait_seconds"] <= 1.2
    assert "asks to wait until 12:00Z" in ran.err
