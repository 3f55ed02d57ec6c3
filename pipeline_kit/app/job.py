"""The main job: plan, build what is missing, publish, move aliases, render task definitions, report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline_kit import __version__
from pipeline_kit.app import task_definitions
from pipeline_kit.app.keys import key_images
from pipeline_kit.app.planning import Tagged, make_plan, needed
from pipeline_kit.app.requests import build_requests
from pipeline_kit.app.sources import Reader
from pipeline_kit.errors import (
    Interrupted,
    OutputFailed,
    PipelineKitError,
    PlanStale,
    RegistryRefused,
    RegistryUnreachable,
)
from pipeline_kit.execute.run import Outcome, Run
from pipeline_kit.outputs.report import AliasResult, ImageResult, RunReport, TaskDefinitionResult
from pipeline_kit.plan import Plan, PlannedImage, Status, Verdict, differences
from pipeline_kit.reference import Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline_kit.app.session import Session
    from pipeline_kit.ports.builder import Builder, BuildEvent

    OpenBuilder = Callable[[Tagged], AbstractContextManager[Builder]]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What ``build`` was asked for. ``task_definitions`` is where rendered files go, ``None`` for nowhere."""

    wanted: tuple[str, ...]
    push: bool = True
    force: bool = False
    saved: Plan | None = None
    task_definitions: Path | None = None


def run_build(
    session: Session,
    options: BuildOptions,
    open_builder: OpenBuilder,
    on_event: Callable[[BuildEvent], None],
) -> RunReport:
    """Do the main job and return its report, whose ``exit_code`` tells how it ended.

    Raises PipelineKitError for what went wrong before anything was built. An interruption and every failure after that
    are part of the report.
    """
    task_definitions.check(session.project)
    plan, tagged = make_plan(session.project, options.wanted, session.around, session.registry, force=options.force)
    _refuse_stale(options.saved, plan)
    _refuse_uncertain(plan)
    planned = session.seconds()
    run = Run(plan, session.registry, push=options.push, force=options.force)
    interrupted: Interrupted | None = None
    try:
        _execute(session, plan, tagged, run, open_builder, on_event)
    except Interrupted as error:
        interrupted = error
    report = _report(session, plan, tagged, run, planned)
    if interrupted is not None:
        return replace(report, is_interrupted=True, exit_code=128 + interrupted.signal_number)
    return _with_task_definitions(session, options, report)


def _refuse_stale(saved: Plan | None, fresh: Plan) -> None:
    if saved is not None:
        moved = differences(saved, fresh)
        if moved:
            raise PlanStale(
                "the saved plan no longer holds:\n" + "\n".join(f"  {line}" for line in moved),
                hint="make a new plan, look at it, and build that",
            )


def _refuse_uncertain(plan: Plan) -> None:
    """Stop before anything is built when a verdict is denied or unknown (design D5)."""
    verdict = plan.worst_verdict
    if verdict is None:
        return
    blocked = [image for image in plan.images.values() if image.verdict is verdict]
    lines = [f"  {image.name}: {'; '.join(image.reasons)}" for image in blocked]
    hint = next((image.hint for image in blocked if image.hint), "")
    kind = RegistryRefused if verdict is Verdict.DENIED else RegistryUnreachable
    default = "check the login" if verdict is Verdict.DENIED else "run it again when the registry answers"
    raise kind("nothing was built, because it is not certain what exists:\n" + "\n".join(lines), hint=hint or default)


def _execute(
    session: Session,
    plan: Plan,
    tagged: Tagged,
    run: Run,
    open_builder: OpenBuilder,
    on_event: Callable[[BuildEvent], None],
) -> None:
    if plan.builds:
        session.know_commit()
        with (
            build_requests(session.project, plan, tagged, session.around, provider=session.ci.provider) as requests,
            open_builder(tagged) as builder,
        ):
            run.build(builder, requests, recheck=lambda: changed_images(session, plan, tagged), on_event=on_event)
    if run.push:
        if any(image.alias_moves for image in plan.images.values()):
            session.know_commit()
        run.move_aliases(lambda revision: _is_newer(session, revision))


def changed_images(session: Session, plan: Plan, tagged: Tagged) -> Collection[str]:
    """Return the images of ``plan`` whose inputs, read again, no longer give the key they were planned with."""
    project = session.project
    try:
        sources = Reader(project.config, project.prefix, project.tree, session.around.values).read(
            needed(project, tuple(plan.images))
        )
        fresh = key_images(sources, tagged.bases, prefix=project.config.tag_prefix, now=session.around.now)
    except PipelineKitError:
        return tuple(plan.images)
    return tuple(name for name, image in plan.images.items() if fresh[name].key != image.key)


def _is_newer(session: Session, revision: str) -> bool | None:
    history, ours = session.project.history, session.around.values.get("sha", "")
    if history is None or not ours:
        return None
    if history.resolve(revision) is None:
        return None
    return revision != ours and history.is_ancestor(ours, revision)


def _report(session: Session, plan: Plan, tagged: Tagged, run: Run, planned: float) -> RunReport:
    images = tuple(_result(image, run.outcomes[image.name], tagged, planned) for image in plan.images.values())
    config_warnings = tuple(str(problem) for problem in session.project.config.warnings)
    return RunReport(
        images=images,
        exit_code=run.exit_code,
        seconds=session.seconds(),
        plan_seconds=planned,
        requests=session.requests,
        retries=session.retries,
        commit=session.around.values.get("sha", "") or session.ci.commit,
        ref=session.ci.ref,
        tree=plan.tree,
        run_url=session.ci.run_url,
        warnings=(*config_warnings, *session.ci.warnings, *session.registry_warnings),
        tool_version=__version__,
    )


def _result(image: PlannedImage, outcome: Outcome, tagged: Tagged, planned: float) -> ImageResult:
    config = tagged.sources[image.name].image
    reference = parse_reference(image.reference)
    return ImageResult(
        name=image.name,
        status=outcome.status,
        tag=str(image.tag),
        reference=Reference(reference.host, reference.repository, reference.tag),
        digest=outcome.digest,
        seconds=outcome.seconds,
        reasons=image.reasons,
        started=planned + outcome.started if outcome.seconds else 0.0,
        aliases=tuple(AliasResult(a.tag, a.state, a.detail) for a in outcome.aliases),
        error=outcome.error,
        log_tail=outcome.log_tail,
        location=config.dockerfile_location or config.location if outcome.status is Status.FAILED else None,
    )


def _with_task_definitions(session: Session, options: BuildOptions, report: RunReport) -> RunReport:
    """Render every service whose images are all there; write them where asked."""
    pinned = {image.name: image.pinned for image in report.images if image.pinned is not None}
    chosen = [
        (environment, service)
        for environment, service in task_definitions.services(session.project)
        if all(image in pinned for image in service.containers.values())
    ]
    if not chosen or report.exit_code:
        return report
    rendered = task_definitions.render_services(session.project, chosen, pinned)
    paths: list[Path | None] = [None] * len(rendered)
    code: int = 0
    warnings = report.warnings
    if options.task_definitions is not None:
        try:
            paths = [*task_definitions.write(rendered, options.task_definitions)]
        except OutputFailed as error:  # the images are pushed: that must still be told
            code, warnings = error.exit_code, (*warnings, f"task definitions: {error.message}")
    results = tuple(
        TaskDefinitionResult(item.environment, item.service, str(path) if path else None, item.images, item.data)
        for item, path in zip(rendered, paths, strict=True)
    )
    return replace(report, task_definitions=results, seconds=session.seconds(), exit_code=code, warnings=warnings)
