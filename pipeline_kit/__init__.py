"""pipeline-kit: no container image is ever built twice.

The public API: :func:`content_tags`, :func:`plan` and :func:`build`. The command line is a thin skin over them.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline_kit._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.outputs.report import RunReport
    from pipeline_kit.plan import Plan

__all__ = ["__version__", "build", "content_tags", "plan"]


def content_tags(directory: Path, images: Sequence[str] = (), *, environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``image name -> content tag`` for ``images`` (all when empty) of the project in ``directory``.

    The network is asked for base digests only. Raises PipelineKitError subclasses (design D2 lists the exit codes).
    """
    from pipeline_kit.app.api import content_tags as compute

    return compute(directory, images, environ=environ)


def plan(directory: Path, images: Sequence[str] = (), *, environ: Mapping[str, str], offline: bool = False) -> Plan:
    """Return the plan for ``images`` (all when empty). Nothing is changed anywhere. Raises PipelineKitError."""
    from pipeline_kit.app.api import plan as make

    return make(directory, images, environ=environ, offline=offline)


def build(directory: Path, images: Sequence[str] = (), *, environ: Mapping[str, str], push: bool = True) -> RunReport:
    """Do the main job for ``images`` (all when empty) and return its report. Raises PipelineKitError.

    Failures after the plan are in the report: look at ``exit_code``.
    """
    from pipeline_kit.app.api import build as run

    return run(directory, images, environ=environ, push=push)


class _Package(ModuleType):
    """This package's own class: importing the module ``pipeline_kit.plan`` must not replace the function ``plan``.

    Importing that module here instead would cost every ``pipeline-kit --version`` its time.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "plan" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
