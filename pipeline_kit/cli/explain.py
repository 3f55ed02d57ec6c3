"""``pipeline-kit explain``: what a tag is made from, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.cli.main import Settings


@click.command("explain")
@click.argument("image")
@json_option
@option("--against", metavar="REV", help="Show what differs from commit REV; needs no checkout of it.")
@option("--offline", is_flag=True, help="Ask no registry; bases that are not locked stay unresolved.")
@click.pass_obj
def command(settings: Settings, image: str, as_json: bool, against: str | None, offline: bool) -> None:
    """Show the inputs behind IMAGE's tag, or exactly which of them changed since a commit."""
    from pipeline_kit.app.compare import compare, keyed_at
    from pipeline_kit.app.explain import difference_document, difference_lines, explain_document, explain_lines

    with open_session(settings) as session:
        if against is None:
            shown: dict[str, Any] = explain_document(image, keyed_at(session, image, offline=offline).keyed[image])
            lines = explain_lines(shown)
        else:
            found = compare(session, image, against)
            shown = {"image": image, "against": against, **difference_document(found.changes), "stale": found.stale}
            lines = difference_lines(shown) or [f"nothing differs from {against}"]
            lines += [f"also stale through it: {', '.join(found.stale)}"] if found.stale else []
    if as_json:
        print_json(shown)
    else:
        from pipeline_kit.outputs.sanitize import one_line

        print_product("\n".join(one_line(line) for line in lines))
