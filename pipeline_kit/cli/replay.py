"""``pipeline-kit replay``: what a range of commits would have built."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.app.replay import Replay
    from pipeline_kit.cli.main import Settings

_CAUSES_SHOWN = 3


@click.command("replay")
@click.argument("span", metavar="A..B")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@json_option
@option("--last", metavar="N", type=click.IntRange(1, 100_000), default=1000, help="Commits to look at, the newest.")
@click.pass_obj
def command(settings: Settings, span: str, images: tuple[str, ...], as_json: bool, last: int) -> None:
    """Show how often the commits of A..B would have built each image, by content tag and by other rules.

    Reads git objects alone: nothing is checked out, no registry is asked. A, the first commit, counts as built.
    """
    with open_session(settings) as session:
        from pipeline_kit.app.replay import replay, replay_document

        is_live = sys.stderr is not None and sys.stderr.isatty() and settings.verbosity >= 0

        def on_commit(number: int, total: int) -> None:
            if is_live:
                click.echo(f"\r{number}/{total} commits", err=True, nl=number == total)

        found = replay(session, span, images, most=last, on_commit=on_commit)
    if as_json:
        print_json(replay_document(found))
    else:
        print_product("\n".join(_lines(found)))


def _lines(found: Replay) -> list[str]:
    from pipeline_kit.app.replay import RULES, replay_document
    from pipeline_kit.outputs.columns import aligned

    rows = [("IMAGE", "COMMITS", *(rule.upper() for rule in RULES), "CAUSES")]
    for image in found.images.values():
        told = [f"{cause.kind} {cause.name}".strip() + f" {cause.builds}x" for cause in image.causes[:_CAUSES_SHOWN]]
        builds = (str(image.builds[rule]) for rule in RULES)
        rows.append((image.name, str(image.decisions), *builds, ", ".join(told) or "-"))
    totals = replay_document(found)["rules"]
    decisions = next(iter(totals.values()))["decisions"]
    rows.append(("all", str(decisions), *(str(totals[rule]["builds"]) for rule in RULES), ""))
    rates = ((rule, totals[rule]["hit_rate"]) for rule in RULES)
    hits = ", ".join(f"{rule} {'-' if rate is None else f'{rate:.1%}'}" for rule, rate in rates)
    lines = [*aligned(rows), f"builds in {found.commits} commits; hits: {hits}"]
    lines += [f"  {rule:<8} {meaning}" for rule, meaning in RULES.items()]
    if found.unread:
        lines.append(f"{found.unread} commits have no configuration that can be read today")
    return lines
