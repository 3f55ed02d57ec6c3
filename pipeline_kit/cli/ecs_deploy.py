"""``pipeline-kit ecs deploy``."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.ecs_options import choose, cloud_opener, edit_options, edits, services_argument
from pipeline_kit.cli.messages import say, tell_error
from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import for_github, write_each
from pipeline_kit.cli.shared import html_option, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline_kit.app.deploy_report import DeployReport
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config import EcsService


@click.command("deploy")
@services_argument
@json_option
@option("--build", "build_first", is_flag=True, help="First build and push what is missing of the services' images.")
@option("--revision", metavar="REVISION", help="Deploy this registered revision (family:7 or ARN) of one service.")
@option("--wait/--no-wait", default=True, help="Follow the deployments to their end (default), or only start them.")
@option("--verify/--no-verify", "checks", default=True, help="First check that what the tasks need is there (default).")
@option("--force", is_flag=True, help="Start a new deployment even where the service runs this revision.")
@option("--timeout", metavar="SECONDS", type=click.IntRange(1), help="Wait at most this long; default 900.")
@html_option
@edit_options
@click.pass_obj
def deploy(
    settings: Settings,
    /,
    services: tuple[str, ...],
    as_json: bool,
    build_first: bool,
    revision: str | None,
    wait: bool,
    checks: bool,
    force: bool,
    timeout: int | None,
    html: Path | None,
    **changes: tuple[str, ...],
) -> int:
    """Register what changed, deploy it, and follow the deployments until they are steady or failed.

    A service that runs an equal revision is left alone. A rollback is a failure. An interruption leaves the services
    alone and says what goes on.
    """
    from pipeline_kit.adapters.system_clock import SystemClock
    from pipeline_kit.app.deploy import Deployer, DeployOptions
    from pipeline_kit.app.signals import interruptible

    options = DeployOptions(wait, checks, force, timeout, revision, edits(**changes))
    if html is not None:
        from pipeline_kit.outputs.files import check_writable

        check_writable(html)
    with open_session(settings) as session, interruptible():
        chosen = choose(session, services)
        pinned = {} if revision is not None else _pinned(settings, session, chosen, build_first=build_first)
        report = Deployer(session, cloud_opener(session), SystemClock(), _teller(settings)).deploy(
            chosen, pinned, options
        )
    return _tell(settings, session, report, as_json=as_json, html=html)


def _pinned(
    settings: Settings, session: Session, chosen: Sequence[tuple[str, EcsService]], *, build_first: bool
) -> dict[str, str]:
    from pipeline_kit.app import task_definitions
    from pipeline_kit.app.deploy_images import built_images, pinned_images

    task_definitions.check(session.project, chosen)
    if not build_first:
        return pinned_images(session, chosen)
    from pipeline_kit.app.builders import builder_of
    from pipeline_kit.outputs.progress import SilentProgress, make_progress, wants_colour

    is_quiet = settings.verbosity < 0
    form = settings.log_format if settings.log_format in ("json", "github") else "text"
    made = (
        SilentProgress()
        if is_quiet
        else make_progress(
            sys.stderr, log_format=form, colour=wants_colour(sys.stderr, os.environ), verbose=settings.verbosity > 0
        )
    )
    with made as progress:
        return built_images(
            session,
            chosen,
            lambda tagged: builder_of(session, tagged),
            progress.event,
            (lambda _: None) if is_quiet else say,
        )


def _teller(settings: Settings) -> Callable[[str, str], None]:
    """Return what writes a line of progress to stderr: plain, or one JSON object a line."""
    import json

    def tell(key: str, text: str) -> None:
        if settings.verbosity < 0:
            return
        if settings.log_format == "json":
            say(json.dumps({"service": key, "text": text}))
        else:
            say(f"[{key}] {text}")

    return tell


def _tell(settings: Settings, session: Session, report: DeployReport, *, as_json: bool, html: Path | None) -> int:
    from pipeline_kit.outputs.text import format_seconds

    if as_json:
        print_json(report.document())
    else:
        print_product("\n".join(result.line() for result in report.results))
    for result in report.results:
        failure = result.failure()
        if failure is not None:
            tell_error(failure)
    page = [partial(_write_page, html, session, report)] if html is not None else []
    code = write_each([*page, *_for_github(session, report)], report.exit_code)
    if settings.verbosity >= 0:
        calls = sum(report.calls.values())
        good = sum(result.ending.is_success for result in report.results)
        say(f"{good} of {len(report.results)} as asked in {format_seconds(report.seconds)} ({calls} calls to AWS)")
    return code


def _write_page(path: Path, session: Session, report: DeployReport) -> None:
    from pipeline_kit.outputs.files import write_atomically
    from pipeline_kit.outputs.html_deployments import Deployed, deployments_html

    services = [
        Deployed(
            result.key,
            result.status,
            result.ending.is_success,
            result.revision,
            result.previous,
            (*filter(None, [result.detail]), *map(str, result.causes)),
            result.images,
            result.seconds,
        )
        for result in report.results
    ]
    write_atomically(path, deployments_html(services, seconds=report.seconds, run_url=session.ci.run_url).encode())


def _for_github(session: Session, report: DeployReport) -> list[Callable[[], None]]:
    """Return what writes the step's outputs and summary, where the CI has such files."""
    from pipeline_kit.outputs.deployments import write_deployment_outputs, write_deployments

    rows = [(result.key, result.revision, result.status, result.detail) for result in report.results]
    return for_github(
        session,
        lambda path: write_deployment_outputs(path, rows),
        lambda path: write_deployments(path, rows),
    )
