"""Which image of each name ``alias`` and ``promote`` are about: by content tag, or by a tag or digest that is given."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline_kit.app.tagging import choose, compute_tags, repository_of
from pipeline_kit.errors import AuthorizationDenied, InputError, ManifestMissing
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import is_digest, is_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline_kit.app.session import Session
    from pipeline_kit.reference import Reference


class Chosen(NamedTuple):
    """One image: ``source`` is its tag or digest in the configured registry."""

    name: str
    source: Reference
    content_tag: str | None
    """``None`` where it was asked for by another tag or by digest."""


class Selection(NamedTuple):
    """What the user asked for: image names, and at most one of ``at`` (a tag or digest) and ``rev`` (a commit)."""

    names: tuple[str, ...] = ()
    at: str | None = None
    rev: str | None = None


def require_trusted(session: Session) -> None:
    """Raise AuthorizationDenied in a run whose trust scope is not the trusted one (design D5)."""
    scope = session.around.scope
    if not scope.is_trusted:
        raise AuthorizationDenied(
            f"this run is not trusted, because {scope.because}: it moves no tags and promotes nothing",
            hint="do it in a run on a ref of scopes.trusted",
        )


def chosen_images(session: Session, selection: Selection) -> tuple[Chosen, ...]:
    """Return the images asked for, all when none is named. Raises InputError, and what computing tags raises."""
    if selection.at is not None and selection.rev is not None:
        raise InputError("--from and --commit exclude each other")
    wanted = choose(session.project, selection.names)
    if selection.at is not None:
        return tuple(_given(session, name, selection.at, alone=len(wanted) == 1) for name in wanted)
    project = session.project
    if selection.rev is not None:
        from pipeline_kit.app.compare import at_commit

        project = at_commit(session, selection.rev)
    tagged = compute_tags(project, wanted, session.around, lambda: session.registry)
    return tuple(
        Chosen(name, repository_of(project, tagged.sources[name].image).with_tag(tag), tag)
        for name, tag in ((name, str(tagged.keyed[name].tag)) for name in wanted)
    )


def _given(session: Session, name: str, at: str, *, alone: bool) -> Chosen:
    repository = repository_of(session.project, session.project.config.images[name])
    if is_digest(at):
        if not alone:
            raise InputError("--from DIGEST is about one image", hint="name the image, or give a tag")
        return Chosen(name, repository.with_digest(at), None)
    if not is_tag(at):
        raise InputError(f"--from {at}: neither a tag nor a digest")
    return Chosen(name, repository.with_tag(at), None)


def missing(absent: Sequence[Chosen]) -> ManifestMissing:
    """Return the error about images that are not in the registry, with the next step."""
    names = " ".join(image.name for image in absent)
    built = f"pipeline-kit build {names}" if absent[0].content_tag else "look at the registry's tags"
    text = "\n".join(f"  {image.name}: {image.source}" for image in absent)
    return ManifestMissing(f"not in the registry, so nothing was done:\n{text}", hint=f"first: {built}")


class CommitOrder:
    """Answers whether a commit comes after ours, as far as the history here can tell; safe for use by many threads.

    ``ours`` gives our commit when it is needed; ``""`` means that it is not known, and then nothing comes after it.
    """

    def __init__(self, session: Session, ours: Callable[[], str]) -> None:
        self._session = session
        self._ours = ours
        self._lock = threading.Lock()

    def __call__(self, revision: str) -> bool | None:
        """Return whether ``revision`` is a descendant of our commit, ``None`` where that cannot be told."""
        history = self._session.project.history
        with self._lock:
            ours = self._ours()
            if history is None or not ours or history.resolve(revision) is None:
                return None
            return revision != ours and history.is_ancestor(ours, revision)


def commit_of(session: Session, selection: Selection) -> Callable[[], str]:
    """Return a function for the commit that content tags were computed of; it asks git once, when it is called."""
    known: list[str] = []

    def ours() -> str:
        if not known:
            history = session.project.history
            if selection.rev is not None:
                known.append((history.resolve(selection.rev) if history is not None else None) or "")
            else:
                session.know_commit()
                known.append(session.around.values.get("sha", ""))
        return known[0]

    return ours


def unique(words: Iterable[str]) -> tuple[str, ...]:
    """Return ``words`` without repetitions. Raises InputError for one that is not a legal tag."""
    found = tuple(dict.fromkeys(words))
    for word in found:
        if not is_tag(word):
            raise InputError(f"{word!r} is not a legal tag")
    return found
