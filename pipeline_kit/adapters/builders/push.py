"""Pushing an image that only the engine has, under its content tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.failures import push_error
from pipeline_kit.adapters.registry.retrying import Retry, call
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.ports.builder import BuildEvent
from pipeline_kit.retry import PUSHES
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline_kit.ports.builder import BuildRequest
    from pipeline_kit.ports.clock import Clock


@value_class()
class Pusher:
    """Pushes through the engine's API and believes only the registry.

    ``observe`` returns the digest that the registry has for ``host/repository:tag``, ``None`` for a spec-true 404, and
    raises what else it meets; ``credentials`` returns user and secret for a registry host, or ``None``.
    """

    environ: Callable[[], Mapping[str, str]]
    clock: Clock
    observe: Callable[[str], str | None]
    credentials: Callable[[str], tuple[str, str] | None]
    probe: Callable[[str], bool | None]
    on_retry: Callable[[str, Retry], None] = lambda name, retry: None  # noqa: ARG005 - a default that says nothing

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Push ``request``'s local image and return the digest that the registry then holds under its tag.

        A tag that is there already is never pushed over: the same key is the same image. Raises what
        :meth:`pipeline_kit.ports.Builder.push` says.
        """
        reference = f"{request.repository}:{request.tag}"

        def tell(retry: Retry) -> None:
            on_event(BuildEvent(request.name, "log", str(retry)))
            self.on_retry(request.name, retry)

        return call(lambda: self._attempt(request, reference, on_event), PUSHES, self.clock, tell)

    def _attempt(self, request: BuildRequest, reference: str, on_event: Callable[[BuildEvent], None]) -> str:
        present = self.observe(reference)
        if present is not None:
            return present
        try:
            self._send(request, on_event)
        except PipelineKitError:
            # The answer may be lost and the image there all the same.
            present = self.observe(reference)
            if present is None:
                raise
            return present
        pushed = self.observe(reference)
        if pushed is None:
            raise push_error(f"the registry does not have {reference} afterwards", request.repository, self.probe)
        return pushed

    def _send(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> None:
        from pipeline_kit.adapters.builders.engine_client import StreamFailed, auth_config, connect, stream

        host = request.repository.partition("/")[0]
        environ = self.environ()
        with connect(environ) as client:
            auth = auth_config(self.credentials(host))
            messages = stream(
                lambda: client.push(request.repository, tag=request.tag, stream=True, decode=True, auth_config=auth),
                environ,
            )
            try:
                for message in messages:
                    if "progressDetail" not in message and message.get("status"):
                        on_event(BuildEvent(request.name, "log", str(message["status"])))
            except StreamFailed as error:
                raise push_error(error.message, request.repository, self.probe) from error
            except BaseException:
                client.cancel()
                raise
