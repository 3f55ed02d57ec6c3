"""Build records in a registry: written beside what a run pushes, read back, and asked for proof (design D5)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline_kit.errors import PipelineKitError, RegistryRefused
from pipeline_kit.manifest import Descriptor
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.record import (
    ALIAS_TYPE,
    CREATED_NOTE,
    EMPTY,
    EMPTY_BYTES,
    KEY_NOTE,
    MAX_BYTES,
    PACKED_TYPE,
    RECORD_TYPE,
    BuildRecord,
    Stamp,
    alias_artifact,
    parse_record,
    read_alias,
    record_artifact,
)
from pipeline_kit.recorded_inputs import record_inputs
from pipeline_kit.reference import parse_reference
from pipeline_kit.scopes import TRUSTED, Scope
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline_kit.content_tag import KeyInputs
    from pipeline_kit.plan import PlannedImage, Status
    from pipeline_kit.ports.registry import BlobSource, ContentRegistry
    from pipeline_kit.reference import Reference

MOST_READ = 20
"""Records read of one image: whoever may push could attach any number."""
MOST_STAMPS = 1000


@value_class()
class RunFacts:
    """What the records of one run have in common; ``now`` is in seconds since the epoch."""

    stamp: Stamp = field(default_factory=Stamp)
    scope: Scope = TRUSTED
    run_url: str = ""
    tool_version: str = ""
    now: float = 0.0


@value_class(frozen=False)
class Recorder:
    """Writes the records of one run; safe for use by many threads.

    Records help, and a registry that takes none stops no run: the first failure is the run's ``warning``, and no other
    record is tried then. With ``is_required`` a failure is the image's.
    """

    registry: ContentRegistry
    facts: RunFacts
    inputs: Mapping[str, KeyInputs] = field(default_factory=dict)
    is_required: bool = False
    warning: str = ""
    _written: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, image: PlannedImage, digest: str, seconds: float, status: Status) -> None:
        """Attach a record to ``digest`` unless that is done. Raises PipelineKitError where records are required."""
        inputs = self.inputs.get(image.name)
        with self._lock:
            if (self.warning and not self.is_required) or inputs is None or (image.name, digest) in self._written:
                return
        record = BuildRecord(
            image=image.name,
            key=str(image.key),
            tag=str(image.tag),
            repository=image.repository,
            platforms=image.missing_platforms or image.platforms,
            inputs=record_inputs(inputs),
            scope=self.facts.scope.name,
            stamp=self.facts.stamp,
            run_url=self.facts.run_url,
            status=status.value,
            seconds=seconds,
            created=int(self.facts.now),
            tool_version=self.facts.tool_version,
        )
        try:
            write_record(self.registry, parse_reference(image.repository).with_digest(digest), record)
        except PipelineKitError as error:
            if self.is_required:
                raise
            self._warn(image.repository, error)
        else:
            with self._lock:
                self._written.add((image.name, digest))

    def stamp_alias(self, pinned: Reference, alias: str) -> None:
        """Say beside ``pinned`` for which run ``alias`` moves there; never raises."""
        with self._lock:
            if self.warning or not self.facts.stamp.commit:
                return
        try:
            artifact = alias_artifact(alias, self.facts.stamp, subject_of(self.registry, pinned))
            self.registry.write_blob(pinned, EMPTY, _bytes(EMPTY_BYTES))
            self.registry.attach(pinned, artifact)
        except PipelineKitError as error:
            self._warn(pinned.name, error)

    def _warn(self, repository: str, error: PipelineKitError) -> None:
        with self._lock:
            if not self.warning:
                self.warning = f"no build records for this run: {repository} takes none: {error.message}"


def _bytes(data: bytes) -> BlobSource:
    """Return a blob in memory as the port takes it."""

    def source(offset: int) -> Iterator[bytes]:
        yield data[offset:]

    return source


def subject_of(registry: ContentRegistry, pinned: Reference) -> Descriptor:
    """Return the descriptor of an image that is there. Raises what the port raises."""
    manifest = registry.manifest(pinned)
    return Descriptor(manifest.media_type, manifest.digest, len(manifest.data))


def write_record(registry: ContentRegistry, pinned: Reference, record: BuildRecord) -> str:
    """Attach ``record`` to the image at ``pinned`` and return its digest. Raises what the port raises."""
    created = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest, layer, data = record_artifact(record, subject_of(registry, pinned), created)
    registry.write_blob(pinned, EMPTY, _bytes(EMPTY_BYTES))
    registry.write_blob(pinned, layer, _bytes(data))
    return registry.attach(pinned, manifest)


def read_records(
    registry: ContentRegistry, pinned: Reference, *, key: str | None = None, most: int = MOST_READ
) -> tuple[BuildRecord, ...]:
    """Return the records beside an image, newest first, at most ``most``; those for ``key`` alone where one is given.

    What is listed as a record and is none, or is gone, is passed over. Raises what the port raises.
    """
    found = (read_record(registry, item) for item in list_records(registry, pinned, key=key)[:most])
    return tuple(record for record in found if record is not None and key in (None, record.key))


class Listed(NamedTuple):
    """A record that a listing names: where it is, and when it says it was made (RFC 3339, ``""`` if it does not)."""

    pinned: Reference
    created: str


def list_records(registry: ContentRegistry, pinned: Reference, *, key: str | None = None) -> list[Listed]:
    """Return what lies beside an image and calls itself a record (for ``key``), newest first, all unread.

    Raises what the port raises.
    """
    found = [(item, dict(item.annotations)) for item in registry.referrers(pinned, RECORD_TYPE)]
    listed = [
        Listed(pinned.with_digest(item.digest), notes.get(CREATED_NOTE, ""))
        for item, notes in found
        if key is None or notes.get(KEY_NOTE, key) == key
    ]
    return sorted(listed, key=lambda item: item.created, reverse=True)


def read_record(registry: ContentRegistry, listed: Listed) -> BuildRecord | None:
    """Return the record, ``None`` where it is gone or none. Raises RegistryUnreachable."""
    try:
        blobs = registry.manifest(listed.pinned).blobs()
        layer = next((blob for blob in blobs if blob.media_type in (RECORD_TYPE, PACKED_TYPE)), None)
        if layer is None or layer.size > MAX_BYTES:
            return None
        return parse_record(layer.media_type, registry.read_blob(listed.pinned, layer.digest, limit=MAX_BYTES))
    except RegistryRefused:
        return None


def objection(registry: ContentRegistry, pinned: Reference, key: str, scope: Scope) -> str:
    """Return why no record proves that ``scope`` may take the image for ``key``; ``""`` when one does.

    Raises what the port raises.
    """
    found = read_records(registry, pinned, key=key)
    if any(scope.accepts(record.scope) for record in found):
        return ""
    if not found:
        return "no build record of this key lies beside its image"
    scopes = ", ".join(sorted({record.scope for record in found}))
    return f"its build record is of scope {scopes}, which is not trusted here"


def alias_stamps(registry: ContentRegistry, pinned: Reference, alias: str) -> tuple[Stamp, ...]:
    """Return for which runs ``alias`` was moved to an image; raises what the port raises."""
    listed = registry.referrers(pinned, ALIAS_TYPE)
    found = (read_alias(item) for item in listed[-MOST_STAMPS:])
    return tuple(item[1] for item in found if item is not None and item[0] == alias)
