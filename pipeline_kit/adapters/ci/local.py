"""A run outside any CI system: git answers everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci

if TYPE_CHECKING:
    from collections.abc import Mapping

_GITHUB_SIGNS = ("GITHUB_SHA", "GITHUB_REF", "GITHUB_OUTPUT", "GITHUB_EVENT_PATH")
_CODEBUILD_SIGNS = ("CODEBUILD_SRC_DIR", "CODEBUILD_RESOLVED_SOURCE_VERSION", "CODEBUILD_SOURCE_VERSION")
_GITLAB_SIGNS = ("CI_COMMIT_SHA", "CI_COMMIT_REF_NAME", "CI_PIPELINE_ID", "CI_MERGE_REQUEST_IID")
_BUILDKITE_SIGNS = ("BUILDKITE_COMMIT", "BUILDKITE_BRANCH", "BUILDKITE_PULL_REQUEST")
_CIRCLECI_SIGNS = ("CIRCLE_SHA1", "CIRCLE_BRANCH", "CIRCLE_PR_NUMBER")
_JENKINS_SIGNS = ("CHANGE_ID", "BUILD_TAG", "JENKINS_HOME")


def context(environ: Mapping[str, str]) -> Ci:
    """Return the value of a local run, with a warning where the environment is half that of a CI system."""
    warnings: list[str] = []
    for signs, missing in (
        (_GITHUB_SIGNS, "GITHUB_ACTIONS=true"),
        (_CODEBUILD_SIGNS, "CODEBUILD_BUILD_ID"),
        (_GITLAB_SIGNS, "GITLAB_CI=true"),
        (_BUILDKITE_SIGNS, "BUILDKITE=true"),
        (_CIRCLECI_SIGNS, "CIRCLECI=true"),
        (_JENKINS_SIGNS, "JENKINS_URL"),
    ):
        found = [name for name in signs if environ.get(name)]
        if found:
            warnings.append(f"{', '.join(found)} set but not {missing}: treated as a local run")
    return Ci("local", warnings=tuple(warnings))
