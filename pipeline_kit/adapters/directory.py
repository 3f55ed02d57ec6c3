"""A directory without git as a tree, and what listings of files on disk have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import base_of, clean_directories, look_inside, read_inside, scan
from pipeline_kit.adapters.hashing import hash_paths, refuse_pointers
from pipeline_kit.allowances import LFS_POINTER
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, Listing
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from pipeline_kit.ports.checkout import Unsent


def merged(records: dict[bytes, bytes], empty: Iterable[bytes]) -> Listing:
    """Return the listing of ``records`` (of leaves) and of ``empty`` directories."""
    records.update(dict.fromkeys(empty, EMPTY_DIRECTORY_RECORD))
    paths = sorted(records)
    return Listing(paths, [records[path] for path in paths])


def split_unsent(paths: Sequence[bytes], unsent: Unsent | None) -> tuple[list[bytes], list[bytes]]:
    """Return the files that some build may be sent, and the others, which need not be read."""
    if unsent is None:
        return list(paths), []
    wanted: list[bytes] = []
    dropped: list[bytes] = []
    for path in paths:
        (dropped if unsent(path, is_directory=False) else wanted).append(path)
    return wanted, dropped


def innermost(directories: Iterable[bytes]) -> list[bytes]:
    """Return ``directories`` without those that hold another of them, which is then their content."""
    kept: list[bytes] = []
    for directory in sorted(directories, reverse=True):
        if not any(other.startswith(directory + b"/") for other in kept):
            kept.append(directory)
    return kept


def with_emptied(listing: Listing, dropped: Sequence[bytes]) -> Listing:
    """Return ``listing`` with the directories in which nothing is left after leaving out the ``dropped`` files."""
    parents = {parent for path in dropped if (parent := path.rpartition(b"/")[0])}
    emptied = innermost(parent for parent in parents if not listing.spans(parent))
    if not emptied:
        return listing
    return Listing.of([*listing, *((parent, EMPTY_DIRECTORY_RECORD) for parent in emptied)])


@value_class()
class DirectoryTree:
    """A directory without git, such as a CodePipeline source bundle; implements :class:`pipeline_kit.ports.Tree`.

    Every byte is read, so it is slower than a work tree; the listing is the same.
    """

    root: Path
    allowed: AbstractSet[str] = field(default=frozenset(), compare=False)
    """Of :data:`pipeline_kit.allowances.ALLOWABLE`."""

    def listing(
        self, directories: Sequence[str], *, include_git: bool = False, unsent: Unsent | None = None
    ) -> Listing:
        """Return everything below ``directories``; raises CheckoutError subclasses, InputError for paths outside."""
        base = base_of(self.root)
        found = scan(base, clean_directories(directories), include_git=include_git, unsent=unsent)
        wanted, dropped = split_unsent(found.leaves, unsent)
        hashed = hash_paths(base, wanted)
        if LFS_POINTER not in self.allowed:
            refuse_pointers(hashed.pointers)
        return with_emptied(merged(hashed.records, found.empty), dropped)

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> None:  # noqa: ARG002 - the port's signature
        """Return ``None``: a listing takes no longer."""
        return

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside the root; ``None`` if absent."""
        return read_inside(base_of(self.root), path)

    def look(self, path: str) -> bytes | str | None:
        """Return the text of the link at ``path``, else what :meth:`read` does."""
        return look_inside(base_of(self.root), path)

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> None:
        """Return ``None``: only comparing the listings can tell."""

    def describe(self) -> str:
        """Return what this is, for people."""
        return "directory without git"
