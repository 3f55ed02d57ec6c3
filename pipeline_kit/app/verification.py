"""What a present tag proves: its platforms, its key, its build record, and that all its parts are there (design D5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import Conflict, ManifestMissing, PipelineKitError, RegistryRefused
from pipeline_kit.manifest import INDEX_TYPES, Manifest, normalize_platform
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.config.model import Verify
    from pipeline_kit.manifest import Descriptor
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference
    from pipeline_kit.scopes import Scope

_BLOBS_AT_ONCE = 8
_UNKEYED = "delete that tag, build it again with --force where tags can be overwritten, or change tag_prefix"
_UNRECORDED = "build it again with --force where tags can be overwritten, or change tag_prefix"
_FOREIGN = "foreign"
"""Layers of such media types stay where their maker keeps them; no registry need hold them."""


class Question(NamedTuple):
    """What is to be proved of one image: ``level`` says how much, ``scope`` is the run's."""

    pinned: Reference
    media_type: str | None
    key: str | None
    platforms: tuple[str, ...]
    level: Verify
    scope: Scope

    @property
    def needs_asking(self) -> bool:
        """Return whether the registry has to be asked for more than the tag."""
        return self.level != "tag" or self.media_type in INDEX_TYPES or len(self.platforms) > 1


class Proven(NamedTuple):
    """The verdict about an image that is there: ``platforms`` whole ones, ``None`` where they were not asked for.

    ``gone`` says for each platform that is listed and not whole which part of it is missing. An image that
    ``is_unproven`` is there and lacks the proof that was asked for.
    """

    answer: Observation
    platforms: tuple[str, ...] | None = None
    gone: tuple[tuple[str, str], ...] = ()
    is_unproven: bool = False


def prove(registry: ContentRegistry, question: Question, answer: Observation) -> Proven:
    """Return the verdict about an image whose tag is there, as present as ``answer`` says; never raises.

    An image without the proof that is asked for is denied: it is neither taken nor built over.
    """
    if not question.needs_asking:
        return Proven(answer)
    try:
        return _prove(registry, question, answer)
    except RegistryRefused as error:
        verdict = Verdict.UNKNOWN if isinstance(error, ManifestMissing) else Verdict.DENIED
        return Proven(Observation(verdict, detail=error.message, hint=error.hint or ""))
    except Conflict as error:
        return Proven(Observation(Verdict.DENIED, detail=error.message, hint=error.hint or ""))
    except PipelineKitError as error:
        return Proven(Observation(Verdict.UNKNOWN, detail=error.message, hint=error.hint or ""))


def _prove(registry: ContentRegistry, question: Question, answer: Observation) -> Proven:
    manifest = registry.manifest(question.pinned)
    gone: Mapping[str, str] = {}
    if question.level == "deep":
        platforms, gone = _parts(registry, question, manifest)
    elif manifest.is_index:
        platforms = manifest.platforms()
    else:
        platforms = (_single_platform(registry, question.pinned, manifest),) if len(question.platforms) > 1 else None
    whole = None if platforms is None else tuple(item for item in platforms if item not in gone)
    readable = tuple(item for item in whole or () if item in question.platforms) if gone else None
    if question.level != "tag" and readable != ():
        refusal = _refusal(registry, question, manifest, readable)
        if refusal is not None:
            return Proven(refusal, is_unproven=True)
    return Proven(answer, whole, tuple(gone.items()))


def _refusal(
    registry: ContentRegistry, question: Question, manifest: Manifest, readable: tuple[str, ...] | None
) -> Observation | None:
    """Return the answer about an image that lacks a proof; ``None`` when it has all that is asked for."""
    from pipeline_kit.execute.labels import key_of  # most runs ask for tags alone
    from pipeline_kit.execute.records import objection

    if key_of(registry, question.pinned, manifest, among=readable) != question.key:
        detail = f"tag present, but its image does not carry our key in the label {KEY_LABEL}"
        return Observation(Verdict.DENIED, detail=detail, hint=_UNKEYED)
    if question.level in ("record", "deep"):
        why = objection(registry, question.pinned, str(question.key), question.scope)
        if why:
            return Observation(Verdict.DENIED, detail=f"tag present, but {why}", hint=_UNRECORDED)
    return None


def _single_platform(registry: ContentRegistry, pinned: Reference, manifest: Manifest) -> str:
    config = registry.config(pinned, manifest.config_digest())
    parts = (config.get("os", "linux"), config.get("architecture", ""), config.get("variant", ""))
    return normalize_platform("/".join(str(part) for part in parts if part))


def _parts(
    registry: ContentRegistry, question: Question, manifest: Manifest
) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """Return the platforms listed, and those of the wanted ones of which a manifest or a blob is gone, with what."""
    if manifest.is_index:
        children = [child for child in manifest.children() if child.platform and not child.is_attestation]
        listed = tuple(child.platform for child in children)
        wanted = [child for child in children if child.platform in question.platforms]
        found = [(child.platform, _missing_child(registry, question.pinned, child)) for child in wanted]
        return listed, {platform: part for platform, part in found if part}
    part = _missing_blob(registry, question.pinned, manifest.blobs())
    if len(question.platforms) == 1:
        return question.platforms, {question.platforms[0]: part} if part else {}
    if part:  # its config may be what is gone: then nobody can tell which platform this is
        return question.platforms, dict.fromkeys(question.platforms, part)
    return (_single_platform(registry, question.pinned, manifest),), {}


def _missing_child(registry: ContentRegistry, pinned: Reference, child: Descriptor) -> str:
    try:
        manifest = registry.manifest(pinned.with_digest(child.digest))
    except ManifestMissing:
        return f"manifest {child.digest}"
    if manifest.is_index:
        return f"image manifest: {child.digest} is another index"
    return _missing_blob(registry, pinned, manifest.blobs())


def _missing_blob(registry: ContentRegistry, pinned: Reference, blobs: Sequence[Descriptor]) -> str:
    from concurrent.futures import ThreadPoolExecutor

    asked = list(dict.fromkeys(blob.digest for blob in blobs if _FOREIGN not in blob.media_type))
    with ThreadPoolExecutor(min(_BLOBS_AT_ONCE, max(1, len(asked))), "blobs") as pool:
        there = list(pool.map(lambda digest: registry.has_blob(pinned, digest), asked))
    return next((f"blob {digest}" for digest, is_there in zip(asked, there, strict=True) if not is_there), "")
