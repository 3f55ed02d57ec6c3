"""Which CI system this is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci import codebuild, github, local

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.ci.context import Ci


def detect(environ: Mapping[str, str]) -> Ci:
    """Return what ``environ`` (the process environment) says about the run. Never raises.

    GitHub goes before CodeBuild: a CodeBuild project that serves as a GitHub Actions runner sets both, and the
    workflow's outputs and refs are GitHub's.
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        return github.context(environ)
    if environ.get("CODEBUILD_BUILD_ID") or environ.get("CODEBUILD_BUILD_ARN"):
        return codebuild.context(environ)
    return local.context(environ)
