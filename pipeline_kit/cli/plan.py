"""``pipeline-kit plan``: the dry run."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline_kit.cli.messages import say
from pipeline_kit.cli.options import option
from pipeline_kit.cli.plan_shown import FORMATS, Shown, matrix_options, read_runners
from pipeline_kit.cli.results import write_each
from pipeline_kit.cli.shared import (
    allow_option,
    html_option,
    images_argument,
    json_option,
    open_session,
    platform_option,
    print_product,
    tell_scope,
    verify_option,
    wants_colour,
)

if TYPE_CHECKING:
    from pipeline_kit.app.session import Session
    from pipeline_kit.cli.main import Settings
    from pipeline_kit.config.model import Verify
    from pipeline_kit.plan import Plan

_WORK_TO_DO = 10
_TAG_SHOWN = 12


@click.command("plan")
@images_argument
@json_option
@option("--format", "form", type=click.Choice(FORMATS), default="table", help="How to print the plan.")
@html_option
@option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Save the plan for build --plan.")
@option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is work to do, 0 when there is none.")
@option("--offline", is_flag=True, help="Ask no registry; claims no hit it did not ask for.")
@option("--force", is_flag=True, help="Plan to build the named images even where they are present.")
@verify_option
@platform_option
@allow_option
@option(
    "--task-definitions",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the ECS task definitions whose images are all present to DIR.",
)
@matrix_options
@click.pass_obj
def command(
    settings: Settings,
    images: tuple[str, ...],
    as_json: bool,
    form: str,
    html: Path | None,
    out: Path | None,
    detailed_exitcode: bool,
    offline: bool,
    force: bool,
    verify: Verify | None,
    platform: str | None,
    allow: tuple[str, ...],
    task_definitions: Path | None,
    per_platform: bool,
    levels: int,
    runners: tuple[str, ...],
    buildspec: Path | None,
) -> int:
    """Show what build would do and why. Changes nothing, anywhere.

    On GitHub the plan also goes to the step's summary and outputs, whatever is printed. --per-platform, --levels and
    --runner are about the jobs of github-matrix, --per-platform also about the builds of codebuild-batch.
    """
    on = read_runners(runners)
    with open_session(settings, allow) as session:
        from pipeline_kit.app.planning import make_plan
        from pipeline_kit.app.tagging import choose_for, read_platform

        if session.project.config.ecs:
            from pipeline_kit.app.task_definitions import check

            check(session.project)
        session.require(verify)
        tell_scope(settings, session)
        platform = read_platform(platform)
        wanted = choose_for(session.project, images, platform)
        registry = None if offline else session.reached_registry(len(wanted))
        plan, _ = make_plan(session.project, wanted, session.around, registry, force=force, platform=platform)
        again = {
            "PIPELINE_KIT_VERIFY": verify,
            "PIPELINE_KIT_ALLOW": " ".join(allow),
            "PIPELINE_KIT_FORCE": "1" * force,
        }
        shown = Shown(
            plan,
            session,
            per_platform=per_platform,
            levels=levels,
            runners=on,
            only=platform,
            buildspec=buildspec,
            variables={name: value for name, value in again.items() if value},
        )
        if out is not None:
            shown.save(out)
        if html is not None:
            shown.save_page(html)
        if task_definitions is not None:
            _write_task_definitions(session, plan, task_definitions)
        form = "json" if as_json else form
        told = partial(_tell, settings, shown, form)
        failed = write_each([told, *shown.for_github()], 0)
        if form != "json" and settings.verbosity >= 0:
            say(_summary(plan, session.requests, session.seconds(), offline=offline))
    _tell_blocked(plan, is_tolerated=session.around.is_read_only)
    code = _exit_code(plan, detailed=detailed_exitcode, is_read_only=session.around.is_read_only)
    return failed if failed and code in (0, _WORK_TO_DO) else code


def _tell(settings: Settings, shown: Shown, form: str) -> None:
    print_product(_table(shown.plan, settings) if form == "table" else shown.text(form))


def _table(plan: Plan, settings: Settings) -> str:
    from pipeline_kit.outputs.plan_table import PlanRow, plan_table

    def shown(tag: str | None) -> str:
        return f"{tag[:_TAG_SHOWN]}…" if tag and len(tag) > _TAG_SHOWN and settings.verbosity <= 0 else tag or "-"

    rows = [
        PlanRow(
            image.name,
            image.action.value,
            image.verdict.value,
            shown(image.tag),
            (*image.reasons, *(f"alias {alias} moves" for alias in image.alias_moves)),
        )
        for image in plan.images.values()
    ]
    width = _terminal_width()
    return plan_table(rows, width=max(width, 80), colour=wants_colour(settings))


def _terminal_width() -> int:
    if "COLUMNS" not in os.environ and not (sys.stdout is not None and sys.stdout.isatty()):
        return 120
    import shutil  # brings bz2 and lzma

    return shutil.get_terminal_size((120, 24)).columns


def _summary(plan: Plan, requests: int, seconds: float, *, offline: bool) -> str:
    builds, skips = len(plan.builds), sum(image.action == "skip" for image in plan.images.values())
    blocked = len(plan.images) - builds - skips
    parts = [f"{builds} to build", f"{skips} to skip", *([f"{blocked} blocked"] if blocked else [])]
    asked = "offline" if offline else f"{requests} request{'' if requests == 1 else 's'}"
    return f"{', '.join(parts)} ({asked}, {seconds:.1f} s)"


def _tell_blocked(plan: Plan, *, is_tolerated: bool) -> None:
    """Say in one message which images cannot be decided, why the first one cannot, and what to do."""
    from pipeline_kit.plan import Action, Verdict

    blocked = [image for image in plan.images.values() if image.action is Action.BLOCKED]
    if blocked:
        first = blocked[0]
        level = "note" if is_tolerated and plan.worst_of(frozenset({Verdict.DENIED})) is None else "error"
        say(f"{level}: no decision about {', '.join(image.name for image in blocked)}: {first.reasons[0]}")
        say(f"  next: {first.hint or 'run it again when the registry answers for certain'}")


def _exit_code(plan: Plan, *, detailed: bool, is_read_only: bool) -> int:
    """Return the process's code; what a run without credentials was denied is no failure of its own."""
    from pipeline_kit.plan import Verdict

    worst = plan.worst_of(frozenset({Verdict.DENIED}) if is_read_only else frozenset())
    if worst is not None:
        return 3 if worst is Verdict.DENIED else 4
    return _WORK_TO_DO if detailed and plan.has_work else 0


def _write_task_definitions(session: Session, plan: Plan, directory: Path) -> None:
    from pipeline_kit.app import task_definitions
    from pipeline_kit.plan import Action

    there = [image.name for image in plan.images.values() if image.action is Action.SKIP]
    pinned = task_definitions.present(plan, there)
    chosen = [
        pair for pair in task_definitions.services(session.project) if set(pair[1].containers.values()) <= set(pinned)
    ]
    task_definitions.write(task_definitions.render_services(session.project, chosen, pinned), directory)
