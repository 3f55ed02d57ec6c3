"""``replay``: what a range of commits would have built, by content tag and by other rules, from git objects alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit import content_tag
from pipeline_kit.app.bases import resolve_bases
from pipeline_kit.app.compare import assumed_bases
from pipeline_kit.app.keys import Bases, key_images
from pipeline_kit.app.lock import LOCK_NAME, read_lock
from pipeline_kit.app.project import load_at
from pipeline_kit.app.sources import Reader
from pipeline_kit.app.tagging import needed
from pipeline_kit.build_stats import Cause, causes
from pipeline_kit.content_tag import changes
from pipeline_kit.errors import InputError, PipelineKitError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.project import Project
    from pipeline_kit.app.session import Session
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.content_tag import Change, KeyInputs
    from pipeline_kit.snapshot import Listing

    _Seen = tuple[Keyed, ImageSources, tuple[object, ...]]
    """Key, sources, and what lies at the image's paths."""

RULES = {
    "content": "the content tag: whatever the build can read",
    "context": "a hash of the whole filtered context",
    "path": "the last commit that touched context or Dockerfile",
    "commit": "the commit's own id",
}
"""What names an image, by rule."""


@value_class(frozen=False)
class ImageReplay:
    """One image over all commits: how often each rule would have built it, and what the content tag's builds were for.

    ``decisions`` counts the commits that have the image, the first one aside; ``failed`` those among them at which
    it has no tag, such as one whose Dockerfile cannot be read: they count for no rule.
    """

    name: str
    decisions: int = 0
    failed: int = 0
    builds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    causes: tuple[Cause, ...] = ()
    _made: dict[str, set[str]] = field(default_factory=lambda: {rule: set() for rule in RULES})
    _last: KeyInputs | None = None
    _state: tuple[object, ...] = ()
    _path: str = ""
    _changed: list[tuple[Change, ...]] = field(default_factory=list)

    def see(self, commit: str, seen: _Seen | None, *, is_first: bool) -> None:
        """Count one commit; ``None`` where the image has no tag there."""
        keyed, sources, place = seen or (None, None, ())
        if keyed is None or sources is None or keyed.inputs is None or keyed.key is None:
            self.failed += not is_first
            return
        if place != self._state:
            self._state, self._path = place, commit
        whole = content_tag.key(replace(keyed.inputs, files=sources.files))
        tags = {"content": keyed.key, "context": whole, "path": self._path, "commit": commit}
        self.decisions += not is_first
        for rule, tag in tags.items():
            if tag not in self._made[rule]:
                self._made[rule].add(tag)
                self.builds[rule] += not is_first
                if rule == "content" and self._last is not None and not is_first:
                    self._changed.append(changes(self._last, keyed.inputs))
        self._last = keyed.inputs

    def finish(self) -> None:
        """Say what the builds were for."""
        self.causes = causes(self._changed)


class Replay(NamedTuple):
    """A replayed range; ``commits`` without the first, which only fills the registry."""

    since: str
    until: str
    commits: int
    images: Mapping[str, ImageReplay]
    unread: int = 0
    """Commits whose configuration or tree cannot be read by the rules of today."""


def replay(
    session: Session, span: str, names: Sequence[str], *, most: int, on_commit: Callable[[int, int], None]
) -> Replay:
    """Return what the commits of ``span`` (``A..B``, ``A..`` up to HEAD) would have built, along first parents.

    Bases that are not locked count by their text: what a registry held then, nobody knows. Only the last ``most``
    commits are looked at. Raises InputError for a range that is none.
    """
    since, line = _line(session, span, most)
    found: dict[str, ImageReplay] = {}
    unread = 0
    for number, commit in enumerate([since, *line]):
        on_commit(number, len(line))
        try:
            seen = _at(session, commit, names)
        except (PipelineKitError, ValueError):
            unread += 1
            continue
        for name, item in seen.items():
            found.setdefault(name, ImageReplay(name)).see(commit, item, is_first=number == 0)
    for image in found.values():
        image.finish()
    unknown = [name for name in names if name not in found]
    if unknown:
        raise InputError(f"no commit of {span} has an image {unknown[0]!r}")
    return Replay(since, line[-1] if line else since, len(line), found, unread)


