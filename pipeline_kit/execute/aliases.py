"""Move human tags to an image's digest, by PUT of the very same manifest bytes (design D6).

Aliases move last, and never backwards: an alias whose image was built from a newer commit stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import PipelineKitError, RegistryRefused
from pipeline_kit.execute.labels import REVISION_LABEL, labels
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline_kit.manifest import Manifest
    from pipeline_kit.plan import PlannedImage
    from pipeline_kit.ports.registry import Registry
    from pipeline_kit.reference import Reference

    IsNewer = Callable[[str], bool | None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one alias."""

    tag: str
    state: Literal["moved", "unchanged", "skipped", "failed"]
    detail: str = ""
    error: PipelineKitError | None = None


def move_aliases(
    registry: Registry, image: PlannedImage, digest: str, *, is_newer: IsNewer, force: bool = False
) -> tuple[Moved, ...]:
    """Point the image's aliases at ``digest`` and return what became of each; never raises for one alias's failure.

    ``is_newer`` tells of a commit whether it comes after the one being run (``None``: cannot tell).
    """
    repository = parse_reference(image.repository)
    return tuple(_moves(registry, repository, image, digest, is_newer, force=force))


def _moves(
    registry: Registry, repository: Reference, image: PlannedImage, digest: str, is_newer: IsNewer, *, force: bool
) -> Iterable[Moved]:
    manifest: Manifest | None = None
    for alias, at in image.aliases.items():
        if at == digest:
            yield Moved(alias, "unchanged")
            continue
        try:
            now = _present(registry, repository.with_tag(alias))
            if now == digest:
                yield Moved(alias, "unchanged")
                continue
            if now is not None and not force and _is_held(registry, repository.with_digest(now), is_newer):
                yield Moved(alias, "skipped", "names an image of a newer commit")
                continue
            manifest = manifest or registry.manifest(repository.with_digest(digest))
            registry.put_manifest(repository.with_tag(alias), manifest)
        except PipelineKitError as error:
            yield Moved(alias, "failed", error.message, error)
        else:
            yield Moved(alias, "moved")


def _present(registry: Registry, alias: Reference) -> str | None:
    """Ask once more: since the plan, a newer run may have moved the alias. Raises where the answer is not certain."""
    answer = registry.observe(alias)
    require_certain(answer, alias)
    return answer.digest


def _is_held(registry: Registry, present: Reference, is_newer: IsNewer) -> bool:
    """Return whether the alias's present image is known to come from a newer commit than ours.

    Raises RegistryUnreachable where that cannot be asked; an image that has no readable labels holds nothing.
    """
    try:
        revision = labels(registry, present).get(REVISION_LABEL, "")
    except RegistryRefused:
        return False
    return bool(revision) and is_newer(revision) is True
