"""What the core asks of the outside world, as protocols.

Adapters implement these; ``app`` chooses and wires them; the tests run one contract suite against every
implementation. Protocols only: no behaviour lives here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.manifest import Manifest
    from pipeline_kit.plan import Verdict
    from pipeline_kit.reference import Reference
    from pipeline_kit.snapshot import Listing


class Unsent(Protocol):
    """Tells what no build is sent, so that it need not be read."""

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:
        """Return whether ``path``, and all below a directory, is kept out of every context by ignore rules."""
        ...


class Tree(Protocol):
    """Files as they would be sent to a build: the work tree, a plain directory, or one commit."""

    def listing(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing:
        """Return everything below ``directories`` (relative POSIX paths; ``.`` is the root) with root-relative paths.

        Includes what git ignores and does not track. What ``unsent`` says is sent to no build may be left out unread;
        a directory that holds nothing else then counts as one without files. Raises a
        :class:`~pipeline_kit.errors.CheckoutError` subclass where the checkout cannot be trusted.
        """
        ...

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the regular file at ``path``, following links inside the tree; ``None`` if absent."""
        ...

    def read_link(self, path: str) -> str:
        """Return the text of the link at ``path``, ``""`` when there is no link."""
        ...

    def describe(self) -> str:
        """Return what this tree is, for people: ``work tree``, ``commit abc1234``, ``directory without git``."""
        ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """What git knows about the checkout; every member is empty where there is no git."""

    commit: str = ""
    """Full hex id of HEAD, or ``""`` without git or before the first commit."""
    branch: str = ""
    """Short branch name, ``""`` when detached."""
    is_shallow: bool = False


class History(Protocol):
    """Questions about commits."""

    def checkout(self) -> Checkout:
        """Return the state of HEAD."""
        ...

    def commit_tree(self, rev: str) -> Tree | None:
        """Return the tree of ``rev`` from git objects alone, or ``None`` if the commit is not here (shallow)."""
        ...

    def resolve(self, rev: str) -> str | None:
        """Return the full commit id of ``rev``, or ``None`` when it is not known here."""
        ...

    def is_ancestor(self, ancestor: str, descendant: str) -> bool | None:
        """Return whether ``ancestor`` is reachable from ``descendant``; ``None`` when the history here cannot tell."""
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer of the registry about one reference.

    ``digest`` and ``media_type`` are set only with a present verdict; ``detail`` says in a few words why a verdict is
    denied or unknown, never with a secret in it; ``hint`` is the next step for people.
    """

    verdict: Verdict
    digest: str | None = None
    media_type: str | None = None
    detail: str = ""
    hint: str = ""


class Registry(Protocol):
    """The distribution API, as far as the main job needs it."""

    def observe(self, reference: Reference) -> Observation:
        """Ask (HEAD) whether ``reference`` exists. Never raises for what the registry answers: it is in the verdict."""
        ...

    def observe_all(self, references: Sequence[Reference]) -> Sequence[Observation]:
        """Observe in parallel; answers stand in the order of ``references``."""
        ...

    def manifest(self, reference: Reference) -> Manifest:
        """GET a manifest or index, verified against its digest. Raises RegistryRefused or RegistryUnreachable."""
        ...

    def config(self, reference: Reference, descriptor_digest: str) -> Mapping[str, object]:
        """GET an image config blob of ``reference``'s repository as parsed JSON, verified against its digest."""
        ...

    def put_manifest(self, reference: Reference, manifest: Manifest) -> str:
        """PUT the very bytes of ``manifest`` under ``reference`` (a tag or its digest); return the proven digest.

        Raises TagConflict on an immutable tag holding other content, RegistryRefused, RegistryUnreachable.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class ContextFile:
    """One entry of a build context as it is to be sent, ignore rules applied.

    ``path`` is relative to the context, ``/``-separated; ``mode`` is a whole ``st_mode``, its type bits (regular file,
    directory or link) included; ``source`` is the absolute path of a regular file's bytes; ``link`` is a link's text.
    """

    path: bytes
    mode: int
    source: bytes = b""
    link: bytes = b""


@dataclass(frozen=True, slots=True)
class BuildOutcome:
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
    is_blocked: bool = False
    """True when it was not tried because an image it builds upon failed; ``error`` names that image."""
    started: float = 0.0
    """Seconds after the call when its first step began."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BuildEvent:
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


class Clock(Protocol):
    """Time as a parameter."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is being interrupted."""
        ...
