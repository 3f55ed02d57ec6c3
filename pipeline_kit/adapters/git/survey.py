"""What one look at a work tree told, from which its listing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.adapters.directory import with_emptied
from pipeline_kit.adapters.hashing import Hashed
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.snapshot import Listing
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from pipeline_kit.adapters.git.beside import Beside
    from pipeline_kit.adapters.git.command import Git
    from pipeline_kit.adapters.git.index import Index
    from pipeline_kit.ports.checkout import Unsent


class Survey(NamedTuple):
    """One look at the work tree: the index (asked part), what lies beside it, and what only reading can tell.

    ``git`` has every filter driver turned off.

    ``unproven`` paths are tracked and on disk with bytes that may differ from the index; with ``is_converted`` some do
    because git converted them.
    """

    git: Git
    listed: Index
    beside: Beside
    unproven: list[bytes]
    is_converted: bool


@value_class()
class Found:
    """What a listing has otherwise than the index: new records (``None``: not there), what of that is ``dropped``."""

    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    dropped: list[bytes] = field(default_factory=list)
    hashed: Hashed = field(default_factory=Hashed)

    def joined(self, hashed: Hashed, dropped: list[bytes]) -> Found:
        """Return this with more that was read and ``dropped``."""
        changes = {**self.changes, **dict.fromkeys(dropped), **hashed.records}
        return Found(changes, [*self.dropped, *dropped], hashed)

    def applied(self, tracked: Listing, guess: Guess) -> Listing:
        """Return the listing, as far as possible by way of the ``guess``, which shares with it what is the same."""
        before = guess.found
        if guess.beside is not None and before.changes == self.changes and before.dropped == self.dropped:
            return guess.listing
        changes = self.changes
        if guess.beside is not None and not before.dropped and before.changes.items() <= changes.items():
            tracked = guess.listing
            changes = {path: record for path, record in changes.items() if path not in before.changes}
        return with_emptied(tracked.patched(changes), self.dropped) if changes else tracked


@value_class()
class Guess:
    """A listing of the ``asked`` paths without what is ``unsent``, made before git had compared what is tracked.

    ``beside`` is ``None`` where find had not ended either.
    """

    asked: list[bytes] = field(default_factory=list)
    unsent: Unsent | None = None
    listing: Listing = field(default_factory=Listing)
    beside: Beside | None = None
    found: Found = field(default_factory=Found)
