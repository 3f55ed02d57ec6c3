"""A registry in memory behind the port, for tests of what carries out a plan."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.errors import ManifestMissing, TagConflict
from pipeline_kit.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline_kit.reference import Reference


@dataclass(slots=True)
class MemoryRegistry:
    """Manifests, tags and configs as dictionaries.

    ``answers`` replaces what is observed of a reference (as text); ``failures`` are raised by a method about a
    reference, keyed ``"method reference"``. ``before`` is called with ``"method reference"`` before every call, so a
    test can let another runner act in between. ``calls`` logs them.
    """

    immutable: str = "(?!)"
    manifests: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
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
        digest = reference.digest or self.tags.get(str(reference))
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
        digest = reference.digest or self.tags.get(str(reference), "")
        if (reference.name, digest) not in self.manifests:
            raise ManifestMissing(f"{reference}: not there")
        return self.manifests[reference.name, digest]

    def config(self, reference: Reference, descriptor_digest: str) -> Mapping[str, object]:
        """Return an image config."""
        self._called("config", reference)
        if descriptor_digest not in self.configs:
            raise ManifestMissing(f"{descriptor_digest}: not there")
        return self.configs[descriptor_digest]

    def put_manifest(self, reference: Reference, manifest: Manifest) -> str:
        """Store under a tag or a digest; an immutable tag is written once."""
        self._called("put", reference)
        held = self.tags.get(str(reference))
        if held is not None and held != manifest.digest and re.fullmatch(self.immutable, reference.tag or ""):
            raise TagConflict(f"{reference} holds {held}")
        self.manifests[reference.name, manifest.digest] = manifest
        if reference.tag:
            self.tags[str(reference)] = manifest.digest
        return manifest.digest

    def close(self) -> None:
        """Have nothing to close."""

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
            self.tags[str(reference)] = digest
        return digest

    def _child(self, reference: Reference, platform: str, labels: dict[str, str], content: str) -> dict[str, object]:
        system, arch = platform.split("/")
        config_digest = f"config-{reference.repository}-{platform}-{sorted(labels.items())}-{content}"
        self.configs[config_digest] = {"os": system, "architecture": arch, "config": {"Labels": labels}}
        digest = self._store(reference, OCI_MANIFEST, {"config": {"digest": config_digest}, "layers": []})
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": 1,
            "platform": {"os": system, "architecture": arch},
        }

    def _attestation(self, reference: Reference, about: str) -> dict[str, object]:
        digest = self._store(reference, OCI_MANIFEST, {"config": {"digest": "none"}, "layers": [], "about": about})
        return {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": about,
            },
        }

    def _store(self, reference: Reference, media_type: str, document: dict[str, object]) -> str:
        manifest = Manifest(media_type, json.dumps(document).encode())
        self.manifests[reference.name, manifest.digest] = manifest
        return manifest.digest

    def _called(self, method: str, reference: Reference) -> None:
        call = f"{method} {reference}"
        self.before(call)
        self.calls.append(call)
        if call in self.failures:
            raise self.failures[call]


_conforms: type[Registry] = MemoryRegistry
