"""Carry out a plan: build what is missing, publish it under its content tag, move aliases last (design D6)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline_kit.errors import BuildFailed, ContextChanged, PipelineKitError, TagConflict
from pipeline_kit.execute.aliases import Moved, move_again, move_aliases
from pipeline_kit.execute.publish import Proof, adopt, arrived, publish
from pipeline_kit.execute.records import Recorder, objection
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Action, Plan, PlannedImage, Status, Verdict
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome, BuildRequest
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

    Recheck = Callable[[], Collection[str]]
    """Returns the images whose inputs no longer give the planned key."""


PUBLISHED_AT_ONCE = 4
"""Images pushed or tagged at the same time (faults table: at most four pushes for a host)."""
LONGEST_WAIT = 4.0
"""Seconds before content tags, or aliases, are looked at once more, at the most."""
_ROUNDS = 10
"""How often aliases are looked at after they moved, while older runs keep overwriting them."""
SETTLE_SECONDS = 0.3
"""How long after, at the least: a run that looked before we wrote has written by then, unless something held it up."""


class Step(NamedTuple):
    """A part of the work on one image: times in seconds, ``started`` since the builder was called."""

    name: str
    started: float
    seconds: float


@value_class(frozen=False)
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
    steps: tuple[Step, ...] = ()


@value_class(frozen=False)
class Run:
    """One execution of a plan. ``outcomes`` has every image from the start, as not done yet.

    ``recorder`` leaves build records beside what is pushed; without one none are left.
    """

    plan: Plan
    registry: ContentRegistry
    push: bool = True
    force: bool = False
    recorder: Recorder | None = None
    pause: Callable[[float], None] = time.sleep
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    began: float = 0.0
    """When the builder was called, on the monotonic clock."""
    slowest: float = 0.0
    """Seconds that the slowest image took to be published."""

    def __post_init__(self) -> None:
        for image in self.plan.images.values():
            is_skip = image.action is Action.SKIP
            status = Status.SKIPPED if is_skip else Status.BLOCKED
            blocked = "; ".join(image.reasons) if image.action is Action.BLOCKED else ""
            error = "" if is_skip else blocked or "not reached"
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
        self.began = time.monotonic()
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
            self._look_again(ready)

    def move_aliases(self, is_newer: Callable[[str], bool | None]) -> None:
        """Move the aliases of everything that is there; nothing moves when any image failed."""
        if any(outcome.exit_code or outcome.status is Status.BLOCKED for outcome in self.outcomes.values()):
            return
        there = [image for image in self.plan.images.values() if image.aliases and self.outcomes[image.name].digest]
        slowest = 0.0
        for image in there:  # one after the other: an interruption leaves the rest where they were
            began = time.monotonic()
            self._move(image, is_newer)
            slowest = max(slowest, (time.monotonic() - began) / len(image.aliases))
        is_settled = self.force or not any(self._moved(image) for image in there)
        for _ in range(0 if is_settled else _ROUNDS):
            self.pause(max(SETTLE_SECONDS, min(LONGEST_WAIT, 2 * slowest)))
            overtaken = self._overtaken(there)
            for image in there:
                self._move_again(image, overtaken.get(image.name, ()), is_newer)
            if not overtaken:
                break

    def _move(self, image: PlannedImage, is_newer: Callable[[str], bool | None]) -> None:
        outcome = self.outcomes[image.name]
        outcome.aliases = move_aliases(
            self.registry,
            image,
            str(outcome.digest),
            is_newer=is_newer,
            force=self.force,
            recorder=self.recorder,
            is_ours=outcome.status is Status.BUILT,
        )

    def _moved(self, image: PlannedImage) -> list[str]:
        return [alias.tag for alias in self.outcomes[image.name].aliases if alias.state == "moved"]

    def _overtaken(self, images: Sequence[PlannedImage]) -> dict[str, set[str]]:
        """Return the aliases, by image, that moved to our digest and name another one by now; one wave of questions."""
        moved = [(image, tag) for image in images for tag in self._moved(image)]
        asked = [parse_reference(image.repository).with_tag(tag) for image, tag in moved]
        found: dict[str, set[str]] = {}
        for (image, tag), answer in zip(moved, self.registry.observe_all(asked) if asked else (), strict=True):
            if answer.verdict is Verdict.PRESENT and answer.digest != self.outcomes[image.name].digest:
                found.setdefault(image.name, set()).add(tag)
        return found

    def _move_again(self, image: PlannedImage, tags: Collection[str], is_newer: Callable[[str], bool | None]) -> None:
        outcome = self.outcomes[image.name]
        outcome.aliases = tuple(
            move_again(self.registry, image, str(outcome.digest), alias, is_newer=is_newer, recorder=self.recorder)
            if alias.tag in tags
            else alias
            for alias in outcome.aliases
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
        outcome.steps = (Step("build", built.started, built.seconds),) if built.seconds else ()
        if built.is_blocked:
            outcome.status, outcome.error = Status.BLOCKED, built.error
            outcome.exit_code = BuildFailed.exit_code
        elif built.error:
            outcome.status, outcome.error, outcome.exit_code = Status.FAILED, built.error, built.exit_code
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
        status = Status.COMPLETED if image.missing_platforms else Status.BUILT
        proof = self._proof(image, built.seconds, status)
        try:
            done = arrived(self.registry, image, proof) if built.is_local and not self.force else None
            began = time.monotonic()
            try:
                digest = built.digest if done is not None or not built.is_local else builder.push(request, on_event)
            except TagConflict:  # an immutable tag: another runner pushed it while we did
                done, digest = arrived(self.registry, image, proof), None
                if done is None:
                    raise
            if done is None:
                if digest is None:
                    raise BuildFailed(f"{request.name}: the builder gave no digest")
                done = publish(self.registry, image, digest, force=self.force, proof=proof)
            taken = time.monotonic() - began
            self.slowest = max(self.slowest, taken)
            outcome.steps = (*outcome.steps, Step("publish", began - self.began, taken))
            if self.recorder is not None and done.status in (Status.BUILT, Status.COMPLETED):
                self.recorder.record(image, done.digest, built.seconds, done.status)
        except PipelineKitError as error:
            self._fail(request.name, error)
        else:
            outcome.status, outcome.digest, outcome.error = done.status, done.digest, ""

    def _look_again(self, requests: Sequence[BuildRequest]) -> None:
        """Take what the content tags name once every runner that saw them free has written them.

        Registries have no compare-and-swap: a runner that looked before our PUT may write after it. It takes about as
        long from its look to its PUT as we did; after four times that all runners read the same.
        """
        there = [request.name for request in requests if self.outcomes[request.name].digest]
        if not there or self.force:
            return
        self.pause(min(LONGEST_WAIT, 4 * self.slowest))
        tags = [parse_reference(self.plan.images[name].reference) for name in there]
        for name, tagged, answer in zip(there, tags, self.registry.observe_all(tags), strict=True):
            outcome, image = self.outcomes[name], self.plan.images[name]
            if answer.verdict is not Verdict.PRESENT or answer.digest == outcome.digest:
                continue
            try:
                proof = self._proof(image, outcome.seconds, outcome.status)
                done = adopt(self.registry, tagged, image, str(answer.digest), str(outcome.digest), proof)
            except PipelineKitError as error:
                self._fail(name, error)
            else:
                outcome.status, outcome.digest = done.status, done.digest

    def _proof(self, image: PlannedImage, seconds: float, status: Status) -> Proof | None:
        """Return what has to be sure where hits need a record: it is there before the tag, so no run sees one alone."""
        recorder = self.recorder
        if recorder is None or not recorder.is_required:
            return None

        def before_tag(digest: str) -> None:
            recorder.record(image, digest, seconds, status)

        def why_not(pinned: Reference) -> str:
            return objection(recorder.registry, pinned, str(image.key), recorder.facts.scope)

        return Proof(before_tag, why_not)

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
