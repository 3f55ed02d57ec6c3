"""Let one tag name a manifest that is at hand: one look, one PUT, and a second look only where a run got in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import ManifestMissing, PipelineKitError, TagConflict
from pipeline_kit.execute.aliases import NEWER, UNORDERED, Moved

if TYPE_CHECKING:
    from pipeline_kit.execute.aliases import Order
    from pipeline_kit.manifest import Manifest
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

_TRIES = 3


def read_manifest(registry: ContentRegistry, reference: Reference) -> Manifest | None:
    """Return what a reference names, ``None`` where it is certain that there is nothing.

    One GET tells either; a HEAD that finds nothing would have to be followed by a GET. Raises RegistryRefused and
    RegistryUnreachable.
    """
    try:
        return registry.manifest(reference)
    except ManifestMissing:
        return None


def digest_at(registry: ContentRegistry, reference: Reference) -> str | None:
    """Return the digest that a reference names; see :func:`read_manifest`."""
    found = read_manifest(registry, reference)
    return found.digest if found is not None else None


def exit_code_of(moved: Moved) -> int:
    """Return a failure's own code, that of a conflict where a newer image holds the alias, else 0."""
    if moved.error is not None:
        return moved.error.exit_code
    return TagConflict.exit_code if moved.state == "skipped" else 0


def put_alias(
    registry: ContentRegistry, tagged: Reference, manifest: Manifest, *, held: str | None, order: Order | None
) -> Moved:
    """Let ``tagged`` name ``manifest`` and return what became of it; never raises for what a registry says.

    ``held`` is what it named a moment ago. Without an ``order`` it moves whatever it names.
    """
    alias = str(tagged.tag)
    try:
        for left in reversed(range(_TRIES)):
            if held == manifest.digest:
                return Moved(alias, "unchanged")
            is_held = held is not None and order is not None and order.is_held(tagged.with_digest(held), alias)
            if is_held:
                return Moved(alias, "skipped", NEWER)
            try:
                registry.put_manifest(tagged, manifest, is_asked=True, instead_of=(held,))
            except TagConflict:
                before, held = held, digest_at(registry, tagged)
                if not left or held == before:
                    raise
            else:
                return Moved(alias, "moved", UNORDERED if is_held is None else "")
    except PipelineKitError as error:
        return Moved(alias, "failed", error.message, error)
    raise AssertionError("the last try returns or raises")
