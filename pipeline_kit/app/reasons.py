"""Why an image's tag is new: its inputs compared with those of an earlier commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.app.keys import key_images
from pipeline_kit.app.project import load_at
from pipeline_kit.app.sources import Reader, image_needs
from pipeline_kit.config import DirectoryContext
from pipeline_kit.content_tag import changes
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.plan import phrase_files
from pipeline_kit.snapshot import blob_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.planning import Tagged
    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.config import Config, ImageConfig
    from pipeline_kit.content_tag import Change
    from pipeline_kit.ports.checkout import Tree

_WORDS = {
    "arg": "build argument {name}",
    "secret": "secret {name}",
    "ssh": "ssh {name}",
    "option": "option {name}",
    "context": "context {name}",
    "base": "base image {name}",
}


def causes(project: Project, tagged: Tagged, names: Iterable[str], around: Surroundings) -> dict[str, tuple[str, ...]]:
    """Return reasons for each of ``names`` whose inputs differ from an earlier commit's.

    Compared with, in this order until something differs: the commit the CI names, ``HEAD``, its parent. Best effort: a
    commit that is not here, or that the rules of today cannot read, is passed over.
    """
    left = list(names)
    found: dict[str, tuple[str, ...]] = {}
    for rev in dict.fromkeys(filter(None, (around.base_commit, "HEAD", "HEAD^"))):
        if not left or project.history is None:
            break
        tree = project.history.commit_tree(rev)
        older = _keys_at(project, tagged, tree, left, around) if tree is not None else {}
        for name in list(left):
            differing = _compare(older.get(name), tagged.keyed[name])
            if differing:
                found[name] = phrase(differing)
                left.remove(name)
    return found


def _keys_at(
    project: Project, tagged: Tagged, tree: Tree, names: Collection[str], around: Surroundings
) -> dict[str, Keyed]:
    """Return the keys in ``tree`` of those of ``names`` whose files, or whose bases' files, differ there.

    Equal files give equal keys.
    """
    try:
        touched = _touched(project, tagged, tree, names)
        if not touched:
            return {}
        older = load_at(project, tree, around.environ)
        sources = Reader(older.config, older.prefix, tree, around.values).read(_closed(older.config, touched))
        return key_images(sources, tagged.bases, prefix=older.config.tag_prefix, now=around.now)
    except (PipelineKitError, ValueError):
        return {}


def _touched(project: Project, tagged: Tagged, tree: Tree, names: Collection[str]) -> list[str]:
    then = tree.listing(["."])
    config = project.in_tree(project.config_path.name).encode()
    now_config = f"100644 {blob_id(project.config_path.read_bytes())}".encode()
    if then.get(config) != now_config or any(tagged.sources[name].image.bases == "lock" for name in names):
        return list(names)
    same: dict[bytes, bool] = {}

    def is_same(path: str) -> bool:
        place = project.in_tree(path).encode("utf-8", "surrogateescape")
        if place not in same:
            here, there = tagged.whole, then
            same[place] = here.get(place) == there.get(place) and here.under(place) == there.under(place)
        return same[place]

    def is_listed(path: str) -> bool:
        return tagged.whole.get(project.in_tree(path).encode("utf-8", "surrogateescape")) is not None

    def is_touched(image: ImageConfig) -> bool:
        directories = [c.path for c in image.contexts.values() if isinstance(c, DirectoryContext)]
        places = (image.context, image.dockerfile, *directories, *image.inputs)
        return not is_listed(image.dockerfile) or not all(is_same(path) for path in places)

    needs = {name: image_needs(item.image) for name, item in tagged.sources.items()}
    reached = graph.dependants(needs, [name for name, item in tagged.sources.items() if is_touched(item.image)])
    return [name for name in names if name in reached]


def _closed(config: Config, names: Collection[str]) -> list[str]:
    needs = {name: image_needs(image) for name, image in config.images.items()}
    reached = graph.dependencies(needs, [name for name in names if name in needs])
    return [name for name in needs if name in reached]


def _compare(older: Keyed | None, newer: Keyed) -> tuple[Change, ...]:
    if older is None or older.inputs is None or newer.inputs is None:
        return ()
    return changes(older.inputs, newer.inputs)


def phrase(found: Iterable[Change]) -> tuple[str, ...]:
    """Return changes as reasons a reviewer understands; what images do is left to the plan, which knows."""
    files: dict[str, str] = {}
    told: list[str] = []
    for change in found:
        if change.kind == "file":
            files[change.name] = change.state
        elif change.kind == "dockerfile":
            told.append("Dockerfile changed")
        elif change.kind != "image":
            told.append(f"{_WORDS[change.kind].format(name=change.name)} {change.state}")
    return tuple(dict.fromkeys((*told, *phrase_files(files))))
