"""The whole distribution API behind one client: what the main job needs, and blobs, referrers, listings, deletion."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

from pipeline_kit.adapters.registry.client import RegistryClient
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pipeline_kit.adapters.registry.listing import Listing
    from pipeline_kit.adapters.registry.referrers import Referrers
    from pipeline_kit.adapters.registry.uploads import Uploads
    from pipeline_kit.manifest import Descriptor, Manifest
    from pipeline_kit.ports.registry import BlobSource, ContentRegistry
    from pipeline_kit.reference import Reference


class _Parts(NamedTuple):
    uploads: Uploads
    listing: Listing
    referrers: Referrers


class ContentClient(RegistryClient):
    """Every registry of a run behind the ContentRegistry port; constructed as RegistryClient is."""

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self._parts_lock = threading.Lock()
        self._parts: _Parts | None = None

    @property
    def parts(self) -> _Parts:
        """Return what uploads, lists and attaches; loaded at first use, since most runs only ask."""
        with self._parts_lock:
            if self._parts is None:
                from pipeline_kit.adapters.registry.listing import Listing
                from pipeline_kit.adapters.registry.referrers import Referrers
                from pipeline_kit.adapters.registry.uploads import Uploads

                listing = Listing(self._session)
                referrers = Referrers(self._session, self._manifests, listing, random=self._random)
                self._parts = _Parts(Uploads(self._session, self._blobs), listing, referrers)
            return self._parts

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Return whether the repository holds the blob; see the port."""
        return self._blobs.has(reference, digest)

    def read_blob(self, reference: Reference, digest: str, *, limit: int) -> bytes:
        """Return a blob of at most ``limit`` bytes, verified; see the port."""
        return self._blobs.read(reference, digest, limit=limit)

    def stream_blob(self, reference: Reference, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from ``offset``; see the port."""
        return self._blobs.stream(reference, digest, offset=offset)

    def write_blob(
        self, reference: Reference, blob: Descriptor, source: BlobSource, *, mount_from: Sequence[str] = ()
    ) -> Literal["present", "mounted", "uploaded"]:
        """Bring ``blob`` into the repository; see the port."""
        return self.parts.uploads.write(reference, blob, source, mount_from)

    def referrers(self, subject: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject``; see the port."""
        return self.parts.referrers.find(subject, artifact_type)

    def attach(self, subject: Reference, manifest: Manifest) -> str:
        """PUT a manifest that names ``subject`` and see that it is listed; see the port."""
        return self.parts.referrers.attach(subject, manifest)

    def tags(self, repository: Reference) -> Iterator[str]:
        """Yield every tag of the repository; see the port."""
        return self.parts.listing.tags(repository)

    def delete(self, reference: Reference) -> bool:
        """Delete a tag or a manifest; see the port."""
        return self.parts.listing.delete(reference)


_conforms: type[ContentRegistry] = ContentClient
