"""What a promotion copies, as values: manifests, blobs and referrers of an image, and the order to write them in.

Sources: OCI image specification ("Image Index", "Image Manifest", ``subject``); OCI distribution specification 1.1,
"Pushing Manifests" and "Referrers Tag Schema"; cosign's specification, "Tag-based discovery".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pipeline_kit.errors import InputError, RegistryRefused, TagConflict
from pipeline_kit.manifest import ACCEPTED, Descriptor, Manifest
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import Reference, is_host, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NONE: Mapping[str, Any] = MappingProxyType({})
COSIGN_SUFFIXES = ("sig", "att", "sbom")
_FOREIGN = ("vnd.docker.image.rootfs.foreign.", "vnd.oci.image.layer.nondistributable.")
"""Parts of the media types of layers that registries do not hold: they are fetched from elsewhere."""


class Graph(NamedTuple):
    """An image with all that belongs to it, as one registry holds it. Every manifest is verified against its digest."""

    root: str
    """Digest of the image: a manifest or an index."""
    manifests: Mapping[str, Manifest]
    """By digest, in the order they were found."""
    referrers: Mapping[str, tuple[str, ...]] = _NONE
    """Digest of a subject to the digests of the manifests that refer to it."""
    tags: Mapping[str, str] = _NONE
    """Tags that belong to a digest by their name (cosign's), to what they name."""

    def below(self, digest: str) -> tuple[str, ...]:
        """Return the manifest's children, children's children first, the manifest itself last."""
        found: dict[str, None] = {}
        self._descend(digest, found, ())
        return tuple(found)

    def _descend(self, digest: str, found: dict[str, None], path: tuple[str, ...]) -> None:
        if digest in path:
            raise RegistryRefused(f"the index {digest} contains itself")
        for child in self.manifests[digest].children():
            if child.digest not in found:
                self._descend(child.digest, found, (*path, digest))
        found[digest] = None

    def blobs(self) -> tuple[Descriptor, ...]:
        """Return every blob once, the largest first, so that the last one to arrive is a small one."""
        found = {blob.digest: blob for manifest in self.manifests.values() for blob in held_blobs(manifest)}
        return tuple(sorted(found.values(), key=lambda blob: -blob.size))

    @property
    def referrer_count(self) -> int:
        """Return how many manifests come along besides the image's own: referrers, and what cosign's tags name."""
        return len({item for found in self.referrers.values() for item in found} | set(self.tags.values()))


def held_blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Return the blobs of a manifest that its registry holds: config and layers, without foreign layers."""
    return tuple(blob for blob in manifest.blobs() if not any(part in blob.media_type for part in _FOREIGN))


def require_known(children: tuple[Descriptor, ...], index: str) -> None:
    """Raise RegistryRefused where an index holds something that is no image manifest or index."""
    for child in children:
        if child.media_type not in ACCEPTED:
            raise RegistryRefused(f"the index {index} holds a {child.media_type}, which is no manifest to copy")


def cosign_tags(digest: str) -> tuple[str, ...]:
    """Return the tags under which cosign keeps signatures, attestations and bills of material of ``digest``."""
    algorithm, _, value = digest.partition(":")
    return tuple(f"{algorithm}-{value}.{suffix}" for suffix in COSIGN_SUFFIXES)


class CopyBlob(NamedTuple):
    """Bring one blob over: mounted where the registry is the same, else streamed."""

    blob: Descriptor


class PutManifest(NamedTuple):
    """Store a manifest by its digest."""

    digest: str


class Attach(NamedTuple):
    """Store a manifest that refers to ``subject``, so that the target lists it among the subject's referrers."""

    subject: str
    digest: str


class PutTag(NamedTuple):
    """Let a tag name a digest; ``held`` is what it names now, ``None`` where it does not exist.

    A ``content`` tag is never moved, an ``alias`` never backwards; a ``companion`` is one of cosign's, which follows
    the source's.
    """

    tag: str
    digest: str
    kind: Literal["content", "alias", "companion"]
    held: str | None = None


Step = CopyBlob | PutManifest | Attach | PutTag


class Promotion(NamedTuple):
    """One image's promotion, decided and not carried out."""

    name: str
    source: Reference
    """Where it comes from, with the tag it was asked for by, if it was by a tag."""
    target: Reference
    """The repository it goes to."""
    graph: Graph
    content_tag: str | None = None
    """Kept at the target; ``None`` where the image was not asked for by its content tag."""
    aliases: tuple[str, ...] = ()
    """Further tags at the target, which may move."""
    held: Mapping[str, str] = _NONE
    """What tags name at the target now; a tag that does not exist is left out."""

    @property
    def stages(self) -> tuple[tuple[Step, ...], ...]:
        """Return what is to be done: stage after stage, the steps of one stage in any order or at once.

        Blobs, then manifests from the leaves to the image, then what refers to it, then tags: at every moment the
        target's tags name images that are whole, and an image is tagged when its signatures are there.
        """
        graph = self.graph
        found: list[tuple[Step, ...]] = [tuple(CopyBlob(blob) for blob in graph.blobs())]
        own = graph.below(graph.root)
        found += self._manifests(own[:-1])
        if graph.referrers or not (self.content_tag or self.aliases):
            found.append((PutManifest(graph.root),))
        found += self._attached()
        found.append(tuple(PutTag(tag, at, "companion") for tag, at in graph.tags.items()))
        if self.content_tag:
            found.append((PutTag(self.content_tag, graph.root, "content", self.held.get(self.content_tag)),))
        found.append(tuple(PutTag(tag, graph.root, "alias", self.held.get(tag)) for tag in self.aliases))
        return tuple(stage for stage in found if stage)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all steps in order."""
        return tuple(step for stage in self.stages for step in stage)

    def _manifests(self, digests: tuple[str, ...]) -> Iterator[tuple[Step, ...]]:
        """Give plain manifests, which need only blobs, as one stage, and every nested index as one of its own."""
        yield tuple(PutManifest(item) for item in digests if not self.graph.manifests[item].is_index)
        for item in digests:
            if self.graph.manifests[item].is_index:
                yield (PutManifest(item),)

    def _attached(self) -> Iterator[tuple[Step, ...]]:
        """Give what refers to the image, and all that it needs.

        Two referrers of one subject are never attached at once: where the tag schema lists them, one would be lost.
        """
        graph = self.graph
        beside = [*(item for found in graph.referrers.values() for item in found), *graph.tags.values()]
        for digest in beside:
            yield from self._manifests(graph.below(digest)[:-1])
        for turn in range(max(map(len, graph.referrers.values()), default=0)):
            yield tuple(Attach(subject, found[turn]) for subject, found in graph.referrers.items() if turn < len(found))


def target_repository(prefix: str, source: Reference, *, project: str, registry: str) -> Reference:
    """Return where ``source`` goes: ``prefix`` stands in the place of the registry and the project.

    A prefix without a host is in ``registry``; one that is nothing but a host keeps the whole repository name. Raises
    InvalidReference, and InputError where the image would be copied onto itself.
    """
    head, _, path = prefix.partition("/")
    has_host = is_host(head) and ("." in head or ":" in head or head == "localhost")
    rest = source.repository
    if project and (path or not has_host):
        rest = f"/{rest}".rpartition(f"/{project}/")[2].lstrip("/")
    target = parse_reference(f"{prefix if has_host else f'{registry}/{prefix}'}/{rest}")
    if target.tag or target.digest:
        raise InputError(f"{prefix!r} names more than a repository", hint="give tags with --tag")
    if target.name == source.name:
        raise InputError(f"{source.name} would be copied onto itself", hint="give another prefix with --to")
    return target


def require_free(promotion: Promotion) -> None:
    """Raise TagConflict where the content tag names another image at the target already."""
    held = promotion.held.get(promotion.content_tag) if promotion.content_tag else None
    if promotion.content_tag and held not in (None, promotion.graph.root):
        raise TagConflict(
            f"{promotion.target.with_tag(promotion.content_tag)} holds {held}, not {promotion.graph.root}",
            hint="a content tag names one image for ever: find out who pushed the other one, then delete that tag",
        )
