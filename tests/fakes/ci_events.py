"""The environments of CI runs: what GitHub Actions sets for a push and for pull requests of every origin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


FORK: dict[str, Any] = {
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"sha": "1" * 40, "ref": "main", "repo": {"full_name": "eve/shop"}},
        "base": {"sha": "2" * 40, "ref": "main", "repo": {"full_name": "example/shop"}},
    },
    "repository": {"full_name": "example/shop"},
}
"""The event of a pull request from a fork."""


def github_step(folder: Path) -> dict[str, str]:
    """Return the environment of a step of a push that tells nothing beyond what is built and where results go."""
    (folder / "event.json").write_text("{}")
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_SHA": "1" * 40,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }


def github_push(folder: Path, ref: str = "refs/heads/main", *, run: int = 100, commit: str = "") -> dict[str, str]:
    """Return the environment of a push to ``ref``."""
    return _github(folder, "push", ref, {}, run) | ({"GITHUB_SHA": commit} if commit else {})


def github_pull(
    folder: Path, number: int = 12, *, is_fork: bool, event: str = "pull_request", run: int = 100
) -> dict[str, str]:
    """Return the environment of a pull request's run; ``pull_request_target`` names the branch it goes to."""
    head = "somebody/shop" if is_fork else "acme/shop"
    pull = {"number": number, "head": {"repo": {"full_name": head}}, "base": {"repo": {"full_name": "acme/shop"}}}
    ref = "refs/heads/main" if event == "pull_request_target" else f"refs/pull/{number}/merge"
    return _github(folder, event, ref, {"pull_request": pull}, run) | {"GITHUB_HEAD_REF": "topic"}


def _github(folder: Path, event: str, ref: str, payload: object, run: int) -> dict[str, str]:
    place = folder / f"event-{event}-{run}.json"
    place.write_text(json.dumps(payload), encoding="utf-8")
    for name in ("output", "summary"):
        (folder / name).touch()
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(place),
        "GITHUB_REF": ref,
        "GITHUB_RUN_ID": str(run),
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
