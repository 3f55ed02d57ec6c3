"""What was seen of a checkout, without any judgement; all paths are bytes from the top of the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet


@value_class()
class Read:
    """A directory that the tag of ``image`` is computed from; ``b""`` is the top."""

    image: str
    directory: bytes


@value_class()
class Sent:
    """A context of ``image`` and what of it is sent to the builder, ignore rules applied.

    ``has_git`` says that the directory holds a ``.git`` which the ignore rules would let through.
    """

    image: str
    directory: bytes
    paths: Sequence[bytes]
    has_git: bool = False


@value_class()
class Unread:
    """An image whose Dockerfile or ignore file could not be read: what enters it is not known."""

    image: str
    message: str
    hint: str = ""


@value_class()
class FileFacts:
    """What the file system says: ``modes`` are ``st_mode`` of everything met, directories included."""

    modes: Mapping[bytes, int] = field(default_factory=dict)
    unreadable: AbstractSet[bytes] = frozenset()
    pointers: AbstractSet[bytes] = frozenset()
    """Files that are Git LFS pointers."""


@value_class()
class GitFacts:
    """What git says about the paths below the read directories.

    ``ignored`` entries that end with a slash stand for everything below. ``conversions`` names, by path, what makes the
    bytes on disk differ from the commit's: ``eol``, ``ident``, ``filter`` or ``encoding``.
    """

    tracked: AbstractSet[bytes] = frozenset()
    ignored: AbstractSet[bytes] = frozenset()
    modules: AbstractSet[bytes] = frozenset()
    absent_modules: AbstractSet[bytes] = frozenset()
    unmerged: AbstractSet[bytes] = frozenset()
    sparse: AbstractSet[bytes] = frozenset()
    """Skip-worktree entries that are not on disk."""
    skip_worktree: AbstractSet[bytes] = frozenset()
    """Skip-worktree entries that are on disk."""
    assume_unchanged: AbstractSet[bytes] = frozenset()
    conversions: Mapping[bytes, str] = field(default_factory=dict)


@value_class()
class CheckoutFacts:
    """Everything :func:`pipeline_kit.checkup.judge` decides from.

    ``git`` is ``None`` without a usable git; ``troubles`` are ``(rule, message, hint)`` of what concerns the checkout
    as a whole and was found while it was opened.
    """

    reads: Sequence[Read] = ()
    sent: Sequence[Sent] = ()
    unread: Sequence[Unread] = ()
    files: FileFacts = field(default_factory=FileFacts)
    git: GitFacts | None = None
    troubles: Sequence[tuple[str, str, str]] = ()
