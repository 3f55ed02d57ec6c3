"""What build records and run reports tell of a repository: how often images were built, why, and what skipping saved.

Pure. A record stands for a build; a hit leaves no trace in a registry, so hit rates come from run reports alone.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline_kit.recorded_inputs import differences
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.content_tag import Change
    from pipeline_kit.record import BuildRecord

_HITS = frozenset({"skipped"})
_BUILDS = frozenset({"built", "completed"})
_COUNTED = _HITS | _BUILDS | {"reused", "failed"}


@value_class()
class Cause:
    """An input that differed between one build of an image and the one before it.

    ``builds`` counts the builds before which it differed, ``alone`` those before which nothing else did.
    """

    kind: str
    name: str
    builds: int
    alone: int


@value_class()
class ImageStats:
    """One image. Times are in seconds, ``first`` and ``last`` since the epoch, 0 without a build.

    ``runs`` counts the reports that decided about it, ``hits`` those that built nothing; ``saved`` is ``hits`` times
    the median build, ``None`` while no build is known.
    """

    name: str
    builds: int = 0
    total: float = 0.0
    median: float | None = None
    longest: float = 0.0
    first: int = 0
    last: int = 0
    causes: tuple[Cause, ...] = ()
    runs: int = 0
    hits: int = 0
    saved: float | None = None


@value_class()
class Seen:
    """What one run report says of one image."""

    image: str
    status: str
    seconds: float


def image_stats(name: str, records: Iterable[BuildRecord], seen: Iterable[Seen]) -> ImageStats:
    """Return what is known of one image: from its build records, in any order, and from reports."""
    ordered = sorted(records, key=lambda record: (record.created, record.stamp.commit_time, record.stamp.run))
    told = [item for item in seen if item.image == name and item.status in _COUNTED]
    seconds = [record.seconds for record in ordered] or [item.seconds for item in told if item.status in _BUILDS]
    hits = sum(item.status in _HITS for item in told)
    typical = median(seconds) if seconds else None
    return ImageStats(
        name=name,
        builds=len(ordered),
        total=sum(record.seconds for record in ordered),
        median=typical,
        longest=max(seconds, default=0.0),
        first=ordered[0].created if ordered else 0,
        last=ordered[-1].created if ordered else 0,
        causes=causes(changes_between(ordered)),
        runs=len(told),
        hits=hits,
        saved=None if typical is None else hits * typical,
    )


def changes_between(ordered: Sequence[BuildRecord]) -> list[tuple[Change, ...]]:
    """Return what differed between each build and the one before it; builds of one key (forced) differ in nothing."""
    return [differences(old.inputs, new.inputs) for old, new in pairwise(ordered) if old.key != new.key]


def causes(changed: Iterable[Sequence[Change]]) -> tuple[Cause, ...]:
    """Return the inputs that changed, those that made most builds necessary first."""
    builds: Counter[tuple[str, str]] = Counter()
    alone: Counter[tuple[str, str]] = Counter()
    for changes in changed:
        names = {(change.kind, change.name) for change in changes}
        builds.update(names)
        if len(names) == 1:
            alone.update(names)
    found = [Cause(kind, name, count, alone[kind, name]) for (kind, name), count in builds.items()]
    return tuple(sorted(found, key=lambda cause: (-cause.builds, -cause.alone, cause.kind, cause.name)))


def hit_rate(stats: Iterable[ImageStats]) -> float | None:
    """Return hits per decision over all images, ``None`` where no report tells of any."""
    counted = [(item.hits, item.runs) for item in stats]
    runs = sum(runs for _, runs in counted)
    return sum(hits for hits, _ in counted) / runs if runs else None


def read_report(document: Any) -> tuple[Seen, ...]:
    """Return what a report of ``build`` says of its images. Raises ValueError where it is none."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict) or "exit_code" not in document:
        raise ValueError("it is not a report of pipeline-kit build")
    return tuple(_seen(str(name), item) for name, item in images.items())


def _seen(name: str, item: Any) -> Seen:
    status, seconds = (item.get("status"), item.get("seconds")) if isinstance(item, dict) else (None, None)
    if isinstance(status, str) and isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return Seen(name, status, float(seconds))
    raise ValueError(f"image {name[:100]!r} has no status and seconds")


def stats_document(stats: Sequence[ImageStats], reports: int) -> dict[str, Any]:
    """Return ``stats --json``; ``null`` stands for what is not known."""
    saved = [item.saved for item in stats if item.saved is not None]
    rate = hit_rate(stats)
    return {
        "images": {item.name: _image_document(item) for item in stats},
        "reports": reports,
        "hit_rate": None if rate is None else round(rate, 4),
        "saved_seconds": round(sum(saved), 1) if reports else None,
        "build_seconds": round(sum(item.total for item in stats), 1),
    }


def _image_document(item: ImageStats) -> Mapping[str, Any]:
    return {
        "builds": item.builds,
        "seconds": {"total": round(item.total, 3), "median": item.median, "longest": item.longest},
        "first": item.first or None,
        "last": item.last or None,
        "causes": [
            {"kind": cause.kind, "name": cause.name, "builds": cause.builds, "alone": cause.alone}
            for cause in item.causes
        ],
        "runs": item.runs,
        "hits": item.hits,
        "hit_rate": round(item.hits / item.runs, 4) if item.runs else None,
        "saved_seconds": None if item.saved is None or not item.runs else round(item.saved, 1),
    }
