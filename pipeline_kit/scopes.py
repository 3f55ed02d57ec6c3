"""Trust scopes: whose images a run may take, and where it may write (design D5).

A trusted run reads and writes the configured repositories. Any other run has a lane of its own: it reads what trusted
runs wrote, and writes tags that end with its lane's name in repositories that end with :data:`SUFFIX`, so that a
registry can permit the one and refuse the other. No trusted run ever looks there.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = "-untrusted"
"""Ends the repositories of untrusted runs; at the end, because on many registries the owner stands at the beginning."""
TRUSTED_NAME = "trusted"
_LONGEST_TAG = 128
_PULL = r"refs/pull/([1-9][0-9]{0,9})/(?:head|merge)"
_WILD = r"\*\*|\*|\?"
_WIDTHS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


class Scope(NamedTuple):
    """A run's scope: its name, and for people why it is not trusted."""

    name: str = TRUSTED_NAME
    because: str = ""

    @property
    def is_trusted(self) -> bool:
        """Return whether everybody may use what this run writes."""
        return self.name == TRUSTED_NAME

    def repository(self, repository: str) -> str:
        """Return where this run writes the images of ``repository``."""
        return repository if self.is_trusted else f"{repository}{SUFFIX}"

    def tag(self, tag: str) -> str:
        """Return how this run calls what a trusted run calls ``tag``; a long alias is cut, a content tag never is."""
        if self.is_trusted:
            return tag
        end = f"-{self.name}"
        return f"{tag[: _LONGEST_TAG - len(end)]}{end}"

    def accepts(self, scope: str) -> bool:
        """Return whether this run may take an image that a run of ``scope`` wrote."""
        return scope in (TRUSTED_NAME, self.name)


TRUSTED = Scope()


def scope_of(ref: str, trusted: Sequence[str], *, is_fork: bool | None = False, is_pull: bool = False) -> Scope:
    """Return the scope of a run on ``ref`` (a full ref, ``""`` where it is not known).

    ``trusted`` are patterns, none of which means that every ref is trusted. ``is_fork`` says whether the code may come
    from somebody else's repository (``None``: not told): a fork's never counts as trusted, and of a pull request whose
    origin is not told no pattern makes it so.
    """
    if is_fork:
        return Scope(lane(ref), "it runs a fork's pull request")
    if not trusted:
        return TRUSTED
    if is_pull and is_fork is None:
        return Scope(lane(ref), "it runs a pull request that may be a fork's")
    if ref and any(matches(pattern, ref) for pattern in trusted):
        return TRUSTED
    return Scope(lane(ref), f"{ref} is not among scopes.trusted" if ref else "the CI names no ref")


def lane(ref: str) -> str:
    """Return the lane of a ref: ``pr-12``, else ``ref-`` and twelve hex digits, ``unknown`` where there is none."""
    pull = re.fullmatch(_PULL, ref)
    if pull:
        return f"pr-{pull.group(1)}"
    return f"ref-{hashlib.sha256(ref.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}" if ref else "unknown"


def matches(pattern: str, ref: str) -> bool:
    """Return whether ``ref`` is one of ``pattern``: ``*`` and ``?`` stay between slashes, ``**`` goes over them."""
    parts = re.split(_WILD, pattern)
    wild = [_WIDTHS[text] for text in re.findall(_WILD, pattern)] + [""]
    return re.fullmatch("".join(re.escape(p) + w for p, w in zip(parts, wild, strict=True)), ref, re.DOTALL) is not None
