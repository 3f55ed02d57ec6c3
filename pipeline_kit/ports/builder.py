"""BuildKit or the engine: images from contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@value_class()
class BuildRequest:
    """One image to build.

    ``contexts`` maps names (and external references as written in the Dockerfile, to pin them) to what BuildKit takes:
    an absolute path, ``docker-image://host/repository@sha256:…`` or ``target:NAME`` for an image of the same call.
    """

    name: str
    context: str
    """Absolute path."""
    dockerfile: str
    """Absolute path; may lie outside the context."""
    target: str | None
    args: Mapping[str, str]
    contexts: Mapping[str, str]
    platforms: tuple[str, ...]
    labels: Mapping[str, str]
    repository: str
    """``host/repository`` to push to."""
    tag: str
    """The content tag: builders that cannot push by digest name the local image so and push that tag when told to."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Id to ``env=NAME`` or ``src=/absolute/path``."""
    ssh: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    content_tag: str = ""
    """What the image will be called once it is whole; ``tag`` differs from it where only some platforms are built."""


class ContextFile(NamedTuple):
    """One entry of a build context as it is to be sent, ignore rules applied.

    ``path`` is relative to the context, ``/``-separated; ``mode`` is a whole ``st_mode``, its type bits (regular file,
    directory or link) included; ``source`` is the absolute path of a regular file's bytes; ``link`` is a link's text.
    """

    path: bytes
    mode: int
    source: bytes = b""
    link: bytes = b""


class BuildOutcome(NamedTuple):
    """What became of one request.

    Built and in the registry without a tag: ``digest``. Built and only in the engine: ``digest`` is ``None`` and
    ``is_local`` true, so :meth:`Builder.push` must follow. Failed: ``error`` is one line for people.
    """

    name: str
    digest: str | None = None
    is_local: bool = False
    error: str = ""
    log_tail: tuple[str, ...] = ()
    """At most the last 40 lines of the failed step's output, not sanitised."""
    exit_code: int = 1
    """Of a failure: 1 for a build; 3 or 4 where the push that belongs to it was refused or found no registry."""
    is_blocked: bool = False
    """True when it was not tried because an image it builds upon failed; ``error`` names that image."""
    started: float = 0.0
    """Seconds after the call when its first step began."""
    seconds: float = 0.0


class BuildEvent(NamedTuple):
    """A line of live progress: ``kind`` is ``start``, ``step``, ``log``, ``done`` or ``failed``."""

    image: str
    kind: str
    text: str
    seconds: float = 0.0


class Builder(Protocol):
    """BuildKit behind buildx, or the engine's own builder."""

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Build every request in graph order and in parallel; one outcome for each, keyed by name.

        With ``push``, a builder that can do so pushes each image by digest, without any tag. Raises EngineUnreachable
        when no engine answers. A failed image stops only what builds upon it.
        """
        ...

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Push a local outcome under its content tag and return the digest the registry then holds.

        Raises PushFailed, RegistryRefused, RegistryUnreachable, TagConflict or EngineUnreachable.
        """
        ...
