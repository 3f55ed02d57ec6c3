"""What refers to a manifest: the referrers API, and the tag schema on registries that lack it.

Source: OCI distribution specification 1.1, "Listing Referrers", "Pushing Manifests with Subject", "Referrers Tag
Schema". The specification has no compare-and-swap, so two writers of one tag index may lose an entry: each reads the
index again after its write, at once and after a while, and adds its own entry anew when it is gone.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pipeline_kit.adapters.registry.failures import refusal
from pipeline_kit.adapters.registry.session import Call
from pipeline_kit.errors import ManifestMissing, RegistryRefused, RegistryUnreachable, TagConflict
from pipeline_kit.manifest import INDEX_TYPES, MAX_BYTES, OCI_INDEX, Manifest, parse_descriptor
from pipeline_kit.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.listing import Listing
    from pipeline_kit.adapters.registry.manifests import Manifests
    from pipeline_kit.adapters.registry.session import Session
    from pipeline_kit.manifest import Descriptor
    from pipeline_kit.reference import Reference

_ROUNDS = 12
_SHORTEST_WAIT = 0.05
_NO_API = frozenset({400, 404, 405, 501})
_IMMUTABLE = frozenset({400, 403, 409, 412})


class Referrers:
    """The referrers of every manifest; safe for use by many threads. ``random`` gives numbers in [0, 1)."""

    def __init__(
        self, session: Session, manifests: Manifests, listing: Listing, *, random: Callable[[], float]
    ) -> None:
        self._session = session
        self._manifests = manifests
        self._listing = listing
        self._random = random
        self._lock = threading.Lock()
        self._writing: dict[Reference, threading.Lock] = {}
        self._without_api: set[str] = set()

    def find(self, subject: Reference, artifact_type: str | None) -> tuple[Descriptor, ...]:
        """Return the referrers of ``subject`` (by digest), each once. Raises RegistryRefused, RegistryUnreachable."""
        items = self._from_api(subject, artifact_type)
        if items is None:
            items = self._items(self._index(_tag_of(subject)))
        found = {item.digest: item for item in map(parse_descriptor, items)}
        return tuple(item for item in found.values() if artifact_type in (None, item.artifact_type))

    def attach(self, subject: Reference, manifest: Manifest) -> str:
        """PUT ``manifest``, which names ``subject``, by its digest and see that it is listed; return the digest.

        Raises RegistryRefused, RegistryUnreachable, and TagConflict where the tag schema's index cannot be moved.
        """
        _check_subject(subject, manifest)
        target = subject.with_digest(manifest.digest)
        answer = self._session.run(subject, lambda deadline: self._put(target, manifest, deadline))
        if not answer.header("oci-subject"):
            self._add(_tag_of(subject), _entry(manifest))
        return manifest.digest

    def _put(self, target: Reference, manifest: Manifest, deadline: float) -> Answer:
        answer = self._manifests.put(target, manifest, deadline)
        if not answer.is_success:
            raise refusal(answer, target, f"PUT {target} ({len(manifest.data)} bytes)")
        return answer

    def _from_api(self, subject: Reference, artifact_type: str | None) -> list[dict[str, Any]] | None:
        """Return what the API lists, ``None`` where there is no such API."""
        if subject.host in self._without_api:
            return None
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        path = f"referrers/{_digest_of(subject)}{query}"
        items: list[dict[str, Any]] = []
        for answer in self._listing.pages(Call("GET", subject, path, {"Accept": OCI_INDEX}, limit=MAX_BYTES)):
            if answer.status in _NO_API or (answer.is_success and answer.media_type not in INDEX_TYPES):
                if "NAME_UNKNOWN" not in answer.codes:
                    self._without_api.add(subject.host)
                return None
            if not answer.is_success:
                raise refusal(answer, subject, f"GET {subject.name} referrers")
            items += self._items(Manifest(OCI_INDEX, answer.body))
        return items

    def _items(self, index: Manifest | None) -> list[dict[str, Any]]:
        items = index.document().get("manifests") if index is not None else []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise RegistryRefused("the registry's list of referrers is not an index")
        return items

    def _index(self, tag: Reference) -> Manifest | None:
        try:
            index = self._session.run(tag, lambda deadline: self._manifests.read(tag, deadline))
        except ManifestMissing:
            return None
        if not index.is_index:
            raise RegistryRefused(f"{tag} should list referrers, and is an image")
        return index

    def _add(self, tag: Reference, entry: dict[str, Any]) -> None:
        with self._lock:
            writing = self._writing.setdefault(tag, threading.Lock())
        with writing:
            for waits in self._rounds():
                if self._has(tag, entry, waits):
                    return
                items = self._items(self._index(tag))
                if not any(item.get("digest") == entry["digest"] for item in items):
                    self._write(tag, [*items, entry])
        raise RegistryUnreachable(
            f"{tag}: other writers keep taking {entry['digest']} out of this list", hint="run the job again later"
        )

    def _rounds(self) -> Iterator[tuple[float, ...]]:
        """Yield the waits before each look whether the entry is there: none at first, then at once and after a while.

        The while is longer than another writer takes from its read to its write, and differs from writer to writer.
        """
        yield ()
        for _ in range(_ROUNDS):
            started = self._session.monotonic()
            yield (0.0, _SHORTEST_WAIT + 4 * (self._session.monotonic() - started) * (1 + self._random()))

    def _has(self, tag: Reference, entry: dict[str, Any], waits: tuple[float, ...]) -> bool:
        for seconds in waits:
            if seconds:
                self._session.nap(seconds)
            if not any(item.get("digest") == entry["digest"] for item in self._items(self._index(tag))):
                return False
        return bool(waits)

    def _write(self, tag: Reference, items: list[dict[str, Any]]) -> None:
        answer = self._put_index(tag, items)
        if "MANIFEST_BLOB_UNKNOWN" in answer.codes:  # something that was listed is deleted since
            answer = self._put_index(tag, [item for item in items if self._is_there(tag, item)])
        if answer.is_success:
            return
        refused = refusal(answer, tag, f"PUT {tag}")
        if answer.status in _IMMUTABLE and "immutab" in answer.message.lower():
            hint = "this registry has no referrers API: exempt tags that begin with sha256- from its immutability"
            raise TagConflict(refused.message, hint=hint)
        raise refused

    def _put_index(self, tag: Reference, items: list[dict[str, Any]]) -> Answer:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": items}
        index = Manifest(OCI_INDEX, json.dumps(document, separators=(",", ":")).encode())
        return self._session.run(tag, lambda deadline: self._manifests.put(tag, index, deadline))

    def _is_there(self, tag: Reference, item: dict[str, Any]) -> bool:
        digest = item.get("digest")
        if not isinstance(digest, str) or not is_digest(digest):
            return False
        listed = tag.with_digest(digest)
        try:
            self._session.run(tag, lambda deadline: self._manifests.observe(listed, deadline))
        except ManifestMissing:
            return False
        return True


def _digest_of(subject: Reference) -> str:
    if subject.digest is None:
        raise RegistryRefused(f"{subject} is no subject: it has no digest")
    return subject.digest


def _tag_of(subject: Reference) -> Reference:
    algorithm, _, encoded = _digest_of(subject).partition(":")
    return subject.with_tag(f"{algorithm}-{encoded}"[:128])


def _check_subject(subject: Reference, manifest: Manifest) -> None:
    named = manifest.document().get("subject")
    if not isinstance(named, dict) or named.get("digest") != _digest_of(subject):
        raise RegistryRefused(f"the manifest {manifest.digest} does not name {subject} as its subject")


def _entry(manifest: Manifest) -> dict[str, Any]:
    """Return the descriptor that the specification wants in the index: with artifact type and annotations."""
    document = manifest.document()
    config = document.get("config")
    of_config = config.get("mediaType") if isinstance(config, dict) else None
    kind = document.get("artifactType") or of_config
    entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
    entry |= {"artifactType": kind} if isinstance(kind, str) else {}
    return entry | ({"annotations": document["annotations"]} if document.get("annotations") else {})
