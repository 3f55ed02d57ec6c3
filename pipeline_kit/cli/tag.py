"""``pipeline-kit tag``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import allow_option, images_argument, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.command("tag")
@images_argument
@json_option
@option("--commit", "rev", metavar="REV", help="Tags of a commit instead of the work tree; needs no checkout.")
@allow_option
@click.pass_obj
def command(
    settings: Settings, images: tuple[str, ...], as_json: bool, rev: str | None, allow: tuple[str, ...]
) -> None:
    """Print content tags: `name reference`, one image a line.

    The network is used only to resolve base images (bases: resolve).
    """
    with open_session(settings, allow) as session:
        from pipeline_kit.app.tagging import choose, compute_tags, repository_of

        project = session.project
        if rev is not None:
            from pipeline_kit.app.compare import at_commit

            project = at_commit(session, rev)
        wanted = choose(project, images)
        tagged = compute_tags(project, wanted, session.around, lambda: session.registry)
        rows = {
            name: {
                "tag": str(tagged.keyed[name].tag),
                "reference": f"{repository_of(project, tagged.sources[name].image)}:{tagged.keyed[name].tag}",
            }
            for name in wanted
        }
    if as_json:
        print_json({"images": rows})
    else:
        print_product("\n".join(f"{name} {row['reference']}" for name, row in rows.items()))
