"""The git work tree as BuildKit would send it: everything on disk, with git's index sparing most of the reading.

What lies on disk decides what exists; the index only answers which blob a tracked file holds, where its stat data
proves that the file is unchanged and no conversion applies. So a listing equals that of
:class:`pipeline_kit.adapters.directory.DirectoryTree` over the same files. Everything that git is asked runs at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline_kit.adapters.directory import DirectoryTree, split_unsent, with_emptied
from pipeline_kit.adapters.filesystem import clean_directories, clean_path, link_text, read_inside
from pipeline_kit.adapters.git.beside import by_search, by_walk, findings, start_search
from pipeline_kit.adapters.git.conversion import find_mentions, read_settings, suspects, tracked_attributes
from pipeline_kit.adapters.git.history import GitHistory
from pipeline_kit.adapters.git.index import LIST_CHANGED, LIST_ENTRIES, LIST_SINCE, Index, parse_changed, parse_entries
from pipeline_kit.adapters.git.repository import ATTRIBUTES_FILE, Repository, find_toplevel, verify
from pipeline_kit.adapters.git.submodules import absent_submodules
from pipeline_kit.adapters.hashing import hash_paths, refuse, refuse_pointers
from pipeline_kit.allowances import LFS_POINTER, SKIP_WORKTREE, SPARSE, SUBMODULE_MISSING
from pipeline_kit.errors import InputError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from pipeline_kit.adapters.git.beside import Beside, Findings, Search
    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.conversion import Settings
    from pipeline_kit.ports.checkout import Unsent
    from pipeline_kit.snapshot import Listing


_LARGE_INDEX = 1 << 20
"""Bytes of an index, about 10,000 files, from which on git and find look for what lies beside it."""


class Survey(NamedTuple):
    """One look at the work tree: the index (asked part), what lies beside it, and what only reading can tell.

    ``git`` has every filter driver turned off.

    ``unproven`` paths are tracked and on disk with bytes that may differ from the index.
    """

    git: Git
    listed: Index
    beside: Beside
    unproven: list[bytes]


class _Questions(NamedTuple):
    """What was asked about one state of the checkout, and with which settings."""

    git: Git
    settings: Settings
    entries: Running
    changed: Running
    search: Search | None = None

    def close(self) -> None:
        """End every process."""
        self.entries.close()
        self.changed.close()
        if self.search is not None:
            self.search.close()


@dataclass(frozen=True, slots=True)
class WorkTree:
    """The files below ``root`` (a real path) in a git checkout; implements :class:`pipeline_kit.ports.Tree`."""

    root: Path
    repository: Repository
    allowed: AbstractSet[str] = field(default=frozenset(), compare=False)
    """Of :data:`pipeline_kit.allowances.ALLOWABLE`; may still grow until the first listing."""
    _early: list[_Questions] = field(default_factory=list, init=False, repr=False, compare=False)
    _last: list[tuple[Git, frozenset[bytes]]] = field(default_factory=list, init=False, repr=False, compare=False)
    """Of the last listing, git with no filter set, and the paths that are not as the index has them."""

    @property
    def _base(self) -> bytes:
        """Return ``root`` with a trailing slash."""
        return self.repository.base + self.repository.prefix

    def start_early(self) -> None:
        """Let git begin to look at the whole checkout while the caller is still busy; the next listing uses it.

        To be followed by a listing or by :meth:`close`.
        """
        if not self._early:
            self._early.append(self._ask([], [], []))

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
        base = self._base
        survey = self._survey(base, clean_directories(directories), include_git=include_git, unsent=unsent)
        self._refuse_incomplete(survey, clean_directories(directories), unsent)
        wanted, dropped = split_unsent([*survey.unproven, *survey.beside.untracked], unsent)
        hashed = hash_paths(base, wanted)
        if LFS_POINTER not in self.allowed:
            refuse_pointers(hashed.pointers)
        changes: dict[bytes, bytes | None] = dict.fromkeys((*survey.beside.gone, *dropped))
        changes.update(dict.fromkeys(survey.beside.empty, EMPTY_DIRECTORY_RECORD))
        changes.update(hashed.records)
        self._last[:] = [(survey.git, frozenset((*survey.unproven, *survey.beside.untracked, *changes)))]
        tracked = survey.listed.tracked
        return with_emptied(tracked.patched(changes), dropped) if changes else tracked

    def untracked(self, directories: Sequence[str]) -> list[bytes]:
        """Return, in byte order, the files below ``directories`` that git does not track, ignored ones included.

        They enter the image without being in any commit. Files of submodules do not count.
        """
        survey = self._survey(self._base, clean_directories(directories), include_git=False, unsent=None)
        modules = tuple(module + b"/" for module in survey.listed.modules)
        return sorted(path for path in survey.beside.untracked if not path.startswith(modules))

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside ``root``; ``None`` if absent."""
        return read_inside(self._base, path)

    def read_link(self, path: str) -> str:
        """Return the text of the link at ``path``, ``""`` when there is none."""
        return link_text(self._base, path)

    def changed_since(self, commit: str, also: str) -> frozenset[bytes] | None:
        """Return the paths that may differ from ``commit``: by the index, or by what the last listing saw beside it."""
        if not self._last:
            return None
        git, differing = self._last[0]
        cut = len(self.repository.prefix)
        raw = git.run([*LIST_SINCE, "--cached", commit, "--"])
        raw += git.run([*LIST_SINCE, commit, "--", self.repository.prefix + clean_path(also)])
        paths = [path[cut:] for path in raw.split(b"\0")[:-1] if path.startswith(self.repository.prefix)]
        return differing.union(paths)

    def describe(self) -> str:
        """Return what this is, for people."""
        return "work tree"

    def _survey(self, base: bytes, asked: list[bytes], *, include_git: bool, unsent: Unsent | None) -> Survey:
        repository = self.repository
        pathspecs = repository.pathspecs(asked)
        above = repository.attributes_above(asked)
        if pathspecs or not self._early:
            self._early.append(self._ask(pathspecs, asked, above if pathspecs else []))
        questions = self._early.pop()
        self.close()
        try:
            raw = questions.entries.result()
            index = parse_entries(raw, repository.prefix, asked, id_length=repository.id_length)
            told = self._told(questions.search, index, include_git=include_git)
            if told is None:
                beside = by_walk(base, asked, index, include_git=include_git, unsent=unsent)
                changed = parse_changed(questions.changed.result(), repository.prefix)
            else:
                changed = parse_changed(questions.changed.result(), repository.prefix)
                beside = by_search(base, asked, index, changed.deleted, told, unsent)
        finally:
            questions.close()
        dirty = (changed.edited | index.doubtful) - beside.gone
        known = [*beside.untracked, *beside.gone, *dirty]
        dirty |= self._converted(questions.git, questions.settings, base, index, raw, above, known)
        return Survey(
            questions.git, index, beside, sorted(path for path in dirty if index.tracked.get(path) is not None)
        )

    def _told(self, search: Search | None, index: Index, *, include_git: bool) -> Findings | None:
        """Return what git and find tell; flags that hide files from git's eyes, and ``.git`` entries, need a walk."""
        if search is None or include_git or index.doubtful:
            return None
        return findings(search, self.repository.prefix)

    def _ask(self, pathspecs: Sequence[bytes], asked: Sequence[bytes], above: Sequence[bytes]) -> _Questions:
        """Start the commands that tell index and work tree apart; no pathspecs are the whole checkout."""
        plain = self.repository.git
        entries = plain.start([*LIST_ENTRIES, *pathspecs, *above])
        try:
            settings = read_settings(plain)
            git = settings.applied(plain)
            changed = git.start([*LIST_CHANGED, *pathspecs])
        except BaseException:
            entries.close()
            raise
        search = start_search(git, self.root, pathspecs, asked) if self._is_large() else None
        return _Questions(git, settings, entries, changed, search)

    def _is_large(self) -> bool:
        """Return whether two more processes cost less than a walk; where the index lies elsewhere, most likely."""
        try:
            return (self.repository.git.toplevel / ".git" / "index").stat().st_size >= _LARGE_INDEX
        except NotADirectoryError:  # a linked worktree
            return True
        except OSError:
            return False

    def _refuse_incomplete(self, survey: Survey, asked: Sequence[bytes], unsent: Unsent | None) -> None:
        """Raise CheckoutError where files that belong to the tree are not there, or not what git takes them for."""
        if SUBMODULE_MISSING not in self.allowed:
            found = absent_submodules(self.repository.git, self._base, survey.listed.modules, asked)
            absent = [path for path in found if unsent is None or not unsent(path, is_directory=True)]
            refuse(absent, "submodules are not checked out", "git submodule update --init --recursive")
        if SPARSE not in self.allowed:
            sparse, _ = split_unsent(sorted(survey.beside.gone & survey.listed.sparse), unsent)
            refuse(sparse, "sparse or skip-worktree files are missing", "git sparse-checkout disable")
        if SKIP_WORKTREE not in self.allowed:
            flagged, _ = split_unsent(sorted(survey.listed.sparse - survey.beside.gone), unsent)
            advice = "git update-index --no-skip-worktree PATH, or --allow skip-worktree where it is meant"
            refuse(flagged, "flagged skip-worktree, so git hides how they differ from the commit", advice)

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
        clean = dict(index.tracked)
        for path in known:
            clean.pop(path, None)
        return suspects(git, base, prefix, clean, mentions)


def open_tree(
    root: Path, *, allowed: AbstractSet[str] = frozenset()
) -> tuple[WorkTree | DirectoryTree, GitHistory | None]:
    """Return the tree at the directory ``root`` and, inside a git work tree, its history.

    ``allowed`` is what is built as it lies on disk, of :data:`pipeline_kit.allowances.ALLOWABLE`.
    Without any ``.git`` at or above ``root`` git is not even looked for. A bare repository is a plain directory here:
    nothing of it runs. Raises InputError when ``root`` is no directory, and GitUnavailable, DubiousOwnership or another
    CheckoutError when git cannot be used.
    """
    real = Path(os.path.realpath(root))
    if not real.is_dir():
        raise InputError(f"{root} is not a directory")
    toplevel = find_toplevel(real)
    if toplevel is None:
        return DirectoryTree(real, allowed), None
    repository = verify(toplevel, real)
    return WorkTree(real, repository, allowed), GitHistory(repository, allowed)
