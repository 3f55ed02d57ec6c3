"""A registry in memory behind the port, for tests of what carries out a plan."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import DigestMismatch, ManifestMissing, RegistryRefused, TagConflict
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_descriptor
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import ContentRegistry, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pipeline_kit.manifest import Descriptor
    from pipeline_kit.ports.registry import BlobSource
    from pipeline_kit.reference import Reference

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"


@dataclass(slots=True)
class MemoryRegistry:
    """Manifests and blobs by (``host/repository``, digest), ``tagged`` digests by reference, configs by digest.

    ``immutable`` matches the tags that are written once; ``deletes`` False refuses to delete, ``mounts`` False wants
    uploads. ``answers`` replaces what is observed of a reference (as text); ``failures`` are raised by a method about a
    reference, keyed ``"method reference"`` (``"method host/repository@digest"`` for blobs). ``before`` is called with
    that key before every call, so a test can let another runner act in between. ``calls`` logs them.
    """

    immutable: str = "(?!)"
    deletes: bool = True
    mounts: bool = True
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    tagged: dict[str, str] = field(default_factory=dict)
    configs: dict[str, dict[str, object]] = field(default_factory=dict)
    answers: dict[str, Observation] = field(default_factory=dict)
    failures: dict[str, BaseException] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)

    def observe(self, reference: Reference) -> Observation:
        """Return the scripted answer, else what is there."""
        self._called("observe", reference)
        scripted = self.answers.get(str(reference))
        if scripted is not None:
            return scripted
        digest = reference.digest or self.tagged.get(str(reference))
        stored = self.manifests.get((reference.name, digest or ""))
        if stored is None:
            return Observation(Verdict.ABSENT)
        return Observation(Verdict.PRESENT, digest, stored.media_type)

    def observe_all(self, references: Sequence[Reference]) -> Sequence[Observation]:
        """Observe one after the other."""
        return [self.observe(reference) for reference in references]

    def manifest(self, reference: Reference) -> Manifest:
        """Return what is stored."""
        self._called("manifest", reference)
        digest = reference.digest or self.tagged.get(str(reference), "")
        if (reference.name, digest) not in self.manifests:
            raise ManifestMissing(f"{reference}: not there")
        return self.manifests[reference.name, digest]

    def config(self, reference: Reference, descriptor_digest: str) -> Mapping[str, object]:
        """Return an image config."""
        self._called("config", reference)
        if descriptor_digest not in self.configs:
            raise ManifestMissing(f"{descriptor_digest}: not there")
        return self.configs[descriptor_digest]

    def put_manifest(
        self,
        reference: Reference,
        manifest: Manifest,
        *,
        is_asked: bool = False,
        instead_of: Collection[str | None] | None = None,
    ) -> str:
        """Store under a tag or a digest; an immutable tag is written once."""
        self._called("put", reference)
        if reference.digest not in (None, manifest.digest):
            raise RegistryRefused(f"{reference} cannot hold a manifest whose digest is {manifest.digest}")
        held = self.tagged.get(str(reference))
        if held is not None and held != manifest.digest and re.fullmatch(self.immutable, reference.tag or ""):
            raise TagConflict(f"{reference} holds {held}")
        if not is_asked and instead_of is not None and held not in (*instead_of, manifest.digest):
            raise TagConflict(f"{reference} holds {held} by now")
        self.manifests[reference.name, manifest.digest] = manifest
        if reference.tag:
            self.tagged[str(reference)] = manifest.digest
        return manifest.digest

    def close(self) -> None:
        """Have nothing to close."""

    def expect(self, references: Iterable[Reference], *, writes: bool = False) -> None:
        """Need no tokens."""

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Return whether the repository holds the blob."""
        self._called("has_blob", reference, digest)
        return (reference.name, digest) in self.blobs

    def read_blob(self, reference: Reference, digest: str, *, limit: int) -> bytes:
        """Return a blob of at most ``limit`` bytes."""
        self._called("read_blob", reference, digest)
        data = self._blob(reference, digest)
        if len(data) > limit:
            raise RegistryRefused(f"the registry's answer is larger than {limit} bytes")
        return data

    def stream_blob(self, reference: Reference, digest: str, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes from ``offset`` in two pieces."""
        self._called("stream_blob", reference, digest)
        data = self._blob(reference, digest)[offset:]
        yield data[: len(data) // 2]
        yield data[len(data) // 2 :]

    def write_blob(
        self, reference: Reference, blob: Descriptor, source: BlobSource, *, mount_from: Sequence[str] = ()
    ) -> Literal["present", "mounted", "uploaded"]:
        """Mount the blob, or store what ``source`` gives."""
        self._called("write_blob", reference, blob.digest)
        for repository in mount_from if self.mounts else ():
            name = f"{reference.host}/{repository}"
            if name != reference.name and (name, blob.digest) in self.blobs:
                self.blobs[reference.name, blob.digest] = self.blobs[name, blob.digest]
                return "mounted"
        if (reference.name, blob.digest) in self.blobs:
            return "present"
        data = b"".join(source(0))
        if digest_of(data) != blob.digest or len(data) != blob.size:
            raise DigestMismatch(f"the bytes to upload do not make {blob.digest}")
        self.blobs[reference.name, blob.digest] = data
        return "uploaded"

    def referrers(self, subject: Reference, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return every manifest of the repository that names ``subject``."""
        self._called("referrers", subject)
        found = []
        for (name, digest), manifest in self.manifests.items():
            document = json.loads(manifest.data)
            if name == subject.name and (document.get("subject") or {}).get("digest") == subject.digest:
                kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType", "")
                item = {"mediaType": manifest.media_type, "digest": digest, "size": len(manifest.data)}
                more = {"artifactType": kind, "annotations": document.get("annotations") or {}}
                found.append(parse_descriptor({**item, **more}))
        return tuple(item for item in found if artifact_type in (None, item.artifact_type))

    def attach(self, subject: Reference, manifest: Manifest) -> str:
        """Store a manifest that names ``subject``."""
        self._called("attach", subject)
        if (json.loads(manifest.data).get("subject") or {}).get("digest") != subject.digest:
            raise RegistryRefused(f"the manifest {manifest.digest} does not name {subject} as its subject")
        self.manifests[subject.name, manifest.digest] = manifest
        return manifest.digest

    def tags(self, repository: Reference) -> Iterator[str]:
        """Yield the repository's tags, sorted."""
        self._called("tags", repository)
        prefix = f"{repository.name}:"
        yield from sorted(text.removeprefix(prefix) for text in self.tagged if text.startswith(prefix))

    def delete(self, reference: Reference) -> bool:
        """Delete a tag, or a manifest with every tag of it."""
        self._called("delete", reference)
        if not self.deletes:
            raise RegistryRefused(f"DELETE {reference}: 405 UNSUPPORTED", hint="switch deleting on")
        if reference.digest is None:
            return self.tagged.pop(str(reference), None) is not None
        prefix = f"{reference.name}:"
        for text in [text for text, digest in self.tagged.items() if digest == reference.digest]:
            if text.startswith(prefix):
                del self.tagged[text]
        return self.manifests.pop((reference.name, reference.digest), None) is not None

    def put_blob(self, reference: Reference, data: bytes) -> str:
        """Store a blob and return its digest."""
        self.blobs[reference.name, digest_of(data)] = data
        return digest_of(data)

    def put_image(
        self,
        reference: Reference,
        *,
        labels: Mapping[str, str] | None = None,
        content: str = "",
        platforms: Iterable[str] = ("linux/amd64",),
        attested: bool = False,
    ) -> str:
        """Store an image as a builder would and return its digest; an index for several platforms or ``attested``."""
        wanted = tuple(platforms)
        children = [self._child(reference, platform, dict(labels or {}), content) for platform in wanted]
        if len(wanted) == 1 and not attested:
            digest = str(children[0]["digest"])
        else:
            if attested:
                children += [self._attestation(reference, str(child["digest"])) for child in list(children)]
            digest = self._store(reference, OCI_INDEX, {"schemaVersion": 2, "manifests": children})
        if reference.tag:
            self.tagged[str(reference)] = digest
        return digest

    def _child(self, reference: Reference, platform: str, labels: dict[str, str], content: str) -> dict[str, object]:
        system, arch, *variant = platform.split("/")
        shown = {"os": system, "architecture": arch, **({"variant": variant[0]} if variant else {})}
        layer = f"layer of {reference.repository} for {platform}: {content}".encode()
        config: dict[str, object] = {
            **shown,
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
        manifest = self._image(reference, config, layer)
        size = len(self.manifests[reference.name, manifest].data)
        return {"mediaType": OCI_MANIFEST, "digest": manifest, "size": size, "platform": shown}

    def _image(self, reference: Reference, config: dict[str, object], layer: bytes) -> str:
        data = json.dumps(config).encode()
        digest = self.put_blob(reference, data)
        self.configs[digest] = config
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest, "size": len(data)},
            "layers": [{"mediaType": _LAYER, "digest": self.put_blob(reference, layer), "size": len(layer)}],
        }
        return self._store(reference, OCI_MANIFEST, document)

    def _attestation(self, reference: Reference, about: str) -> dict[str, object]:
        digest = self._image(reference, {"architecture": "unknown", "os": "unknown"}, f"about {about}".encode())
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": len(self.manifests[reference.name, digest].data),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": about,
            },
        }

    def _blob(self, reference: Reference, digest: str) -> bytes:
        if (reference.name, digest) not in self.blobs:
            raise ManifestMissing(f"{reference.name} has no blob {digest}")
        return self.blobs[reference.name, digest]

    def _store(self, reference: Reference, media_type: str, document: dict[str, object]) -> str:
        manifest = Manifest(media_type, json.dumps(document).encode())
        self.manifests[reference.name, manifest.digest] = manifest
        return manifest.digest

    def _called(self, method: str, reference: Reference, digest: str = "") -> None:
        call = f"{method} {reference.name}@{digest}" if digest else f"{method} {reference}"
        self.before(call)
        self.calls.append(call)
        if call in self.failures:
            raise self.failures[call]


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


_conforms: type[ContentRegistry] = MemoryRegistry
