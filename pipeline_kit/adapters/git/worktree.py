"""The git work tree as BuildKit would send it: everything on disk, with git's index sparing most of the reading.

The directory walk decides what exists; the index only answers which blob a tracked file holds, where its stat data
proves that the file is unchanged and no conversion applies. So a listing equals that of
:class:`pipeline_kit.adapters.filesystem.DirectoryTree` over the same files. Two git processes and the walk run at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import (
    DirectoryTree,
    base_of,
    clean_directories,
    hash_paths,
    link_text,
    merged,
    read_inside,
    refuse_pointers,
    scan,
    shown_all,
    split_unsent,
    with_emptied,
)
from pipeline_kit.adapters.git.conversion import find_mentions, read_settings, suspects, tracked_attributes
from pipeline_kit.adapters.git.history import GitHistory
from pipeline_kit.adapters.git.index import LIST_CHANGED, LIST_ENTRIES, Index, parse_changed, parse_entries
from pipeline_kit.adapters.git.repository import ATTRIBUTES_FILE, Repository, find_toplevel, verify
from pipeline_kit.errors import CheckoutError, InputError
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.adapters.filesystem import Scan
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.conversion import Settings
    from pipeline_kit.ports.checkout import Unsent


@dataclass(frozen=True, slots=True)
class Survey:
    """One look at the work tree: the index (asked part), the walk, and three kinds of paths that differ.

    ``untracked`` is on disk and not in the index, ``gone`` the other way round, ``unproven`` tracked and on disk with
    bytes that only reading can tell.
    """

    index: Index
    found: Scan
    untracked: list[bytes]
    gone: set[bytes]
    unproven: list[bytes]


@dataclass(frozen=True, slots=True)
class _Questions:
    """What git was asked about one state of the checkout, and with which settings."""

    git: Git
    settings: Settings
    entries: Running
    changed: Running

    def close(self) -> None:
        """End both processes."""
        with self.entries, self.changed:
            pass


@dataclass(frozen=True, slots=True)
class WorkTree:
    """The files below ``root`` (a real path) in a git checkout; implements :class:`pipeline_kit.ports.Tree`."""

    root: Path
    repository: Repository
    allow_lfs_pointers: bool = False
    _early: list[_Questions] = field(default_factory=list, init=False, repr=False, compare=False)

    def start_early(self) -> None:
        """Let git begin to look at the whole checkout while the caller is still busy; the next listing uses it.

        To be followed by a listing or by :meth:`close`.
        """
        if not self._early:
            self._early.append(self._ask([], []))

    def close(self) -> None:
        """End what :meth:`start_early` began and nobody used."""
        while self._early:
            self._early.pop().close()

    def listing(
        self, directories: Sequence[str], *, include_git: bool = False, unsent: Unsent | None = None
    ) -> Listing:
        """Return everything below ``directories`` (relative to ``root``): tracked, untracked and ignored.

        ``include_git`` adds ``.git`` entries, which BuildKit does send unless they are ignored. Raises CheckoutError
        for unmerged entries, absent submodules, missing sparse files and LFS pointers, UnreadableFile, ContextChanged,
        and InputError for paths outside ``root``.
        """
        base = base_of(self.root)
        survey = self._survey(base, clean_directories(directories), include_git=include_git, unsent=unsent)
        _refuse_incomplete(base, survey, unsent)
        wanted, dropped = split_unsent([*survey.unproven, *survey.untracked], unsent)
        hashed = hash_paths(base, wanted)
        if not self.allow_lfs_pointers:
            refuse_pointers(hashed.pointers)
        records = survey.index.records
        for path in (*survey.gone, *dropped):
            records.pop(path, None)
        records.update(hashed.records)
        if survey.untracked or survey.found.empty or dropped:
            return with_emptied(merged(records, survey.found.empty), dropped)
        return Listing(list(records), list(records.values()))  # still in git's order, which is ours

    def untracked(self, directories: Sequence[str]) -> list[bytes]:
        """Return, in byte order, the files below ``directories`` that git does not track, ignored ones included.

        They enter the image without being in any commit. Files of submodules do not count.
        """
        survey = self._survey(base_of(self.root), clean_directories(directories), include_git=False, unsent=None)
        modules = tuple(module + b"/" for module in survey.index.modules)
        return sorted(path for path in survey.untracked if not path.startswith(modules))

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside ``root``; ``None`` if absent."""
        return read_inside(base_of(self.root), path)

    def read_link(self, path: str) -> str:
        """Return the text of the link at ``path``, ``""`` when there is none."""
        return link_text(base_of(self.root), path)

    def describe(self) -> str:
        """Return what this is, for people."""
        return "work tree"

    def _survey(self, base: bytes, asked: list[bytes], *, include_git: bool, unsent: Unsent | None) -> Survey:
        repository = self.repository
        pathspecs = repository.pathspecs(asked)
        above = repository.attributes_above(asked)
        if pathspecs or not self._early:
            self._early.append(self._ask(pathspecs, above if pathspecs else []))
        questions = self._early.pop()
        self.close()
        with questions.entries as entries, questions.changed as changed:
            found = scan(base, asked, include_git=include_git, unsent=unsent)
            raw = entries.result()
            index = parse_entries(raw, repository.prefix, asked, id_length=repository.id_length)
            records = index.records
            untracked = [path for path in found.leaves if path not in records]
            dirty = parse_changed(changed.result(), repository.prefix) | index.doubtful
        git, settings = questions.git, questions.settings
        missing = len(records) - len(found.leaves) + len(untracked)
        gone = records.keys() - set(found.leaves) if missing else set()
        dirty |= self._converted(git, settings, base, index, raw, above, [*untracked, *gone, *dirty])
        unproven = [path for path in found.leaves if path in dirty and path in records] if dirty else []
        return Survey(index, found, untracked, gone, unproven)

    def _ask(self, pathspecs: Sequence[bytes], above: Sequence[bytes]) -> _Questions:
        """Start the two commands that tell index and work tree apart; no pathspecs are the whole checkout."""
        plain = self.repository.git
        entries = plain.start([*LIST_ENTRIES, *pathspecs, *above])
        try:
            settings = read_settings(plain)
            git = settings.applied(plain)
            return _Questions(git, settings, entries, git.start([*LIST_CHANGED, *pathspecs]))
        except BaseException:
            entries.__exit__(None, None, None)
            raise

    def _converted(
        self,
        git: Git,
        settings: Settings,
        base: bytes,
        index: Index,
        raw: bytes,
        above: list[bytes],
        known: list[bytes],
    ) -> set[bytes]:
        """Return the clean paths to which a conversion may apply; ``known`` need no answer."""
        top, prefix = self.repository.base, self.repository.prefix
        tracked = tracked_attributes(raw)
        others = {prefix + path for path in known if path.endswith(ATTRIBUTES_FILE)}
        others.update(above)
        mentions = find_mentions(
            settings,
            [top + path for path in tracked],
            [self.repository.info_attributes, *(top + path for path in others)],
        )
        if not mentions.by_size and not mentions.by_bytes:
            return set()
        clean = dict(index.records)
        for path in known:
            clean.pop(path, None)
        return suspects(git, base, prefix, clean, mentions)


