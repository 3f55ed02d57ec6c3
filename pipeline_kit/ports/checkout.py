"""The checkout: files as a build would be sent them, and git's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.snapshot import Listing


class Unsent(Protocol):
    """Tells what no build is sent, so that it need not be read."""

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:
        """Return whether ``path``, and all below a directory, is kept out of every context by ignore rules."""
        ...


class Tree(Protocol):
    """Files as they would be sent to a build: the work tree, a plain directory, or one commit."""

    def listing(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing:
        """Return everything below ``directories`` (relative POSIX paths; ``.`` is the root) with root-relative paths.

        Includes what git ignores and does not track. What ``unsent`` says is sent to no build may be left out unread;
        a directory that holds nothing else then counts as one without files. Raises a
        :class:`~pipeline_kit.errors.CheckoutError` subclass where the checkout cannot be trusted.
        """
        ...

    def presumed(self, directories: Sequence[str], *, unsent: Unsent | None = None) -> Listing | None:
        """Return what a listing of ``directories`` most likely will be, ``None`` where that is not known yet.

        ``unsent`` is as for the listing. A listing that turns out the same is the very object, and one that does not
        shares with it what is the same.
        """
        ...

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the regular file at ``path``, following links inside the tree; ``None`` if absent."""
        ...

    def look(self, path: str) -> bytes | str | None:
        """Return the text of the link at ``path``, else what :meth:`read` does."""
        ...

    def changed_since(self, commit: str, also: str, *, is_head: bool = False) -> Since | None:
        """Return the root-relative paths, of those last listed and ``also``, that may differ from ``commit``.

        That is a full id or ``HEAD``; ``is_head``: it is what HEAD named when the run began. ``None`` where only
        comparing the listings can tell. A submodule counts as one path.
        """
        ...

    def describe(self) -> str:
        """Return what this tree is, for people: ``work tree``, ``commit abc1234``, ``directory without git``."""
        ...


class Since(NamedTuple):
    """Paths that may differ from a commit, each with its record there (:mod:`pipeline_kit.snapshot`; ``None``: absent).

    Without ``is_exact`` only the paths mean something.
    """

    records: Mapping[bytes, bytes | None]
    is_exact: bool


class Checkout(NamedTuple):
    """What git knows about the checkout; every member is empty where there is no git."""

    commit: str = ""
    """Full hex id of HEAD, or ``""`` without git or before the first commit."""
    branch: str = ""
    """Short branch name, ``""`` when detached."""
    is_shallow: bool = False


class History(Protocol):
    """Questions about commits."""

    def checkout(self) -> Checkout:
        """Return the state of HEAD."""
        ...

    def commit_tree(self, rev: str) -> Tree | None:
        """Return the tree of ``rev`` from git objects alone, or ``None`` if the commit is not here (shallow)."""
        ...

    def resolve(self, rev: str) -> str | None:
        """Return the full commit id of ``rev``, or ``None`` when it is not known here."""
        ...

    def line(self, since: str, until: str) -> tuple[str, ...] | None:
        """Return the commits after ``since`` up to ``until`` by first parents, oldest first; ``None`` if unknown."""
        ...

    def commit_time(self, rev: str) -> int | None:
        """Return when ``rev`` was committed, in seconds since the epoch; ``None`` when it is not known here."""
        ...

    def is_ancestor(self, ancestor: str, descendant: str) -> bool | None:
        """Return whether ``ancestor`` is reachable from ``descendant``; ``None`` when the history here cannot tell."""
        ...
