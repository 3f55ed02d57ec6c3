"""Phases four and five: ask the registry, and decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.app import reasons
from pipeline_kit.app.bases import resolve_bases
from pipeline_kit.app.keys import Bases, Keyed, key_images
from pipeline_kit.app.lock import LOCK_NAME, read_lock
from pipeline_kit.app.sources import ImageSources, Reader, image_needs
from pipeline_kit.config import expand, slug
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import InputError, PipelineKitError
from pipeline_kit.execute.labels import key_label
from pipeline_kit.graph import dependencies
from pipeline_kit.manifest import INDEX_TYPES
from pipeline_kit.plan import Candidate, Plan, Verdict, decide
from pipeline_kit.ports.registry import Observation
from pipeline_kit.reference import Reference, is_tag
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports.registry import Registry

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
NOT_ASKED = Observation(Verdict.UNKNOWN, detail="offline: the registry was not asked")


@dataclass(frozen=True, slots=True)
class Tagged:
    """The result of phases two and three."""

    sources: Mapping[str, ImageSources]
    bases: Bases
    keyed: Mapping[str, Keyed]
    whole: Listing = field(default_factory=Listing)
    """What lies in all directories that were looked at, unfiltered, relative to the tree's root."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Return the digests of external images, by the text that names them."""
        return self.bases.digests