def _refuse_incomplete(base: bytes, survey: Survey, unsent: Unsent | None) -> None:
    """Raise CheckoutError where files that belong to the tree were never checked out."""
    absent = [module for module in survey.index.modules if not os.path.lexists(base + module + b"/.git")]
    if absent:
        raise CheckoutError(
            f"submodules are not checked out: {shown_all(absent)}", hint="git submodule update --init --recursive"
        )
    sparse, _ = split_unsent(sorted(survey.gone & survey.index.sparse), unsent)
    if sparse:
        raise CheckoutError(
            f"sparse or skip-worktree files are missing: {shown_all(sparse)}", hint="git sparse-checkout disable"
        )


def open_tree(root: Path, *, allow_lfs_pointers: bool = False) -> tuple[WorkTree | DirectoryTree, GitHistory | None]:
    """Return the tree at the directory ``root`` and, inside a git work tree, its history.

    Without any ``.git`` at or above ``root`` git is not even looked for. A bare repository is a plain directory here:
    nothing of it runs. Raises InputError when ``root`` is no directory, and GitUnavailable, DubiousOwnership or another
    CheckoutError when git cannot be used.
    """
    real = Path(os.path.realpath(root))
    if not real.is_dir():
        raise InputError(f"{root} is not a directory")
    toplevel = find_toplevel(real)
    if toplevel is None:
        return DirectoryTree(real, allow_lfs_pointers=allow_lfs_pointers), None
    repository = verify(toplevel, real)
    history = GitHistory(repository, allow_lfs_pointers=allow_lfs_pointers)
    return WorkTree(real, repository, allow_lfs_pointers=allow_lfs_pointers), history
