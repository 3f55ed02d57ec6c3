"""What became of a run, as one value: everything that is printed afterwards is rendered from it (design D7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.plan import Status
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config.model import Location
    from pipeline_kit.reference import Reference

AliasState = Literal["moved", "unchanged", "skipped", "failed"]

AVAILABLE = frozenset({Status.BUILT, Status.COMPLETED, Status.SKIPPED, Status.REUSED})
"""The image is in the registry under its tag (or, without pushing, in the engine)."""
NEW = frozenset({Status.BUILT, Status.COMPLETED, Status.REUSED})
"""The image was not (wholly) there when the run planned: built here, or by another run at the same time."""


@value_class()
class AliasResult:
    """What became of one alias; ``detail`` says why it was skipped or failed."""

    tag: str
    state: AliasState
    detail: str = ""


@value_class()
class Attempt:
    """One attempt that failed and was followed by another: its class (faults table), HTTP status, seconds waited.

    ``reason`` says for people what failed; ``subject`` is the reference that was asked about, ``""`` for a push.
    """

    number: int
    kind: str
    status: int | None = None
    wait_seconds: float = 0.0
    reason: str = ""
    subject: str = ""


@value_class()
class StepResult:
    """One step of an image (``build``, ``push``, ``verify``, ``join``, …), in seconds since the run began."""

    name: str
    started: float
    seconds: float
    detail: str = ""


@value_class()
class ImageResult:
    """What became of one image. Times are in seconds, ``started`` since the run began; ``size`` is in bytes."""

    name: str
    status: Status
    tag: str
    reference: Reference
    """With the content tag."""
    digest: str | None = None
    """What the registry holds; ``None`` when it holds nothing (failed, blocked, not pushed)."""
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    started: float = 0.0
    saved_seconds: float | None = None
    """What building it took the run that did, for an image that was there; ``None`` where it was not asked or told."""
    size: int | None = None
    aliases: tuple[AliasResult, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    steps: tuple[StepResult, ...] = ()
    error: str = ""
    log_tail: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Images here that it builds upon."""
    location: Location | None = None
    """Where to put an annotation: the configuration's or the Dockerfile's line."""

    @property
    def pinned(self) -> str | None:
        """Return ``host/repository@digest`` when the registry holds the image, else ``None``."""
        if self.digest is None or self.status not in AVAILABLE:
            return None
        return str(self.reference.with_digest(self.digest))


@value_class()
class TaskDefinitionResult:
    """One rendered task definition: ``environment`` and ``service`` as in ``deploy.ecs``; ``path`` where written."""

    environment: str
    service: str
    path: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    """Container name to ``host/repository@digest``."""
    document: bytes = field(default=b"", repr=False)
    """The file's bytes; not part of the JSON report, because environment values may be secrets."""


@value_class()
class RunReport:
    """One run of ``build``. Times are in seconds."""

    images: tuple[ImageResult, ...]
    exit_code: int = 0
    is_interrupted: bool = False
    seconds: float = 0.0
    plan_seconds: float = 0.0
    requests: int = 0
    """HTTP requests to registries."""
    retries: int = 0
    """How often a request or a push was repeated: as many as there are ``attempts``, here and in the images."""
    attempts: tuple[Attempt, ...] = ()
    """Those that belong to no image of the run, such as questions about base images."""
    commit: str = ""
    ref: str = ""
    tree: str = ""
    """What the tags were computed from, for people: ``work tree``, ``commit abc1234``, …"""
    run_url: str = ""
    task_definitions: tuple[TaskDefinitionResult, ...] = ()
    warnings: tuple[str, ...] = ()
    located: Mapping[str, Location] = field(default_factory=dict)
    """Where those warnings are that have a place in a file, by their text."""
    tool_version: str = ""
    scope: str = "trusted"
    """The run's trust scope: ``trusted``, or the name of its lane."""

    @property
    def saved_seconds(self) -> float:
        """Return the build seconds that were not spent, as far as they are known."""
        return sum(image.saved_seconds or 0.0 for image in self.images)

    def named(self, statuses: frozenset[Status]) -> tuple[ImageResult, ...]:
        """Return the images with one of ``statuses``, in the report's order."""
        return tuple(image for image in self.images if image.status in statuses)
