"""``pipeline-kit stats``: builds, their causes, and what skipping saved."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.build_stats import Cause, ImageStats
    from pipeline_kit.cli.main import Settings

_CAUSES_SHOWN = 3


@click.command("stats")
@images_argument
@json_option
@option(
    "--report",
    "reports",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A report of build --report; hits are known from these alone. Can be given often.",
)
@option("--last", metavar="N", type=click.IntRange(1, 100_000), default=500, help="Builds of each image to look at.")
@click.pass_obj
def command(settings: Settings, images: tuple[str, ...], as_json: bool, reports: tuple[Path, ...], last: int) -> None:
    """Show from build records how often each image was built, how long it took, and which inputs made it necessary."""
    with open_session(settings) as session:
        from pipeline_kit.app.stats import collect, read_reports
        from pipeline_kit.app.tagging import choose
        from pipeline_kit.build_stats import stats_document

        wanted = choose(session.project, images)
        stats = collect(session, wanted, read_reports(reports), most=last)
    if as_json:
        print_json(stats_document(stats, len(reports)))
    else:
        print_product("\n".join(_lines(stats, has_reports=bool(reports))))


def _lines(stats: Sequence[ImageStats], *, has_reports: bool) -> list[str]:
    from pipeline_kit.build_stats import hit_rate
    from pipeline_kit.outputs.columns import aligned
    from pipeline_kit.outputs.text import format_seconds

    head = ("IMAGE", "BUILDS", "MEDIAN", "TOTAL", "LAST", *(("HITS", "SAVED") if has_reports else ()), "CAUSES")
    lines = aligned([head, *(_row(item, has_reports=has_reports) for item in stats)])
    total = sum(item.total for item in stats)
    told = f"{sum(item.builds for item in stats)} builds, {format_seconds(total)}"
    rate = hit_rate(stats)
    if rate is not None:
        saved = sum(item.saved or 0.0 for item in stats)
        runs = sum(item.runs for item in stats)
        told += f"; {rate:.0%} of {runs} decisions were hits, about {format_seconds(saved)} saved"
    return [*lines, told]


def _row(item: ImageStats, *, has_reports: bool) -> tuple[str, ...]:
    from pipeline_kit.outputs.text import format_seconds

    def seconds(value: float | None) -> str:
        return "-" if value is None else format_seconds(value)

    hits = f"{item.hits}/{item.runs} {item.hits / item.runs:.0%}" if item.runs else "-"
    last = datetime.fromtimestamp(item.last, UTC).strftime("%Y-%m-%d") if item.last else "-"
    extra = (hits, seconds(item.saved if item.runs else None)) if has_reports else ()
    causes = ", ".join(_cause(cause) for cause in item.causes[:_CAUSES_SHOWN]) or "-"
    return item.name, str(item.builds), seconds(item.median), format_seconds(item.total), last, *extra, causes


def _cause(cause: Cause) -> str:
    return f"{cause.kind} {cause.name}".strip() + f" {cause.builds}x"
