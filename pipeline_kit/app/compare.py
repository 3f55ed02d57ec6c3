"""Tags and inputs of a commit that need not be checked out, and what differs between two trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.app.bases import resolve_bases
from pipeline_kit.app.keys import Bases, digest_name, key_images, references_of
from pipeline_kit.app.lock import LOCK_NAME, read_lock
from pipeline_kit.app.project import Project, load_at
from pipeline_kit.app.sources import ImageSources, Reader, image_needs
from pipeline_kit.app.tagging import Tagged, needed
from pipeline_kit.content_tag import changes
from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.app.session import Session
    from pipeline_kit.content_tag import Change

UNRESOLVED = "unresolved"
"""Stands for a base's digest that was not asked: good for comparing, never for a tag."""


class Difference(NamedTuple):
    """What differs, and which other images are stale through it."""

    changes: tuple[Change, ...]
    stale: list[str]


def at_commit(session: Session, rev: str) -> Project:
    """Return the project as commit ``rev`` holds it, from git objects alone.

    Raises InputError for an unknown commit, CheckoutError where its tree is not what a checkout would hold.
    """
    history = session.project.history
    tree = history.commit_tree(rev) if history is not None else None
    if tree is None:
        why = "there is no git here" if history is None else "no such commit here"
        raise InputError(f"{rev}: {why}", hint="a shallow clone has few commits: fetch the one you mean")
    return load_at(session.project, tree, session.environ)


def keyed_at(session: Session, image: str, *, offline: bool, project: Project | None = None) -> Tagged:
    """Return keys of ``image`` and what it builds upon; offline, bases that are not locked read ``unresolved``.

    A key over an unresolved base has inputs and no tag. Raises InputError for an unknown image.
    """
    project = project or session.project
    if image not in project.config.images:
        raise InputError(f"there is no image {image!r}", hint=f"images are: {', '.join(project.config.images)}")
    sources = Reader(project.config, project.prefix, project.tree, session.around.values).read(
        needed(project, (image,))
    )
    locked = Bases()
    if any(item.image.bases == "lock" for item in sources.values()):
        locked = read_lock(project.tree.read(project.in_tree(LOCK_NAME)) or b"", LOCK_NAME)
    bases = resolve_bases(sources, locked, None if offline else lambda: session.registry)
    known = assumed_bases(sources, bases)
    told = key_images(sources, bases, prefix=project.config.tag_prefix, now=session.around.now)
    keyed = told
    if known != bases:
        assumed = key_images(sources, known, prefix=project.config.tag_prefix, now=session.around.now)
        keyed = {name: assumed[name]._replace(key=item.key, tag=item.tag) for name, item in told.items()}
    return Tagged(sources, bases, keyed)


def assumed_bases(sources: Mapping[str, ImageSources], bases: Bases) -> Bases:
    """Return ``bases`` with a stand-in for what is not known, all of it taken to hold no triggers."""
    missing = {
        digest_name(text, item.image): UNRESOLVED
        for item in sources.values()
        if item.image.bases == "resolve"
        for text, reference in references_of(item).items()
        if not reference.digest
    }
    digests = {**missing, **bases.digests}
    return Bases(digests, bases.quiet | bases.unasked)


def compare(session: Session, image: str, rev: str) -> Difference:
    """Return what differs in ``image``'s inputs between commit ``rev`` and the tree here; no network is used."""
    now = keyed_at(session, image, offline=True)
    before = keyed_at(session, image, offline=True, project=at_commit(session, rev))
    old, new = before.keyed[image].inputs, now.keyed[image].inputs
    if old is None or new is None:
        raise InputError(f"{image}: its inputs cannot be told", hint="see pipeline-kit explain for each commit")
    found = changes(old, new)
    return Difference(found, stale_through(session.project, image) if found else [])


def stale_through(project: Project, image: str) -> list[str]:
    """Return the images that are stale where ``image`` is."""
    needs: dict[str, Sequence[str]] = {name: image_needs(item) for name, item in project.config.images.items()}
    return sorted(graph.dependants(needs, (image,)) - {image})
