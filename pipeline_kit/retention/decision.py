"""The decision: what is kept of one repository, what goes, and why.

An image is kept for a reason of its own (used, named by people, young, among the newest), or because a kept one needs
it: children of an index, and what refers to a kept image. What is in use by one platform's digest keeps its index.
"""

from __future__ import annotations

import re
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.retention.uses import Uses

_DAY = 86_400
_ATTACHED = re.compile(r"sha256-([0-9a-f]{64})(?:\..+)?")


@value_class()
class StoredImage:
    """One manifest of a repository, by digest.

    ``created`` is in seconds since the epoch, ``None`` where nothing tells; ``children`` are an index's; ``subject``
    is what an artifact refers to; ``pulled`` is the last recorded pull, where the registry records them.
    """

    digest: str
    tags: tuple[str, ...] = ()
    created: float | None = None
    children: tuple[str, ...] = ()
    subject: str = ""
    size: int = 0
    pulled: float | None = None


@value_class()
class Rules:
    """``retention:`` as the decision takes it; ages in seconds, ``None``: the rule was not written."""

    content_tag: re.Pattern[str]
    """What a content tag looks like; every other tag is one for people."""
    keep_last: int | None = None
    keep_seconds: float | None = None
    keep_tags: tuple[str, ...] = ("*",)
    min_age: float = _DAY


@value_class()
class Decided:
    """The decision about one image; ``is_used`` where it, or what needs it, is in use."""

    image: StoredImage
    keep: bool
    reason: str
    is_used: bool = False


@value_class(frozen=False)
class _Graph:
    """Who needs whom: a kept key keeps its values."""

    images: Mapping[str, StoredImage]
    needs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    parents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, str] = field(default_factory=dict)


def attached_to(image: StoredImage) -> str:
    """Return the digest that an artifact belongs to, ``""`` where it is none.

    By its manifest's ``subject``, or by a tag ``sha256-…`` (the referrers tag schema, and cosign's older scheme).
    """
    if image.subject:
        return image.subject
    named = [found for tag in image.tags if (found := _ATTACHED.fullmatch(tag))]
    return f"sha256:{named[0][1]}" if named and len(named) == len(image.tags) else ""


def decide(images: Sequence[StoredImage], uses: Uses, rules: Rules, now: float) -> tuple[Decided, ...]:
    """Return a decision for each image, in order. ``now`` is in seconds since the epoch."""
    graph = _graph(images)
    told = {**uses.digests, **{image.digest: why for image in images if (why := _used(image, uses))}}
    used = _closure(graph, _with_parents(graph, told))
    own = {image.digest: why for image in images if (why := _own(image, rules, now, graph))}
    for digest, rank in _newest(images, rules, graph).items():
        own.setdefault(digest, f"number {rank} of the newest {rules.keep_last}")
    kept = _closure(graph, {**own, **used})
    return tuple(
        Decided(image, True, used.get(image.digest) or kept[image.digest], image.digest in used)
        if image.digest in kept
        else Decided(image, False, _unneeded(image, graph, rules, now))
        for image in images
    )


def _graph(images: Sequence[StoredImage]) -> _Graph:
    graph = _Graph({image.digest: image for image in images})
    for image in images:
        for child in image.children:
            graph.needs[image.digest].append(child)
            graph.parents[child].append(image.digest)
        subject = attached_to(image)
        if subject:
            graph.needs[subject].append(image.digest)
            graph.subjects[image.digest] = subject
    return graph


def _used(image: StoredImage, uses: Uses) -> str:
    if image.digest in uses.digests:
        return uses.digests[image.digest]
    return next((uses.tags[tag] for tag in image.tags if tag in uses.tags), "")


def _with_parents(graph: _Graph, used: Mapping[str, str]) -> dict[str, str]:
    """Return ``used`` with the indexes that hold a used platform: a task names the index, ECS tells the platform."""
    found = dict(used)
    waiting = list(used)
    while waiting:
        child = waiting.pop()
        for parent in graph.parents.get(child, ()):
            # An artifact's own index (the tag schema) is no image that anybody runs.
            if parent not in found and parent not in graph.subjects:
                found[parent] = f"holds {_short(child)}: {used.get(child, found[child])}"
                waiting.append(parent)
    return found


