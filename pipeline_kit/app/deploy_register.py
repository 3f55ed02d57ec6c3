"""Registering: an equal revision is reused, so that nothing changes where nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.task_definition import Difference, compare, unknown_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.ports.ecs import Ecs, Revision


class Registration(NamedTuple):
    """A revision that means what was rendered. ``notes`` are for people."""

    revision: Revision
    is_new: bool
    notes: tuple[str, ...] = ()


def register(ecs: Ecs, document: Mapping[str, Any], *candidates: Revision | None) -> Registration:
    """Return a revision equal to ``document``: a candidate, the family's newest active one, else a new one.

    ``candidates`` are revisions already known, such as the one that runs. Raises InputError without a family.
    """
    family = family_of(document)
    known = [one for one in candidates if one is not None and one.status == "ACTIVE" and one.family == family]
    for one in known:
        if not compare(one.document, document):
            return Registration(one, is_new=False)
    newest = ecs.describe(family)
    if newest is not None and newest.status == "ACTIVE" and not compare(newest.document, document):
        return Registration(newest, is_new=False)
    unknown = unknown_members(dict(document), ecs.shapes().request)
    notes = (f"the SDK does not know {', '.join(unknown)}: sent all the same",) if unknown else ()
    return Registration(ecs.register(document), is_new=True, notes=notes)


def family_of(document: Mapping[str, Any]) -> str:
    """Return the family's name. Raises InputError where there is none."""
    family = document.get("family")
    if not isinstance(family, str) or not family:
        raise InputError("the task definition names no family", hint="write 'family' in it, or beside task_definition")
    return family


def difference(ecs: Ecs, document: Mapping[str, Any], against: str) -> tuple[tuple[Difference, ...], Revision | None]:
    """Return what differs from the revision ``against`` (ARN, family or ``family:revision``), and that revision.

    Where there is none, everything differs.
    """
    revision = ecs.describe(against)
    return compare(revision.document if revision is not None else {}, document), revision
