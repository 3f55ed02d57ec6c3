"""The images of a repository through the distribution API alone, for registries without an API of their own.

That API lists tags. Images without one are found as parts of a tagged index or as referrers of a tagged image; others
it does not tell of (a registry's own garbage collection removes them). It tells no time of a push either: an image is
as old as its newest build record says, else as its configuration says.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline_kit.errors import ManifestMissing, PipelineKitError, RegistryRefused
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.images import Removal
from pipeline_kit.record import ALIAS_TYPE, CREATED_NOTE, RECORD_TYPE
from pipeline_kit.retention import StoredImage

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

    from pipeline_kit.manifest import Descriptor, Manifest
    from pipeline_kit.ports.registry import ContentRegistry
    from pipeline_kit.reference import Reference

AT_ONCE = 16
_BATCH = 100
_EARLIEST = 1_356_998_400
"""2013, in seconds: what calls itself older was stamped by a reproducible build."""


class RegistryImages:
    """Implements :class:`pipeline_kit.ports.images.ImageStore` upon a registry.

    ``stable`` are tags that do not move to another image (content tags): where they stood when they were listed, they
    stand when others are deleted.
    """

    def __init__(self, registry: ContentRegistry, stable: re.Pattern[str]) -> None:
        self._registry = registry
        self._stable = stable
        self._listed: dict[Reference, frozenset[str]] = {}

    def images(self, repository: Reference) -> tuple[StoredImage, ...]:
        """Return what tags lead to: two or three requests an image, :data:`AT_ONCE` at once."""
        with ThreadPoolExecutor(AT_ONCE, "list") as pool:
            tagged = list(self._registry.tags(repository))
            self._listed[repository] = frozenset(tagged)
            read = pool.map(lambda tag: self._read(repository.with_tag(tag)), tagged)
            tags: dict[str, list[str]] = defaultdict(list)
            manifests: dict[str, Manifest] = {}
            for tag, manifest in zip(tagged, read, strict=True):
                if manifest is not None:
                    tags[manifest.digest].append(tag)
                    manifests[manifest.digest] = manifest
            found: dict[str, StoredImage] = {}
            for images in pool.map(
                lambda item: self._image(repository, item, tuple(tags[item.digest])), manifests.values()
            ):
                for image in images:
                    known = found.get(image.digest)
                    if known is None or _told(image) > _told(known):
                        found[image.digest] = image
            return tuple(found.values())

    def remove(self, repository: Reference, images: Sequence[StoredImage]) -> tuple[Removal, ...]:
        """Delete by digest, after a look at every tag that could have moved meanwhile."""
        done: list[Removal] = []
        with ThreadPoolExecutor(AT_ONCE, "delete") as pool:
            for start in range(0, len(images), _BATCH):
                batch = images[start : start + _BATCH]
                changed = self._changed(repository, batch)
                done += pool.map(lambda image: self._remove(repository, image, changed), batch)  # noqa: B023 - used at once
        return tuple(done)

    def _read(self, reference: Reference) -> Manifest | None:
        try:
            return self._registry.manifest(reference)
        except ManifestMissing:  # deleted since it was listed
            return None

    def _image(self, repository: Reference, manifest: Manifest, tags: tuple[str, ...]) -> list[StoredImage]:
        """Return an image with its parts and with all that refers to it or to them."""
        pinned = repository.with_digest(manifest.digest)
        children = manifest.children() if manifest.is_index else ()
        subject = _subject(manifest)
        if subject:
            return [StoredImage(manifest.digest, tags, None, tuple(c.digest for c in children), subject)]
        is_listing = bool(tags) and all(tag.startswith("sha256-") for tag in tags)
        attached = [] if is_listing else list(self._attached(repository, manifest.digest))
        times = [seconds for _, item in attached if (seconds := _seconds(dict(item.annotations).get(CREATED_NOTE)))]
        created = None if is_listing else max(times, default=None) or self._created(pinned, manifest)
        size = sum(blob.size for blob in manifest.blobs()) if not manifest.is_index else 0
        root = StoredImage(manifest.digest, tags, created, tuple(child.digest for child in children), "", size)
        parts = [] if is_listing else [StoredImage(child.digest, size=child.size) for child in children]
        more = [StoredImage(item.digest, subject=about, size=item.size) for about, item in attached]
        for child in children if not is_listing else ():
            if not child.is_attestation:
                more += [
                    StoredImage(item.digest, subject=about, size=item.size)
                    for about, item in self._attached(repository, child.digest)
                ]
        return [root, *parts, *more]

    def _attached(self, repository: Reference, digest: str) -> Iterator[tuple[str, Descriptor]]:
        """Yield what refers to ``digest``, and what refers to that, each with its subject.

        Nothing refers to this program's own records, of which there are many.
        """
        waiting, seen = [digest], {digest}
        while waiting:
            subject = waiting.pop()
            for item in self._registry.referrers(repository.with_digest(subject)):
                if item.digest not in seen:
                    seen.add(item.digest)
                    if item.artifact_type not in (RECORD_TYPE, ALIAS_TYPE):
                        waiting.append(item.digest)
                    yield subject, item

    def _created(self, pinned: Reference, manifest: Manifest) -> float | None:
        """Return when the image's configuration says it was made, ``None`` where it says nothing that can be."""
        if manifest.is_index:
            platform = next((child for child in manifest.children() if not child.is_attestation), None)
            if platform is None:
                return None
            pinned = pinned.with_digest(platform.digest)
            found = self._read(pinned)
            if found is None or found.is_index:
                return None
            manifest = found
        try:
            config = self._registry.config(pinned, manifest.config_digest())
        except RegistryRefused:  # no image, or gone: then its age is not known, and it is kept
            return None
        seconds = _seconds(config.get("created"))
        return seconds if seconds is not None and seconds >= _EARLIEST else None

    def _changed(self, repository: Reference, batch: Sequence[StoredImage]) -> dict[str, str]:
        """Return the digests whose tags are others by now, with what changed.

        Besides their own tags, any tag that is new since the listing, or is for people, may name one of them by now.
        """
        planned = {tag: image.digest for image in batch for tag in image.tags}
        going = {image.digest for image in batch}
        listed = self._listed.get(repository, frozenset())
        there = list(self._registry.tags(repository))
        tags = [tag for tag in there if tag in planned or tag not in listed or not self._is_stable(tag)]
        references = [repository.with_tag(tag) for tag in tags]
        changed: dict[str, str] = {}
        for tag, reference, answer in zip(tags, references, self._registry.observe_all(references), strict=True):
            require_certain(answer, reference)
            held = answer.digest if answer.verdict is Verdict.PRESENT else None
            if tag in planned and held != planned[tag]:
                changed[planned[tag]] = f"tag {tag} was moved meanwhile"
            elif tag not in planned and held in going:
                changed[str(held)] = f"tag {tag} names it by now"
        gone = planned.keys() - set(there)
        return {**{planned[tag]: f"tag {tag} is gone meanwhile" for tag in gone}, **changed}

    def _is_stable(self, tag: str) -> bool:
        return tag.startswith("sha256-") or self._stable.fullmatch(tag) is not None

    def _remove(self, repository: Reference, image: StoredImage, changed: dict[str, str]) -> Removal:
        if image.digest in changed:
            return Removal(image, "left", changed[image.digest])
        try:
            was_there = self._registry.delete(repository.with_digest(image.digest))
        except PipelineKitError as error:
            return Removal(image, "failed", error.message)
        return Removal(image, "deleted" if was_there else "absent")


def _told(image: StoredImage) -> tuple[int, bool, int, str]:
    """Return how much one reading of an image tells: it may be a tagged image, a part and a referrer at once."""
    return len(image.tags), image.created is not None, len(image.children), image.subject


def _subject(manifest: Manifest) -> str:
    subject = manifest.document().get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return digest if isinstance(digest, str) else ""


def _seconds(text: object) -> float | None:
    """Return the seconds since the epoch of an RFC 3339 time, ``None`` for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None
