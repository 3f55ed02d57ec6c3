"""Why an image's tag is new: its inputs compared with those of an earlier commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit import graph
from pipeline_kit.app.keys import key_images
from pipeline_kit.app.project import load_at
from pipeline_kit.app.sources import Reader, image_needs
from pipeline_kit.content_tag import changes
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.plan import phrase_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline_kit.app.keys import Bases, Keyed
    from pipeline_kit.app.project import Project
    from pipeline_kit.config import Config
    from pipeline_kit.content_tag import Change
    from pipeline_kit.ports import Tree

_WORDS = {
    "arg": "build argument {name}",
    "secret": "secret {name}",
    "ssh": "ssh {name}",
    "option": "option {name}",
    "context": "context {name}",
    "base": "base image {name}",
}


def causes(
    project: Project,
    keyed: Mapping[str, Keyed],
    names: Iterable[str],
    *,
    bases: Bases,
    values: Mapping[str, str],
    base_commit: str,
    environ: Mapping[str, str],
    now: float,
) -> dict[str, tuple[str, ...]]:
    """Return reasons for each of ``names`` whose inputs differ from an earlier commit's.

    Compared with, in this order until something differs: the commit the CI names (``base_commit``), ``HEAD``, its
    parent. Best effort: a commit that is not here, or that the rules of today cannot read, is passed over.
    """
    left = list(names)
    found: dict[str, tuple[str, ...]] = {}
    for rev in dict.fromkeys(filter(None, (base_commit, "HEAD", "HEAD^"))):
        if not left or project.history is None:
            break
        tree = project.history.commit_tree(rev)
        older = _keys_at(project, tree, left, bases, values, environ, now) if tree is not None else {}
        for name in list(left):
            differing = _compare(older.get(name), keyed[name])
            if differing:
                found[name] = phrase(differing)
                left.remove(name)
    return found


def _keys_at(
    project: Project,
    tree: Tree,
    names: list[str],
    bases: Bases,
    values: Mapping[str, str],
    environ: Mapping[str, str],
    now: float,
) -> dict[str, Keyed]:
    try:
        older = load_at(project, tree, environ)
        sources = Reader(older.config, older.prefix, tree, values).read(_closed(older.config, names))
        return key_images(sources, bases, prefix=older.config.tag_prefix, now=now)
    except (PipelineKitError, ValueError):
        return {}


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
    return (*told, *phrase_files(files))
