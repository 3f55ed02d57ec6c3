"""AWS CodePipeline: CodeBuild as one of its actions (user guide: "CODEBUILD_INITIATOR", "Action structure: CodeBuild").

The source may be an archive without ``.git``. A pipeline tells its builds the commit, and neither branch nor pull
request, unless an action passes them on in variables of its own; nothing of those is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.ci import codebuild

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.ci.context import Ci


def context(environ: Mapping[str, str]) -> Ci:
    """Return what a build's environment says."""
    return codebuild.context(environ)._replace(provider="codepipeline")
