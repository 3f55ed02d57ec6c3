"""Git's index, and which of its entries no longer say what is on disk.

Three facts about each tracked path come from two plumbing commands: ``git ls-files -s -v -z`` gives mode, blob id and
flags, ``git diff-files --raw -z`` names every path whose stat data differs from the index (it also reads files that are
too young for their stat data to prove anything). An entry that is neither named nor flagged is clean.

What no git command sees: an edit that keeps the size, restores an old modification time, and happens within the very
second of the file's previous change (git compares change times by whole seconds unless built with USE_NSEC).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import shown_all
from pipeline_kit.errors import CheckoutError
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.snapshot import Listing
from pipeline_kit.uncut import Uncut
from pipeline_kit.values import field, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LIST_ENTRIES = ("ls-files", "-s", "-v", "-z", "--full-name", "--")
LIST_CHANGED = ("diff-files", "--raw", "-z", "--no-renames", "--ignore-submodules=all", "--")
LIST_SINCE = ("diff-index", "--raw", "-z", "--no-renames", "--ignore-submodules=none")

# An entry of ls-files -s -v: flag SP mode SP blob-id SP stage TAB path; flag is H for the usual, S for skip-worktree,
# M for unmerged, and in lower case for assume-unchanged.
_FLAG = slice(0, 1)
_MODE = slice(2, 8)
_ID_START = 9
_PLAIN = (b"H 100644 ", b"H 100755 ", b"H 120000 ")
_ODD = late_pattern(rb"\0(?!" + b"|".join(_PLAIN) + rb"|\Z)")
"""Finds an entry, not the first, that is no file or link, or has a flag."""
_GITLINK = b"160000"
_SHA1_HEX = 40


@value_class()
class Index:
    """Tracked paths below the tree's root.

    ``tracked`` holds what the index says of each; ``doubtful`` paths must be hashed whatever their stat data says;
    ``sparse`` paths may be missing on purpose; ``modules`` are submodules and not among the tracked.
    """

    tracked: Listing = field(default_factory=Listing)
    doubtful: set[bytes] = field(default_factory=set)
    sparse: set[bytes] = field(default_factory=set)
    modules: list[bytes] = field(default_factory=list)
    whole: Listing | None = None
    """Everything git answered, wherever it lies, where it is nothing but files and links that git does compare."""


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


def parse_since(raw: bytes, prefix: bytes) -> dict[bytes, bytes | None]:
    """Return the paths below ``prefix`` of a ``diff-index --raw -z`` answer, relative to it, each with its old record.

    An entry is ``:mode mode id id status``, the old ones first; ``None`` stands for a path that is new.
    """
    fields = raw.split(b"\0")
    found: dict[bytes, bytes | None] = {}
    for entry, path in zip(fields[0::2], fields[1::2], strict=False):
        if path.startswith(prefix):
            mode, _, blob, _, status = entry.removeprefix(b":").split(b" ")
            found[path[len(prefix) :]] = None if status == b"A" else mode + b" " + blob
    return found


def parse_entries(raw: bytes, prefix: bytes, asked: Sequence[bytes], *, id_length: int) -> Index:
    """Return the index of an ``ls-files -s -v -z`` answer, cut to the ``asked`` paths (relative to ``prefix``).

    Ids of another length than SHA-1's are not kept (records are empty and every path is doubtful): tags must not
    depend on the object format. Raises CheckoutError naming the unmerged paths among the asked ones.
    """
    entries = raw.split(b"\0")
    entries.pop()
    id_end = _ID_START + id_length
    path_start = id_end + len(b" 0\t")
    is_plain = id_length == _SHA1_HEX and _is_plain(raw)
    if prefix:
        entries = [entry for entry in entries if entry.startswith(prefix, path_start)]
    whole = uncut = Uncut(entries, _MODE.start, path_start + len(prefix))
    if asked != [b""]:
        chosen: list[bytes] = []
        for part in spans(entries, asked, uncut.path_of):
            chosen += entries[part]
        uncut = uncut.of(chosen)
    if is_plain:
        return Index(Listing.of_entries(uncut), whole=Listing.of_entries(whole))
    return _flagged(uncut, id_end)


def _is_plain(raw: bytes) -> bool:
    """Return whether all entries are files or links without flags."""
    return (not raw or raw.startswith(_PLAIN)) and _ODD.search(raw) is None


def spans(
    entries: Sequence[bytes], asked: Iterable[bytes], path_of: Callable[[bytes], bytes] | None = None
) -> list[slice]:
    """Return where the ``asked`` paths and what lies below them stand, every stage of an unmerged path included.

    ``entries`` are in byte order of their paths, which ``path_of`` tells; by default they are paths.
    """
    found: list[slice] = []
    for path in asked:
        low = bisect_left(entries, path, key=path_of)
        high = bisect_right(entries, path, low, key=path_of)
        if low == high:
            low = bisect_left(entries, path + b"/", low, key=path_of)
            high = bisect_left(entries, path + b"0", low, key=path_of)  # "0" is the byte after "/"
        found.append(slice(low, high))
    return found


def _flagged(uncut: Uncut, id_end: int) -> Index:
    """Return the index of entries among which some are flagged, unmerged, submodules or of another object format."""
    index = Index()
    paths: list[bytes] = []
    records: list[bytes] = []
    unmerged: set[bytes] = set()
    can_reuse = id_end == _ID_START + _SHA1_HEX
    for entry, path in zip(uncut.entries, uncut.paths(), strict=True):
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
        paths.append(path)
        records.append(entry[2:id_end] if can_reuse else b"")
    if unmerged:
        raise CheckoutError(f"unmerged: {shown_all(unmerged)}", hint="finish the merge (git status shows what is left)")
    return replace(index, tracked=Listing(paths, records))
