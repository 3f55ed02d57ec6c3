from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.adapters.ci import Ci, detect

SHA = "1" * 40
BASE = "2" * 40
HEAD = "3" * 40
ZEROS = "0" * 40


def _github(tmp_path: Path, event: object, **variables: str) -> Ci:
    path = tmp_path / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_SHA": SHA,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_OUTPUT": "/runner/output",
        "GITHUB_STEP_SUMMARY": "/runner/summary",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "7",
        "GITHUB_RUN_ATTEMPT": "2",
    }
    return detect({name: value for name, value in (environ | variables).items() if value})


def _pull(*, head_repository: str | None = "acme/shop") -> dict[str, Any]:
    head = {"sha": HEAD, "repo": {"full_name": head_repository} if head_repository else None}
    return {"pull_request": {"number": 12, "head": head, "base": {"sha": BASE, "repo": {"full_name": "Acme/shop"}}}}


def test_github_push(tmp_path: Path) -> None:
    """A push has its branch, the commit before it as the base, and the files for outputs."""
    found = _github(tmp_path, {"before": BASE})
    assert found == Ci(
        provider="github",
        event="push",
        commit=SHA,
        ref="refs/heads/main",
        branch="main",
        base_commit=BASE,
        run_url="https://github.example/acme/shop/actions/runs/7/attempts/2",
        run_number=7,
        run_attempt=2,
        output_file=Path("/runner/output"),
        summary_file=Path("/runner/summary"),
    )


@pytest.mark.parametrize(
    ("event", "name", "base"),
    [
        ({"before": ZEROS}, "push", ""),
        ({}, "push", ""),
        ({"before": BASE}, "workflow_dispatch", ""),
        ({"merge_group": {"base_sha": BASE}}, "merge_group", BASE),
        ({}, "schedule", ""),
    ],
)
def test_github_base_commit_is_empty_where_there_is_none(
    tmp_path: Path, event: dict[str, Any], name: str, base: str
) -> None:
    """A new branch (zeros) and events without a before give no base, and no warning."""
    found = _github(tmp_path, event, GITHUB_EVENT_NAME=name)
    assert (found.base_commit, found.warnings) == (base, ())


def test_github_pull_request_of_the_same_repository(tmp_path: Path) -> None:
    """The merge commit is the commit, the head branch the branch, the base's own commit the base."""
    found = _github(
        tmp_path,
        _pull(),
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_REF="refs/pull/12/merge",
        GITHUB_HEAD_REF="feature/x",
        GITHUB_BASE_REF="main",
    )
    assert (found.commit, found.head_commit, found.base_commit) == (SHA, HEAD, BASE)
    assert (found.ref, found.branch, found.base_ref) == ("refs/pull/12/merge", "feature/x", "refs/heads/main")
    assert (found.pull_request, found.is_fork_pull_request, found.can_write) == (12, False, None)
    assert found.warnings == ()


@pytest.mark.parametrize("repository", ["evil/shop", None])
def test_github_fork_pull_request_lends_no_branch_name(tmp_path: Path, repository: str | None) -> None:
    """A fork (also a deleted one) calls its branch main: that is no branch of ours, and nothing can be written."""
    found = _github(
        tmp_path,
        _pull(head_repository=repository),
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_REF="refs/pull/12/merge",
        GITHUB_HEAD_REF="main",
        GITHUB_BASE_REF="main",
    )
    assert (found.is_fork_pull_request, found.branch, found.can_write) == (True, "", False)


