"""A run outside any CI system: git answers everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci.context import Ci

if TYPE_CHECKING:
    from collections.abc import Mapping

_GITHUB_SIGNS = ("GITHUB_SHA", "GITHUB_REF", "GITHUB_OUTPUT", "GITHUB_EVENT_PATH")
_CODEBUILD_SIGNS = ("CODEBUILD_SRC_DIR", "CODEBUILD_RESOLVED_SOURCE_VERSION", "CODEBUILD_SOURCE_VERSION")


def context(environ: Mapping[str, str]) -> Ci:
    """Return the value of a local run, with a warning where the environment is half that of a CI system."""
    warnings: list[str] = []
    for signs, missing in (
        (_GITHUB_SIGNS, "GITHUB_ACTIONS=true"),
        (_CODEBUILD_SIGNS, "CODEBUILD_BUILD_ID"),
    ):
        found = [name for name in signs if environ.get(name)]
        if found:
            warnings.append(f"{', '.join(found)} set but not {missing}: treated as a local run")
    return Ci("local", warnings=tuple(warnings))
