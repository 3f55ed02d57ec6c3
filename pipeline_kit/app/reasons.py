"""Why an image's tag is new: its inputs compared with those of an earlier commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.app.keys import key_images
from pipeline_kit.app.project import load_at
from pipeline_kit.app.since import FileChanges
from pipeline_kit.app.sources import Reader, image_needs
from pipeline_kit.config import DirectoryContext
from pipeline_kit.content_tag import Change, changes
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.plan import phrase_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.config import Config, ImageConfig
    from pipeline_kit.ports.checkout import Since, Tree

    IsTouched = Callable[[bytes], bool]

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
    for rev, commit in _earlier(project, around):
        differences = _differences(project, tagged, commit, left, around, is_head=rev == "HEAD")
        for name in [name for name in left if differences.get(name)]:
            found[name] = phrase(differences[name])
        left = [name for name in left if name not in found]
        if not left:  # before git is asked for another commit
            break
    return found


def _earlier(project: Project, around: Surroundings) -> Iterator[tuple[str, str]]:
    """Yield the commits to compare with, by name and full id, each once and not before it is needed.

    HEAD is its own id where nothing came before it: that spares a process.
    """
    if project.history is None:
        return
    seen: set[str] = set()
    for rev in filter(None, (around.base_commit, "HEAD", "HEAD^")):
        commit = rev if rev == "HEAD" and not seen else project.history.resolve(rev)
        if commit is not None and commit not in seen:
            seen.add(commit)
            yield rev, commit


def _differences(
    project: Project, tagged: Tagged, commit: str, names: Collection[str], around: Surroundings, *, is_head: bool
) -> dict[str, tuple[Change, ...]]:
    """Return what differs from ``commit`` in those of ``names`` whose files, or whose bases' files, differ there."""
    found: dict[str, tuple[Change, ...]] = {}
    needs = {name: image_needs(item.image) for name, item in tagged.sources.items()}
    closed = graph.dependencies(needs, names)
    wanted = [name for name in needs if name in closed]
    try:
        since = project.tree.changed_since(commit, project.in_tree(project.config_path.name), is_head=is_head)
        if since is not None:
            quick = FileChanges(project.prefix, tagged.whole, since.records)
            wanted = _touched(project, tagged, quick.touches, wanted) if since.records else []
            found = _told_by_path(project, tagged, since, quick, wanted)
        left = [name for name in wanted if name not in found]
        if left:
            found |= _compared(project, tagged, commit, left, around)
    except (PipelineKitError, ValueError):
        pass
    return _chained(needs, found)


def _told_by_path(
    project: Project, tagged: Tagged, since: Since, quick: FileChanges, names: Sequence[str]
) -> dict[str, tuple[Change, ...]]:
    """Return what differs in those of ``names`` of which the paths that differ tell it."""
    config = project.in_tree(project.config_path.name).encode("utf-8", "surrogateescape")
    if not since.is_exact or config in since.records:
        return {}
    told = {name: quick.of(tagged.sources[name], tagged.keyed[name]) for name in names}
    return {name: changed for name, changed in told.items() if changed is not None}


def _compared(
    project: Project, tagged: Tagged, commit: str, names: Sequence[str], around: Surroundings
) -> dict[str, tuple[Change, ...]]:
    """Return what differs in ``names``, whose keys in ``commit`` are made for it."""
    tree = project.history.commit_tree(commit) if project.history is not None else None
    if tree is None:
        return {}
    touched = _touched(project, tagged, _unlike(tagged, tree), names)
    if not touched:
        return {}
    older = load_at(project, tree, around.environ)
    sources = Reader(older.config, older.prefix, tree, around.values).read(_closed(older.config, touched))
    keyed = key_images(sources, tagged.bases, prefix=older.config.tag_prefix, now=around.now)
    return {name: _compare(keyed.get(name), tagged.keyed[name]) for name in touched}


def _chained(
    needs: Mapping[str, Sequence[str]], found: Mapping[str, tuple[Change, ...]]
) -> dict[str, tuple[Change, ...]]:
    """Return what differs, together with the images of which an image is made: another one of those is a change too."""
    all_found: dict[str, tuple[Change, ...]] = {}
    for name in graph.order(needs):
        changed = [Change("image", need, "changed") for need in needs[name] if all_found.get(need)]
        all_found[name] = (*found.get(name, ()), *changed)
    return all_found


def _unlike(tagged: Tagged, tree: Tree) -> IsTouched:
    """Return whether what lies at a place is listed otherwise in ``tree``."""
    here, there = tagged.whole, tree.listing(["."])

    def is_touched(place: bytes) -> bool:
        return here.get(place) != there.get(place) or here.under(place) != there.under(place)

    return is_touched


def _touched(project: Project, tagged: Tagged, is_touched: IsTouched, names: Collection[str]) -> list[str]:
    def named(path: str) -> bytes:
        return project.in_tree(path).encode("utf-8", "surrogateescape")

    if is_touched(named(project.config_path.name)) or any(tagged.sources[name].image.bases == "lock" for name in names):
        return list(names)
    known: dict[str, bool] = {}

    def differs(path: str) -> bool:
        if path not in known:
            known[path] = is_touched(named(path))
        return known[path]

    def is_stale(image: ImageConfig) -> bool:
        directories = [c.path for c in image.contexts.values() if isinstance(c, DirectoryContext)]
        places = (image.context, image.dockerfile, *directories, *image.inputs)
        return tagged.whole.get(named(image.dockerfile)) is None or any(differs(path) for path in places)

    needs = {name: image_needs(item.image) for name, item in tagged.sources.items()}
    reached = graph.dependants(needs, [name for name, item in tagged.sources.items() if is_stale(item.image)])
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
