"""``pipeline-kit join``: what runners of several platforms pushed becomes one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import default_directory, progress_of, tell_results
from pipeline_kit.cli.shared import (
    exports_option,
    html_option,
    images_argument,
    json_option,
    open_session,
    tell_scope,
    verify_option,
)

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config.model import Verify


@click.command("join")
@images_argument
@json_option
@verify_option
@option("--force", is_flag=True, help="Join anew where the content tag is there; move aliases back.")
@option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write a JSON report.")
@html_option
@exports_option
@option(
    "--task-definitions",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write rendered ECS task definitions to DIR.",
)
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    verify: Verify | None,
    force: bool,
    report: Path | None,
    html: Path | None,
    exports: Path | None,
    task_definitions: Path | None,
) -> int:
    """Write the index of each image under its content tag, after build --platform has run for every platform.

    Nothing is built. An image of which a platform has not been pushed yet fails (exit 1); run it again then. Aliases
    move and task definitions are rendered here, as build does for images that it builds whole.
    """
    from pipeline_kit.app.job import BuildOptions, run_build
    from pipeline_kit.app.join import joiner_of
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.app.tagging import choose
    from pipeline_kit.outputs.files import check_writable

    for path in filter(None, (report, html, exports)):
        check_writable(path)
    with open_session(settings) as session, interruptible():
        session.require(verify)
        tell_scope(settings, session, push=True)
        options = BuildOptions(
            choose(session.project, images),
            push=True,
            force=force,
            is_telling_savings=html is not None,
            task_definitions=task_definitions or default_directory(session),
        )
        with progress_of(settings) as progress:
            done = run_build(session, options, lambda tagged: joiner_of(session, tagged), progress.event)
    return tell_results(settings, session, done, as_json=as_json, report=report, exports=exports, html=html)