def _closure(graph: _Graph, roots: Mapping[str, str]) -> dict[str, str]:
    found = dict(roots)
    waiting = list(roots)
    while waiting:
        digest = waiting.pop()
        for needed in graph.needs.get(digest, ()):
            if needed not in found:  # a child need not be listed to have referrers that are
                is_child = needed in graph.images[digest].children if digest in graph.images else False
                found[needed] = f"{'part of' if is_child else 'belongs to'} {_name(graph.images.get(digest), digest)}"
                waiting.append(needed)
    return found


def _own(image: StoredImage, rules: Rules, now: float, graph: _Graph) -> str:
    """Return why an image is kept whoever uses it, ``""`` for no reason."""
    is_artifact = image.digest in graph.subjects
    named = [tag for tag in image.tags if not rules.content_tag.fullmatch(tag) and not _ATTACHED.fullmatch(tag)]
    kept = [tag for tag in named if any(fnmatchcase(tag, pattern) for pattern in rules.keep_tags)]
    if kept:
        return f"tag {kept[0]}"
    if image.created is None:
        is_part = image.digest in graph.parents or is_artifact
        return "" if is_part else "its age is not known"
    age = now - image.created
    if age < rules.min_age:
        return f"younger than {_span(rules.min_age)}"
    if rules.keep_seconds is not None and age < rules.keep_seconds and image.tags and not is_artifact:
        return f"younger than {_span(rules.keep_seconds)}"
    return ""


def _newest(images: Sequence[StoredImage], rules: Rules, graph: _Graph) -> dict[str, int]:
    """Return the newest images under content tags, with their rank from 1."""
    if rules.keep_last is None:
        return {}
    tagged = [
        image
        for image in images
        if image.created is not None
        and image.digest not in graph.subjects
        and any(rules.content_tag.fullmatch(tag) for tag in image.tags)
    ]
    tagged.sort(key=lambda image: (-(image.created or 0), image.digest))
    return {image.digest: rank for rank, image in enumerate(tagged[: rules.keep_last], 1)}


def _unneeded(image: StoredImage, graph: _Graph, rules: Rules, now: float) -> str:
    parents = [parent for parent in graph.parents.get(image.digest, ()) if parent in graph.images]
    if parents:
        return f"part of {_name(graph.images[parents[0]], parents[0])}, which goes"
    subject = graph.subjects.get(image.digest)
    if subject is not None:
        gone = "which goes" if subject in graph.images else "which is gone"
        return f"belongs to {_short(subject)}, {gone}"
    age = f", {_span(now - image.created)} old" if image.created is not None else ""
    if not image.tags:
        return f"no tag names it{age}"
    beyond = f", not among the newest {rules.keep_last}" if rules.keep_last is not None else ""
    return f"not in use{age}{beyond}"


def deletion_waves(decided: Iterable[Decided]) -> tuple[tuple[StoredImage, ...], ...]:
    """Return what goes, in the order in which it has to: an index before its children, then what referred to them."""
    going = {item.image.digest: item.image for item in decided if not item.keep}
    held = {child for image in going.values() for child in image.children}
    roots: list[StoredImage] = []
    parts: list[StoredImage] = []
    attached: list[StoredImage] = []
    for image in going.values():
        if attached_to(image):
            attached.append(image)
        else:
            (parts if image.digest in held else roots).append(image)
    lists = [image for image in attached if image.children]  # an index of referrers goes before what it lists
    others = [image for image in attached if not image.children]
    nested = [image for image in parts if image.children]
    plain = [image for image in parts if not image.children]
    return tuple(tuple(wave) for wave in (roots, nested, plain, lists, others) if wave)


def _name(image: StoredImage | None, digest: str) -> str:
    return image.tags[0] if image is not None and image.tags else _short(digest)


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12] or digest


def _span(seconds: float) -> str:
    if seconds >= _DAY:
        return f"{seconds / _DAY:.0f} d"
    return f"{seconds / 3600:.0f} h"
