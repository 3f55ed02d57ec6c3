"""One image by the engine's classic builder: what it is sent, and what its answer means."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders.context_tar import write_context
from pipeline_kit.adapters.builders.engine_client import StreamFailed, stream
from pipeline_kit.adapters.builders.failures import one_line
from pipeline_kit.adapters.builders.progress import TAIL_LINES
from pipeline_kit.adapters.builders.rewrite import rewrite, unsupported
from pipeline_kit.errors import BuildFailed
from pipeline_kit.ports.builder import BuildEvent
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import IO, Any

    from pipeline_kit.adapters.builders.engine_client import EngineClient
    from pipeline_kit.ports.builder import BuildRequest, ContextFile

_IMAGE = "docker-image://"
_TARGET = "target:"


class StepFailed(BuildFailed):
    """A build that failed; ``log_tail`` is what its last step wrote."""

    def __init__(self, message: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log_tail = log_tail


@value_class()
class ClassicBuild:
    """A request, and the ids of the images it builds upon by name."""

    request: BuildRequest
    ids: Mapping[str, str]
    context_files: Callable[[BuildRequest], Iterable[ContextFile]]
    credentials: Callable[[str], tuple[str, str] | None]
    environ: Mapping[str, str]

    def run(self, client: EngineClient, on_event: Callable[[BuildEvent], None], stopped: threading.Event) -> str:
        """Build and return the image's id (``sha256:…``), the image being named by its content tag.

        Raises BuildFailed, DockerfileError, CheckoutError and EngineUnreachable.
        """
        original = self._read()
        reasons = unsupported(original) + missing_features(self.request)
        if reasons:
            raise BuildFailed(f"needs docker buildx: {'; '.join(reasons)}")
        replacements = self._replacements()
        dockerfile = rewrite(original, replacements, self.request.args)
        files = list(self.context_files(self.request))
        in_context = self._path_in_context(files) if dockerfile == original else None
        context, name = write_context(files, dockerfile, in_context)
        hosts = {found.partition("/")[0] for found in replacements.values() if "/" in found}
        client.use_credentials({host: self.credentials(host) for host in sorted(hosts)})
        with context:
            messages = stream(lambda: self._build(client, context, name), self.environ, stopped)
            return _read_answer(messages, self.request.name, on_event)

    def _read(self) -> bytes:
        try:
            return Path(self.request.dockerfile).read_bytes()
        except OSError as error:
            raise BuildFailed(f"the Dockerfile cannot be read: {error.strerror}") from error

    def _replacements(self) -> dict[str, str]:
        return {
            name: self.ids[value.removeprefix(_TARGET)] if value.startswith(_TARGET) else value.removeprefix(_IMAGE)
            for name, value in self.request.contexts.items()
        }

    def _path_in_context(self, files: Iterable[ContextFile]) -> bytes | None:
        path = os.fsencode(os.path.relpath(self.request.dockerfile, self.request.context))
        is_sent = any(file.path == path and stat.S_ISREG(file.mode) for file in files)
        return path if is_sent else None

    def _build(self, client: EngineClient, context: IO[bytes], name: str) -> Iterator[Any]:
        request = self.request
        return client.build(
            fileobj=context,
            custom_context=True,
            dockerfile=name,
            tag=f"{request.repository}:{request.tag}",
            buildargs={key: value for key, value in request.args.items() if not key.startswith("BUILDKIT_")},
            labels=dict(request.labels),
            target=request.target or "",
            platform=request.platforms[0] if request.platforms else None,
            rm=True,
            forcerm=True,
            decode=True,
        )


def missing_features(request: BuildRequest) -> list[str]:
    """Return what ``request`` asks for and the classic builder cannot do."""
    reasons = [
        f"the context {name} is a directory"
        for name, value in request.contexts.items()
        if not value.startswith((_IMAGE, _TARGET))
    ]
    if len(request.platforms) > 1:
        reasons.append("several platforms")
    if request.secrets:
        reasons.append("secrets")
    if request.ssh:
        reasons.append("ssh")
    return reasons


def _read_answer(messages: Iterable[Mapping[str, object]], name: str, on_event: Callable[[BuildEvent], None]) -> str:
    step, found = "", ""
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        for message in messages:
            found = _image_id(message) or found
            for line in str(message.get("stream") or "").splitlines():
                if line.startswith("Step "):
                    step = line.strip()
                    tail.clear()
                    on_event(BuildEvent(name, "step", step))
                elif line.strip():
                    tail.append(line)
                    on_event(BuildEvent(name, "log", line))
    except StreamFailed as error:
        text = f"{step}: {error.message}" if step else error.message
        raise StepFailed(one_line(text), tuple(tail)) from error
    if not found:
        raise StepFailed("the engine ended the build without naming an image", tuple(tail))
    return found


def _image_id(message: Mapping[str, object]) -> str:
    aux = message.get("aux")
    value = aux.get("ID") if isinstance(aux, dict) else None
    return value if isinstance(value, str) else ""
