"""The job summary beyond its form: what was saved, where problems are, how much fits."""

from __future__ import annotations

import html
import json
import time
from typing import TYPE_CHECKING

import pytest
from fakes.ci_events import github_step
from fakes.sample_report import image

from pipeline_kit.app.locations import with_locations
from pipeline_kit.app.project import open_project
from pipeline_kit.config import Location
from pipeline_kit.manifest import OCI_MANIFEST
from pipeline_kit.outputs.report import RunReport
from pipeline_kit.plan import Status
from pipeline_kit.record import CREATED_NOTE, RECORD_TYPE, SECONDS_NOTE

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.cli_shop import Shop


def note(shop: Shop, name: str, seconds: str, created: str = "2026-11-24T00:00:00Z") -> None:
    """Leave what a build record's listing shows beside an image."""
    repository = f"shop/{name}"
    (digest,) = set(shop.registry.tags[repository].values())
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": RECORD_TYPE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1},
        "annotations": {CREATED_NOTE: created, SECONDS_NOTE: seconds},
    }
    shop.registry.put_manifest(repository, None, OCI_MANIFEST, json.dumps(document).encode())


def test_the_seconds_that_others_spent_are_told(shop: Shop, tmp_path: Path) -> None:
    """The newest record counts; what is no number of seconds does not; without a summary nothing is asked."""
    shop.push()
    note(shop, "base", "30.5")
    note(shop, "api", "999", created="2020-01-01T00:00:00Z")
    note(shop, "api", "60", created="2026-01-01T00:00:00Z")
    note(shop, "web", "1e9")
    ran = shop.run("build", "--json", env=github_step(tmp_path))
    saved = {name: item["saved_seconds"] for name, item in ran.json()["images"].items()}
    assert saved == {"base": 30.5, "api": 60.0, "web": None}
    page = html.unescape((tmp_path / "summary").read_text())
    assert "**1 min 30 s of building saved**: 2 images did not have to be built." in page or "1 min 31 s" in page
    assert "saved 30.5 s" in page
    shop.registry.log.clear()
    assert shop.run("build", "--json").json()["images"]["api"]["saved_seconds"] is None
    assert shop.registry.requests(path="/referrers/") == []


@pytest.mark.parametrize("do", ["stall", "answer"])
def test_a_registry_that_does_not_tell_costs_a_moment(shop: Shop, tmp_path: Path, do: str) -> None:
    """The run ends well all the same."""
    shop.push()
    shop.registry.add_rule(path="/referrers/", do=do, seconds=60, status=503)
    began = time.monotonic()
    ran = shop.run("build", env=github_step(tmp_path))
    assert ran.code == 0
    assert time.monotonic() - began < 30
    assert "saved" not in (tmp_path / "summary").read_text()


DOCKERFILE = """\
# escape=`
FROM scratch AS first
RUN echo one `
    && echo two
RUN echo same
RUN echo same
run --mount=type=cache,target=/x   do   it
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("RUN echo one     && echo two: exit code: 1", 3),
        ("RUN --mount=type=cache,target=/x   do   it: exit code: 2", 7),
        ("[first 2/4] RUN echo one && echo two: exit code: 1", 3),
        ("FROM scratch AS first: not found", 2),
        ("RUN echo same: exit code: 1", 0),
        ("something else", 0),
        ("", 0),
    ],
)
def test_a_failure_is_placed_at_its_instruction(shop: Shop, error: str, line: int) -> None:
    """Its line in the Dockerfile; where that cannot be told, the image's line in the configuration."""
    (shop.root / "web/Dockerfile").write_text(DOCKERFILE)
    project = open_project(shop.root, None, {})
    report = with_locations(RunReport((image("web", Status.FAILED, error=error),)), project)
    place = report.images[0].location
    project.close()
    assert place is not None
    if line:
        assert place == Location("web/Dockerfile", line, 1)
    else:
        assert place.file == "pipeline-kit.yaml"


def test_places_are_paths_from_the_top(shop: Shop) -> None:
    """GitHub shows annotations by paths in the repository, wherever the command was run."""
    below = shop.root / "sub"
    below.mkdir()
    (below / "app").mkdir()
    (below / "app/Dockerfile").write_text("FROM scratch\nRUN false\n")
    (below / "pipeline-kit.yaml").write_text(
        "version: 1\nproject: shop\nregistry: registry.example\nimages: {app: {context: app}}\n"
    )
    project = open_project(below / "app", None, {})
    failed = (image("app", Status.FAILED, error="RUN false: exit code: 1"), image("gone", Status.FAILED))
    report = with_locations(RunReport(failed), project)
    project.close()
    assert [item.location for item in report.images] == [Location("sub/app/Dockerfile", 2, 1), None]
