"""``pipeline-kit doctor``: can the checkout be trusted, and is everything there that a run needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline_kit.checkup import PARTS, RULES, in_order
from pipeline_kit.cli.options import option
from pipeline_kit.cli.shared import images_argument, json_option, print_json, print_product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.checkup import Part
    from pipeline_kit.cli.main import Settings

_PATHS_SHOWN = 5
_NETWORK = ("registry", "aws")
_NOTHING = "nothing"
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
@option(
    "--only",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Look at this part alone; may be repeated. Default: all parts.",
)
@option("--offline", is_flag=True, help="Leave out what needs the network: registry and AWS.")
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    allow: tuple[str, ...],
    only: tuple[Part, ...],
    offline: bool,
) -> int:
    """Check everything a run needs: checkout, CI variables, registry access, engine and builder, AWS identity.

    Each finding says what was seen and what to do. Nothing is changed. Ends with 0, or with the highest code of the
    findings that are errors: 3 the registry or AWS says no, 4 something does not answer, 5 the checkout cannot be
    trusted.
    """
    import os

    from pipeline_kit.app.doctor import Diagnosis, diagnosis_document, examine
    from pipeline_kit.cli.messages import say

    parts = {part for part in only or PARTS if not offline or part not in _NETWORK}
    diagnosis = Diagnosis(())
    if "checkout" in parts:
        diagnosis = examine(settings.directory, settings.config, os.environ, images, allowed=allow)
    if parts - {"checkout"}:
        from pipeline_kit.app.doctor_services import examine_services

        others = examine_services(settings.directory, settings.config, os.environ, images, parts, allowed=allow)
        diagnosis = Diagnosis(in_order((*diagnosis.findings, *others)), diagnosis.warnings)
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
        yield f"{item['severity']:<8} {item['rule']}{_where(item)}: {_subject(item)}{item['message']}"
        named = item["paths"][:limit]
        yield from (f"{_INDENT}  {path}" for path in named)
        if item["count"] > len(named):
            yield f"{_INDENT}  and {item['count'] - len(named)} more"
        if item["evidence"]:
            yield f"{_INDENT}seen: {item['evidence']}"
        if item["hint"] != _NOTHING:
            yield f"{_INDENT}do: {item['hint']}"


def _where(item: dict[str, Any]) -> str:
    images = ", ".join(item["images"])
    if not item["context"]:
        return f" ({images})" if images else ""
    return f" in {item['context']} ({images})"


def _subject(item: dict[str, Any]) -> str:
    count = item["count"]
    if item["subject"]:
        return f"{item['subject']}: "
    return f"{count} path{'' if count == 1 else 's'}: " if count else ""