@pytest.mark.parametrize(
    ("name", "event", "ref", "is_fork"),
    [
        ("pull_request_target", _pull(head_repository="evil/shop"), "refs/pull/12/head", True),
        ("issue_comment", {"issue": {"number": 9, "pull_request": {}}}, "refs/pull/9/head", None),
        ("issue_comment", {}, "", None),
        (
            "workflow_run",
            {
                "repository": {"full_name": "acme/shop"},
                "workflow_run": {
                    "event": "pull_request",
                    "head_sha": HEAD,
                    "head_repository": {"full_name": "evil/shop"},
                    "pull_requests": [],
                },
            },
            "",
            True,
        ),
        ("workflow_run", {}, "", None),
    ],
)
def test_github_privileged_events_never_make_a_pull_request_trusted(
    tmp_path: Path, name: str, event: dict[str, Any], ref: str, is_fork: bool | None
) -> None:
    """These events name the default branch while a pull request's code may be built: the ref is not the branch's."""
    found = _github(tmp_path, event, GITHUB_EVENT_NAME=name)
    assert (found.ref, found.branch, found.is_fork_pull_request) == (ref, "", is_fork)
    assert any("treated as the pull request" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("workflow_run", {"workflow_run": {"event": "push", "head_sha": HEAD}}),
        ("issue_comment", {"issue": {"number": 9}}),
        ("schedule", {}),
    ],
)
def test_github_events_without_a_pull_request_keep_their_ref(tmp_path: Path, name: str, event: dict[str, Any]) -> None:
    """What follows a push, a plain issue's comment and a schedule belong to the branch."""
    found = _github(tmp_path, event, GITHUB_EVENT_NAME=name)
    assert (found.ref, found.branch, found.pull_request, found.warnings) == ("refs/heads/main", "main", None, ())


def test_github_tag(tmp_path: Path) -> None:
    """A tag push has a ref and no branch."""
    found = _github(tmp_path, {}, GITHUB_REF="refs/tags/v1.0")
    assert (found.ref, found.branch) == ("refs/tags/v1.0", "")


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("{", "it is not JSON"),
        ("[" * 200_000, "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"before": "x"}', "not a full commit id"),
    ],
)
def test_github_a_broken_event_file_is_a_warning(tmp_path: Path, event: str, message: str) -> None:
    """The run goes on with what the environment says."""
    found = _github(tmp_path, event)
    assert (found.ref, found.base_commit, len(found.warnings)) == ("refs/heads/main", "", 1)
    assert message in found.warnings[0]


def test_github_a_pull_request_whose_event_file_is_broken_is_not_assumed_ours(tmp_path: Path) -> None:
    """Unknown origin: no branch, nothing can be written."""
    found = _github(
        tmp_path, "{", GITHUB_EVENT_NAME="pull_request", GITHUB_REF="refs/pull/12/merge", GITHUB_HEAD_REF="main"
    )
    assert (found.pull_request, found.is_fork_pull_request, found.branch, found.can_write) == (12, None, "", False)


def test_github_the_event_file_may_be_missing_a_directory_or_a_pipe(tmp_path: Path) -> None:
    """None of these raises or waits."""
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular"),
    ):
        found = _github(tmp_path, {}, GITHUB_EVENT_PATH=str(path))
        assert len(found.warnings) == 1
        assert message in found.warnings[0]


def test_github_an_oversized_event_file_is_not_read(tmp_path: Path) -> None:
    """A sparse file of 27 MiB is refused by size."""
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(27 * 1024 * 1024)
    found = _github(tmp_path, {}, GITHUB_EVENT_PATH=str(path))
    assert "larger than" in found.warnings[0]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GITHUB_SHA": "main"}, "GITHUB_SHA is 'main': not a full commit id"),
        ({"GITHUB_SHA": ""}, "GITHUB_SHA is not set"),
        ({"GITHUB_REF": "main"}, "GITHUB_REF is 'main': not a full ref"),
        ({"GITHUB_REF": "refs/heads/a\nb"}, r"GITHUB_REF is 'refs/heads/a\nb'"),
        ({"GITHUB_REF": "refs/heads/a..b"}, "not a full ref"),
        ({"GITHUB_OUTPUT": ""}, "GITHUB_OUTPUT is not set"),
        ({"GITHUB_STEP_SUMMARY": ""}, "GITHUB_STEP_SUMMARY is not set"),
        ({"GITHUB_EVENT_NAME": ""}, "GITHUB_EVENT_NAME is not set"),
        ({"GITHUB_EVENT_PATH": ""}, "GITHUB_EVENT_PATH is not set"),
        ({"GITHUB_BASE_REF": "a b"}, "GITHUB_BASE_REF is 'a b'"),
        ({"GITHUB_REF": "refs/heads/" + "x" * 100 + "^"}, "…"),
    ],
)
def test_github_half_set_variables_are_said(tmp_path: Path, variables: dict[str, str], message: str) -> None:
    """A wrong variable is left empty and named."""
    found = _github(tmp_path, {}, **variables)
    assert any(message in warning for warning in found.warnings)


