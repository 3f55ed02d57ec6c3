"""``pipeline-kit build``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import default_directory, progress_of, tell_results
from pipeline_kit.cli.shared import (
    allow_option,
    exports_option,
    html_option,
    images_argument,
    json_option,
    open_session,
    platform_option,
    tell_scope,
    verify_option,
)

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config.model import Verify
    from pipeline_kit.plan import Plan


@click.command("build")
@images_argument
@json_option
@option("--plan", "plan_file", metavar="FILE", type=click.Path(path_type=Path), help="Carry out a saved plan.")
@option("--dry-run", is_flag=True, help="The same as pipeline-kit plan.")
@option("--push/--no-push", default=None, help="Push to the registry (default where there are credentials), or not.")
@option("--force", is_flag=True, help="Build the named images even where they are present; move aliases back.")
@verify_option
@platform_option
@allow_option
@option("--jobs", metavar="N", type=click.IntRange(1, 256), help="Builds at once.")
@option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write a JSON report.")
@html_option
@exports_option
@option("--builder", metavar="NAME", help="buildx builder to use, or 'engine' for the engine's own.")
@option(
    "--task-definitions",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write rendered ECS task definitions to DIR.",
)
@click.pass_context
def command(
    ctx: click.Context,
    images: tuple[str, ...],
    as_json: bool,
    plan_file: Path | None,
    dry_run: bool,
    push: bool | None,
    force: bool,
    verify: Verify | None,
    platform: str | None,
    allow: tuple[str, ...],
    jobs: int | None,
    report: Path | None,
    html: Path | None,
    exports: Path | None,
    builder: str | None,
    task_definitions: Path | None,
) -> int:
    """Plan, build what is missing in dependency order, push, move aliases, report."""
    settings: Settings = ctx.obj
    if dry_run:
        from pipeline_kit.cli.plan import command as plan_command

        given = {"images": images, "as_json": as_json, "force": force, "verify": verify, "platform": platform}
        return int(ctx.invoke(plan_command, allow=allow, html=html, **given) or 0)
    from pipeline_kit.app.builders import builder_of
    from pipeline_kit.app.job import BuildOptions, run_build
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.app.tagging import choose_for, read_platform
    from pipeline_kit.outputs.files import check_writable

    for path in filter(None, (report, html, exports)):
        check_writable(path)
    with open_session(settings, allow) as session, interruptible():
        saved = _read_plan(plan_file)
        session.require(verify)
        tell_scope(settings, session, push=push)
        planned = tuple(name for name in saved.images if name in session.project.config.images) if saved else ()
        platform = read_platform(platform)
        options = BuildOptions(
            choose_for(session.project, images or planned, platform),
            push=push,
            force=force,
            saved=saved,
            task_definitions=task_definitions or default_directory(session),
            platform=platform,
            is_telling_savings=html is not None,
        )
        with progress_of(settings) as progress:
            done = run_build(
                session, options, lambda tagged: builder_of(session, tagged, name=builder, jobs=jobs), progress.event
            )
    return tell_results(settings, session, done, as_json=as_json, report=report, exports=exports, html=html)


def _read_plan(path: Path | None) -> Plan | None:
    if path is None:
        return None
    from pipeline_kit.errors import InputError
    from pipeline_kit.plan import read

    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
