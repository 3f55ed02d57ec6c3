"""The builder behind ``docker buildx``: BuildKit in the local engine, in a container, in a cluster or far away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.bake_job import BakeJob, Settings
from pipeline_kit.errors import PushFailed
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline_kit.adapters.builders.push import Pusher
    from pipeline_kit.ports.builder import BuildEvent, BuildOutcome, BuildRequest


@value_class()
class BuildxBuilder:
    """Builds every image of a call in one ``docker buildx bake``, and pushes by digest wherever that can be done."""

    settings: Settings
    pusher: Pusher

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> dict[str, BuildOutcome]:
        """See :meth:`pipeline_kit.ports.Builder.build`. Raises EngineUnreachable."""
        if not requests:
            return {}
        return BakeJob(self.settings, requests, push=push, on_event=on_event).run()

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """See :meth:`pipeline_kit.ports.Builder.push`."""
        capabilities = self.settings.bake.capabilities
        if not capabilities.is_engine:
            raise PushFailed(
                f"{request.name}: the builder {capabilities.builder!r} keeps no image that could be pushed later",
                hint="build it with pushing allowed",
            )
        return self.pusher.push(request, on_event)
