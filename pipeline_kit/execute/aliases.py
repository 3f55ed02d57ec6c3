"""Move human tags to an image's digest, by PUT of the very same manifest bytes (design D6).

Aliases move last, and never backwards: an alias that a later run has moved stays where it is. Git's history decides
where it can tell; in a shallow clone what the runs left beside the images does (see :mod:`pipeline_kit.record`).
Registries have no compare-and-swap, so an alias is looked at again right before it is written, and once more after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import PipelineKitError, RegistryRefused, TagConflict
from pipeline_kit.execute.labels import REVISION_LABEL, labels
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.execute.records import alias_stamps, read_records
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.record import Stamp, is_later
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline_kit.execute.records import Recorder
    from pipeline_kit.manifest import Manifest
    from pipeline_kit.plan import PlannedImage
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

    IsNewer = Callable[[str], bool | None]

UNORDERED = "moved, though it cannot be told whether the image it named is of a newer commit"
NEWER = "names an image of a newer commit"
OVERTAKEN = "another run moved it at the same time"
_LOOKS = 5
"""How often an alias is looked at while others keep moving it."""


class Moved(NamedTuple):
    """What became of one alias; ``detail`` says what people should know of it."""

    tag: str
    state: Literal["moved", "unchanged", "skipped", "failed"]
    detail: str = ""
    error: PipelineKitError | None = None


class Order(NamedTuple):
    """Tells of the image an alias names whether a later run than this one put it there.

    ``is_newer`` asks git's history about a commit (``None``: cannot tell); ``recorder`` knows what runs left behind.
    """

    registry: ContentRegistry
    is_newer: IsNewer
    recorder: Recorder | None = None

    def is_held(self, present: Reference, alias: str) -> bool | None:
        """Return whether a later run moved ``alias`` to ``present``; ``None`` when that cannot be told.

        An image without a readable label holds nothing. Raises RegistryUnreachable where it cannot be asked.
        """
        stamps = self._alias_stamps(present, alias)
        if stamps:
            return self._any_later(stamps)
        try:
            revision = labels(self.registry, present).get(REVISION_LABEL, "")
        except RegistryRefused:
            return False
        known = self.is_newer(revision) if revision else False
        return known if known is not None else self._any_later(self._build_stamps(present))

    def _any_later(self, stamps: Iterable[Stamp]) -> bool | None:
        told = [self._is_later(stamp) for stamp in stamps]
        return True if True in told else None if None in told or not told else False

    def _is_later(self, theirs: Stamp) -> bool | None:
        known = self.is_newer(theirs.commit) if theirs.commit else None
        if known is not None or self.recorder is None:
            return known
        return is_later(theirs, self.recorder.facts.stamp)

    def _alias_stamps(self, present: Reference, alias: str) -> Sequence[Stamp]:
        if self.recorder is None:
            return ()
        try:
            return alias_stamps(self.recorder.registry, present, alias)
        except RegistryRefused:  # this registry knows no referrers
            return ()

    def _build_stamps(self, present: Reference) -> Sequence[Stamp]:
        if self.recorder is None:
            return ()
        try:
            return [record.stamp for record in read_records(self.recorder.registry, present)]
        except RegistryRefused:
            return ()


def move_aliases(
    registry: ContentRegistry,
    image: PlannedImage,
    digest: str,
    *,
    is_newer: IsNewer,
    force: bool = False,
    recorder: Recorder | None = None,
    is_ours: bool = False,
) -> tuple[Moved, ...]:
    """Point the image's aliases at ``digest`` and return what became of each; never raises for one alias's failure.

    ``is_newer`` tells of a commit whether it comes after the one being run (``None``: cannot tell). An image that
    ``is_ours`` was built by this very run: its label and its build record say all that an alias record would.
    """
    pinned = parse_reference(image.repository).with_digest(digest)
    order = None if force else Order(registry, is_newer, recorder)
    mover = _Mover(registry, pinned, order, None if is_ours else recorder)
    return tuple(
        Moved(alias, "unchanged") if at == digest else mover.move(alias) for alias, at in image.aliases.items()
    )


def move_again(
    registry: ContentRegistry,
    image: PlannedImage,
    digest: str,
    moved: Moved,
    *,
    is_newer: IsNewer,
    recorder: Recorder | None,
) -> Moved:
    """Return what became of an alias that ``moved`` and that somebody has moved on since.

    Whoever moved it for an older commit had looked before we wrote: then it is moved back. Unordered runs do not fight.
    """
    pinned = parse_reference(image.repository).with_digest(digest)
    order = Order(registry, is_newer, recorder)
    try:
        now = _present(registry, pinned.with_tag(moved.tag))
        if now in (None, digest):
            return moved
        held = order.is_held(pinned.with_digest(str(now)), moved.tag)
    except PipelineKitError as error:
        return Moved(moved.tag, "failed", error.message, error)
    if held is False:
        return _Mover(registry, pinned, order, recorder).move(moved.tag)
    return Moved(moved.tag, "skipped", NEWER if held else OVERTAKEN)


@value_class(frozen=False)
class _Mover:
    """Moves aliases of one image; its manifest is read once, when needed."""

    registry: ContentRegistry
    pinned: Reference
    order: Order | None
    recorder: Recorder | None = None
    _manifest: Manifest | None = None
    _stamped: set[str] = field(default_factory=set)

    def move(self, alias: str) -> Moved:
        tagged = self.pinned.with_tag(alias)
        try:
            return self._move(tagged)
        except PipelineKitError as error:
            return Moved(alias, "failed", error.message, error)

    def _move(self, tagged: Reference) -> Moved:
        """Look until the alias names the same image before and after its order was asked for, then write at once."""
        alias = str(tagged.tag)
        now = _present(self.registry, tagged)
        for _ in range(_LOOKS):
            if now == self.pinned.digest:
                return Moved(alias, "unchanged")
            held = self._is_held(now, alias)
            if held:
                return Moved(alias, "skipped", NEWER)
            again = _present(self.registry, tagged) if self._prepare(alias) or now is not None else now
            if again == now:
                again = self._write(tagged, now)
                if again == self.pinned.digest:
                    return Moved(alias, "moved", UNORDERED if held is None else "")
            now = again
        return Moved(alias, "skipped", OVERTAKEN)

    def _is_held(self, now: str | None, alias: str) -> bool | None:
        if now is None or self.order is None:
            return False
        return self.order.is_held(self.pinned.with_digest(now), alias)

    def _write(self, tagged: Reference, before: str | None) -> str | None:
        """Move the alias; return what it names then: ours, or what another run has written over it at once.

        Raises TagConflict where it still names what it named ``before``: it may not be moved.
        """
        try:
            manifest = self._manifest or self.registry.manifest(self.pinned)
            return self.registry.put_manifest(tagged, manifest, is_asked=True, instead_of=(before,))
        except TagConflict:
            now = _present(self.registry, tagged)
            if now == before:
                raise
            return now

    def _prepare(self, alias: str) -> bool:
        """Leave the alias record and read the manifest; return whether that took a request."""
        is_new = self._manifest is None
        if self.recorder is not None and alias not in self._stamped:
            self._stamped.add(alias)
            self.recorder.stamp_alias(self.pinned, alias)
            is_new = True
        self._manifest = self._manifest or self.registry.manifest(self.pinned)
        return is_new


def _present(registry: ContentRegistry, alias: Reference) -> str | None:
    """Ask once more: since the plan, another run may have moved the alias. Raises where the answer is not certain."""
    answer = registry.observe(alias)
    require_certain(answer, alias)
    return answer.digest