def _line(session: Session, span: str, most: int) -> tuple[str, tuple[str, ...]]:
    first, dots, last = span.partition("..")
    history = session.project.history
    if history is None:
        raise InputError("there is no git here, so there is nothing to replay")
    if not first or not dots or last.startswith("."):
        raise InputError(f"{span!r} is not a range of commits", hint="as in v1.0..main")
    line = history.line(first, last or "HEAD")
    start = history.resolve(first)
    if line is None or start is None:
        raise InputError(f"{span}: no such commits here", hint="a shallow clone has few commits: fetch more of them")
    return (line[-most - 1], line[-most:]) if len(line) > most else (start, line)


class _Commit(NamedTuple):
    """One commit's project, to be asked about its images."""

    project: Project
    commit: str

    def images(self, names: Sequence[str]) -> dict[str, _Seen | None]:
        """Return each of ``names`` (all) that this commit has; ``None`` where it has no tag.

        One image that cannot be read keeps no other from being counted.
        """
        known = self.project.config.images
        wanted = [name for name in names or known if name in known]
        try:
            return dict(self._keyed(wanted))
        except (PipelineKitError, ValueError):
            return {name: self._alone(name) for name in wanted}

    def _alone(self, name: str) -> _Seen | None:
        try:
            return self._keyed([name])[name]
        except (PipelineKitError, ValueError):
            return None

    def _keyed(self, wanted: Sequence[str]) -> dict[str, _Seen]:
        project = self.project
        values = {"sha": self.commit, "short_sha": self.commit[:12]}
        reader = Reader(project.config, project.prefix, project.tree, values)
        sources = reader.read(needed(project, wanted))
        locked = Bases()
        if any(item.image.bases == "lock" for item in sources.values()):
            locked = read_lock(project.tree.read(project.in_tree(LOCK_NAME)) or b"", LOCK_NAME)
        bases = assumed_bases(sources, resolve_bases(sources, locked, None))
        keyed = key_images(sources, bases, prefix="", now=0.0)
        return {name: (keyed[name], sources[name], _place(project, sources[name], reader.whole)) for name in wanted}


def _at(session: Session, commit: str, names: Sequence[str]) -> dict[str, _Seen | None]:
    history = session.project.history
    tree = history.commit_tree(commit) if history is not None else None
    if tree is None:
        raise InputError(f"{commit} is not here")
    return _Commit(load_at(session.project, tree, session.environ), commit).images(names)


def _place(project: Project, sources: ImageSources, whole: Listing) -> tuple[object, ...]:
    """Return what git has at the image's context and Dockerfile, ignored files included: what a path rule looks at."""
    context = project.in_tree(sources.image.context).encode()
    return whole.under(context).digest(), sources.dockerfile


def replay_document(found: Replay) -> dict[str, Any]:
    """Return ``replay --json``."""
    return {
        "since": found.since,
        "until": found.until,
        "commits": found.commits,
        "unread_commits": found.unread,
        "rules": {rule: _total(found.images.values(), rule) for rule in RULES},
        "images": {
            image.name: {
                "decisions": image.decisions,
                "failed": image.failed,
                "builds": dict(image.builds),
                "hit_rate": {rule: _rate(image.decisions, image.builds[rule]) for rule in RULES},
                "causes": [
                    {"kind": cause.kind, "name": cause.name, "builds": cause.builds, "alone": cause.alone}
                    for cause in image.causes
                ],
            }
            for image in found.images.values()
        },
    }


def _total(images: Iterable[ImageReplay], rule: str) -> dict[str, Any]:
    counted = [(image.decisions, image.builds[rule]) for image in images]
    decisions, builds = sum(pair[0] for pair in counted), sum(pair[1] for pair in counted)
    return {"decisions": decisions, "builds": builds, "hit_rate": _rate(decisions, builds)}


def _rate(decisions: int, builds: int) -> float | None:
    return round(1 - builds / decisions, 4) if decisions else None
