"""What differs between an image that is in a registry and the tree here, by the record its build left (design D2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.app.compare import Difference, keyed_at, stale_through
from pipeline_kit.app.tagging import repository_of
from pipeline_kit.content_tag import Change
from pipeline_kit.errors import InputError, ManifestMissing
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.execute.records import read_records
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.recorded_inputs import HIDDEN, differences, record_inputs
from pipeline_kit.reference import is_digest, is_tag, parse_reference

if TYPE_CHECKING:
    from pipeline_kit.app.session import Session
    from pipeline_kit.record import BuildRecord
    from pipeline_kit.reference import Reference

PREFIX = "image:"
_DIGEST = re.compile(r"@sha(?:256|512):[0-9a-f]+$")
_WITH_HOST = re.compile(r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]+)/[^\s~^]+:[\w.-]+$")


class RecordedDifference(NamedTuple):
    """What differs from ``record``, the newest one beside the image."""

    difference: Difference
    record: BuildRecord


def is_image(against: str) -> bool:
    """Return whether ``--against`` names an image rather than a commit.

    It does with ``image:`` before it, with a digest at its end, or as ``host/repository:tag``; no commit is written so.
    """
    return against.startswith(PREFIX) or bool(_DIGEST.search(against) or _WITH_HOST.match(against))


def compare_with_image(session: Session, image: str, against: str) -> RecordedDifference:
    """Return what differs in ``image``'s inputs between the build of ``against`` and the tree here.

    Raises InputError, ManifestMissing where there is no such image or no record beside it, RegistryRefused,
    RegistryUnreachable.
    """
    now = keyed_at(session, image, offline=False).keyed[image]
    if now.inputs is None:
        raise InputError(f"{image}: its inputs cannot be told", hint=f"see pipeline-kit explain {image}")
    pinned = _pinned(session, _reference(session, image, against))
    found = read_records(session.registry, pinned, most=1)
    if not found:
        hint = "it was pushed by something else, or by a version that left no records"
        raise ManifestMissing(f"no build record lies beside {pinned}", hint=hint)
    record, inputs = found[0], record_inputs(now.inputs)
    changes = differences(record.inputs, inputs)
    if not changes and record.key != now.key:
        hidden = sorted(name for name, value in inputs.groups.get("arg", {}).items() if value == HIDDEN)
        changes = tuple(Change("arg", name, "changed") for name in hidden)
    return RecordedDifference(Difference(changes, stale_through(session.project, image) if changes else []), record)


def _reference(session: Session, image: str, against: str) -> Reference:
    text = against.removeprefix(PREFIX)
    repository = repository_of(session.project, session.project.config.images[image])
    if is_digest(text):
        return repository.with_digest(text)
    return repository.with_tag(text) if is_tag(text) else parse_reference(text)


def _pinned(session: Session, reference: Reference) -> Reference:
    answer = session.registry.observe(reference)
    require_certain(answer, reference)
    if answer.digest is None:
        raise ManifestMissing(f"{reference} is not in the registry", hint="for a commit, give its id or a branch")
    return reference.with_digest(answer.digest)


def record_document(record: BuildRecord) -> dict[str, Any]:
    """Return what ``explain --json`` tells of a record."""
    return {
        "key": record.key,
        "tag": record.tag,
        "commit": record.stamp.commit,
        "ref": record.stamp.ref,
        "run_url": record.run_url,
        "scope": record.scope,
        "seconds": record.seconds,
        "created": record.created,
        "directories_only": record.inputs.depth > 0,
    }