def test_github_a_malformed_head_branch_is_ignored(tmp_path: Path) -> None:
    """A head ref that git would refuse becomes no branch."""
    found = _github(
        tmp_path,
        _pull(),
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_REF="refs/pull/12/merge",
        GITHUB_HEAD_REF="x\x1b[2J",
    )
    assert found.branch == ""
    assert "GITHUB_HEAD_REF" in found.warnings[0]


@pytest.mark.parametrize("variables", [{"GITHUB_SERVER_URL": "javascript:x"}, {"GITHUB_RUN_ID": "7)"}])
def test_github_the_run_url_is_made_of_checked_parts(tmp_path: Path, variables: dict[str, str]) -> None:
    """It is printed as a link, so a strange part means no link."""
    assert _github(tmp_path, {}, **variables).run_url == ""


def _codebuild(**variables: str) -> Ci:
    arn = "arn:aws:codebuild:eu-west-1:111122223333:build/shop:6f7c-01"
    return detect({"CODEBUILD_BUILD_ID": "shop:6f7c-01", "CODEBUILD_BUILD_ARN": arn} | variables)


def test_codebuild_branch_webhook() -> None:
    """A push by webhook has its ref, its commit and the commit before."""
    found = _codebuild(
        CODEBUILD_RESOLVED_SOURCE_VERSION=SHA,
        CODEBUILD_SOURCE_VERSION=SHA,
        CODEBUILD_WEBHOOK_EVENT="PUSH",
        CODEBUILD_WEBHOOK_TRIGGER="branch/feature/x",
        CODEBUILD_WEBHOOK_HEAD_REF="refs/heads/feature/x",
        CODEBUILD_WEBHOOK_PREV_COMMIT=BASE,
    )
    assert found == Ci(
        provider="codebuild",
        event="PUSH",
        commit=SHA,
        ref="refs/heads/feature/x",
        branch="feature/x",
        base_commit=BASE,
        run_url="https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/111122223333/projects/shop/build/"
        "shop%3A6f7c-01/?region=eu-west-1",
    )


