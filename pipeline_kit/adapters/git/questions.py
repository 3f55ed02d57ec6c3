"""What git and find are asked about one state of a work tree, all at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.beside import start_search
from pipeline_kit.adapters.git.conversion import read_settings
from pipeline_kit.adapters.git.index import LIST_CHANGED, LIST_ENTRIES, parse_entries
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline_kit.adapters.git.beside import Search
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.conversion import Settings
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.adapters.git.repository import Repository

LARGE_INDEX = 1 << 20
"""Bytes of an index, about 10,000 files, from which on git and find look for what lies beside it."""


@value_class()
class Questions:
    """What was asked about one state of the checkout, and with which settings."""

    git: Git
    settings: Settings
    entries: Running
    changed: Running
    search: Search | None = None
    _indexes: dict[tuple[bytes, ...], Index] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def raw(self) -> bytes:
        """Wait for the index's entries and return them as git writes them."""
        return self.entries.result()

    @cached_property
    def count(self) -> int:
        """Return the number of entries."""
        return self.raw.count(b"\0")

    def close(self) -> None:
        """End every process."""
        self.entries.close()
        self.changed.close()
        if self.search is not None:
            self.search.close()

    def index(self, prefix: bytes, asked: list[bytes], id_length: int) -> Index:
        """Wait for the index and return what it holds of the ``asked`` paths; see :func:`parse_entries`."""
        place = tuple(asked)
        if place not in self._indexes:
            self._indexes[place] = parse_entries(self.raw, prefix, asked, id_length=id_length)
        return self._indexes[place]

    def hasten(self) -> None:
        """Let git go on, if it is known by now that more must be asked."""
        if self.search is not None and self.entries.process.is_done():
            self.search.hasten(self.count)


def ask(
    repository: Repository, root: Path, pathspecs: Sequence[bytes], asked: Sequence[bytes], above: Sequence[bytes]
) -> Questions:
    """Start the commands that tell index and work tree apart; no pathspecs are the whole checkout.

    ``above`` are ``.gitattributes`` files outside the pathspecs. Raises GitUnavailable.
    """
    plain = repository.git
    entries = plain.start([*LIST_ENTRIES, *pathspecs, *above])
    try:
        settings = read_settings(plain)
        git = settings.applied(plain)
        changed = git.start([*LIST_CHANGED, *pathspecs], is_patient=True)
    except BaseException:
        entries.close()
        raise
    search = start_search(git, root, pathspecs, asked) if is_large(repository.git.toplevel) else None
    return Questions(git, settings, entries, changed, search)


def is_large(toplevel: Path) -> bool:
    """Return whether more processes cost less than a walk, and a part of it less than the whole checkout.

    Where the index lies elsewhere, most likely.
    """
    try:
        return (toplevel / ".git" / "index").stat().st_size >= LARGE_INDEX
    except NotADirectoryError:  # a linked worktree
        return True
    except OSError:
        return False
