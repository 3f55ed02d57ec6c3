"""The public Python API, as one call each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.planning import make_plan
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import choose, compute_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline_kit.outputs.report import RunReport
    from pipeline_kit.plan import Plan
    from pipeline_kit.ports.builder import BuildEvent


def content_tags(directory: Path, images: Sequence[str], *, environ: Mapping[str, str]) -> dict[str, str]:
    """See :func:`pipeline_kit.content_tags`."""
    with open_session(directory, None, environ) as session:
        wanted = choose(session.project, images)
        tagged = compute_tags(session.project, wanted, session.around, lambda: session.registry)
        return {name: str(tagged.keyed[name].tag) for name in wanted}


def plan(directory: Path, images: Sequence[str], *, environ: Mapping[str, str], offline: bool) -> Plan:
    """See :func:`pipeline_kit.plan`."""
    with open_session(directory, None, environ) as session:
        wanted = choose(session.project, images)
        registry = None if offline else session.registry
        return make_plan(session.project, wanted, session.around, registry)[0]


def build(directory: Path, images: Sequence[str], *, environ: Mapping[str, str], push: bool) -> RunReport:
    """See :func:`pipeline_kit.build`."""
    from pipeline_kit.app.builders import builder_of
    from pipeline_kit.app.job import BuildOptions, run_build

    def ignore(event: BuildEvent) -> None:
        del event

    with open_session(directory, None, environ) as session:
        wanted = choose(session.project, images)
        options = BuildOptions(wanted, push=None if push else False)
        return run_build(session, options, lambda tagged: builder_of(session, tagged), ignore)
