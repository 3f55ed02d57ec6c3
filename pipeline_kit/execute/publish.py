"""Bring a built image under its content tag: the moment from which others may skip it.

The image was pushed by digest. Only here does its content tag come to be, by one manifest PUT, after everything that
could still go wrong has gone right; a race with another runner ends with one digest for both (design D6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_kit.errors import RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.execute.labels import key_label
from pipeline_kit.manifest import OCI_INDEX, Descriptor, Manifest, join_index, normalize_platform
from pipeline_kit.plan import Status, Verdict
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from typing import Any

    from pipeline_kit.plan import PlannedImage
    from pipeline_kit.ports.registry import Observation, Registry
    from pipeline_kit.reference import Reference

_ATTESTED = "vnd.docker.reference.digest"
"""Annotation of BuildKit's attestation manifests: the digest of the image they speak about."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the tag names now, and how it came about."""

    status: Status
    digest: str


def publish(registry: Registry, image: PlannedImage, digest: str, *, force: bool = False) -> Published:
    """Put ``digest`` under the image's content tag and return what the tag then names.

    Raises TagConflict when the tag holds an image of another key, RegistryRefused, RegistryUnreachable.
    """
    tagged = parse_reference(image.reference)
    answer = registry.observe(tagged)
    require_certain(answer, tagged)
    if answer.verdict is Verdict.ABSENT:
        if image.missing_platforms:
            raise RegistryUnreachable(
                f"{tagged} vanished since the plan", hint="run it again: it builds the whole image"
            )
        registry.put_manifest(tagged, registry.manifest(tagged.with_digest(digest)))
        return _settled(registry, tagged, image, digest, Status.BUILT)
    present = str(answer.digest)
    if present == digest:
        return Published(Status.BUILT, digest)
    if image.missing_platforms and present == image.digest:
        joined = join(registry, tagged, present, digest)
        registry.put_manifest(tagged, joined)
        return _settled(registry, tagged, image, joined.digest, Status.COMPLETED)
    if force:
        registry.put_manifest(tagged, registry.manifest(tagged.with_digest(digest)))
        return Published(Status.BUILT, digest)
    return adopt(registry, tagged, image, present, digest)


def arrived(registry: Registry, image: PlannedImage) -> Published | None:
    """Return the image when another runner has pushed it since the plan, ``None`` when the tag is still free.

    Asked before pushing by tag, so that a content tag is not written twice and immutable tags never refuse us. Raises
    TagConflict when the tag holds an image of another key, RegistryRefused, RegistryUnreachable.
    """
    tagged = parse_reference(image.reference)
    answer = registry.observe(tagged)
    require_certain(answer, tagged)
    if answer.verdict is Verdict.ABSENT or (image.missing_platforms and answer.digest == image.digest):
        return None
    return adopt(registry, tagged, image, str(answer.digest), "not pushed yet")


def require_certain(answer: Observation, reference: Reference) -> None:
    """Raise RegistryRefused or RegistryUnreachable unless the verdict is present or absent."""
    if answer.verdict is Verdict.DENIED:
        raise RegistryRefused(f"{reference}: {answer.detail}", hint=answer.hint or None)
    if answer.verdict is Verdict.UNKNOWN:
        raise RegistryUnreachable(f"{reference}: {answer.detail}", hint=answer.hint or "run it again: it continues")


def adopt(registry: Registry, tagged: Reference, image: PlannedImage, present: str, ours: str) -> Published:
    """Take the image another runner pushed meanwhile, if it was built for the same key. Raises TagConflict."""
    if key_label(registry, tagged.with_digest(present)) != image.key:
        raise TagConflict(
            f"{tagged} holds {present}, which was not built for this key; built here: {ours}",
            hint="someone pushed another image under a content tag: find out who, then delete that tag",
        )
    return Published(Status.REUSED, present)


def _settled(registry: Registry, tagged: Reference, image: PlannedImage, ours: str, status: Status) -> Published:
    """Look once more after the PUT: whoever wrote last decides for every runner alike."""
    answer = registry.observe(tagged)
    require_certain(answer, tagged)
    if answer.digest == ours:
        return Published(status, ours)
    if answer.verdict is Verdict.ABSENT:
        raise RegistryUnreachable(f"{tagged} vanished right after it was pushed", hint="is a clean-up job running?")
    return adopt(registry, tagged, image, str(answer.digest), ours)


def join(registry: Registry, tagged: Reference, present: str, added: str) -> Manifest:
    """Return an index of the present image's platforms and the added ones; added platforms replace equal old ones.

    The attestations of a replaced image go with it.
    """
    old = _children(registry, tagged.with_digest(present))
    new = _children(registry, tagged.with_digest(added))
    platforms = {descriptor.platform for descriptor, _ in new if not descriptor.is_attestation}
    replaced = {descriptor.digest for descriptor, _ in old if descriptor.platform in platforms}
    kept = [
        (descriptor, raw)
        for descriptor, raw in old
        if descriptor.digest not in replaced and dict(descriptor.annotations).get(_ATTESTED) not in replaced
    ]
    return join_index(OCI_INDEX, [*kept, *new])


def _children(registry: Registry, pinned: Reference) -> list[tuple[Descriptor, dict[str, Any]]]:
    manifest = registry.manifest(pinned)
    if manifest.is_index:
        return list(zip(manifest.children(), manifest.document()["manifests"], strict=True))
    config = registry.config(pinned, manifest.config_digest())
    platform = {name: config[name] for name in ("architecture", "os", "variant") if config.get(name)}
    raw: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
        "platform": platform,
    }
    text = "/".join(str(platform.get(name, "")) for name in ("os", "architecture", "variant") if platform.get(name))
    descriptor = Descriptor(manifest.media_type, manifest.digest, len(manifest.data), normalize_platform(text))
    return [(descriptor, raw)]
