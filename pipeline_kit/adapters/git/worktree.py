"""The git work tree as BuildKit would send it: everything on disk, with git's index sparing most of the reading.

What lies on disk decides what exists; the index only answers which blob a tracked file holds, where its stat data
proves that the file is unchanged and no conversion applies. So a listing equals that of
:class:`pipeline_kit.adapters.directory.DirectoryTree` over the same files. Everything that git is asked runs at once.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.directory import DirectoryTree, split_unsent
from pipeline_kit.adapters.filesystem import clean_directories, clean_path, look_inside, read_inside
from pipeline_kit.adapters.git.beside import Beside, by_search, by_walk, take_over
from pipeline_kit.adapters.git.conversion import find_mentions, suspects
from pipeline_kit.adapters.git.find import is_large
from pipeline_kit.adapters.git.history import GitHistory
from pipeline_kit.adapters.git.index import (
    LIST_SINCE,
    Index,
    parse_changed,
    parse_since,
)
from pipeline_kit.adapters.git.questions import ask
from pipeline_kit.adapters.git.repository import ATTRIBUTES_FILE, Repository, find_toplevel, verify
from pipeline_kit.adapters.git.submodules import absent_submodules
from pipeline_kit.adapters.git.survey import Found, Guess, Survey
from pipeline_kit.adapters.hashing import hash_paths, refuse, refuse_pointers
from pipeline_kit.allowances import LFS_POINTER, SKIP_WORKTREE, SPARSE, SUBMODULE_MISSING
from pipeline_kit.errors import CheckoutError, InputError
from pipeline_kit.ports.checkout import Since
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, Listing, blob_id
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from pipeline_kit.adapters.git.command import Git, Running
    from pipeline_kit.adapters.git.find import Finding
    from pipeline_kit.adapters.git.questions import Questions
    from pipeline_kit.ports.checkout import Unsent


@value_class()
class WorkTree:
    """The files below ``root`` (a real path) in a git checkout; implements :class:`pipeline_kit.ports.Tree`."""

    root: Path
    repository: Repository
    allowed: AbstractSet[str] = field(default=frozenset(), compare=False)
    """Of :data:`pipeline_kit.allowances.ALLOWABLE`; may still grow until the first listing."""
    _early: list[Questions] = field(default_factory=list, init=False, repr=False, compare=False)
    _back: list[Running | None] = field(default_factory=list, init=False, repr=False, compare=False)
    """What :meth:`look_back` asks for, ``None`` before it has begun."""
    _guesses: list[Guess] = field(default_factory=list, init=False, repr=False, compare=False)
    """Of the listing that comes next."""
    _last: list[tuple[Survey, frozenset[bytes], Listing]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    """The last listing, which takes a while to be freed, and of it what is tracked and not as the index has it."""

    @cached_property
    def _base(self) -> bytes:
        """Return ``root`` with a trailing slash."""
        return self.repository.base + self.repository.prefix

    def start_early(self, finding: Finding | None = None) -> None:
        """Let git begin to look at the whole checkout while the caller is still busy; the next listing uses it.

        ``finding`` is find at work there already. To be followed by a listing or by :meth:`close`.
        """
        if not self._early:
            self._early.append(ask(self.repository, self.root, [], [], [], finding))
        elif finding is not None:
            take_over(finding, self.root).close()

    def look_back(self) -> None:
        """Let git tell what differs from HEAD, which :meth:`changed_since` is most often asked, beside our own work.

        It begins when git has compared what is tracked for the next listing: until then every processor is busy. To be
        followed by :meth:`changed_since` or by :meth:`close`.
        """
        if not self._back:
            self._back.append(None)

    def close(self) -> None:
        """End what :meth:`start_early` and :meth:`look_back` began and nobody used."""
        while self._early:
            self._early.pop().close()
        while self._back:
            begun = self._back.pop()
            if begun is not None:
                begun.close()

    def listing(
        self, directories: Sequence[str], *, include_git: bool = False, unsent: Unsent | None = None
    ) -> Listing:
        """Return everything below ``directories`` (relative to ``root``): tracked, untracked and ignored.

        ``include_git`` adds ``.git`` entries, which BuildKit does send unless they are ignored. Raises CheckoutError
        for unmerged entries, absent submodules, missing sparse files and LFS pointers, UnreadableFile, ContextChanged,
        and InputError for paths outside ``root``.
        """
        asked = clean_directories(directories)
        guess = self._guesses.pop() if self._guesses else Guess()
        if include_git or guess.asked != asked or guess.unsent is not unsent:
            guess = Guess()
        survey = self._survey(self._base, asked, guess, include_git=include_git, unsent=unsent)
        if self._back == [None]:
            self._back[:] = [self.repository.git.start([*LIST_SINCE, "--cached", "HEAD", "--"])]
        self._refuse_incomplete(survey, asked, unsent)
        found = self._differences(survey.unproven, survey.beside, guess, unsent)
        if LFS_POINTER not in self.allowed:
            refuse_pointers([*found.hashed.pointers, *guess.found.hashed.pointers])
        differing = frozenset((*survey.unproven, *found.changes)).difference(survey.beside.untracked)
        listing = found.applied(survey.listed.tracked, guess)
        self._last[:] = [(survey, differing, listing)]
        return listing

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing | None:
        """Return what the index and, if it has ended, find tell of ``directories``, where git was begun early.

        It still compares what is tracked, and errors are left to the listing.
        """
        asked, repository = clean_directories(directories), self.repository
        search = self._early[0].search if self._early else None
        if search is None or repository.pathspecs(asked):
            return None
        index = self._early[0].index(repository.prefix, asked, repository.id_length)
        if index.whole is None:
            return None
        guess = Guess(asked, unsent, index.tracked)
        with suppress(CheckoutError, InputError):
            beside = by_search(self._base, asked, index, frozenset(), search, unsent) if search.is_done() else None
            if beside is not None:
                found = self._differences([], beside, guess, unsent)
                guess = Guess(asked, unsent, found.applied(index.tracked, guess), beside, found)
        self._guesses[:] = [guess]
        return guess.listing

    def _differences(self, unproven: Sequence[bytes], beside: Beside, guess: Guess, unsent: Unsent | None) -> Found:
        """Read what the index does not tell, but for what the ``guess`` found. Raises as :func:`hash_paths`."""
        if beside is guess.beside:
            found, paths = guess.found, unproven
        else:
            found = Found({**dict.fromkeys(beside.gone), **dict.fromkeys(beside.empty, EMPTY_DIRECTORY_RECORD)})
            paths = [*unproven, *beside.untracked]
        wanted, dropped = split_unsent(paths, unsent)
        known = guess.found.hashed.records
        hashed = hash_paths(self._base, [path for path in wanted if path not in known])
        hashed.records.update((path, known[path]) for path in wanted if path in known)
        return found.joined(hashed, dropped)

    def untracked(self, directories: Sequence[str]) -> list[bytes]:
        """Return, in byte order, the files below ``directories`` that git does not track, ignored ones included.

        They enter the image without being in any commit. Files of submodules do not count.
        """
        asked = clean_directories(directories)
        survey = self._survey(self._base, asked, Guess(), include_git=False, unsent=None)
        modules = tuple(module + b"/" for module in survey.listed.modules)
        return sorted(path for path in survey.beside.untracked if not path.startswith(modules))

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, following links inside ``root``; ``None`` if absent."""
        return read_inside(self._base, path)

    def look(self, path: str) -> bytes | str | None:
        """Return the text of the link at ``path``, else what :meth:`read` does."""
        return look_inside(self._base, path)

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> Since | None:
        """Return the paths that may differ from ``commit``: by the index, or by what the last listing saw beside it."""
        if not self._last:
            return None
        survey, differing, _ = self._last[0]
        index = survey.listed
        found = parse_since(self._staged_since(commit, survey.git, is_head=is_head), self.repository.prefix)
        for path in differing:
            found.setdefault(path, index.tracked.get(path))
        for path in survey.beside.untracked:  # not in the index, which so many need not be looked for in
            found.setdefault(path, None)
        place = clean_path(also)
        listed = index.whole.get(place) if index.whole is not None else None
        if listed is None:  # only what was asked for is at hand, or it is not tracked
            found |= parse_since(
                survey.git.run([*LIST_SINCE, commit, "--", self.repository.prefix + place]), self.repository.prefix
            )
        elif not listed.endswith(blob_id(self.read(also) or b"").encode()):
            found.setdefault(place, listed)
        return Since(found, is_exact=index.whole is not None and not survey.is_converted)

    def _staged_since(self, commit: str, git: Git, *, is_head: bool) -> bytes:
        """Return git's list of what the index has otherwise than ``commit``."""
        begun = self._back[0] if self._back and is_head else None
        if begun is not None and (answer := begun.answer()).status == 0:
            return answer.stdout
        return git.run([*LIST_SINCE, "--cached", commit, "--"])

    def describe(self) -> str:
        """Return what this is, for people."""
        return "work tree"

    def _survey(
        self, base: bytes, asked: list[bytes], guess: Guess, *, include_git: bool, unsent: Unsent | None
    ) -> Survey:
        repository = self.repository
        above = repository.attributes_above(asked)
        pathspecs = repository.pathspecs(asked)
        if self._early and not is_large(str(repository.git.toplevel)):
            pathspecs = []  # the whole has been asked for, and is no more work
        if pathspecs or not self._early:
            self._early.append(ask(repository, self.root, pathspecs, asked, above if pathspecs else []))
        questions = self._early.pop()
        while self._early:
            self._early.pop().close()
        try:
            index = questions.index(repository.prefix, asked, repository.id_length)
            search = questions.search if not include_git else None
            beside = None
            if search is None or search.met is None:  # a walk takes about as long as git takes to compare
                beside = by_walk(base, asked, index, include_git=include_git, unsent=unsent)
            changed = parse_changed(questions.changed.result(), repository.prefix)
        finally:
            questions.close()
        if beside is None and not changed.deleted:
            beside = guess.beside
        if beside is None and search is not None:
            beside = by_search(base, asked, index, changed.deleted, search, unsent)
        assert beside is not None  # noqa: S101 - else it was walked
        dirty = (changed.edited | index.doubtful) - beside.gone
        known = [*beside.untracked, *beside.gone, *dirty]
        converted = self._converted(questions, base, index, above, known)
        unproven = sorted(path for path in dirty | converted if index.tracked.get(path) is not None)
        return Survey(questions.git, index, beside, unproven, is_converted=bool(converted))

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
        questions: Questions,
        base: bytes,
        index: Index,
        above: list[bytes],
        known: list[bytes],
    ) -> set[bytes]:
        """Return the clean paths to which a conversion may apply; ``known`` need no answer."""
        top, prefix = self.repository.base, self.repository.prefix
        tracked = questions.attributes
        others = {prefix + path for path in known if path.endswith(ATTRIBUTES_FILE)}
        others.update(above)
        mentions = find_mentions(
            questions.settings,
            [top + path for path in tracked],
            [self.repository.info_attributes, *(top + path for path in others)],
        )
        if not mentions.by_size and not mentions.by_bytes:
            return set()
        clean = dict(index.tracked)
        for path in known:
            clean.pop(path, None)
        return suspects(questions.git, base, prefix, clean, mentions)


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
