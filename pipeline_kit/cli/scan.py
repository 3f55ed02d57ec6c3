"""``pipeline-kit scan``: a gate on the registry's own image scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.scan_gate import Gate


@click.command("scan")
@images_argument
@json_option
@option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low", "informational", "any", "never"], case_sensitive=False),
    help="The least severity that fails, instead of the configuration's (high).",
)
@option("--from", "at", metavar="TAG|DIGEST", help="The image by this name instead of the work tree's content tag.")
@option("--commit", "rev", metavar="REV", help="The images of a commit instead of the work tree.")
@option(
    "--timeout",
    metavar="SECONDS",
    type=click.IntRange(0, 86_400),
    default=600,
    show_default=True,
    help="Longest wait for all scans together.",
)
@option("--summary", metavar="FILE", type=click.Path(path_type=Path), help="Append a Markdown table to FILE.")
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    fail_on: str | None,
    at: str | None,
    rev: str | None,
    timeout: int,
    summary: Path | None,
) -> int:
    """Wait until the registry has scanned the images, each platform by itself, and fail where it found too much.

    Amazon ECR (basic and enhanced scanning), Harbor and Quay are asked by their own APIs. A scan that is missing, fails
    or cannot be read is no pass. In GitHub Actions the table goes to the job's summary too.
    """
    from pipeline_kit.adapters.system_clock import SystemClock
    from pipeline_kit.app.chosen import Selection
    from pipeline_kit.app.scan import ScanOptions, open_scanner, scan_images
    from pipeline_kit.app.signals import interruptible
    from pipeline_kit.outputs.scan_report import scan_document, scan_lines, scan_markdown

    def tell(text: str) -> None:
        if settings.verbosity >= 0:
            say(text)

    with open_session(settings) as session, interruptible():
        options = ScanOptions(Selection(images, at, rev), fail_on and fail_on.lower(), float(timeout))
        gate = scan_images(session, options, open_scanner(session), SystemClock(), tell)
        files = [path for path in (summary, session.ci.summary_file) if path is not None]
    if as_json:
        print_json(scan_document(gate))
    else:
        print_product("\n".join(scan_lines(gate)))
    if files:
        from pipeline_kit.outputs.files import append

        for path in dict.fromkeys(files):
            append(path, scan_markdown(gate).encode("utf-8", "backslashreplace"), what="the scan's summary")
    _tell_entries(settings, gate)
    return _end(gate)


def _tell_entries(settings: Settings, gate: Gate) -> None:
    for entry in gate.expired:
        say(f"warning: scan.ignore: {entry.id} was ignored until {entry.until} and counts again ({entry.reason})")
    for entry in gate.unused if settings.verbosity >= 0 else ():
        say(f"note: scan.ignore: {entry.id} was not found in any image: remove the entry")


def _end(gate: Gate) -> int:
    """Raise ScanGateFailed unless every scan passes."""
    from pipeline_kit.errors import ScanGateFailed

    if gate.passes:
        return 0
    unread = [judged for judged in gate.scans if judged.scanned.unread]
    failing = sum(len(judged.failing) for judged in gate.scans)
    parts = [f"{failing} findings of severity {gate.fail_on} or more"] if failing else []
    parts += [f"{len(unread)} scans that cannot be read"] if unread else []
    raise ScanGateFailed(
        f"the images do not pass: {', '.join(parts)}",
        hint="update what is affected, or write scan.ignore with a reason and a day",
    )
