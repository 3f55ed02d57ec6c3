"""How a run of build or join is shown while it goes on, and told when it has ended."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.cli.messages import annotate, say, tell_error
from pipeline_kit.cli.shared import print_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.outputs.progress import Progress
    from pipeline_kit.outputs.report import RunReport


def default_directory(session: Session) -> Path | None:
    """Return where CI keeps a job's temporary files; elsewhere task definitions are written only where asked."""
    if not session.project.config.ecs or not os.environ.get("RUNNER_TEMP"):
        return None
    return Path(os.environ["RUNNER_TEMP"]) / "pipeline-kit"


def progress_of(settings: Settings) -> Progress:
    """Return what shows a run's progress on stderr, as the options and the terminal say."""
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


def tell_results(
    settings: Settings,
    session: Session,
    done: RunReport,
    *,
    as_json: bool,
    report: Path | None,
    exports: Path | None = None,
    html: Path | None = None,
) -> int:
    """Print the product, write every output that is asked for, and return the exit code.

    An output that cannot be written does not keep the others from being written.
    """
    from pipeline_kit.outputs.files import write_atomically
    from pipeline_kit.outputs.github_files import write_outputs, write_summary
    from pipeline_kit.outputs.json_report import json_text
    from pipeline_kit.outputs.text import result_lines, summary_line

    product = json_text(done) if as_json else "\n".join(result_lines(done))
    writes: list[Callable[[], None]] = [lambda: print_product(product)]
    if report is not None:
        writes.append(lambda: write_atomically(report, json_text(done).encode()))
    if html is not None:
        from pipeline_kit.outputs.html_pages import report_html

        writes.append(lambda: write_atomically(html, report_html(done).encode()))
    if exports is not None:
        from pipeline_kit.outputs.exports import write_exports

        writes.append(lambda: write_exports(exports, done))
    writes += for_github(session, lambda path: write_outputs(path, done), lambda path: write_summary(path, done))
    code = write_each(writes, done.exit_code)
    _tell_failures(done)
    if settings.verbosity >= 0:
        told = {*map(str, session.project.config.warnings), *session.ci.warnings}
        _tell_warnings(warning for warning in done.warnings if warning not in told)
        for item in done.task_definitions:
            if item.path:
                say(f"wrote {item.path}")
        say(summary_line(done))
    return code


def write_each(writes: Iterable[Callable[[], None]], code: int) -> int:
    """Write every output, say which could not be written, and return ``code``, or that of the first failure for 0."""
    from pipeline_kit.errors import OutputFailed, ReaderGone

    for write in writes:
        try:
            write()
        except OutputFailed as error:
            if not isinstance(error, ReaderGone):
                tell_error(error)
            code = code or error.exit_code
    return code


def for_github(
    session: Session, outputs: Callable[[Path], None], summary: Callable[[Path], None]
) -> list[Callable[[], None]]:
    """Return what writes the step's outputs and summary, each to the file that the CI names; none elsewhere."""
    pairs = ((session.ci.output_file, outputs), (session.ci.summary_file, summary))
    return [partial(write, path) for path, write in pairs if path is not None]


def _tell_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"warning: {warning}")


def _tell_failures(done: RunReport) -> None:
    from pipeline_kit.outputs.github import report_annotations
    from pipeline_kit.plan import Status

    for image in done.images:
        if image.status in (Status.FAILED, Status.BLOCKED) and image.error:
            say(f"{'error' if done.exit_code else 'note'}: {image.name}: {image.error}")
            for line in image.log_tail[-40:]:
                say(f"  | {line}")
        for alias in image.aliases:
            if alias.detail:
                say(f"{'error' if alias.state == 'failed' else 'note'}: alias {image.name}:{alias.tag} {alias.detail}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for annotation in report_annotations(done):
            annotate(annotation)
