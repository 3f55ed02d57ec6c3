"""What git and find are asked about one state of a work tree, all at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.beside import start_search, take_over
from pipeline_kit.adapters.git.conversion import read_settings, tracked_attributes
from pipeline_kit.adapters.git.find import is_large
from pipeline_kit.adapters.git.index import LIST_CHANGED, LIST_ENTRIES, parse_entries
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline_kit.adapters.git.beside import Search
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.conversion import Settings
    from pipeline_kit.adapters.git.find import Finding
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.adapters.git.repository import Repository


@value_class()
class Questions:
    """What was asked about one state of the checkout, and with which settings."""

    git: Git
    settings: Settings
    entries: Running
    changed: Running
    search: Search | None = None
    _indexes: dict[tuple[bytes, ...], Index] = field(default_factory=dict, init=False, repr=False, compare=False)
    attributes: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)
    """The ``.gitattributes`` files in the index, once that has been asked for."""

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
            raw = self.entries.result()  # not kept: it takes as much memory as all that is made of it
            self._indexes[place] = parse_entries(raw, prefix, asked, id_length=id_length)
            self.attributes[:] = tracked_attributes(raw)
        return self._indexes[place]


def ask(
    repository: Repository,
    root: Path,
    pathspecs: Sequence[bytes],
    asked: Sequence[bytes],
    above: Sequence[bytes],
    finding: Finding | None = None,
) -> Questions:
    """Start the commands that tell index and work tree apart; no pathspecs are the whole checkout.

    ``above`` are ``.gitattributes`` files outside the pathspecs; ``finding`` is find at work at the whole already, to
    be closed with the rest. Raises GitUnavailable.
    """
    search = take_over(finding, root) if finding is not None else None
    with ExitStack() as begun:
        if search is not None:
            begun.callback(search.close)
        plain = repository.git
        entries = begun.enter_context(plain.start([*LIST_ENTRIES, *pathspecs, *above]))
        settings = read_settings(plain)
        git = settings.applied(plain)
        changed = begun.enter_context(git.start([*LIST_CHANGED, *pathspecs], is_patient=True))
        begun.pop_all()
    if search is None and is_large(str(repository.git.toplevel)):
        places = [] if not pathspecs or b"" in asked else asked
        search = start_search(root, places, is_git_asked_for_all=not pathspecs)
    return Questions(git, settings, entries, changed, search)
