"""stats and replay: what records, reports and git's history tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.ci_events import github_pull
from fakes.cli_shop import IMAGES
from fakes.recorded import push_recorded

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop

DAY = 86_400
NOW = 1_767_225_600
"""2026-01-01."""


def _built(shop: Shop) -> None:
    """Push three generations of the shop, a day apart."""
    push_recorded(shop.root, shop.registry, seconds=30.0, created=NOW)
    (shop.root / "api/src/app.py").write_text("print(2)\n")
    push_recorded(shop.root, shop.registry, "api", seconds=20.0, created=NOW + DAY)
    (shop.root / "api/src/app.py").write_text("print(3)\n")
    (shop.root / "base/x").write_text("x")
    push_recorded(shop.root, shop.registry, "base", "api", seconds=40.0, created=NOW + 2 * DAY)


def report(path: Path, **statuses: str) -> str:
    """Write a report of ``build``."""
    images = {name: {"status": status, "seconds": 3.0} for name, status in statuses.items()}
    path.write_text(json.dumps({"images": images, "exit_code": 0}))
    return str(path)


def test_stats_from_records_alone(shop: Shop) -> None:
    """Builds, times and causes; nothing is claimed about hits."""
    _built(shop)
    shop.golden("stats", shop.run("stats"))
    document = shop.run("stats", "--json").json()
    api = document["images"]["api"]
    assert (api["builds"], api["seconds"]) == (3, {"total": 90.0, "median": 30.0, "longest": 40.0})
    assert (api["first"], api["last"]) == (NOW, NOW + 2 * DAY)
    assert api["causes"] == [
        {"kind": "file", "name": "src/app.py", "builds": 2, "alone": 1},
        {"kind": "image", "name": "base", "builds": 1, "alone": 0},
    ]
    assert (document["hit_rate"], document["saved_seconds"], document["build_seconds"]) == (None, None, 190.0)
    assert {request.method for request in shop.registry.log} <= {"HEAD", "GET"}


def test_stats_with_reports(shop: Shop, tmp_path: Path) -> None:
    """Hits are counted from reports; what they saved from the median build."""
    _built(shop)
    one = report(tmp_path / "1.json", api="skipped", base="skipped", web="skipped")
    two = report(tmp_path / "2.json", api="built", base="skipped", web="blocked")
    ran = shop.run("stats", "--report", one, "--report", two)
    shop.golden("stats-reports", ran)
    document = shop.run("stats", "--json", "--report", one, "--report", two).json()
    assert (document["reports"], document["hit_rate"]) == (2, 0.8)
    assert document["images"]["base"]["saved_seconds"] == 70.0
    assert document["images"]["web"]["hit_rate"] == 1.0
    assert document["saved_seconds"] == 30.0 + 70.0 + 30.0


def test_stats_of_one_image_and_the_newest_builds(shop: Shop) -> None:
    """Only what was asked for is looked at."""
    _built(shop)
    document = shop.run("stats", "api", "--last", "2", "--json").json()
    assert list(document["images"]) == ["api"]
    assert document["images"]["api"]["seconds"]["total"] == 60.0
    assert shop.registry.requests(path="/shop/web/") == []


def test_stats_leave_out_lanes_strangers_and_other_tags(shop: Shop, tmp_path: Path) -> None:
    """A pull request's builds, an image without a record and an alias count for nothing."""
    push_recorded(shop.root, shop.registry, "web", seconds=5.0, created=NOW)
    pull = github_pull(tmp_path, is_fork=True, event="pull_request_target")
    push_recorded(shop.root, shop.registry, "api", created=NOW, environ=pull)
    shop.registry.put_image("shop/web", "a" * 40)
    shop.registry.put_image("shop/web", "latest", content="x")
    shop.registry.put_manifest("shop/api", "b" * 40, *next(iter(shop.registry.manifests["shop/web"].values())))
    document = shop.run("stats", "--json").json()
    assert {name: item["builds"] for name, item in document["images"].items()} == {"base": 0, "api": 0, "web": 1}


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"images": {"a": 1}, "exit_code": 0}', "[" * 5000])
def test_stats_of_a_file_that_is_no_report(shop: Shop, tmp_path: Path, data: str) -> None:
    """Exit 2, and how one is made."""
    (tmp_path / "r.json").write_text(data)
    ran = shop.run("stats", "--report", str(tmp_path / "r.json"))
    assert (ran.code, ran.out) == (2, "")
    assert "build --report FILE" in ran.err
    assert shop.run("stats", "--report", str(tmp_path / "none.json")).code == 2


