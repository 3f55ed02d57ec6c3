"""``pipeline-kit doctor``: can the checkout be trusted, and what would surprise in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.checkup import RULES
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, json_option, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.cli.main import Settings

_PATHS_SHOWN = 5
_INDENT = " " * 9


@click.command("doctor")
@images_argument
@json_option
@option(
    "--allow",
    multiple=True,
    metavar="RULE",
    type=click.Choice(list(RULES)),
    help="Take findings of RULE for warnings; may be repeated.",
)
@click.pass_obj
def command(settings: Settings, images: tuple[str, ...], as_json: bool, allow: tuple[str, ...]) -> int:
    """Check the checkout: whether its tags can be trusted, and what enters an image that should not.

    Ends with 5 when any finding is an error. No network is used and nothing is changed.
    """
    import os

    from pipeline_kit.app.doctor import diagnosis_document, examine
    from pipeline_kit.cli.messages import say

    diagnosis = examine(settings.directory, settings.config, os.environ, images, allowed=allow)
    if settings.verbosity >= 0:
        for warning in diagnosis.warnings:
            say(f"warning: {warning}")
    document = diagnosis_document(diagnosis)
    if as_json:
        print_json(document)
    else:
        from pipeline_kit.outputs.sanitize import one_line

        shown = _PATHS_SHOWN if settings.verbosity < 1 else None
        print_product("\n".join(one_line(line) for line in _lines(document["findings"], shown)))
    return diagnosis.exit_code


def _lines(findings: list[dict[str, Any]], limit: int | None) -> Iterator[str]:
    if not findings:
        yield "no findings"
    for item in findings:
        yield f"{item['severity']:<8} {item['rule']}{_where(item)}: {_subject(item['count'])}{item['message']}"
        named = item["paths"][:limit]
        yield from (f"{_INDENT}  {path}" for path in named)
        if item["count"] > len(named):
            yield f"{_INDENT}  and {item['count'] - len(named)} more"
        yield f"{_INDENT}do: {item['hint']}"


def _where(item: dict[str, Any]) -> str:
    images = ", ".join(item["images"])
    if not item["context"]:
        return f" ({images})" if images else ""
    return f" in {item['context']} ({images})"


def _subject(count: int) -> str:
    return f"{count} path{'' if count == 1 else 's'}: " if count else ""
