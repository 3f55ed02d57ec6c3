"""The build record: what an image was made from, by whom and when, as a small OCI artifact beside it (design D5).

Pure: :mod:`pipeline_kit.execute.records` brings it into a registry and back. A record is read as untrusted input:
whoever may push may write one. It holds names and hashes of inputs, never a value of an argument or of a secret.

Sources: OCI image specification 1.1, "Guidelines for Artifact Usage"; distribution specification 1.1, "Listing
Referrers".
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import RegistryRefused
from pipeline_kit.manifest import OCI_MANIFEST, Descriptor, Manifest
from pipeline_kit.recorded_inputs import RecordedInputs, inputs_document, read_inputs
from pipeline_kit.reference import is_tag
from pipeline_kit.values import field, fields, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORD_TYPE = "application/vnd.pipeline-kit.build-record.v1+json"
PACKED_TYPE = "application/vnd.pipeline-kit.build-record.v1.json+gzip"
ALIAS_TYPE = "application/vnd.pipeline-kit.alias-record.v1+json"
KEY_NOTE = "io.pipeline-kit.content-key"
SCOPE_NOTE = "io.pipeline-kit.scope"
SECONDS_NOTE = "io.pipeline-kit.build-seconds"
CREATED_NOTE = "org.opencontainers.image.created"
EMPTY_BYTES = b"{}"
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", f"sha256:{hashlib.sha256(EMPTY_BYTES).hexdigest()}", 2)
MAX_BYTES = 4 * 1024 * 1024
"""Largest record blob that is read; what is written stays far below."""
_MAX_UNPACKED = 16 * 1024 * 1024
_PACKED_FROM = 16 * 1024
_VERSION = 1
_GZIP = 31
"""zlib's ``wbits`` for a gzip stream."""
_LATEST = 10**12
_LONGEST = 2000
_KEY = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}(?:[0-9a-f]{24})?)?")
_WORD = re.compile(r"[A-Za-z0-9._+-]{1,64}")


@value_class()
class Stamp:
    """Where a run stands among others: ``commit_time`` in seconds since the epoch; ``""`` and 0 mean not known."""

    commit: str = ""
    commit_time: int = 0
    ref: str = ""
    provider: str = ""
    run: int = 0
    """A number that the CI system gives runs in the order in which they were started."""
    attempt: int = 0


_STAMPED = tuple(item.name for item in fields(Stamp))


@value_class()
class BuildRecord:
    """One build of one image: ``seconds`` it took, ``created`` in seconds since the epoch."""

    image: str
    key: str
    tag: str
    repository: str
    platforms: tuple[str, ...]
    inputs: RecordedInputs
    scope: str
    stamp: Stamp = field(default_factory=Stamp)
    run_url: str = ""
    status: str = "built"
    seconds: float = 0.0
    created: int = 0
    tool_version: str = ""


def is_later(theirs: Stamp, ours: Stamp) -> bool | None:
    """Return whether ``theirs`` comes after ``ours`` on one line of development; ``None`` when that cannot be told.

    Told only of two runs of one CI system on one ref: by the commits' times, then by the runs' numbers.
    """
    if theirs.commit and theirs.commit == ours.commit:
        return False
    if not ours.ref or (theirs.ref, theirs.provider) != (ours.ref, ours.provider):
        return None
    if theirs.commit_time and ours.commit_time and theirs.commit_time != ours.commit_time:
        return theirs.commit_time > ours.commit_time
    if theirs.run and ours.run:
        return (theirs.run, theirs.attempt) > (ours.run, ours.attempt)
    return None


def format_record(record: BuildRecord) -> tuple[str, bytes]:
    """Return the record's media type and bytes: JSON, packed with gzip where it is long."""
    document = {
        "version": _VERSION,
        "image": record.image,
        "key": record.key,
        "tag": record.tag,
        "repository": record.repository,
        "platforms": list(record.platforms),
        "scope": record.scope,
        "status": record.status,
        "seconds": round(record.seconds, 3),
        "created": record.created,
        "run_url": record.run_url,
        "tool_version": record.tool_version,
        "stamp": {name: getattr(record.stamp, name) for name in _STAMPED},
        "inputs": inputs_document(record.inputs),
    }
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    if len(data) < _PACKED_FROM:
        return RECORD_TYPE, data
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return PACKED_TYPE, packer.compress(data) + packer.flush()


