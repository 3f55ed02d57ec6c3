"""The main job: plan, build what is missing, publish, move aliases, render task definitions, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import __version__
from pipeline_kit.app import task_definitions
from pipeline_kit.app.keys import key_images
from pipeline_kit.app.locations import with_locations
from pipeline_kit.app.planning import make_plan
from pipeline_kit.app.requests import build_requests
from pipeline_kit.app.retries import with_attempts
from pipeline_kit.app.savings import with_savings
from pipeline_kit.app.sources import Reader
from pipeline_kit.app.tagging import Tagged, needed
from pipeline_kit.app.trust import recorder_for
from pipeline_kit.errors import (
    Interrupted,
    OutputFailed,
    PipelineKitError,
    PlanStale,
    RegistryRefused,
    RegistryUnreachable,
)
from pipeline_kit.execute.run import Outcome, Run
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.report import AliasResult, ImageResult, RunReport, StepResult, TaskDefinitionResult
from pipeline_kit.plan import Action, Plan, PlannedImage, Verdict, differences
from pipeline_kit.reference import Reference, parse_reference
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline_kit.app.session import Session
    from pipeline_kit.ports.builder import Builder, BuildEvent

    OpenBuilder = Callable[[Tagged], AbstractContextManager[Builder]]


class BuildOptions(NamedTuple):
    """What ``build`` was asked for. ``task_definitions`` is where rendered files go, ``None`` for nowhere.

    ``push`` is ``None`` where it was not said: then a run that has no credentials to push with does not try to.
    """

    wanted: tuple[str, ...]
    push: bool | None = None
    force: bool = False
    saved: Plan | None = None
    task_definitions: Path | None = None
    is_telling_savings: bool = False
    """Whether the build seconds that others spent are asked for even where there is no job summary to tell them."""
    platform: str | None = None
    """The one platform to build of images for several; what uses whole images (aliases, deployments) waits for join."""


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
    if options.push:
        session.around = session.around._replace(is_read_only=False)
    plan, tagged = make_plan(
        session.project,
        options.wanted,
        session.around,
        session.reached_registry(len(options.wanted)),
        force=options.force,
        platform=options.platform,
    )
    _refuse_stale(options.saved, plan)
    _refuse_uncertain(plan, is_read_only=session.around.is_read_only)
    planned = session.seconds()
    push = not session.around.is_read_only if options.push is None else options.push
    run = Run(plan, session.registry, push=push, force=options.force)
    interrupted: Interrupted | None = None
    try:
        _execute(session, plan, tagged, run, open_builder, on_event)
    except Interrupted as error:
        interrupted = error
    report = _report(session, plan, run, planned)
    if interrupted is not None:
        return replace(report, is_interrupted=True, exit_code=128 + interrupted.signal_number)
    return _with_task_definitions(session, options, with_savings(report, session, is_told=options.is_telling_savings))


def _refuse_stale(saved: Plan | None, fresh: Plan) -> None:
    if saved is not None:
        moved = differences(saved, fresh)
        if moved:
            raise PlanStale(
                "the saved plan no longer holds:\n" + "\n".join(f"  {line}" for line in moved),
                hint="make a new plan, look at it, and build that",
            )


def _refuse_uncertain(plan: Plan, *, is_read_only: bool) -> None:
    """Stop before anything is built when a verdict is denied or unknown (design D5).

    A run without credentials goes on where it was denied: it pushes nothing, and says what it could not know.
    """
    verdict = plan.worst_of(frozenset({Verdict.DENIED}) if is_read_only else frozenset())
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
        if run.push:
            run.recorder = recorder_for(session, tagged)
        with (
            build_requests(session.project, plan, tagged, session.around, provider=session.ci.provider) as requests,
            open_builder(tagged) as builder,
        ):
            run.build(builder, requests, recheck=lambda: changed_images(session, plan, tagged), on_event=on_event)
    if run.push:
        if any(image.alias_moves for image in plan.images.values()):
            session.know_commit()
            run.recorder = run.recorder or recorder_for(session, tagged)
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


def _report(session: Session, plan: Plan, run: Run, planned: float) -> RunReport:
    images = tuple(_result(image, run.outcomes[image.name], planned) for image in plan.images.values())
    config_warnings = tuple(str(problem) for problem in session.project.config.warnings)
    report = RunReport(
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
        warnings=(*config_warnings, *session.ci.warnings, *session.registry_warnings, *_notices(session, run)),
        tool_version=__version__,
        scope=session.around.scope.name,
    )
    return with_locations(with_attempts(report, session.request_retries, session.push_retries), session.project)


def _notices(session: Session, run: Run) -> tuple[str, ...]:
    """Return what people should know of a run that may not push, and of one that could leave no records."""
    found = [run.recorder.warning] if run.recorder is not None and run.recorder.warning else []
    if session.around.is_read_only and not run.push:
        unknown = [image.name for image in run.plan.images.values() if image.action is Action.BLOCKED]
        told = f"; not known without credentials: {', '.join(unknown)}" if unknown else ""
        found.append(f"this run has no credentials to push with, so nothing was pushed{told}")
    return tuple(found)


def _result(image: PlannedImage, outcome: Outcome, planned: float) -> ImageResult:
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
        steps=tuple(StepResult(step.name, planned + step.started, step.seconds) for step in outcome.steps),
        needs=image.needs,
    )


def _with_task_definitions(session: Session, options: BuildOptions, report: RunReport) -> RunReport:
    """Render every service that has a file and whose images are all there; write them where asked."""
    pinned = {image.name: image.pinned for image in report.images if image.pinned is not None}
    chosen = [
        (environment, service)
        for environment, service in task_definitions.from_files(session.project)
        if all(image in pinned for image in service.containers.values())
    ]
    if not chosen or report.exit_code or options.platform is not None:
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
