"""Which files of an image differ from a commit, told from the paths that differ there: the commit is not listed.

Where configuration, Dockerfile and ignore files are those of the commit, the rules of today are its rules, so each path
can be looked at by itself. What that cannot tell for certain, links for one, is left to a comparison of whole listings.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pipeline_kit.app.project import in_tree
from pipeline_kit.config import DirectoryContext
from pipeline_kit.content_tag import Change, file_name
from pipeline_kit.dockerignore import ignore_file_candidates
from pipeline_kit.narrowing import narrow, reads_of
from pipeline_kit.snapshot import DIRECTORY, LINK, Listing, directories_above

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.sources import ImageSources

    Records = Mapping[bytes, bytes | None]


class FileChanges:
    """Answers for images of a project whose configuration, in the directory ``prefix``, is the commit's.

    ``whole`` is what is listed today, ``records`` maps each path that may differ to its record in the commit, ``None``
    for one that is not there.
    """

    def __init__(self, prefix: str, whole: Listing, records: Records) -> None:
        self._prefix = prefix
        self._whole = whole
        self._records = records
        self._paths = Listing.of((path, b"") for path in records)
        self._parents = {directory for path in records for directory in directories_above(path)}
        self._same: dict[str, bool] = {}

    def of(self, sources: ImageSources, keyed: Keyed) -> tuple[Change, ...] | None:
        """Return what differs, ``None`` where the whole listings have to be compared."""
        image = sources.image
        if keyed.inputs is None or not all(self._is_same(path) for path in _steering(sources)):
            return None
        if any(self._below(self._place(path)) for path in image.inputs):
            return None
        found: list[Change] = []
        for context, directory in _directories(sources):
            told = self._in_context(sources, keyed, context, self._place(directory))
            if told is None:
                return None
            found += told
        return tuple(sorted(found))

    def touches(self, place: bytes) -> bool:
        """Return whether any path that may differ is ``place``, lies in it, or is a submodule that holds it."""
        if place in (b"", b".") or self._holds_any(place):
            return True
        return any(directory in self._records for directory in directories_above(place))

    def _holds_any(self, place: bytes) -> bool:
        return place in self._records or place in self._parents

    def _place(self, path: str) -> bytes:
        return in_tree(self._prefix, path).encode("utf-8", "surrogateescape")

    def _is_same(self, path: str) -> bool:
        """Return whether a file that steers the build is as it is in the commit, or is in neither."""
        if path not in self._same:
            place = self._place(path)
            self._same[path] = not self._holds_any(place) and not (self._whole.get(place) or b"").startswith(LINK)
        return self._same[path]

    def _below(self, place: bytes) -> dict[bytes, bytes | None]:
        """Return the differing paths at or below ``place``, relative to it."""
        if place == b".":
            return dict(self._records)
        if not self._holds_any(place):
            return {}
        cut = len(place) + 1
        paths = [path for part in self._paths.spans(place) for path in self._paths.paths[part]]
        return {path[cut:]: self._records[path] for path in paths}

    def _in_context(self, sources: ImageSources, keyed: Keyed, context: str, place: bytes) -> list[Change] | None:
        differing = self._below(place)
        if not differing:
            return []
        assert keyed.inputs is not None  # noqa: S101 - asked before
        sent, counting = sources.files[context], keyed.inputs.files[context]
        if b"" in differing or _may_lead_elsewhere(sources, context, sent, differing.values()):
            return None
        found: list[Change] = []
        gone: list[tuple[bytes, bytes]] = []
        above_new: set[bytes] = set()
        for path, before in differing.items():
            now = counting.get(path)
            if now is None and before is not None:
                gone.append((path, before))
            elif now is not None and now != before:
                found.append(Change("file", file_name(context, path), "added" if before is None else "changed"))
            if now is not None and before is None:
                above_new.update(directories_above(path))
            elif _is_bare(path, counting):
                return None
        if self._any_was_bare(place, above_new, counting):
            return None
        removed = _counting(sources, context, Listing.of(gone), is_whole=counting is sent)
        if any(not self._has_directory(place, path) for path, _ in gone if path not in removed):
            return None
        return found + [Change("file", file_name(context, path), "removed") for path in removed]

    def _any_was_bare(self, place: bytes, above_new: Iterable[bytes], counting: Listing) -> bool:
        """Return whether any directory above something new may have counted for its own sake in the commit."""
        filled: set[bytes] = set()
        for directory in sorted(above_new, reverse=True):  # what lies below comes first
            if directory in filled:
                continue
            kept = (counting.path_at(at) for part in counting.spans(directory) for at in range(part.start, part.stop))
            if not all(self._is_new(_under(place, name)) for name in kept):
                filled.update(directories_above(directory))
            elif self._held_something(place, directory):
                return True
        return False

    def _held_something(self, place: bytes, directory: bytes) -> bool:
        """Return whether a ``directory`` of which all that is sent is new held anything in the commit."""
        whole, full = self._whole.under(place), _under(place, directory)
        here = (whole.path_at(at) for part in whole.spans(directory) for at in range(part.start, part.stop))
        before = (name for part in self._paths.spans(full) for name in self._paths.paths[part])
        return any(not self._is_new(name) for name in (*(_under(place, name) for name in here), *before))

    def _is_new(self, path: bytes) -> bool:
        return path in self._records and self._records[path] is None

    def _has_directory(self, place: bytes, path: bytes) -> bool:
        """Return whether the directory of ``path`` holds anything now."""
        parent = path.rpartition(b"/")[0]
        return not parent or bool(self._whole.under(place).spans(parent))


def _under(place: bytes, path: bytes) -> bytes:
    return path if place == b"." else place + b"/" + path


def _may_lead_elsewhere(sources: ImageSources, context: str, sent: Listing, before: Iterable[bytes | None]) -> bool:
    """Return whether a link, now or in the commit, may stand on the way to what the build copies."""
    if any(record is not None and record.startswith(LINK) for record in before):
        return True
    reads = reads_of(sources.uses.reads or (), context or None)
    if any(read.is_glob for read in reads):
        return any(record.startswith(LINK) for record in sent.records)
    ways = (read.pattern.encode("utf-8", "surrogateescape").strip(b"/").split(b"/") for read in reads)
    places = (b"/".join(way[:count]) for way in ways for count in range(1, len(way) + 1))
    return any((sent.get(place) or b"").startswith(LINK) for place in places)


def _is_bare(path: bytes, counting: Listing) -> bool:
    """Return whether a directory above ``path`` counts for its own sake: what lies in it is not sent."""
    if not counting.holds_directories:
        return False
    return any((counting.get(directory) or b"").startswith(DIRECTORY) for directory in directories_above(path))


def _counting(sources: ImageSources, context: str, listing: Listing, *, is_whole: bool) -> list[bytes]:
    """Return the files of ``listing`` that would count in the image's ``context``."""
    if not len(listing):
        return []
    kept = sources.ignore_rules[context].filter(listing)
    if not is_whole and sources.uses.reads is not None:
        kept = narrow(kept, reads_of(sources.uses.reads, context or None)).listing
    return [path for path, record in kept if not record.startswith(DIRECTORY)]


def _directories(sources: ImageSources) -> Iterator[tuple[str, str]]:
    """Yield each directory context, by its name in the listings, and where it is."""
    yield "", sources.image.context
    for name, context in sources.image.contexts.items():
        if isinstance(context, DirectoryContext):
            yield name, context.path


def _steering(sources: ImageSources) -> Iterator[str]:
    """Yield the files that decide which others count."""
    beside, inside = ignore_file_candidates(sources.image.dockerfile)
    yield from (sources.image.dockerfile, beside)
    for _, directory in _directories(sources):
        yield posixpath.join(directory, inside)