def parse_record(media_type: str, data: bytes) -> BuildRecord:
    """Return the record in ``data``. Raises RegistryRefused for anything that is not one, whole and of this version."""
    try:
        document = json.loads(_unpacked(media_type, data))
        if document["version"] != _VERSION:
            raise RegistryRefused(f"a build record of version {str(document['version'])[:20]}, which is not read here")
        return _read(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise RegistryRefused(f"a build record that cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)[:200] if type(error) is ValueError else "it is malformed"


def _unpacked(media_type: str, data: bytes) -> bytes:
    if media_type == RECORD_TYPE:
        return data
    if media_type != PACKED_TYPE:
        raise ValueError("its media type is another's")
    unpacker = zlib.decompressobj(_GZIP)
    found = unpacker.decompress(data, _MAX_UNPACKED)
    if not unpacker.eof or unpacker.unconsumed_tail:
        raise ValueError("it is cut or too large")
    return found


def _read(document: Mapping[str, Any]) -> BuildRecord:
    stamp = document["stamp"]
    return BuildRecord(
        image=_text(document, "image"),
        key=_text(document, "key", _KEY),
        tag=_tag(_text(document, "tag")),
        repository=_text(document, "repository"),
        platforms=tuple(_strings(document["platforms"])),
        inputs=read_inputs(document["inputs"]),
        scope=_text(document, "scope", _WORD),
        stamp=Stamp(
            commit=_text(stamp, "commit", _COMMIT),
            commit_time=_number(stamp, "commit_time"),
            ref=_text(stamp, "ref"),
            provider=_text(stamp, "provider"),
            run=_number(stamp, "run"),
            attempt=_number(stamp, "attempt"),
        ),
        run_url=_text(document, "run_url"),
        status=_text(document, "status", _WORD),
        seconds=_seconds(document["seconds"]),
        created=_number(document, "created"),
        tool_version=_text(document, "tool_version"),
    )


def _text(document: Mapping[str, Any], name: str, form: re.Pattern[str] | None = None) -> str:
    value = document[name]
    if not isinstance(value, str) or len(value) > _LONGEST or (form is not None and not form.fullmatch(value)):
        raise ValueError(f"{name} is malformed")
    return value


def _tag(text: str) -> str:
    if not is_tag(text):
        raise ValueError("tag is malformed")
    return text


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LATEST:
        raise ValueError(f"{name} is malformed")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise ValueError("seconds is malformed")
    return float(value)


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and len(item) <= _LONGEST for item in value):
        raise ValueError("platforms is malformed")
    return value


def record_artifact(record: BuildRecord, subject: Descriptor, created: str) -> tuple[Manifest, Descriptor, bytes]:
    """Return the manifest that attaches ``record`` to ``subject``, and its one layer as descriptor and bytes.

    ``created`` is RFC 3339. Key, scope and build seconds stand in the annotations as well, so that a listing of
    referrers tells which record to read, and what a later hit saves.
    """
    media_type, data = format_record(record)
    layer = Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    notes = {KEY_NOTE: record.key, SCOPE_NOTE: record.scope, CREATED_NOTE: created}
    notes[SECONDS_NOTE] = str(round(max(record.seconds, 0.0), 1))
    return _artifact(RECORD_TYPE, layer, subject, notes), layer, data


def alias_artifact(alias: str, stamp: Stamp, subject: Descriptor) -> Manifest:
    """Return the manifest that says for which run ``alias`` was moved to ``subject``; its only blob is :data:`EMPTY`.

    Everything stands in annotations: one listing of referrers tells it all.
    """
    notes = {f"{_ALIAS_NOTE}alias": alias}
    for name in _STAMPED:
        value = getattr(stamp, name)
        notes |= {f"{_ALIAS_NOTE}{name.replace('_', '-')}": str(value)} if value else {}
    return _artifact(ALIAS_TYPE, EMPTY, subject, notes)


_ALIAS_NOTE = "io.pipeline-kit.alias."


def read_alias(listed: Descriptor) -> tuple[str, Stamp] | None:
    """Return alias and stamp of an alias record as a listing of referrers shows it, ``None`` where it is malformed."""
    notes = {name.removeprefix(_ALIAS_NOTE): value for name, value in listed.annotations}

    def number(name: str) -> int:
        text = notes.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(_LATEST)) else 0

    alias, commit, ref, provider = (notes.get(name, "") for name in ("alias", "commit", "ref", "provider"))
    if not is_tag(alias) or not _COMMIT.fullmatch(commit) or len(ref) > _LONGEST or len(provider) > _LONGEST:
        return None
    return alias, Stamp(commit, number("commit-time"), ref, provider, number("run"), number("attempt"))


def _artifact(kind: str, layer: Descriptor, subject: Descriptor, notes: Mapping[str, str]) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": _shown(EMPTY),
        "layers": [_shown(layer)],
        "subject": _shown(subject),
        "annotations": dict(notes),
    }
    return Manifest(OCI_MANIFEST, json.dumps(document, separators=(",", ":")).encode())


def _shown(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
