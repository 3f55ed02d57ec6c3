"""One runner among many: it plans, builds and publishes over a real registry.

Its builder builds nothing twice the same way. Made to be called in threads and in processes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakes.build_requests import request_for
from fakes.real_registry import RealRegistry

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.execute.run import Run
from pipeline_kit.plan import Candidate, Verdict, decide
from pipeline_kit.ports.builder import BuildEvent, BuildOutcome, BuildRequest
from pipeline_kit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Barrier

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class Race:
    """What every runner of a race is about: images of a project, by the host they speak to."""

    host: str
    upstream: str
    """Where the builder pushes by digest."""
    project: str
    names: tuple[str, ...] = ("one", "two", "three")

    def tagged(self, name: str) -> Reference:
        """Return an image's content tag."""
        return Reference(self.host, f"{self.project}/{name}", (name.encode().hex() * 40)[:40])


@dataclass(frozen=True, slots=True)
class Finish:
    """How a runner ended: exit code, digests and statuses by image, and what went wrong."""

    code: int
    digests: Mapping[str, str | None]
    statuses: Mapping[str, str]
    errors: tuple[str, ...]


class RandomBuilder:
    """Pushes another image of the same key each time, by digest."""

    def __init__(self, race: Race, *, is_local: bool) -> None:
        self._race = race
        self._is_local = is_local

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Build all."""
        del push, on_event
        digests = {request.name: None if self._is_local else self._put(request, None) for request in requests}
        return {name: BuildOutcome(name, digest, self._is_local) for name, digest in digests.items()}

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Push as an engine does: by tag, through the front."""
        del on_event
        digest = self._put(request, None)
        with_tag = Reference(self._race.host, f"{self._race.project}/{request.name}", request.tag)
        client = ContentClient(environment={})
        try:
            return client.put_manifest(with_tag, client.manifest(with_tag.with_digest(digest)))
        finally:
            client.close()

    def _put(self, request: BuildRequest, tag: str | None) -> str:
        registry = RealRegistry(self._race.upstream)
        repository = f"{self._race.project}/{request.name}"
        return registry.put_image(
            repository, tag, request.platforms, labels=dict(request.labels), content=secrets.token_hex(8)
        ).digest


def run_once(race: Race, start: Barrier | None = None, *, is_local: bool = False) -> Finish:
    """Take part in a race: plan (all wait for each other then), build, publish."""
    client = ContentClient(environment={})
    try:
        answers = client.observe_all([race.tagged(name) for name in race.names])
        candidates = {
            name: Candidate(
                name=name,
                repository=race.tagged(name).name,
                needs=(),
                platforms=PLATFORMS,
                key=name.encode().hex().ljust(64, "0"),
                tag=race.tagged(name).tag,
                verdict=answer.verdict,
                digest=answer.digest,
            )
            for name, answer in zip(race.names, answers, strict=True)
        }
        if start is not None:
            start.wait(30)
        plan = decide(candidates, wanted=race.names, force=False)
        run = Run(plan, client)
        requests = [request_for(image) for image in plan.builds]
        if requests:
            run.build(RandomBuilder(race, is_local=is_local), requests, recheck=tuple, on_event=lambda _: None)
        return _finish(run)
    finally:
        client.close()


def run_many(race: Race, runners: int) -> list[Finish]:
    """Race in as many threads of this process."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(runners)
    with ThreadPoolExecutor(runners) as pool:
        return list(pool.map(lambda _: run_once(race, barrier), range(runners)))


def _finish(run: Run) -> Finish:
    outcomes = run.outcomes
    return Finish(
        run.exit_code,
        {name: outcome.digest for name, outcome in outcomes.items()},
        {name: outcome.status.value for name, outcome in outcomes.items()},
        tuple(outcome.error for outcome in outcomes.values() if outcome.error),
    )


def digests_there(race: Race) -> dict[str, str | None]:
    """Return what the registry itself holds under each content tag."""
    client = ContentClient(environment={})
    try:
        found = client.observe_all([Reference(race.upstream, *_rest(race, name)) for name in race.names])
        assert all(answer.verdict is Verdict.PRESENT for answer in found)
        return {name: answer.digest for name, answer in zip(race.names, found, strict=True)}
    finally:
        client.close()


def _rest(race: Race, name: str) -> tuple[str, str]:
    return f"{race.project}/{name}", str(race.tagged(name).tag)
