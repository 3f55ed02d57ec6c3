"""Bring a built image under its content tag: the moment from which others may skip it.

The image was pushed by digest. Only here does its content tag come to be, by one manifest PUT, after everything that
could still go wrong has gone right; a race with another runner ends with one digest for both (design D6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.execute.labels import key_label
from pipeline_kit.manifest import OCI_INDEX, Descriptor, Manifest, join_index, normalize_platform
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Status, Verdict
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pipeline_kit.plan import PlannedImage
    from pipeline_kit.ports.registry import ContentRegistry, Observation, Registry
    from pipeline_kit.reference import Reference

_ATTESTED = "vnd.docker.reference.digest"
"""Annotation of BuildKit's attestation manifests: the digest of the image they speak about."""


class Published(NamedTuple):
    """What the tag names now, and how it came about."""

    status: Status
    digest: str


class Proof(NamedTuple):
    """What must be sure before a content tag is written, and before another runner's image is taken for ours."""

    before_tag: Callable[[str], None]
    """Called with the digest that is about to be tagged; what it raises keeps the tag from being written."""
    objection: Callable[[Reference], str]
    """Returns why the image at a digest is not to be trusted, ``""`` when it is."""


def publish(
    registry: ContentRegistry, image: PlannedImage, digest: str, *, force: bool = False, proof: Proof | None = None
) -> Published:
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
        manifest = registry.manifest(tagged.with_digest(digest))
        return _tag(registry, tagged, image, manifest, Status.BUILT, proof, held=None)
    present = str(answer.digest)
    if present == digest:
        return Published(Status.COMPLETED if image.missing_platforms else Status.BUILT, digest)
    if image.missing_platforms and present == image.digest:
        whole = _completed(registry, tagged, image, present, digest)
        return _tag(registry, tagged, image, whole, Status.COMPLETED, proof, held=present)
    if force:
        manifest = registry.manifest(tagged.with_digest(digest))
        _prove(registry, tagged, manifest, proof)
        registry.put_manifest(tagged, manifest)
        return Published(Status.BUILT, digest)
    return adopt(registry, tagged, image, present, digest, proof)


def _prove(registry: ContentRegistry, tagged: Reference, manifest: Manifest, proof: Proof | None) -> None:
    """Let everything be there that must be before the tag is."""
    if proof is not None:
        registry.put_manifest(tagged.with_digest(manifest.digest), manifest)
        proof.before_tag(manifest.digest)


def _completed(registry: Registry, tagged: Reference, image: PlannedImage, present: str, added: str) -> Manifest:
    """Return what takes the present image's place; where nothing of that is whole, it is not even read."""
    if set(image.missing_platforms) >= set(image.platforms):
        return registry.manifest(tagged.with_digest(added))
    return join(registry, tagged, present, added)


def arrived(registry: Registry, image: PlannedImage, proof: Proof | None = None) -> Published | None:
    """Return the image when another runner has pushed it since the plan, ``None`` when the tag is still free.

    Asked before pushing by tag, so that a content tag is not written twice and immutable tags never refuse us. Raises
    TagConflict when the tag holds an image of another key, RegistryRefused, RegistryUnreachable.
    """
    tagged = parse_reference(image.reference)
    answer = registry.observe(tagged)
    require_certain(answer, tagged)
    if answer.verdict is Verdict.ABSENT or (image.missing_platforms and answer.digest == image.digest):
        return None
    return adopt(registry, tagged, image, str(answer.digest), "not pushed yet", proof)


def require_certain(answer: Observation, reference: Reference) -> None:
    """Raise RegistryRefused or RegistryUnreachable unless the verdict is present or absent."""
    if answer.verdict is Verdict.DENIED:
        raise RegistryRefused(f"{reference}: {answer.detail}", hint=answer.hint or None)
    if answer.verdict is Verdict.UNKNOWN:
        raise RegistryUnreachable(f"{reference}: {answer.detail}", hint=answer.hint or "run it again: it continues")


def adopt(
    registry: Registry, tagged: Reference, image: PlannedImage, present: str, ours: str, proof: Proof | None = None
) -> Published:
    """Take the image another runner pushed meanwhile, if it was built for the same key. Raises TagConflict."""
    if key_label(registry, tagged.with_digest(present)) != image.key:
        raise TagConflict(
            f"{tagged} holds {present}, which was not built for this key; built here: {ours}",
            hint="someone pushed another image under a content tag: find out who, then delete that tag",
        )
    objection = proof.objection(tagged.with_digest(present)) if proof is not None else ""
    if objection:
        raise TagConflict(
            f"{tagged} holds {present}, which another run pushed meanwhile: {objection}",
            hint="find out who pushed it, then delete that tag",
        )
    return Published(Status.REUSED, present)


def _tag(
    registry: ContentRegistry,
    tagged: Reference,
    image: PlannedImage,
    manifest: Manifest,
    status: Status,
    proof: Proof | None,
    *,
    held: str | None,
) -> Published:
    """PUT under the content tag, right after a look and right before another: what it names then decides for all.

    A registry's refusal (immutable tags), and a tag that names something else than before, both mean that another
    runner was there; its image is as good as ours when it has the same key.
    """
    refused: TagConflict | None = None
    _prove(registry, tagged, manifest, proof)
    answer = _certain(registry, tagged)
    if answer.digest == held:
        try:
            registry.put_manifest(tagged, manifest, is_asked=True, instead_of=(held,))
        except TagConflict as conflict:
            refused = conflict
        answer = _certain(registry, tagged)
    if answer.digest == manifest.digest:
        return Published(status, manifest.digest)
    if answer.digest is None:
        hint = "is a clean-up job running?"
        raise refused or RegistryUnreachable(f"{tagged} vanished while it was pushed", hint=hint)
    return adopt(registry, tagged, image, answer.digest, manifest.digest, proof)


def _certain(registry: ContentRegistry, tagged: Reference) -> Observation:
    answer = registry.observe(tagged)
    require_certain(answer, tagged)
    return answer


def join(registry: Registry, tagged: Reference, present: str, added: str) -> Manifest:
    """Return an index of the present image's platforms and the added ones; added platforms replace equal old ones.

    The attestations of a replaced image go with it.
    """
    old = index_children(registry, tagged.with_digest(present))
    new = index_children(registry, tagged.with_digest(added))
    platforms = {descriptor.platform for descriptor, _ in new if not descriptor.is_attestation}
    replaced = {descriptor.digest for descriptor, _ in old if descriptor.platform in platforms}
    kept = [
        (descriptor, raw)
        for descriptor, raw in old
        if descriptor.digest not in replaced and dict(descriptor.annotations).get(_ATTESTED) not in replaced
    ]
    return join_index(OCI_INDEX, [*kept, *new])


def index_children(registry: Registry, pinned: Reference) -> list[tuple[Descriptor, dict[str, Any]]]:
    """Return what an index holds, or would hold of a plain image: descriptors and their raw JSON objects."""
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
