"""The fallback for engines without buildx: docker-py and the classic builder, images in parallel, in graph order."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.bake import build_graph
from pipeline_kit.errors import EngineUnreachable, PipelineKitError
from pipeline_kit.graph import dependants, order
from pipeline_kit.ports.builder import BuildEvent, BuildOutcome
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline_kit.adapters.builders.engine_client import EngineClient
    from pipeline_kit.adapters.builders.push import Pusher
    from pipeline_kit.ports.builder import BuildRequest, ContextFile
    from pipeline_kit.ports.clock import Clock

_DEFAULT_JOBS = 4


@value_class()
class EngineBuilder:
    """Builds with the engine's own API. ``context_files``: what a request's context sends, ignore rules applied."""

    environ: Mapping[str, str]
    clock: Clock
    context_files: Callable[[BuildRequest], Iterable[ContextFile]]
    credentials: Callable[[str], tuple[str, str] | None]
    pusher: Pusher
    jobs: int | None = None

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> dict[str, BuildOutcome]:
        """See :meth:`pipeline_kit.ports.Builder.build`; every success is local, whatever ``push`` is.

        Raises EngineUnreachable, and InputError for a cycle.
        """
        del push
        return _Job(self, requests, on_event).run() if requests else {}

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """See :meth:`pipeline_kit.ports.Builder.push`."""
        return self.pusher.push(request, on_event)


class _Job:
    def __init__(
        self, builder: EngineBuilder, requests: Sequence[BuildRequest], on_event: Callable[[BuildEvent], None]
    ) -> None:
        self._builder = builder
        self._requests = {request.name: request for request in requests}
        self._graph = build_graph(requests)
        self._on_event = on_event
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._clients: set[EngineClient] = set()
        self._ids: dict[str, str] = {}
        self._outcomes: dict[str, BuildOutcome] = {}
        self._begun = builder.clock.monotonic()

    def run(self) -> dict[str, BuildOutcome]:
        waiting = list(order(self._graph))
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(self._builder.jobs or _DEFAULT_JOBS) as pool:
            try:
                while waiting or running:
                    ready = [name for name in waiting if all(need in self._ids for need in self._graph[name])]
                    running |= {pool.submit(self._build, name) for name in ready}
                    waiting = [name for name in waiting if name not in ready]
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    waiting = [name for name in waiting if name not in self._outcomes]
            except BaseException:
                self._stop(running)
                raise
        return {name: self._outcomes[name] for name in self._requests}

    def _stop(self, running: Iterable[Future[None]]) -> None:
        self._stopped.set()
        for future in running:
            future.cancel()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.cancel()

    def _build(self, name: str) -> None:
        from pipeline_kit.adapters.builders.classic_build import ClassicBuild
        from pipeline_kit.adapters.builders.engine_client import connect

        builder, started = self._builder, self._now()
        self._say(BuildEvent(name, "start", ""))
        with connect(builder.environ) as client:
            with self._lock:
                self._clients.add(client)
            try:
                build = ClassicBuild(
                    self._requests[name], self._ids, builder.context_files, builder.credentials, builder.environ
                )
                image = build.run(client, self._say, self._stopped)
            except EngineUnreachable:
                raise
            except PipelineKitError as error:
                self._fail(name, error, started)
            else:
                self._succeed(name, image, started)
            finally:
                with self._lock:
                    self._clients.discard(client)

    def _succeed(self, name: str, image: str, started: float) -> None:
        seconds = self._now() - started
        with self._lock:
            self._ids[name] = image
            self._outcomes[name] = BuildOutcome(name, is_local=True, started=started, seconds=seconds)
        self._say(BuildEvent(name, "done", image, seconds))

    def _fail(self, name: str, error: PipelineKitError, started: float) -> None:
        seconds, tail = self._now() - started, getattr(error, "log_tail", ())
        with self._lock:
            self._outcomes[name] = BuildOutcome(
                name, error=error.message, log_tail=tuple(tail), started=started, seconds=seconds
            )
            for other in dependants(self._graph, [name]) - {name}:
                blocked = f"not built: it builds upon {name}, which failed"
                self._outcomes.setdefault(other, BuildOutcome(other, error=blocked, is_blocked=True))
        self._say(BuildEvent(name, "failed", error.message, seconds))

    def _say(self, event: BuildEvent) -> None:
        with self._lock:
            if not self._stopped.is_set():
                self._on_event(event)

    def _now(self) -> float:
        return self._builder.clock.monotonic() - self._begun
