"""Phases two and three of a run: what the images are made from, and their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.bases import resolve_bases
from pipeline_kit.app.keys import Bases, Keyed, key_images
from pipeline_kit.app.sources import ImageSources, Reader, image_needs
from pipeline_kit.errors import InputError
from pipeline_kit.graph import dependencies
from pipeline_kit.manifest import normalize_platform
from pipeline_kit.reference import Reference
from pipeline_kit.snapshot import Listing
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.ports.registry import Registry


@value_class()
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


def choose_for(project: Project, names: Sequence[str], platform: str | None) -> tuple[str, ...]:
    """Return the images asked for that have ``platform`` (``None``: any); without names, all that do.

    Raises InputError for an unknown image, and for one that was named and is not built for the platform.
    """
    wanted = choose(project, names)
    if platform is None:
        return wanted
    having = tuple(name for name in wanted if platform in project.config.images[name].platforms)
    lacking = [name for name in wanted if name not in having]
    if lacking and (names or not having):
        known = dict.fromkeys(item for image in project.config.images.values() for item in image.platforms)
        raise InputError(
            f"{', '.join(lacking)}: not built for {platform}", hint=f"platforms of this project: {', '.join(known)}"
        )
    return having


def read_platform(text: str | None) -> str | None:
    """Return a platform as ``os/arch[/variant]``, normalised. Raises InputError for anything else."""
    if text is None:
        return None
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(part.replace("_", "").replace("-", "").isalnum() for part in parts):  # noqa: PLR2004
        raise InputError(f"{text!r} is no platform", hint="write it as linux/arm64")
    return normalize_platform(text)


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
        from pipeline_kit.app.lock import LOCK_NAME, read_lock

        locked = read_lock(project.tree.read(project.in_tree(LOCK_NAME)) or b"", LOCK_NAME)
    bases = resolve_bases(sources, locked, open_registry)
    keyed = key_images(sources, bases, prefix=project.config.tag_prefix, now=around.now)
    return Tagged(sources, bases, keyed, reader.whole)


def repository_of(project: Project, image: ImageConfig) -> Reference:
    """Return the image's repository in the configured registry, without a tag."""
    return Reference(project.config.registry, image.repository)
