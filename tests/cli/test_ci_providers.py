"""CI systems beside GitHub and CodeBuild: environments as their documentation describes them, whole and half set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.command_line import run
from fakes.sample_report import HOSTILE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_kit.adapters.ci import Ci, detect
from pipeline_kit.app.trust import scope_for
from pipeline_kit.config import PathKind, load

if TYPE_CHECKING:
    from fakes.cli_shop import Shop

SHA, BASE, HEAD, ZEROS = "1" * 40, "2" * 40, "3" * 40, "0" * 40
PIPELINE = "https://gitlab.example/acme/shop/-/pipelines/77"
GITLAB = {
    "GITLAB_CI": "true",
    "CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_BEFORE_SHA": BASE,
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_REF_NAME": "main",
    "CI_PIPELINE_URL": PIPELINE,
    "CI_PIPELINE_ID": "77",
}
GITLAB_REQUEST = {
    **GITLAB,
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_COMMIT_BRANCH": "",
    "CI_COMMIT_REF_NAME": "feature/x",
    "CI_COMMIT_BEFORE_SHA": ZEROS,
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_PROJECT_ID": "5",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/x",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
}
JENKINS = {
    "JENKINS_URL": "https://ci.example/",
    "BUILD_URL": "https://ci.example/job/shop/job/main/9/",
    "BUILD_NUMBER": "9",
    "BRANCH_NAME": "main",
    "GIT_BRANCH": "main",
    "GIT_COMMIT": SHA,
    "GIT_PREVIOUS_SUCCESSFUL_COMMIT": BASE,
}
JENKINS_CHANGE = {
    **JENKINS,
    "BRANCH_NAME": "PR-12",
    "CHANGE_ID": "12",
    "CHANGE_BRANCH": "feature/x",
    "CHANGE_TARGET": "main",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_TAG": "",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_REPO": "git@github.com:acme/shop.git",
    "BUILDKITE_SOURCE": "webhook",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/shop/builds/4",
    "BUILDKITE_BUILD_NUMBER": "4",
    "BUILDKITE_RETRY_COUNT": "0",
}
BUILDKITE_PULL = {
    **BUILDKITE,
    "BUILDKITE_PULL_REQUEST": "12",
    "BUILDKITE_BRANCH": "feature/x",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/Acme/shop.git",
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_BRANCH": "main",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/shop/31",
    "CIRCLE_BUILD_NUM": "31",
}
CODEPIPELINE = {
    "CODEBUILD_BUILD_ID": "shop:1",
    "CODEBUILD_INITIATOR": "codepipeline/shop",
    "CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::bucket/shop.zip",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": SHA,
    "CODEBUILD_BUILD_NUMBER": "8",
}


def ci(environ: dict[str, str], **changes: str) -> Ci:
    """Return what is detected; a change to ``""`` unsets the variable, as empty ones are."""
    return detect({name: value for name, value in {**environ, **changes}.items() if value})


WHOLE: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "gitlab push": (
        GITLAB,
        {
            "provider": "gitlab",
            "event": "push",
            "commit": SHA,
            "ref": "refs/heads/main",
            "branch": "main",
            "base_commit": BASE,
            "run_url": PIPELINE,
            "run_number": 77,
        },
    ),
    "gitlab tag": (
        {**GITLAB, "CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1"},
        {"ref": "refs/tags/v1", "branch": "", "pull_request": None},
    ),
    "gitlab first push": ({**GITLAB, "CI_COMMIT_BEFORE_SHA": ZEROS}, {"base_commit": "", "branch": "main"}),
    "gitlab merge request": (
        GITLAB_REQUEST,
        {
            "ref": "refs/pull/12/head",
            "branch": "feature/x",
            "base_ref": "refs/heads/main",
            "base_commit": BASE,
            "head_commit": SHA,
            "pull_request": 12,
            "is_fork_pull_request": False,
        },
    ),
    "gitlab merged result": (
        {
            **GITLAB_REQUEST,
            "CI_MERGE_REQUEST_EVENT_TYPE": "merged_result",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
        },
        {"commit": SHA, "head_commit": HEAD, "pull_request": 12},
    ),
    "gitlab fork": (
        {
            **GITLAB_REQUEST,
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "6",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main",
            "CI_COMMIT_REF_NAME": "main",
        },
        {"ref": "refs/pull/12/head", "branch": "", "is_fork_pull_request": True},
    ),
    "gitlab external": (
        {
            **GITLAB,
            "CI_PIPELINE_SOURCE": "external_pull_request_event",
            "CI_COMMIT_BRANCH": "",
            "CI_EXTERNAL_PULL_REQUEST_IID": "3",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY": "evil/shop",
            "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY": "acme/shop",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA": HEAD,
            "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA": BASE,
            "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME": "main",
        },
        {
            "ref": "refs/pull/3/head",
            "is_fork_pull_request": True,
            "branch": "",
            "head_commit": HEAD,
            "base_commit": BASE,
            "base_ref": "refs/heads/main",
        },
    ),
    "jenkins branch": (
        JENKINS,
        {
            "provider": "jenkins",
            "commit": SHA,
            "ref": "refs/heads/main",
            "branch": "main",
            "base_commit": BASE,
            "run_url": "https://ci.example/job/shop/job/main/9/",
            "run_number": 9,
        },
    ),
    "jenkins tag": (
        {**JENKINS, "BRANCH_NAME": "v1", "TAG_NAME": "v1"},
        {"ref": "refs/tags/v1", "branch": ""},
    ),
    "jenkins change": (
        JENKINS_CHANGE,
        {
            "ref": "refs/pull/12/head",
            "branch": "feature/x",
            "base_ref": "refs/heads/main",
            "pull_request": 12,
            "is_fork_pull_request": False,
        },
    ),
    "jenkins fork": (
        {**JENKINS_CHANGE, "CHANGE_FORK": "evil", "CHANGE_BRANCH": "main"},
        {"ref": "refs/pull/12/head", "branch": "", "is_fork_pull_request": True},
    ),
    "buildkite branch": (
        BUILDKITE,
        {
            "provider": "buildkite",
            "event": "webhook",
            "commit": SHA,
            "ref": "refs/heads/main",
            "branch": "main",
            "run_url": "https://buildkite.com/acme/shop/builds/4",
            "run_number": 4,
        },
    ),
    "buildkite tag": ({**BUILDKITE, "BUILDKITE_TAG": "v1"}, {"ref": "refs/tags/v1", "branch": ""}),
    "buildkite head": ({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, {"commit": "", "branch": "main"}),
    "buildkite pull request": (
        BUILDKITE_PULL,
        {
            "ref": "refs/pull/12/head",
            "branch": "feature/x",
            "base_ref": "refs/heads/main",
            "head_commit": SHA,
            "is_fork_pull_request": False,
        },
    ),
    "buildkite fork": (
        {
            **BUILDKITE_PULL,
            "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/evil/shop.git",
            "BUILDKITE_BRANCH": "main",
        },
        {"ref": "refs/pull/12/head", "branch": "", "is_fork_pull_request": True},
    ),
    "buildkite unknown repository": (
        {**BUILDKITE_PULL, "BUILDKITE_PULL_REQUEST_REPO": ""},
        {"branch": "", "is_fork_pull_request": None},
    ),
    "circleci branch": (
        CIRCLECI,
        {
            "provider": "circleci",
            "commit": SHA,
            "ref": "refs/heads/main",
            "branch": "main",
            "run_url": "https://circleci.com/gh/acme/shop/31",
            "run_number": 31,
        },
    ),
    "circleci tag": ({**CIRCLECI, "CIRCLE_BRANCH": "", "CIRCLE_TAG": "v1"}, {"ref": "refs/tags/v1", "branch": ""}),
    "circleci pull request": (
        {**CIRCLECI, "CIRCLE_BRANCH": "feature/x", "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pull/12"},
        {"ref": "refs/heads/feature/x", "branch": "feature/x", "pull_request": 12, "is_fork_pull_request": False},
    ),
    "circleci fork": (
        {
            **CIRCLECI,
            "CIRCLE_BRANCH": "pull/12",
            "CIRCLE_PR_NUMBER": "12",
            "CIRCLE_PR_USERNAME": "evil",
            "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pull/12",
        },
        {"ref": "refs/pull/12/head", "branch": "", "pull_request": 12, "is_fork_pull_request": True},
    ),
    "circleci fork by its branch alone": (
        {**CIRCLECI, "CIRCLE_BRANCH": "pull/12"},
        {"ref": "refs/pull/12/head", "branch": "", "is_fork_pull_request": True},
    ),
    "codepipeline": (
        CODEPIPELINE,
        {"provider": "codepipeline", "event": "codepipeline/shop", "commit": SHA, "ref": "", "run_number": 8},
    ),
    "a shell": ({"PATH": "/usr/bin", "BUILD_NUMBER": "9"}, {"provider": "local", "commit": "", "ref": ""}),
    "github inside codebuild": (
        {**CODEPIPELINE, "GITHUB_ACTIONS": "true"},
        {"provider": "github"},
    ),
}
QUIET = [name for name in WHOLE if name != "github inside codebuild"]


@pytest.mark.parametrize("case", WHOLE)
def test_what_each_provider_tells(case: str) -> None:
    """Ref, commit, pull request, base, origin, page and number, as documented."""
    environ, expected = WHOLE[case]
    found = ci(environ)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("case", QUIET)
def test_a_whole_environment_has_no_warning(case: str) -> None:
    """Nor does one where something is absent on purpose."""
    assert ci(WHOLE[case][0]).warnings == ()


HALF: dict[str, tuple[dict[str, str], str, str]] = {
    "gitlab without branch and tag": ({**GITLAB, "CI_COMMIT_BRANCH": ""}, "CI_COMMIT_TAG", ""),
    "gitlab with both": ({**GITLAB, "CI_COMMIT_TAG": "v1"}, "both CI_COMMIT_BRANCH and CI_COMMIT_TAG", ""),
    "gitlab request without number": (
        {**GITLAB_REQUEST, "CI_MERGE_REQUEST_IID": ""},
        "no merge request is named",
        "",
    ),
    "gitlab short commit": ({**GITLAB, "CI_COMMIT_SHA": "abc123"}, "CI_COMMIT_SHA", "refs/heads/main"),
    "gitlab without commit": ({**GITLAB, "CI_COMMIT_SHA": ""}, "CI_COMMIT_SHA is not set", "refs/heads/main"),
    "gitlab number": ({**GITLAB_REQUEST, "CI_MERGE_REQUEST_IID": "x1"}, "CI_MERGE_REQUEST_IID", ""),
    "gitlab odd branch": ({**GITLAB, "CI_COMMIT_BRANCH": "a b"}, "CI_COMMIT_BRANCH", ""),
    "gitlab full ref": ({**GITLAB, "CI_COMMIT_BRANCH": "refs/heads/main"}, "CI_COMMIT_BRANCH", ""),
    "gitlab page": ({**GITLAB, "CI_PIPELINE_URL": "javascript:alert(1)"}, "CI_PIPELINE_URL", "refs/heads/main"),
    "jenkins plain job": ({**JENKINS, "BRANCH_NAME": "", "GIT_BRANCH": "origin/main"}, "'origin/main'", ""),
    "jenkins nothing": ({"JENKINS_URL": "https://ci.example/"}, "BRANCH_NAME is not set", ""),
    "jenkins change": ({**JENKINS_CHANGE, "CHANGE_ID": "PR-12"}, "CHANGE_ID", ""),
    "buildkite nothing": ({"BUILDKITE": "true"}, "BUILDKITE_BRANCH", ""),
    "buildkite pull": ({**BUILDKITE_PULL, "BUILDKITE_PULL_REQUEST": "yes"}, "BUILDKITE_PULL_REQUEST", ""),
    "circleci nothing": ({"CIRCLECI": "true"}, "CIRCLE_SHA1", ""),
    "circleci fork": ({**CIRCLECI, "CIRCLE_PR_USERNAME": "evil"}, "CIRCLE_PR_NUMBER", ""),
    "circleci page": (
        {**CIRCLECI, "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/issues/1"},
        "CIRCLE_PULL_REQUEST",
        "refs/heads/main",
    ),
    "two systems": ({**GITLAB, **JENKINS}, "GITLAB_CI=true and JENKINS_URL", "refs/heads/main"),
    "gitlab's switch is missing": ({**GITLAB, "GITLAB_CI": ""}, "not GITLAB_CI=true", ""),
    "buildkite's switch is missing": ({**BUILDKITE, "BUILDKITE": ""}, "not BUILDKITE=true", ""),
    "circleci's switch is missing": ({**CIRCLECI, "CIRCLECI": ""}, "not CIRCLECI=true", ""),
    "jenkins' address is missing": ({**JENKINS_CHANGE, "JENKINS_URL": ""}, "not JENKINS_URL", ""),
}


@pytest.mark.parametrize("case", HALF)
def test_what_is_half_set_is_reported_and_not_guessed(case: str) -> None:
    """One sentence names the variable, and the ref stays empty where it is the ref that is in doubt."""
    environ, told, ref = HALF[case]
    found = ci(environ)
    assert any(told in warning for warning in found.warnings), found.warnings
    assert found.ref == ref


@pytest.mark.parametrize("case", [name for name in WHOLE if "fork" in name])
def test_a_fork_is_trusted_by_no_provider(case: str) -> None:
    """Whatever it calls its branch, and even where every ref is trusted."""
    text = "version: 1\nproject: p\nregistry: r.example\nscopes: {trusted: ['refs/**']}\nimages: {a: {context: a}}\n"
    config = load(text.encode(), "x", environ={}, exists=_kind)
    assert not scope_for(ci(WHOLE[case][0]), config, {}).is_trusted


def _kind(path: str) -> PathKind:
    return PathKind.FILE if path.endswith("Dockerfile") else PathKind.DIRECTORY


_NAMES = sorted(set().union(*(environ for environ, _ in WHOLE.values()), *(environ for environ, *_ in HALF.values())))
_VALUES = st.sampled_from([*HOSTILE, "true", "false", "12", "main", SHA, "pull/1", "refs/heads/main"]) | st.text(
    max_size=20
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine the first examples take long
@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=8))
def test_no_environment_is_too_odd(environ: dict[str, str]) -> None:
    """Nothing is raised; a ref is a full ref or empty; a fork lends no branch; warnings can be printed."""
    found = detect({name: value for name, value in environ.items() if name != "GITHUB_EVENT_PATH"})
    assert not found.ref or found.ref.startswith(("refs/heads/", "refs/tags/", "refs/pull/"))
    assert "\n" not in found.ref + found.branch + found.base_ref + found.run_url
    assert found.is_fork_pull_request is False or not found.branch
    assert all(warning.isprintable() for warning in found.warnings)


def test_a_run_says_the_warnings_and_its_page(shop: Shop) -> None:
    """On stderr, in the report, and in doctor."""
    shop.push()
    half = {**JENKINS, "BRANCH_NAME": "", "GIT_BRANCH": "origin/main"}
    ran = run(shop.root, "build", "--json", env=half)
    assert ran.code == 0
    assert ran.err.count("BRANCH_NAME is not set") == 1
    document = ran.json()
    assert (document["ref"], document["run_url"]) == ("", JENKINS["BUILD_URL"])
    assert any("BRANCH_NAME is not set" in warning for warning in document["warnings"])
    told = run(shop.root, "doctor", "--only", "ci", "--json", env=half)
    assert [item["rule"] for item in json.loads(told.out)["findings"]] == ["ci-variables"]