def test_codebuild_pull_request_is_never_its_head_branch() -> None:
    """A fork's branch main arrives as HEAD_REF refs/heads/main; the ref is the pull request's."""
    found = _codebuild(
        CODEBUILD_RESOLVED_SOURCE_VERSION=HEAD,
        CODEBUILD_SOURCE_VERSION="pr/7",
        CODEBUILD_WEBHOOK_EVENT="PULL_REQUEST_UPDATED",
        CODEBUILD_WEBHOOK_TRIGGER="pr/7",
        CODEBUILD_WEBHOOK_HEAD_REF="refs/heads/main",
        CODEBUILD_WEBHOOK_BASE_REF="refs/heads/main",
    )
    assert (found.ref, found.branch, found.base_ref) == ("refs/pull/7/head", "", "refs/heads/main")
    assert (found.pull_request, found.is_fork_pull_request, found.head_commit) == (7, None, HEAD)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("variables", "ref", "warns"),
    [
        ({"CODEBUILD_WEBHOOK_TRIGGER": "tag/v1", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/tags/v1"}, "refs/tags/v1", False),
        ({"CODEBUILD_WEBHOOK_TRIGGER": "branch/a", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/b"}, "", True),
        ({"CODEBUILD_WEBHOOK_TRIGGER": "branch/a b"}, "", True),
        ({"CODEBUILD_WEBHOOK_TRIGGER": "release/7"}, "", True),
        ({"CODEBUILD_SOURCE_VERSION": "pr/7"}, "refs/pull/7/head", False),
        ({"CODEBUILD_SOURCE_VERSION": "refs/pull/7/head^{" + SHA + "}"}, "refs/pull/7/head", False),
        ({"CODEBUILD_SOURCE_VERSION": "refs/heads/main"}, "refs/heads/main", False),
        ({"CODEBUILD_SOURCE_VERSION": "refs/heads/main^{" + SHA + "}"}, "refs/heads/main", False),
        ({"CODEBUILD_SOURCE_VERSION": "main"}, "", True),
        ({"CODEBUILD_SOURCE_VERSION": SHA}, "", False),
        ({"CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::bucket/source.zip"}, "", False),
        ({"CODEBUILD_WEBHOOK_PREV_COMMIT": ZEROS}, "", False),
        ({"CODEBUILD_RESOLVED_SOURCE_VERSION": "nonsense"}, "", True),
        (
            {
                "CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::bucket/source.zip",
                "CODEBUILD_RESOLVED_SOURCE_VERSION": "Xb3_version",
            },
            "",
            False,
        ),
        ({}, "", False),
    ],
)
def test_codebuild_refs(variables: dict[str, str], ref: str, warns: bool) -> None:
    """A ref only where the environment really names one."""
    found = _codebuild(**variables)
    assert (found.ref, bool(found.warnings)) == (ref, warns)


def test_codebuild_started_by_a_pipeline_knows_its_commit_only() -> None:
    """CodePipeline tells the source revision and no branch."""
    found = _codebuild(CODEBUILD_INITIATOR="codepipeline/shop", CODEBUILD_RESOLVED_SOURCE_VERSION=SHA)
    assert (found.event, found.commit, found.ref, found.warnings) == ("codepipeline/shop", SHA, "", ())


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        ("arn:aws-cn:codebuild:cn-north-1:111122223333:build/a:b", "https://cn-north-1.console.amazonaws.cn/"),
        ("arn:aws:codebuild:eu-west-1:1:build/a:b", ""),
        ("nonsense", ""),
    ],
)
def test_codebuild_run_url_follows_the_partition(arn: str, url: str) -> None:
    """China has its own console; what is not an ARN gives no link."""
    found = _codebuild(CODEBUILD_BUILD_ARN=arn)
    assert found.run_url.startswith(url)
    assert bool(found.run_url) == bool(url)


def test_a_codebuild_project_that_runs_github_actions_is_github(tmp_path: Path) -> None:
    """Both environments are set there, and the workflow's is the one that counts."""
    assert _github(tmp_path, {}, CODEBUILD_BUILD_ID="runner:1").provider == "github"


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({}, 0),
        ({"GITHUB_TOKEN": "x", "CI": "true"}, 0),
        ({"GITHUB_SHA": SHA}, 1),
        ({"GITHUB_ACTIONS": "false", "GITHUB_REF": "refs/heads/main"}, 1),
        ({"CODEBUILD_SRC_DIR": "/src"}, 1),
    ],
)
def test_without_a_ci_system_the_run_is_local(environ: dict[str, str], count: int) -> None:
    """Leftovers of a CI system's environment do not make one; they are said."""
    found = detect(environ)
    assert (found.provider, found.ref, found.commit, len(found.warnings)) == ("local", "", "", count)


_NAMES = [
    "GITHUB_ACTIONS",
    "GITHUB_SHA",
    "GITHUB_REF",
    "GITHUB_EVENT_NAME",
    "GITHUB_HEAD_REF",
    "GITHUB_BASE_REF",
    "GITHUB_RUN_ID",
    "CODEBUILD_BUILD_ID",
    "CODEBUILD_BUILD_ARN",
    "CODEBUILD_WEBHOOK_TRIGGER",
    "CODEBUILD_WEBHOOK_HEAD_REF",
    "CODEBUILD_SOURCE_VERSION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "CODEBUILD_WEBHOOK_PREV_COMMIT",
]
_VALUES = st.sampled_from(["true", "", "pr/7", "branch/main", "refs/heads/main", SHA, ZEROS, "²"]) | st.text(
    max_size=12
)


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES))
def test_any_environment_gives_a_value_made_of_checked_parts(environ: dict[str, str]) -> None:
    """Nothing raises; commits are commits, refs are refs, and a pull request has no branch by chance."""
    found = detect(environ)
    assert all(value == "" or len(value) in {40, 64} for value in (found.commit, found.head_commit, found.base_commit))
    assert found.ref == "" or found.ref.startswith("refs/")
    assert not (found.pull_request and found.ref.startswith("refs/heads/"))
    assert all(warning.isprintable() for warning in found.warnings)
