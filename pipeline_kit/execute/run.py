"""Carry out a plan: build what is missing, publish it under its content tag, move aliases last (design D6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.errors import BuildFailed, ContextChanged, PipelineKitError
from pipeline_kit.execute.aliases import Moved, move_aliases
from pipeline_kit.execute.publish import arrived, publish
from pipeline_kit.plan import Action, Plan, PlannedImage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome, BuildRequest
    from pipeline_kit.ports.registry import Registry

    Recheck = Callable[[], Collection[str]]
    """Returns the images whose inputs no longer give the planned key."""


PUBLISHED_AT_ONCE = 4
"""Images pushed or tagged at the same time (faults table: at most four pushes for a host)."""


@dataclass(slots=True)
class Outcome:
    """What became of one image; filled in as the run goes, so that an interrupted run can still be reported."""

    name: str
    status: Status
    digest: str | None = None
    started: float = 0.0
    seconds: float = 0.0
    error: str = ""
    exit_code: int = 0
    log_tail: tuple[str, ...] = ()
    aliases: tuple[Moved, ...] = ()


@dataclass(slots=True)
class Run:
    """One execution of a plan. ``outcomes`` has every image from the start, as not done yet."""

    plan: Plan
    registry: Registry
    push: bool = True
    force: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for image in self.plan.images.values():
            is_skip = image.action is Action.SKIP
            status = Status.SKIPPED if is_skip else Status.BLOCKED
            error = "" if is_skip else "not reached"
            self.outcomes[image.name] = Outcome(image.name, status, image.digest if is_skip else None, error=error)

    def build(
        self,
        builder: Builder,
        requests: Sequence[BuildRequest],
        *,
        recheck: Recheck,
        on_event: Callable[[BuildEvent], None],
    ) -> None:
        """Build ``requests`` and publish each success. Failures stand in the outcomes; only EngineUnreachable rises."""
        built = builder.build(requests, push=self.push, on_event=on_event)
        for request in requests:
            self._note(built[request.name])
        changed = recheck() if any(not outcome.error for outcome in built.values()) else ()
        successes = [request for request in requests if not self.outcomes[request.name].exit_code]
        for request in successes:
            if request.name in changed:
                self._fail(request.name, _changed(request.name))
        if self.push:
            ready = [request for request in successes if request.name not in changed]
            _in_parallel(lambda request: self._publish(builder, request, built[request.name], on_event), ready)

    def move_aliases(self, is_newer: Callable[[str], bool | None]) -> None:
        """Move the aliases of everything that is there; nothing moves when any image failed."""
        if any(outcome.exit_code or outcome.status is Status.BLOCKED for outcome in self.outcomes.values()):
            return
        for name, image in self.plan.images.items():
            outcome = self.outcomes[name]
            if image.aliases and outcome.digest:
                outcome.aliases = move_aliases(
                    self.registry, image, outcome.digest, is_newer=is_newer, force=self.force
                )

    @property
    def exit_code(self) -> int:
        """Return the code of the gravest outcome: a failed image, else a failed alias, else 0."""
        codes = [outcome.exit_code for outcome in self.outcomes.values() if outcome.exit_code]
        moved = [alias for outcome in self.outcomes.values() for alias in outcome.aliases]
        codes += [alias.error.exit_code for alias in moved if alias.error is not None]
        return max(codes, default=0)

    def _note(self, built: BuildOutcome) -> None:
        outcome = self.outcomes[built.name]
        outcome.started, outcome.seconds = built.started, built.seconds
        outcome.log_tail = built.log_tail
        if built.is_blocked:
            outcome.status, outcome.error = Status.BLOCKED, built.error
            outcome.exit_code = BuildFailed.exit_code
        elif built.error:
            outcome.status, outcome.error, outcome.exit_code = Status.FAILED, built.error, BuildFailed.exit_code
        elif not self.push:
            outcome.status, outcome.error = Status.BUILT, ""

    def _publish(
        self,
        builder: Builder,
        request: BuildRequest,
        built: BuildOutcome,
        on_event: Callable[[BuildEvent], None],
    ) -> None:
        outcome = self.outcomes[request.name]
        image: PlannedImage = self.plan.images[request.name]
        try:
            done = arrived(self.registry, image) if built.is_local and not self.force else None
            if done is None:
                digest = builder.push(request, on_event) if built.is_local else built.digest
                if digest is None:
                    raise BuildFailed(f"{request.name}: the builder gave no digest")
                done = publish(self.registry, image, digest, force=self.force)
        except PipelineKitError as error:
            self._fail(request.name, error)
        else:
            outcome.status, outcome.digest, outcome.error = done.status, done.digest, ""

    def _fail(self, name: str, error: PipelineKitError) -> None:
        outcome = self.outcomes[name]
        outcome.status, outcome.exit_code = Status.FAILED, error.exit_code
        outcome.error = f"{error.message} ({error.hint})" if error.hint else error.message


def _in_parallel(work: Callable[[BuildRequest], None], requests: Sequence[BuildRequest]) -> None:
    """Do ``work`` for each request, a few at a time; what interrupts the wait leaves the rest undone."""
    pool = ThreadPoolExecutor(PUBLISHED_AT_ONCE, "publish")
    try:
        for done in [pool.submit(work, request) for request in requests]:
            done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _changed(name: str) -> ContextChanged:
    return ContextChanged(
        f"{name}: files changed while it was built, so it was not tagged", hint="build again when nothing writes there"
    )


def digests(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Return the digests of the images that are in the registry, by image name."""
    return {name: outcome.digest for name, outcome in outcomes.items() if outcome.digest}
