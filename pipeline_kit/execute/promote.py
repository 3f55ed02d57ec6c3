"""Plan and carry out promotions: an image with all that belongs to it, from repository to repository (design D6).

The digest is the same before and after, since the very bytes are written. Tags come last, the content tag first.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import DigestMismatch, PipelineKitError
from pipeline_kit.execute.alias_move import digest_at, exit_code_of, put_alias
from pipeline_kit.execute.aliases import Moved, Order
from pipeline_kit.execute.copying import BlobCopier, Brought, read_graph
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.promotion import Attach, CopyBlob, Promotion, PutManifest, PutTag, Step, held_blobs, require_free
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline_kit.execute.workers import Workers
    from pipeline_kit.manifest import Manifest
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

IMAGES = 8
"""Images promoted at the same time."""
FRESH_SECONDS = 2.0
"""So old may a look at a tag be when it is written; between any look and a write another run may come."""


class Request(NamedTuple):
    """One image to promote: ``source`` by tag or digest, ``target`` a repository."""

    name: str
    source: Reference
    target: Reference
    content_tag: str | None = None
    aliases: tuple[str, ...] = ()


@value_class(frozen=False, eq=False)
class Promoted:
    """What became of one promotion; filled in as it goes, so that an interrupted one can still be told."""

    promotion: Promotion
    status: Literal["promoted", "unchanged", "failed", "blocked"] = "blocked"
    uploaded: int = 0
    """Blobs sent."""
    mounted: int = 0
    present: int = 0
    """Blobs that were there."""
    sent: int = 0
    """Bytes of blobs sent."""
    manifests: int = 0
    """Manifests stored, tags not counted."""
    tags: list[Moved] = field(default_factory=list)
    seconds: float = 0.0
    error: PipelineKitError | None = None

    @property
    def has_written(self) -> bool:
        """Return whether anything of it was not at the target before; a mount does not tell, its manifest does."""
        return bool(self.uploaded or self.manifests) or any(tag.state == "moved" for tag in self.tags)

    @property
    def exit_code(self) -> int:
        """Return 0, or the code of what went wrong; a tag's failure counts."""
        codes = [self.error.exit_code] if self.error is not None else []
        return max([*codes, *map(exit_code_of, self.tags)], default=0)

    def count(self, brought: Brought) -> None:
        """Count one blob."""
        self.uploaded += brought.way == "uploaded"
        self.mounted += brought.way == "mounted"
        self.present += brought.way == "present"
        self.sent += brought.sent

    def count_manifest(self, *, is_new: bool) -> None:
        """Count one manifest."""
        self.manifests += is_new


def plan_promotion(
    registry: ContentRegistry,
    request: Request,
    root: Manifest,
    workers: Workers,
    *,
    referrers: bool = True,
    blobs: BlobCopier | None = None,
) -> Promotion:
    """Read what belongs to ``root``, the source's manifest, and look at the target's tags.

    With ``blobs``, what can be mounted begins to be while more is read; nothing else is written. Raises
    ManifestMissing where the source is not whole, TagConflict where the target's content tag names another image,
    RegistryRefused, RegistryUnreachable.
    """
    wanted = [*([request.content_tag] if request.content_tag else []), *request.aliases]
    asking = workers.start(lambda: [digest_at(registry, request.target.with_tag(tag)) for tag in wanted])
    if blobs is not None:
        blobs.begin(held_blobs(root), request.source, request.target, workers)
    graph = read_graph(registry, request.source, root, workers, referrers=referrers)
    held = {tag: digest for tag, digest in zip(wanted, asking.result(), strict=True) if digest is not None}
    promotion = Promotion(
        request.name, request.source, request.target, graph, request.content_tag, request.aliases, held
    )
    require_free(promotion)
    return promotion


