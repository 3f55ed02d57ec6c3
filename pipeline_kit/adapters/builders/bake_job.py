"""All images of one call, built by as few runs of bake as the failures allow.

bake stops everything at the first failure and does not always say whose it was. So: what failed is taken out with all
that builds upon it, and bake runs again for the rest (what is built already is cached); pushes that may succeed later
are repeated; and where nobody can be blamed, images are built one by one until one fails.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pipeline_kit.adapters.builders.bake import Export, build_graph, definition
from pipeline_kit.adapters.builders.capabilities import is_unreachable, unreachable
from pipeline_kit.adapters.builders.failures import TransientPush, one_line, push_error
from pipeline_kit.adapters.builders.progress import TAIL_LINES, StepFailure
from pipeline_kit.adapters.registry.retrying import Retry, call
from pipeline_kit.errors import BuildFailed, PipelineKitError, RegistryUnreachable
from pipeline_kit.graph import dependants, dependencies, order
from pipeline_kit.ports.builder import BuildEvent, BuildOutcome
from pipeline_kit.retry import PUSHES, RetryClass
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.adapters.builders.bake_run import Bake, BakeRun
    from pipeline_kit.ports.builder import BuildRequest
    from pipeline_kit.ports.clock import Clock

_NO_PUSH_BY_DIGEST_RE = re.compile(r"tag is needed when pushing|push-by-digest is currently not implemented")
TARGETS_AT_MOST = 40
"""Targets of one bake. With about 190 at once BuildKit 26.1 loses some of its own jobs ("no such job")."""
# Two builds of one key end at the same moment: containerd gives the name to one of them and fails the other.
_STORE_RACE_RE = re.compile(r'image "[^"]+": already exists')
_EXIT_RE = re.compile(r"did not complete successfully: (.*)", re.DOTALL)


class _PushesFailed(RegistryUnreachable):
    """Pushes that may succeed when repeated, by image."""

    temporary: ClassVar[bool] = True

    def __init__(self, failures: Mapping[str, StepFailure], errors: Mapping[str, TransientPush]) -> None:
        super().__init__("; ".join(str(error) for error in errors.values()))
        self.failures = failures
        self.errors = errors
        kinds = {error.retry_class for error in errors.values()}
        self.retry_class = RetryClass.ONCE_MORE if kinds == {RetryClass.ONCE_MORE} else RetryClass.TRANSIENT_NETWORK


@value_class()
class Settings:
    """What every job of a builder shares. ``jobs``: at most so many images at once; ``None`` leaves it to BuildKit."""

    bake: Bake
    clock: Clock
    probe: Callable[[str], bool | None]
    jobs: int | None = None
    on_retry: Callable[[str, Retry], None] = lambda name, retry: None  # noqa: ARG005 - a default that says nothing


class BakeJob:
    """One call of ``Builder.build``."""

    def __init__(
        self,
        settings: Settings,
        requests: Sequence[BuildRequest],
        *,
        push: bool,
        on_event: Callable[[BuildEvent], None],
    ) -> None:
        self._settings = settings
        self._requests = {request.name: request for request in requests}
        self._graph = build_graph(requests)
        self._export = settings.bake.capabilities.export(push=push)
        self._on_event = on_event
        self._said: set[tuple[str, str]] = set()
        self._outcomes: dict[str, BuildOutcome] = {}
        self._times: dict[str, tuple[float, float]] = {}
        self._begun = settings.clock.monotonic()

    def run(self) -> dict[str, BuildOutcome]:
        """Build everything. Raises EngineUnreachable, InputError for a broken graph, and whatever interrupts."""
        names = order(self._graph)
        self._refuse_impossible()
        size = self._settings.jobs or TARGETS_AT_MOST
        for start in range(0, len(names), size):
            self._chunk(names[start : start + size])
        return {name: self._outcomes[name] for name in self._requests}

    def _refuse_impossible(self) -> None:
        if self._export is not Export.ENGINE_CLASSIC:
            return
        for name, request in self._requests.items():
            if len(request.platforms) > 1:
                self._fail(
                    name,
                    "several platforms need an engine with the containerd image store, or a builder of its own "
                    "(docker buildx create)",
                )

    def _chunk(self, names: Sequence[str]) -> None:
        try:
            call(lambda: self._attempt(names), PUSHES, self._settings.clock, lambda retry: self._tell(names, retry))
        except _PushesFailed as failed:
            for name, error in failed.errors.items():
                self._fail(name, error.message, failed.failures[name].log_tail, code=error.exit_code)

    def _tell(self, names: Sequence[str], retry: Retry) -> None:
        left = [name for name in names if name not in self._outcomes]
        for name in left:
            self._on_event(BuildEvent(name, "log", str(retry)))
            self._settings.on_retry(name, retry)

    def _attempt(self, names: Sequence[str]) -> None:
        """Give each of ``names`` an outcome, but for pushes worth repeating: those are raised."""
        failures: dict[str, StepFailure] = {}
        errors: dict[str, TransientPush] = {}
        while left := [name for name in names if name not in self._outcomes and name not in errors]:
            run = self._bake(left)
            if run.code == 0:
                self._succeeded(left, run)
            elif not self._can_do_without_digest(run):
                for name, failure in (self._blamed(run, left) or self._one_by_one(left)).items():
                    error = self._error(name, failure)
                    if isinstance(error, TransientPush):
                        failures[name], errors[name] = failure, error
                    else:
                        code = error.exit_code if isinstance(error, PipelineKitError) else BuildFailed.exit_code
                        self._fail(name, str(error), failure.log_tail, code=code)
        if errors:
            raise _PushesFailed(failures, errors)

    def _bake(self, names: Sequence[str]) -> BakeRun:
        offset = self._settings.clock.monotonic() - self._begun
        requests = list(self._requests.values())
        run = self._settings.bake.run(definition(requests, names, self._export), requests, self._say)
        for name, (started, seconds) in run.reader.times().items():
            first, longest = self._times.get(name, (offset + started, seconds))
            self._times[name] = first, max(longest, seconds)
        text = run.reader.error_text()
        # With a failed step it is a build that failed, whatever the step wrote.
        if run.code != 0 and not run.reader.failures() and is_unreachable(text):
            raise unreachable(text, self._settings.bake.environ, builder=self._settings.bake.name)
        return run

    def _say(self, event: BuildEvent) -> None:
        """Pass an event on; an image starts and ends once, however many runs it takes."""
        if event.kind in {"start", "done", "failed"}:
            if (event.image, event.kind) in self._said or event.image in self._outcomes:
                return
            self._said.add((event.image, event.kind))
        self._on_event(event)

    def _succeeded(self, names: Sequence[str], run: BakeRun) -> None:
        is_pushed = self._export in (Export.DIGEST, Export.ENGINE_DIGEST)
        if self._export is Export.ENGINE_DIGEST and not run.reader.pushed().issuperset(names):
            self._export = Export.ENGINE
            return
        for name in names:
            started, seconds = self._times.get(name, (0.0, 0.0))
            digest = run.digests.get(name) if is_pushed else None
            is_local = self._export in (Export.ENGINE, Export.ENGINE_CLASSIC)
            if is_pushed and digest is None:
                self._fail(name, "buildx did not say which digest it pushed")
                continue
            self._say(BuildEvent(name, "done", str(self._export), seconds))
            self._outcomes[name] = BuildOutcome(name, digest, is_local, started=started, seconds=seconds)

    def _can_do_without_digest(self, run: BakeRun) -> bool:
        """Fall back to local images, pushed one by one afterwards, where this buildx sees through ENGINE_DIGEST."""
        if self._export is not Export.ENGINE_DIGEST or not _NO_PUSH_BY_DIGEST_RE.search("\n".join(run.reader.text)):
            return False
        self._export = Export.ENGINE
        return True

    def _blamed(self, run: BakeRun, left: Sequence[str]) -> dict[str, StepFailure]:
        """Return the images of ``left`` that failed in ``run``; empty when nobody can tell."""
        reader = run.reader
        blamed: dict[str, StepFailure] = {}
        for name, failure in reader.failures().items():
            # A dependency that was built in an earlier run and cannot be rebuilt stops those that link to it.
            hit = [name] if name in left else [other for other in left if name in dependencies(self._graph, [other])]
            blamed.update(dict.fromkeys(hit, failure))
        if not blamed:
            named = reader.failed_targets() or (tuple(left) if len(left) == 1 else ())
            text = StepFailure("", reader.error_text(), tuple(reader.text)[-TAIL_LINES:])
            blamed = {name: text for name in named if name in left}
        return blamed

    def _one_by_one(self, names: Sequence[str]) -> dict[str, StepFailure]:
        """Build ``names`` alone, in graph order, until one fails; return that one's failure."""
        for name in names:
            run = self._bake([name])
            if run.code != 0:
                return self._blamed(run, [name])
            self._succeeded([name], run)
        return {}

    def _error(self, name: str, failure: StepFailure) -> object:
        if failure.is_push:
            return push_error(failure.error, self._requests[name].repository, self._settings.probe)
        if _STORE_RACE_RE.search(failure.error):
            return TransientPush(f"another build stored the same image: {failure.error}", RetryClass.TRANSIENT_NETWORK)
        match = _EXIT_RE.search(failure.error)
        reason = match[1] if match else failure.error
        return f"{failure.step}: {reason}" if failure.step else reason

    def _fail(self, name: str, error: str, log_tail: Sequence[str] = (), *, code: int = BuildFailed.exit_code) -> None:
        started, seconds = self._times.get(name, (0.0, 0.0))
        text = one_line(error) or "the build failed without a reason"
        self._say(BuildEvent(name, "failed", text, seconds))
        self._outcomes[name] = BuildOutcome(
            name, error=text, log_tail=tuple(log_tail)[-TAIL_LINES:], exit_code=code, started=started, seconds=seconds
        )
        for other in sorted(dependants(self._graph, [name])):
            if other not in self._outcomes:
                blocked = f"not built: it builds upon {name}, which failed"
                self._outcomes[other] = BuildOutcome(other, error=blocked, is_blocked=True)
