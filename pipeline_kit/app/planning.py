"""Tags, then a plan: phases two to five of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.app import reasons
from pipeline_kit.app.bases import resolve_bases
from pipeline_kit.app.keys import Bases, Keyed, key_images
from pipeline_kit.app.lock import LOCK_NAME, read_lock
from pipeline_kit.app.sources import ImageSources, Reader, image_needs
from pipeline_kit.errors import InputError
from pipeline_kit.graph import dependencies
from pipeline_kit.plan import Candidate, Plan, Verdict, decide, withhold
from pipeline_kit.reference import Reference
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports.registry import ContentRegistry, Registry


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


def compute_tags(
    project: Project, wanted: Collection[str], around: Surroundings, open_registry: Callable[[], Registry] | None
) -> Tagged:
    """Return tags of ``wanted`` images and those they build upon. A registry is opened for base digests only.

    Raises what reading and resolving raise; see :mod:`pipeline_kit.app.sources` and :mod:`pipeline_kit.app.keys`.
    """
    reader = Reader(project.config, project.prefix, project.tree, around.values)
    sources = reader.read(needed(project, wanted))
    locked = Bases()
    if any(item.image.bases == "lock" for item in sources.values()):
        locked = read_lock(project.tree.read(project.in_tree(LOCK_NAME)) or b"", LOCK_NAME)
    bases = resolve_bases(sources, locked, open_registry)
    keyed = key_images(sources, bases, prefix=project.config.tag_prefix, now=around.now)
    return Tagged(sources, bases, keyed, reader.whole)


def repository_of(project: Project, image: ImageConfig) -> Reference:
    """Return the image's repository in the configured registry, without a tag."""
    return Reference(project.config.registry, image.repository)


def make_plan(
    project: Project,
    wanted: Sequence[str],
    around: Surroundings,
    registry: ContentRegistry | None,
    *,
    force: bool = False,
    tagged: Tagged | None = None,
    platform: str | None = None,
) -> tuple[Plan, Tagged]:
    """Return the plan for ``wanted`` images, and the tags it rests upon. Without ``registry`` nothing is asked.

    With ``platform``, of images for several platforms only that one is planned, under its staging tag.
    """
    from pipeline_kit.app.candidates import Decider, ask, places  # what only makes tags does without

    tagged = tagged or compute_tags(project, wanted, around, None if registry is None else lambda: registry)
    where = {
        name: places(repository_of(project, item.image), item.image, tagged.keyed[name].tag, around)
        for name, item in tagged.sources.items()
    }
    asked = ask((place for found in where.values() for place in found), registry)
    candidates = Decider(project.config.verify, tagged, around, where, asked, registry).candidates()
    if platform is not None:
        from pipeline_kit.app.staging import staged

        candidates = staged(candidates, platform, registry, level=project.config.verify, scope=around.scope)
    candidates = _with_causes(project, tagged, candidates, around)
    plan = decide(candidates, wanted=wanted, force=force, tree=project.tree.describe())
    if around.is_read_only:  # it goes on without what it may not read
        plan = withhold(plan)
    return plan, tagged


def _with_causes(
    project: Project, tagged: Tagged, candidates: Mapping[str, Candidate], around: Surroundings
) -> dict[str, Candidate]:
    from dataclasses import replace

    absent = [n for n, c in candidates.items() if c.key and (c.verdict is Verdict.ABSENT or not c.is_asked)]
    if not absent:
        return dict(candidates)
    told = reasons.causes(project, tagged, absent, around)
    return {name: replace(item, causes=told.get(name, ())) for name, item in candidates.items()}