def choose(project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Return the images asked for, all when none is named. Raises InputError for an unknown one."""
    known = project.config.images
    for name in names:
        if name not in known:
            raise InputError(f"there is no image {name!r}", hint=f"images are: {', '.join(known)}")
    return tuple(names) or tuple(known)


def needed(project: Project, wanted: Collection[str]) -> list[str]:
    """Return ``wanted`` and everything those images build upon, in the configuration's order."""
    needs = {name: image_needs(image) for name, image in project.config.images.items()}
    reached = dependencies(needs, wanted)
    return [name for name in needs if name in reached]


def compute_tags(project: Project, wanted: Collection[str], around: Surroundings, registry: Registry | None) -> Tagged:
    """Return tags of ``wanted`` images and those they build upon. ``registry`` is asked for base digests only.

    Raises what reading and resolving raise; see :mod:`pipeline_kit.app.sources` and :mod:`pipeline_kit.app.keys`.
    """
    reader = Reader(project.config, project.prefix, project.tree, around.values)
    sources = reader.read(needed(project, wanted))
    locked = Bases()
    if any(item.image.bases == "lock" for item in sources.values()):
        locked = read_lock(project.tree.read(project.in_tree(LOCK_NAME)) or b"", LOCK_NAME)
    bases = resolve_bases(sources, locked, registry)
    keyed = key_images(sources, bases, prefix=project.config.tag_prefix, now=around.now)
    return Tagged(sources, bases, keyed, reader.whole)


def repository_of(project: Project, image: ImageConfig) -> Reference:
    """Return the image's repository in the configured registry, without a tag."""
    return Reference(project.config.registry, image.repository)


def make_plan(
    project: Project,
    wanted: Sequence[str],
    around: Surroundings,
    registry: Registry | None,
    *,
    force: bool = False,
    tagged: Tagged | None = None,
) -> tuple[Plan, Tagged]:
    """Return the plan for ``wanted`` images, and the tags it rests upon. Without ``registry`` nothing is asked."""
    tagged = tagged or compute_tags(project, wanted, around, registry)
    aliases = {name: alias_tags(item.image, around.values) for name, item in tagged.sources.items()}
    asked = _ask(project, tagged, aliases if registry is not None else {}, registry)
    candidates = {name: _candidate(project, tagged, name, aliases[name], asked, registry) for name in tagged.sources}
    candidates = _with_causes(project, tagged, candidates, around)
    plan = decide(candidates, wanted=wanted, force=force, tree=project.tree.describe())
    return plan, tagged


def alias_tags(image: ImageConfig, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the image's aliases in this run; one without a value (a detached HEAD's branch) drops out.

    Raises InputError where an alias does not make a legal tag.
    """
    safe = {name: slug(value) for name, value in values.items()}
    found = [alias for alias in (expand(template, safe) for template in image.aliases) if alias]
    for alias in found:
        if not is_tag(alias):
            raise InputError(f"images.{image.name}.aliases: {alias!r} is not a legal tag")
    return tuple(dict.fromkeys(found))


def _ask(
    project: Project, tagged: Tagged, aliases: Mapping[str, Sequence[str]], registry: Registry | None
) -> dict[Reference, Observation]:
    """Ask for every content tag and every alias, in one wave."""
    if registry is None:
        return {}
    wanted: list[Reference] = []
    for name, sources in tagged.sources.items():
        repository = repository_of(project, sources.image)
        tag = tagged.keyed[name].tag
        wanted += [repository.with_tag(text) for text in (*([tag] if tag else []), *aliases.get(name, ()))]
    return dict(zip(wanted, registry.observe_all(wanted), strict=True))


def _candidate(
    project: Project,
    tagged: Tagged,
    name: str,
    aliases: Sequence[str],
    asked: Mapping[Reference, Observation],
    registry: Registry | None,
) -> Candidate:
    image, keyed = tagged.sources[name].image, tagged.keyed[name]
    repository = repository_of(project, image)
    answer = asked.get(repository.with_tag(keyed.tag), NOT_ASKED) if keyed.tag else _tagless(keyed)
    platforms: tuple[str, ...] | None = None
    if registry is not None and answer.verdict is Verdict.PRESENT and answer.digest:
        answer, platforms = _inspect(project, registry, repository, answer, keyed, image)
    at = {alias: asked.get(repository.with_tag(alias), NOT_ASKED) for alias in aliases}
    if registry is not None:
        answer = _uncertain_alias(at, answer) or answer
    missing = tuple(p for p in image.platforms if platforms is not None and p not in platforms)
    return Candidate(
        name=name,
        repository=repository.name,
        needs=image_needs(image),
        platforms=image.platforms,
        key=keyed.key,
        tag=keyed.tag,
        verdict=answer.verdict,
        digest=answer.digest,
        present_platforms=platforms or (),
        missing_platforms=missing,
        detail=answer.detail,
        hint=answer.hint,
        aliases={alias: _alias_digest(found) for alias, found in at.items()},
        notes=_notes(tagged.sources[name]),
        because=keyed.because,
        is_asked=registry is not None,
    )


def _notes(sources: ImageSources) -> tuple[str, ...]:
    """Return what no digest in the key covers: files that the build fetches and nothing pins, and ``max_age``."""
    found = tuple(
        f"{sources.image.dockerfile}:{remote.line}: ADD {remote.url} has no checksum: its content is not in the tag"
        for remote in sources.uses.remotes
        if remote.checksum is None
    )
    age = sources.image.max_age
    return found if age is None else (*found, f"max_age: a new tag every {_period(age)}")


def _period(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _tagless(keyed: Keyed) -> Observation:
    return Observation(Verdict.UNKNOWN, detail=f"digest of {', '.join(keyed.unknown_bases)} not known offline")


def _inspect(
    project: Project,
    registry: Registry,
    repository: Reference,
    answer: Observation,
    keyed: Keyed,
    image: ImageConfig,
) -> tuple[Observation, tuple[str, ...] | None]:
    """Read what a HEAD cannot tell: an index's platforms and, where ``verify`` asks, the key in the image's label."""
    assert answer.digest is not None  # noqa: S101 - a present verdict has one, as its constructor promises
    pinned = repository.with_digest(answer.digest)
    try:
        platforms = None
        if answer.media_type in INDEX_TYPES:
            platforms = registry.manifest(pinned).platforms()
        elif len(image.platforms) > 1:
            platforms = _single_platform(registry, pinned)
        if project.config.verify != "tag" and key_label(registry, pinned) != keyed.key:
            detail = f"tag present, but its image does not carry our key in the label {KEY_LABEL}"
            return Observation(Verdict.DENIED, detail=detail, hint="delete that tag, or change tag_prefix"), None
    except PipelineKitError as error:
        return Observation(Verdict.UNKNOWN, detail=error.message, hint=error.hint or ""), None
    return answer, platforms


def _single_platform(registry: Registry, pinned: Reference) -> tuple[str, ...]:
    from pipeline_kit.manifest import normalize_platform

    config = registry.config(pinned, registry.manifest(pinned).config_digest())
    parts = (config.get("os", "linux"), config.get("architecture", ""), config.get("variant", ""))
    return (normalize_platform("/".join(str(part) for part in parts if part)),)


def _uncertain_alias(at: Mapping[str, Observation], answer: Observation) -> Observation | None:
    """Return the first denied or unknown answer about an alias: taken for absent, a newer one could be overwritten."""
    if answer.verdict not in (Verdict.PRESENT, Verdict.ABSENT):
        return None
    for alias, found in at.items():
        if found.verdict in (Verdict.DENIED, Verdict.UNKNOWN):
            return Observation(found.verdict, detail=f"alias {alias}: {found.detail}", hint=found.hint)
    return None


def _alias_digest(answer: Observation) -> str | None:
    return answer.digest if answer.verdict is Verdict.PRESENT else None


def _with_causes(
    project: Project, tagged: Tagged, candidates: Mapping[str, Candidate], around: Surroundings
) -> dict[str, Candidate]:
    from dataclasses import replace

    absent = [n for n, c in candidates.items() if c.key and (c.verdict is Verdict.ABSENT or not c.is_asked)]
    if not absent:
        return dict(candidates)
    told = reasons.causes(project, tagged, absent, around)
    return {name: replace(item, causes=told.get(name, ())) for name, item in candidates.items()}
