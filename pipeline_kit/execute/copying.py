"""Copying images between repositories and registries by digest: every platform, and everything that refers to it.

Nothing is pulled to disk and nothing is sent that is there: blobs are mounted within a registry and streamed between
two. Any of it may be done again; what an interrupted run has copied is found and kept.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import ManifestMissing, RegistryRefused
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.promotion import Graph, cosign_tags, require_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from pipeline_kit.execute.workers import Workers
    from pipeline_kit.manifest import Descriptor, Manifest
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

STREAMS = 6
"""Blobs at once between two registries; each holds one piece of a blob in memory."""
_MAX_DEPTH = 4
"""Referrers of referrers (the signature of a bill of materials, …) are followed this far."""
_MAX_MANIFESTS = 4096
"""Far more than an image has; what a registry lists beyond is not believed."""

Way = Literal["present", "mounted", "uploaded"]


class _Ask(NamedTuple):
    """One question about the source: a manifest, what refers to it, or what one of cosign's tags names."""

    kind: Literal["manifest", "referrers", "tag"]
    about: str
    """A digest, or the tag."""
    depth: int = 0
    """How many subjects lie between this and the image."""
    is_alone: bool = False
    """True for an attestation child, to which nothing refers."""


class _Reader:
    """Collects what belongs to an image."""

    def __init__(self, registry: ContentRegistry, repository: Reference, *, follows: bool) -> None:
        self.registry = registry
        self.repository = repository
        self.follows = follows
        self.manifests: dict[str, Manifest] = {}
        self.referrers: dict[str, tuple[str, ...]] = {}
        self.tags: dict[str, str] = {}

    def answer(self, ask: _Ask) -> Callable[[], list[_Ask]]:
        """Ask the registry, from any thread; the result keeps what was said and returns the questions that follow."""
        if ask.kind == "referrers":
            listed = self.registry.referrers(self.repository.with_digest(ask.about))
            return lambda: self._take_referrers(ask, listed)
        if ask.kind == "manifest":
            manifest = self.registry.manifest(self.repository.with_digest(ask.about))
            return lambda: self.add(manifest, ask)
        try:
            named = self.registry.manifest(self.repository.with_tag(ask.about))
        except ManifestMissing:
            return list
        return lambda: self._take_tag(ask, named)

    def _take_referrers(self, ask: _Ask, listed: Sequence[Descriptor]) -> list[_Ask]:
        if listed:
            self.referrers[ask.about] = tuple(item.digest for item in listed)
        return [_Ask("manifest", item.digest, ask.depth + 1) for item in listed]

    def _take_tag(self, ask: _Ask, manifest: Manifest) -> list[_Ask]:
        self.tags[ask.about] = manifest.digest
        return self.add(manifest, ask)

    def add(self, manifest: Manifest, ask: _Ask) -> list[_Ask]:
        """Keep a manifest and return what to ask about it."""
        if manifest.digest in self.manifests:
            return []
        if len(self.manifests) >= _MAX_MANIFESTS:
            raise RegistryRefused(f"{self.repository.name}: more than {_MAX_MANIFESTS} manifests belong to one image")
        self.manifests[manifest.digest] = manifest
        children = manifest.children()
        require_known(children, manifest.digest)
        asks = [_Ask("manifest", child.digest, ask.depth, child.is_attestation) for child in children]
        if self.follows and ask.kind == "manifest" and not ask.is_alone and ask.depth < _MAX_DEPTH:
            asks.append(_Ask("referrers", manifest.digest, ask.depth))
            asks += [_Ask("tag", tag, ask.depth) for tag in cosign_tags(manifest.digest) if not ask.depth]
        return asks


def read_graph(
    registry: ContentRegistry, repository: Reference, root: Manifest, workers: Workers, *, referrers: bool = True
) -> Graph:
    """Return the image ``root`` with all its children and, unless told otherwise, all that refers to any of them.

    Asked level by level, each in parallel. Raises ManifestMissing where the source is not whole, another
    RegistryRefused, RegistryUnreachable.
    """
    reader = _Reader(registry, repository, follows=referrers)
    asks = reader.add(root, _Ask("manifest", root.digest))
    while asks:
        found = [following for take in workers.each(reader.answer, asks) for following in take()]
        known = {("manifest", digest) for digest in reader.manifests}
        asks = list({(ask.kind, ask.about): ask for ask in found if (ask.kind, ask.about) not in known}.values())
    return Graph(root.digest, reader.manifests, reader.referrers, reader.tags)


class Brought(NamedTuple):
    """How a blob came to be in a repository, and how many bytes were sent for it."""

    way: Way
    sent: int = 0


class BlobCopier:
    """Brings blobs from repository to repository; safe for use by many threads.

    It remembers which repositories of a registry hold a blob, so that what several images share is sent once and
    mounted from there on.
    """

    def __init__(self, registry: ContentRegistry, streams: int = STREAMS) -> None:
        self._registry = registry
        self._streams = threading.BoundedSemaphore(streams)
        self._lock = threading.Lock()
        self._turns: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._begun: dict[tuple[str, str], Future[Brought]] = {}

    def bring(self, blob: Descriptor, source: Reference, target: Reference) -> Brought:
        """Bring ``blob`` from ``source``'s repository into ``target``'s and return how.

        Raises DigestMismatch, ManifestMissing where the source lacks it, RegistryRefused, RegistryUnreachable.
        """
        if source.host == target.host:
            with self._lock:
                begun = self._begun.pop((target.name, blob.digest), None)
            return begun.result() if begun is not None else self._mount(blob, source, target)
        key = (target.host, blob.digest)
        with self._lock:
            turn = self._turns[key]
        with turn, self._streams:
            places = tuple(self._places[key])
            brought = self._write(blob, source, target, places)
            self._places[key].append(target.repository)
        return brought

    def begin(self, blobs: Iterable[Descriptor], source: Reference, target: Reference, workers: Workers) -> None:
        """Begin to mount ``blobs``, for :meth:`bring` to end, while more is read about the image.

        A mount sends nothing, and what no manifest names yet is nobody's image. Across registries nothing begins.
        """
        if source.host != target.host:
            return
        for blob in blobs:
            with self._lock:
                if (target.name, blob.digest) not in self._begun:
                    self._begun[target.name, blob.digest] = workers.start(
                        lambda blob=blob: self._mount(blob, source, target)  # type: ignore[misc]
                    )

    def _mount(self, blob: Descriptor, source: Reference, target: Reference) -> Brought:
        return self._write(blob, source, target, (source.repository,))

    def _write(self, blob: Descriptor, source: Reference, target: Reference, places: tuple[str, ...]) -> Brought:
        way = self._registry.write_blob(
            target,
            blob,
            lambda offset: self._registry.stream_blob(source, blob.digest, offset=offset),
            mount_from=places,
        )
        return Brought(way, blob.size if way == "uploaded" else 0)
