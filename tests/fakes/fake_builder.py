"""A builder that stores images straight into a MemoryRegistry, as buildx (by digest) or as the engine (local) does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome, BuildRequest
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fakes.memory_registry import MemoryRegistry


def _nothing() -> None:
    """Let nothing else happen."""


@dataclass(slots=True)
class FakeBuilder:
    """``failing`` maps image names to error lines; ``is_local`` makes it an engine that pushes by tag.

    ``meanwhile`` runs once everything is built, for what happens elsewhere during a build.
    """

    registry: MemoryRegistry
    failing: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False
    content: str = "built here"
    attested: bool = False
    meanwhile: Callable[[], None] = _nothing
    push_failures: dict[str, BaseException] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Build in the order given; what builds upon a failed image is blocked."""
        outcomes: dict[str, BuildOutcome] = {}
        for request in requests:
            outcomes[request.name] = self._outcome(request, outcomes, push=push)
            on_event(BuildEvent(request.name, "failed" if outcomes[request.name].error else "done", ""))
        self.meanwhile()
        return outcomes

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Push under the tag."""
        del on_event
        if request.name in self.push_failures:
            raise self.push_failures[request.name]
        self.pushed.append(f"{request.repository}:{request.tag}")
        return self._store(request, f"{request.repository}:{request.tag}")

    def _outcome(self, request: BuildRequest, outcomes: Mapping[str, BuildOutcome], *, push: bool) -> BuildOutcome:
        needs = [value.removeprefix("target:") for value in request.contexts.values() if value.startswith("target:")]
        broken = next((need for need in needs if outcomes[need].error), None)
        if broken is not None:
            return BuildOutcome(request.name, error=f"{broken} failed", is_blocked=True)
        if request.name in self.failing:
            return BuildOutcome(request.name, error=self.failing[request.name], log_tail=("boom",), seconds=1.0)
        self.built.append(request.name)
        if self.is_local or not push:
            return BuildOutcome(request.name, is_local=True, seconds=2.0, started=0.5)
        return BuildOutcome(request.name, self._store(request, request.repository), seconds=2.0, started=0.5)

    def _store(self, request: BuildRequest, name: str) -> str:
        return self.registry.put_image(
            parse_reference(name),
            labels=request.labels,
            content=self.content,
            platforms=request.platforms,
            attested=self.attested,
        )


_conforms: type[Builder] = FakeBuilder
