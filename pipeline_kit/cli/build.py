"""``pipeline-kit build``: the main job."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say, tell_error
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, json_option, open_session, print_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.outputs.progress import Progress
    from pipeline_kit.outputs.report import RunReport
    from pipeline_kit.plan import Plan


@click.command("build")
@images_argument
@json_option
@option("--plan", "plan_file", metavar="FILE", type=click.Path(path_type=Path), help="Carry out a saved plan.")
@option("--dry-run", is_flag=True, help="The same as pipeline-kit plan.")
@option("--push/--no-push", default=True, help="Push to the registry (default), or only build.")
@option("--force", is_flag=True, help="Build the named images even where they are present; move aliases back.")
@option("--jobs", metavar="N", type=click.IntRange(1, 256), help="Builds at once.")
@option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write a JSON report.")
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
    push: bool,
    force: bool,
    jobs: int | None,
    report: Path | None,
    builder: str | None,
    task_definitions: Path | None,
) -> int:
    """Plan, build what is missing in dependency order, push, move aliases, report."""
    settings: Settings = ctx.obj
    if dry_run:
        from pipeline_kit.cli.plan import command as plan_command

        return int(ctx.invoke(plan_command, images=images, as_json=as_json, force=force) or 0)
    from pipeline_kit.app.builders import builder_of
    from pipeline_kit.app.job import BuildOptions, run_build
    from pipeline_kit.app.planning import choose
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.outputs.files import check_writable

    if report is not None:
        check_writable(report)
    with open_session(settings) as session, interruptible():
        saved = _read_plan(plan_file)
        planned = tuple(name for name in saved.images if name in session.project.config.images) if saved else ()
        options = BuildOptions(
            choose(session.project, images or planned),
            push=push,
            force=force,
            saved=saved,
            task_definitions=task_definitions or _default_directory(session),
        )
        with _progress(settings) as progress:
            done = run_build(
                session, options, lambda tagged: builder_of(session, tagged, name=builder, jobs=jobs), progress.event
            )
    return _tell(settings, session, done, as_json=as_json, report=report)


def _read_plan(path: Path | None) -> Plan | None:
    if path is None:
        return None
    from pipeline_kit.errors import InputError
    from pipeline_kit.plan import read

    try:
        return read(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _default_directory(session: Session) -> Path | None:
    """Return where CI keeps a job's temporary files; elsewhere task definitions are written only where asked."""
    if not session.project.config.ecs or not os.environ.get("RUNNER_TEMP"):
        return None
    return Path(os.environ["RUNNER_TEMP"]) / "pipeline-kit"


def _progress(settings: Settings) -> Progress:
    from pipeline_kit.outputs.progress import SilentProgress, make_progress, wants_colour

    if settings.verbosity < 0:
        return SilentProgress()
    is_github = os.environ.get("GITHUB_ACTIONS") == "true"
    form = ("github" if is_github else "text") if settings.log_format == "auto" else settings.log_format
    colour = wants_colour(sys.stderr, os.environ) if settings.colour is None else settings.colour
    return make_progress(
        sys.stderr,
        log_format=form,
        is_live=form == "text" and sys.stderr.isatty() and settings.verbosity == 0,
        colour=colour,
        verbose=settings.verbosity > 0,
    )


def _tell(settings: Settings, session: Session, done: RunReport, *, as_json: bool, report: Path | None) -> int:
    """Print the product, write every output that is asked for, and return the exit code.

    An output that cannot be written does not keep the others from being written.
    """
    from pipeline_kit.errors import OutputFailed, ReaderGone
    from pipeline_kit.outputs.files import write_atomically
    from pipeline_kit.outputs.github_files import write_outputs, write_summary
    from pipeline_kit.outputs.json_report import json_text
    from pipeline_kit.outputs.text import result_lines, summary_line

    product = json_text(done) if as_json else "\n".join(result_lines(done))
    writes: list[Callable[[], None]] = [lambda: print_product(product)]
    if report is not None:
        writes.append(lambda: write_atomically(report, json_text(done).encode()))
    if session.ci.output_file is not None:
        output_file = session.ci.output_file
        writes.append(lambda: write_outputs(output_file, done))
    if session.ci.summary_file is not None:
        summary_file = session.ci.summary_file
        writes.append(lambda: write_summary(summary_file, done))
    code = done.exit_code
    for write in writes:
        try:
            write()
        except OutputFailed as error:
            if not isinstance(error, ReaderGone):
                tell_error(error)
            code = code or error.exit_code
    _tell_failures(done)
    if settings.verbosity >= 0:
        told = {*map(str, session.project.config.warnings), *session.ci.warnings}
        _tell_warnings(warning for warning in done.warnings if warning not in told)
        for item in done.task_definitions:
            if item.path:
                say(f"wrote {item.path}")
        say(summary_line(done))
    return code


def _tell_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"warning: {warning}")


def _tell_failures(done: RunReport) -> None:
    from pipeline_kit.outputs.github import report_annotations
    from pipeline_kit.plan import Status

    for image in done.images:
        if image.status in (Status.FAILED, Status.BLOCKED) and image.error:
            say(f"error: {image.name}: {image.error}")
            for line in image.log_tail[-40:]:
                say(f"  | {line}")
        for alias in image.aliases:
            if alias.state in ("failed", "skipped"):
                say(f"{'error' if alias.state == 'failed' else 'note'}: alias {image.name}:{alias.tag} {alias.detail}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for annotation in report_annotations(done):
            say(annotation.format())
