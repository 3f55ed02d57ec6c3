"""The distribution API: what a registry holds, and what is put there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pipeline_kit.manifest import Descriptor, Manifest
    from pipeline_kit.plan import Verdict
    from pipeline_kit.reference import Reference


class Observation(NamedTuple):
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


class BlobSource(Protocol):
    """Bytes to upload, from any offset, any number of times."""

    def __call__(self, offset: int) -> Iterator[bytes]:
        """Yield the blob's bytes from ``offset`` (a count of bytes) to its end, in pieces of any size."""
        ...


class ContentRegistry(Registry, Protocol):
    """The rest of the distribution API: blobs, referrers, listings, deletion.

    A blob's and a referrer's ``reference`` is read for its host and repository only, unless stated otherwise. Every
    method raises RegistryRefused (or a subclass) or RegistryUnreachable for what the registry answers.
    """

    def put_manifest(
        self,
        reference: Reference,
        manifest: Manifest,
        *,
        is_asked: bool = False,
        instead_of: Collection[str | None] | None = None,
    ) -> str:
        """As Registry says; ``is_asked``: the caller has just observed that it is not there, so it is not asked.

        ``instead_of`` names the digests (``None``: nothing) that the reference may hold before; anything else is a
        TagConflict. It is asked before each PUT but the first of a caller who has just observed it: a PUT that is
        repeated comes later, when another runner may have written. The API has no compare-and-swap.
        """
        ...

    def expect(self, references: Iterable[Reference], *, writes: bool = False) -> None:
        """Say what will be read (or written) soon, so that its bearer tokens can be shared; nothing is asked yet."""
        ...

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Return (HEAD) whether the repository holds the blob."""
        ...

    def read_blob(self, reference: Reference, digest: str, *, limit: int) -> bytes:
        """Return a blob of at most ``limit`` bytes, verified. Raises DigestMismatch, ManifestMissing."""
        ...

    def stream_blob(self, reference: Reference, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from ``offset``; a cut connection is resumed by Range, and a whole read is verified."""
        ...

    def write_blob(
        self, reference: Reference, blob: Descriptor, source: BlobSource, *, mount_from: Sequence[str] = ()
    ) -> Literal["present", "mounted", "uploaded"]:
        """Bring ``blob`` (digest and size) into the repository and return how: nothing is sent that is there.

        ``mount_from`` names repositories of the same registry to mount from, tried in order. An interrupted upload is
        resumed from the offset that the registry tells; ``source`` is read anew from there.
        """
        ...

    def referrers(self, subject: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return the manifests whose subject is ``subject`` (by digest): the API, else the tag schema."""
        ...

    def attach(self, subject: Reference, manifest: Manifest) -> str:
        """PUT a manifest that names ``subject`` by digest, list it in the tag schema where needed; return its digest.

        A registry that answers the PUT with ``OCI-Subject`` lists it by itself.
        """
        ...

    def tags(self, repository: Reference) -> Iterator[str]:
        """Yield every tag of the repository, page by page; nothing where the repository does not exist."""
        ...

    def delete(self, reference: Reference) -> bool:
        """DELETE a tag or, by digest, a manifest; return whether there was anything to delete."""
        ...
