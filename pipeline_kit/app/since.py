"""Which files of an image differ from a commit, told from the paths that differ there: the commit is not listed.

Where configuration, Dockerfile and ignore files are those of the commit, the rules of today are its rules, so each path
can be looked at by itself. What that cannot tell for certain, links for one, is left to a comparison of whole listings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.project import in_tree
from pipeline_kit.config import DirectoryContext
from pipeline_kit.content_tag import Change, file_name
from pipeline_kit.dockerignore import ignore_file_candidates
from pipeline_kit.narrowing import narrow
from pipeline_kit.snapshot import DIRECTORY, LINK, Listing, directories_above

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.content_tag import KeyInputs
    from pipeline_kit.dockerfile import ContextRead

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
        self._paths = Listing(sorted(records), [b""] * len(records))
        self._parents = {directory for path in records for directory in directories_above(path)}
        self._same: dict[bytes, bool] = {}
        self._ways: dict[tuple[ContextRead, ...], tuple[bytes, ...]] = {}

    def of(self, sources: ImageSources, keyed: Keyed) -> tuple[Change, ...] | None:
        """Return what differs, ``None`` where the whole listings have to be compared."""
        places = {context: self._place(directory) for context, directory in _directories(sources)}
        if keyed.inputs is None or not all(map(self._is_same, self._steering(sources, places.values()))):
            return None
        if any(self._below(self._place(path)) for path in sources.image.inputs):
            return None
        found: list[Change] = []
        for context, place in places.items():
            differing = self._below(place)
            told = self._in_context(sources, keyed.inputs, context, place, differing) if differing else ()
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

    def _steering(self, sources: ImageSources, contexts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the places of the files that decide which others count."""
        beside, inside = ignore_file_candidates(sources.image.dockerfile)
        yield self._place(sources.image.dockerfile)
        yield self._place(beside)
        for place in contexts:
            yield _under(place, inside.encode())

    def _is_same(self, place: bytes) -> bool:
        """Return whether a file that steers the build is as it is in the commit, or is in neither."""
        known = self._same.get(place)
        if known is None:
            known = not self._holds_any(place) and not (self._whole.get(place) or b"").startswith(LINK)
            self._same[place] = known
        return known

    def _below(self, place: bytes) -> dict[bytes, bytes | None]:
        """Return the differing paths at or below ``place``, relative to it."""
        if place == b".":
            return dict(self._records)
        if not self._holds_any(place):
            return {}
        cut = len(place) + 1
        paths = [path for part in self._paths.spans(place) for path in self._paths.paths[part]]
        return {path[cut:]: self._records[path] for path in paths}

    def _in_context(
        self, sources: ImageSources, inputs: KeyInputs, context: str, place: bytes, differing: Records
    ) -> list[Change] | None:
        sent, counting = sources.files[context], inputs.files[context]
        if b"" in differing or self._may_lead_elsewhere(sources.uses.reads_of(context), sent, differing.values()):
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
        removed = _counting(sources, context, gone, is_whole=counting is sent)
        if any(not self._has_directory(place, path) for path, _ in gone if path not in removed):
            return None
        return found + [Change("file", file_name(context, path), "removed") for path in removed]

    def _may_lead_elsewhere(
        self, reads: tuple[ContextRead, ...], sent: Listing, before: Iterable[bytes | None]
    ) -> bool:
        """Return whether a link, now or in the commit, may stand on the way to what the build copies."""
        if any(record is not None and record.startswith(LINK) for record in before):
            return True
        if any(read.is_glob for read in reads):
            return any(record.startswith(LINK) for record in sent.records)
        if reads not in self._ways:  # the same for many images
            self._ways[reads] = tuple(_ways(reads))
        return any((sent.get(place) or b"").startswith(LINK) for place in self._ways[reads])

    def _any_was_bare(self, place: bytes, above_new: Iterable[bytes], counting: Listing) -> bool:
        """Return whether any directory above something new may have counted for its own sake in the commit."""
        filled: set[bytes] = set()
        for directory in sorted(above_new, reverse=True):  # what lies below comes first
            if directory in filled:
                continue
            if not all(self._is_new(_under(place, name)) for name in counting.paths_in(directory)):
                filled.update(directories_above(directory))
            elif self._held_something(place, directory):
                return True
        return False

    def _held_something(self, place: bytes, directory: bytes) -> bool:
        """Return whether a ``directory`` of which all that is sent is new held anything in the commit."""
        whole, full = self._whole.under(place), _under(place, directory)
        here = (_under(place, name) for name in whole.paths_in(directory))
        before = (name for part in self._paths.spans(full) for name in self._paths.paths[part])
        return not all(map(self._is_new, (*here, *before)))

    def _is_new(self, path: bytes) -> bool:
        return path in self._records and self._records[path] is None

    def _has_directory(self, place: bytes, path: bytes) -> bool:
        """Return whether the directory of ``path`` holds anything now."""
        parent = path.rpartition(b"/")[0]
        return not parent or bool(self._whole.under(place).spans(parent))


def _under(place: bytes, path: bytes) -> bytes:
    return path if place == b"." else place + b"/" + path


def _ways(reads: Iterable[ContextRead]) -> Iterator[bytes]:
    """Yield every place on the way to what is read, and the place itself."""
    for read in reads:
        place = read.pattern.encode("utf-8", "surrogateescape").strip(b"/")
        yield from directories_above(place)
        yield place


def _is_bare(path: bytes, counting: Listing) -> bool:
    """Return whether a directory above ``path`` counts for its own sake: what lies in it is not sent."""
    if not counting.holds_directories:
        return False
    return any((counting.get(directory) or b"").startswith(DIRECTORY) for directory in directories_above(path))


def _counting(
    sources: ImageSources, context: str, entries: Sequence[tuple[bytes, bytes]], *, is_whole: bool
) -> list[bytes]:
    """Return the files of ``entries`` that would count in the image's ``context``."""
    if not entries:
        return []
    kept = sources.ignore_rules[context].filter(Listing.of(entries))
    if not is_whole and sources.uses.reads is not None:
        kept = narrow(kept, sources.uses.reads_of(context)).listing
    return [path for path, record in kept if not record.startswith(DIRECTORY)]


def _directories(sources: ImageSources) -> Iterator[tuple[str, str]]:
    """Yield each directory context, by its name in the listings, and where it is."""
    yield "", sources.image.context
    for name, context in sources.image.contexts.items():
        if isinstance(context, DirectoryContext):
            yield name, context.path
