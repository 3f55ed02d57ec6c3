"""Git's index, and which of its entries no longer say what is on disk.

Three facts about each tracked path come from two plumbing commands: ``git ls-files -s -v -z`` gives mode, blob id and
flags, ``git diff-files --raw -z`` names every path whose stat data differs from the index (it also reads files that are
too young for their stat data to prove anything). An entry that is neither named nor flagged is clean.

What no git command sees: an edit that keeps the size, restores an old modification time, and happens within the very
second of the file's previous change (git compares change times by whole seconds unless built with USE_NSEC).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.adapters.filesystem import shown_all
from pipeline_kit.errors import CheckoutError
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIST_ENTRIES = ("ls-files", "-s", "-v", "-z", "--full-name", "--")
LIST_CHANGED = ("diff-files", "--raw", "-z", "--no-renames", "--ignore-submodules=all", "--")
LIST_SINCE = ("diff-index", "--name-only", "-z", "--no-renames", "--ignore-submodules=none")

# An entry of ls-files -s -v: flag SP mode SP blob-id SP stage TAB path; flag is H for the usual, S for skip-worktree,
# M for unmerged, and in lower case for assume-unchanged.
_FLAG = slice(0, 1)
_MODE = slice(2, 8)
_ID_START = 9
_PLAIN = (b"H 100644 ", b"H 100755 ", b"H 120000 ")
_GITLINK = b"160000"
_SHA1_HEX = 40


@dataclass(frozen=True, slots=True)
class Index:
    """Tracked paths below the tree's root.

    ``tracked`` holds what the index says of each; ``doubtful`` paths must be hashed whatever their stat data says;
    ``sparse`` paths may be missing on purpose; ``modules`` are submodules and not among the tracked.
    """

    tracked: Listing = field(default_factory=Listing)
    doubtful: set[bytes] = field(default_factory=set)
    sparse: set[bytes] = field(default_factory=set)
    modules: list[bytes] = field(default_factory=list)


class Changed(NamedTuple):
    """Paths that differ from the index: on disk with other stat data, or ``deleted`` there."""

    edited: set[bytes]
    deleted: set[bytes]


def parse_changed(raw: bytes, prefix: bytes) -> Changed:
    """Return the paths of a ``diff-files --raw -z`` answer, relative to ``prefix``."""
    cut = len(prefix)
    fields = raw.split(b"\0")
    changed = {path[cut:]: entry for entry, path in zip(fields[0::2], fields[1::2], strict=False)}
    deleted = {path for path, entry in changed.items() if entry.endswith(b" D")}
    return Changed(changed.keys() - deleted, deleted)


def parse_entries(raw: bytes, prefix: bytes, asked: Sequence[bytes], *, id_length: int) -> Index:
    """Return the index of an ``ls-files -s -v -z`` answer, cut to the ``asked`` paths (relative to ``prefix``).

    Ids of another length than SHA-1's are not kept (records are empty and every path is doubtful): tags must not
    depend on the object format. Raises CheckoutError naming the unmerged paths among the asked ones.
    """
    entries = raw.split(b"\0")
    entries.pop()
    id_end = _ID_START + id_length
    path_start = id_end + len(b" 0\t")
    # One search of the whole for each kind of plain entry costs far less than a look at every entry.
    plain = sum(raw.count(b"\0" + start) + raw.startswith(start) for start in _PLAIN)
    is_plain = plain == len(entries) and id_length == _SHA1_HEX
    if prefix:
        entries = [entry for entry in entries if entry.startswith(prefix, path_start)]
    path_start += len(prefix)
    paths = [entry[path_start:] for entry in entries]
    if asked != [b""]:
        entries, paths = cut(entries, paths, asked)
    if is_plain:
        return Index(Listing(paths, [entry[2:id_end] for entry in entries]))
    return _flagged(entries, paths, id_end)


def cut(entries: list[bytes], paths: list[bytes], asked: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Keep what is one of the ``asked`` paths or below one; both lists are in byte order of the paths."""
    kept_entries: list[bytes] = []
    kept_paths: list[bytes] = []
    for directory in asked:
        at = bisect_left(paths, directory)
        if at < len(paths) and paths[at] == directory:
            high = at + 1
            while high < len(paths) and paths[high] == directory:  # stages of an unmerged path
                high += 1
        else:
            at = bisect_left(paths, directory + b"/")
            high = bisect_left(paths, directory + b"0")  # "0" is the byte after "/"
        kept_entries += entries[at:high]
        kept_paths += paths[at:high]
    return kept_entries, kept_paths


def _flagged(entries: list[bytes], paths: list[bytes], id_end: int) -> Index:
    """Return the index of entries among which some are flagged, unmerged, submodules or of another object format."""
    index = Index()
    unmerged: set[bytes] = set()
    can_reuse = id_end == _ID_START + _SHA1_HEX
    for entry, path in zip(entries, paths, strict=True):
        flag = entry[_FLAG]
        if flag in b"Mm":
            unmerged.add(path)
        elif entry[_MODE] == _GITLINK:
            index.modules.append(path)
            continue
        elif flag != b"H" or not can_reuse:
            index.doubtful.add(path)
        if flag in b"Ss":
            index.sparse.add(path)
        index.tracked.paths.append(path)
        index.tracked.records.append(entry[2:id_end] if can_reuse else b"")
    if unmerged:
        raise CheckoutError(f"unmerged: {shown_all(unmerged)}", hint="finish the merge (git status shows what is left)")
    return index