def test_stats_do_not_guess(shop: Shop) -> None:
    """A registry that does not answer gives no half statistics."""
    _built(shop)
    shop.registry.add_rule(path="/v2/shop/base/tags", status=403, body=b'{"errors":[{"code":"DENIED"}]}')
    ran = shop.run("stats")
    assert (ran.code, ran.out) == (3, "")


def _history(shop: Shop) -> str:
    """Commit: start; a document (no image); api's source; api's ignored notes; the base; back again."""
    images: dict[str, Any] = {**IMAGES, "web": {"context": ".", "dockerfile": "web/Dockerfile"}}
    shop.write(images)
    (shop.root / "web/Dockerfile").write_text("FROM scratch\nCOPY web /\n")
    (shop.root / "api/.dockerignore").write_text("*.md\n")
    shop.commit()
    start = "v0"
    shop.git("tag", start)
    for path, text in (
        ("README.md", "x"),
        ("api/src/app.py", "print(2)\n"),
        ("api/NOTES.md", "x"),
        ("base/x", "x"),
        ("api/src/app.py", "print(1)\n"),
    ):
        (shop.root / path).write_text(text)
        shop.commit()
    (shop.root / "base/x").unlink()
    shop.commit()
    return start


def test_replay(shop: Shop) -> None:
    """The same commits by four rules; nothing is asked or checked out."""
    start = _history(shop)
    ran = shop.run("replay", f"{start}..main")
    shop.golden("replay", ran)
    document = shop.run("replay", f"{start}..", "--json").json()
    assert document["commits"] == 6
    builds = {name: item["builds"] for name, item in document["images"].items()}
    assert builds == {
        "base": {"content": 1, "context": 1, "path": 2, "commit": 6},
        "api": {"content": 3, "context": 3, "path": 3, "commit": 6},
        "web": {"content": 0, "context": 6, "path": 6, "commit": 6},
    }
    assert document["images"]["web"]["hit_rate"]["content"] == 1.0
    assert document["rules"]["commit"]["hit_rate"] == 0.0
    assert document["images"]["base"]["causes"] == [{"kind": "file", "name": "x", "builds": 1, "alone": 1}]
    assert shop.registry.log == []


def test_replay_of_one_image_and_of_the_newest_commits(shop: Shop) -> None:
    """Only what was asked for."""
    start = _history(shop)
    document = shop.run("replay", f"{start}..HEAD", "api", "--last", "2", "--json").json()
    assert (list(document["images"]), document["commits"]) == (["api"], 2)
    assert document["images"]["api"]["decisions"] == 2


def test_replay_passes_over_what_cannot_be_read(shop: Shop) -> None:
    """One image without a tag counts as failed; a commit without a configuration as unread."""
    start = _history(shop)
    (shop.root / "api/Dockerfile").write_text("FRM base\n")
    shop.commit()
    (shop.root / "pipeline-kit.yaml").write_text("version: 1\n")
    shop.commit()
    shop.write()
    shop.commit()
    document = shop.run("replay", f"{start}..", "--json").json()
    assert (document["commits"], document["unread_commits"]) == (9, 1)
    assert (document["images"]["api"]["failed"], document["images"]["base"]["failed"]) == (2, 0)
    assert document["images"]["base"]["decisions"] == 8


@pytest.mark.parametrize("span", ["main", "..main", "main...HEAD", "nope..main", "v0..nope", "--all..main"])
def test_replay_of_no_range(shop: Shop, span: str) -> None:
    """Exit 2 and how one is written."""
    shop.git("tag", "v0")
    ran = shop.run("replay", "--", span)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert shop.run("replay", "v0..main", "nope").code == 2