class Promoter:
    """Carries out promotions; one for a run, so that what several images share is sent once.

    ``is_newer`` tells of a commit whether it comes after that of the image ``name`` being promoted; ``blobs`` may have
    begun already; ``looked`` is when the plan looked at the target's tags, by ``time.monotonic``.
    """

    def __init__(
        self,
        registry: ContentRegistry,
        workers: Workers,
        *,
        is_newer: Callable[[str, str], bool | None] = lambda _, __: None,
        force: bool = False,
        blobs: BlobCopier | None = None,
        looked: float | None = None,
    ) -> None:
        self._registry = registry
        self._workers = workers
        self._blobs = blobs or BlobCopier(registry)
        self._looked = time.monotonic() if looked is None else looked
        self._is_newer = is_newer
        self._force = force

    def promote_all(self, promoted: Sequence[Promoted]) -> None:
        """Carry out every promotion, several at once. Failures stand in the outcomes; only an interruption rises."""
        pool = ThreadPoolExecutor(IMAGES, "promote")
        try:
            for done in [pool.submit(self.promote, item) for item in promoted]:
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def promote(self, promoted: Promoted) -> None:
        """Carry out one promotion, stage after stage; a failed step ends it."""
        began = time.monotonic()
        try:
            for stage in promoted.promotion.stages:
                for count in self._workers.each(lambda step: self._do(promoted.promotion, step), stage):
                    count(promoted)
            promoted.status = "promoted" if promoted.has_written else "unchanged"
        except PipelineKitError as error:
            promoted.error = error
        finally:
            promoted.seconds = time.monotonic() - began
        if promoted.exit_code:
            promoted.status = "failed"

    def _do(self, promotion: Promotion, step: Step) -> Callable[[Promoted], None]:
        """Take one step and return how it counts; called from any thread."""
        if isinstance(step, CopyBlob):
            brought = self._blobs.bring(step.blob, promotion.source, promotion.target)
            return lambda outcome: outcome.count(brought)
        if isinstance(step, PutTag):
            moved = self._tag(promotion, step)
            return lambda outcome: outcome.tags.append(moved)
        is_new = self._put(promotion, step)
        return lambda outcome: outcome.count_manifest(is_new=is_new)

    def _put(self, promotion: Promotion, step: PutManifest | Attach) -> bool:
        """Store a manifest that is not there yet; return whether it was stored."""
        pinned = promotion.target.with_digest(step.digest)
        manifest = promotion.graph.manifests[step.digest]
        is_there = digest_at(self._registry, pinned) is not None
        if isinstance(step, Attach):
            subject = promotion.target.with_digest(step.subject)
            if is_there and any(item.digest == step.digest for item in self._registry.referrers(subject)):
                return False
            _require_same(self._registry.attach(subject, manifest), step.digest)
        elif not is_there:
            _require_same(self._registry.put_manifest(pinned, manifest, is_asked=True), step.digest)
        return not is_there

    def _is_fresh(self, step: PutTag) -> bool:
        """Return whether the plan's own look at a tag is as good as another one now."""
        return step.kind == "content" and time.monotonic() - self._looked < FRESH_SECONDS

    def _tag(self, promotion: Promotion, step: PutTag) -> Moved:
        tagged = promotion.target.with_tag(step.tag)
        manifest = promotion.graph.manifests[step.digest]
        if step.kind == "alias":
            order = Order(self._registry, lambda revision: self._is_newer(promotion.name, revision))
            return put_alias(self._registry, tagged, manifest, held=step.held, order=None if self._force else order)
        now = step.held if self._is_fresh(step) else digest_at(self._registry, tagged)
        if now == step.digest:
            return Moved(step.tag, "unchanged")
        if step.kind == "content":
            require_free(promotion._replace(held={step.tag: now} if now else {}))
        self._registry.put_manifest(tagged, manifest, is_asked=True, instead_of=(now,))
        return Moved(step.tag, "moved")


def _require_same(stored: str, wanted: str) -> None:
    if stored != wanted:
        raise DigestMismatch(f"the registry stored {stored} and was sent {wanted}")
