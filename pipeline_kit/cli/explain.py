"""``pipeline-kit explain``: what a tag is made from, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import allow_option, json_option, open_session, print_json, print_product

if TYPE_CHECKING:
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings


@click.command("explain")
@click.argument("image")
@json_option
@option(
    "--against",
    metavar="REV|REFERENCE",
    help="Show what differs from commit REV (needs no checkout of it), or from the build of an image in a registry: "
    "host/repository:tag, one with @sha256:…, or image:TAG for a tag of IMAGE's own repository.",
)
@option("--offline", is_flag=True, help="Ask no registry; bases that are not locked stay unresolved.")
@allow_option
@click.pass_obj
def command(
    settings: Settings, image: str, as_json: bool, against: str | None, offline: bool, allow: tuple[str, ...]
) -> None:
    """Show the inputs behind IMAGE's tag, or exactly which of them changed since a commit or another build."""
    from pipeline_kit.app.compare import compare, keyed_at
    from pipeline_kit.app.compare_record import is_image
    from pipeline_kit.app.explain import difference_document, difference_lines, explain_document, explain_lines

    with open_session(settings, allow) as session:
        if against is None:
            shown: dict[str, Any] = explain_document(image, keyed_at(session, image, offline=offline).keyed[image])
            lines = explain_lines(shown)
        elif is_image(against):
            shown, lines = _against_image(session, image, against)
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


def _against_image(session: Session, image: str, against: str) -> tuple[dict[str, Any], list[str]]:
    """Return document and lines of what differs from the build of an image in a registry."""
    from pipeline_kit.app.compare_record import compare_with_image, record_document
    from pipeline_kit.app.explain import difference_document, difference_lines

    found = compare_with_image(session, image, against)
    record, stale = found.record, found.difference.stale
    changed = difference_document(found.difference.changes)
    shown = {"image": image, "against": against, **changed, "stale": stale, "record": record_document(record)}
    built = f"built from {record.stamp.commit[:12] or 'no commit'}"
    where = f" on {record.stamp.ref}" if record.stamp.ref else ""
    lines = [f"against {record.repository}:{record.tag}, {built}{where}"]
    lines += difference_lines(changed) or ["nothing differs"]
    lines += [f"also stale through it: {', '.join(stale)}"] if stale else []
    return shown, lines
