"""Rules that need every image at once: one repository an image, known and acyclic ``image:`` contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.model import ImageContext
from pipeline_kit.scopes import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipeline_kit.config.findings import Findings
    from pipeline_kit.config.images import ImageDraft

_ARROW = " → "
_LONGEST_CYCLE = 12


def check_images(findings: Findings, drafts: Mapping[str, ImageDraft], names: Collection[str]) -> None:
    """Report what is wrong between images; ``names`` holds those as well that could not be read."""
    _check_repositories(findings, drafts)
    _check_lanes(findings, drafts)
    _check_alike_names(findings, drafts)
    _check_known(findings, drafts, names)
    _check_cycles(findings, drafts)


def _check_repositories(findings: Findings, drafts: Mapping[str, ImageDraft]) -> None:
    """Two images in one repository would move each other's aliases and prune each other's tags."""
    first: dict[str, str] = {}
    for name, draft in drafts.items():
        repository = draft.config.repository
        other = first.setdefault(repository, name)
        if other != name:
            message = f"images '{other}' and '{name}' have one repository: {shown(repository)}"
            key = f"images.{name}.repository"
            findings.add(draft.repository_node, message, key=key, suggestion="give each image its own")


def _check_lanes(findings: Findings, drafts: Mapping[str, ImageDraft]) -> None:
    """What untrusted runs write may lie in no image's own repository."""
    for name, draft in drafts.items():
        if draft.config.repository.endswith(SUFFIX):
            message = f"{shown(draft.config.repository)} is where untrusted runs write: it ends with '{SUFFIX}'"
            key = f"images.{name}.repository"
            findings.add(draft.repository_node, message, key=key, suggestion="choose another name")


def _check_alike_names(findings: Findings, drafts: Mapping[str, ImageDraft]) -> None:
    """Bake targets, job ids and file names know no ``.`` and ``_`` beside ``-``: such names would collide there."""
    first: dict[str, str] = {}
    for name, draft in drafts.items():
        other = first.setdefault(name.replace(".", "-").replace("_", "-"), name)
        if other != name:
            message = f"image names '{other}' and '{name}' differ only in '.', '_' and '-'"
            findings.add(draft.config.location, message, key=f"images.{name}", suggestion="rename one of them")


def _links(drafts: Mapping[str, ImageDraft], name: str) -> Iterator[tuple[str, str]]:
    """Yield context name and image for every ``image:`` context of the image ``name``."""
    for context, value in drafts[name].config.contexts.items():
        if isinstance(value, ImageContext):
            yield context, value.image


def _check_known(findings: Findings, drafts: Mapping[str, ImageDraft], names: Collection[str]) -> None:
    for name, draft in drafts.items():
        for context, image in _links(drafts, name):
            if image not in names:
                node = draft.context_nodes[context]
                message = f"{shown(f'image:{image}')} names no image of this file"
                key = f"images.{name}.contexts.{context}"
                findings.add(node, message, key=key, suggestion=did_you_mean(image, names))


def _check_cycles(findings: Findings, drafts: Mapping[str, ImageDraft]) -> None:
    """Walk depth first with a stack of our own; a link back to the path that led here closes a cycle."""
    done: set[str] = set()
    for start in drafts:
        path: dict[str, Iterator[tuple[str, str]]] = {} if start in done else {start: _links(drafts, start)}
        while path:
            name = next(reversed(path))
            context, image = next(path[name], ("", ""))
            if not image:
                path.pop(name)
                done.add(name)
            elif image in path:
                _add_cycle(findings, drafts[name], context, list(path), image)
            elif image in drafts and image not in done:
                path[image] = _links(drafts, image)


def _add_cycle(findings: Findings, draft: ImageDraft, context: str, path: list[str], image: str) -> None:
    cycle = [*path[path.index(image) :], image]
    if len(cycle) > _LONGEST_CYCLE:
        cycle = [*cycle[: _LONGEST_CYCLE - 2], "…", *cycle[-2:]]
    message = f"images build upon each other: {_ARROW.join(cycle)}"
    key = f"images.{draft.config.name}.contexts.{context}"
    findings.add(draft.context_nodes[context], message, key=key)
