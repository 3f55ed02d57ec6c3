"""Which files of a context the build of one target can read: only those count (design D4, "Narrowing").

Everything here errs to one side. A pattern may be taken for wider than it is, never for narrower; what is not fully
understood gives the whole context back, with the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.snapshot import LINK, Listing, blob_id
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline_kit.dockerfile import ContextRead

    Step = bytes | re.Pattern[bytes]
    """One component of a path: as it stands, or what a pattern of it matches."""

WHOLE = "."
_MOST_WAYS = 500
"""Ways that links may open from one source: beyond it they are taken for endless."""
_TOKEN = late_pattern(rb"\\(.)|(\*+)|(\?)|(\[\^?+(?:\\.|[^\]\\])+\])|([^\\*?\[]+)", re.DOTALL)
# A byte that begins no character is one of Go's characters too.
_ONE_RUNE = rb"(?:[\xc0-\xf7][\x80-\xbf]{1,3}|[^/])"


@value_class()
class Narrowed:
    """What counts of a context; ``because`` says why it is the whole, ``""`` where it was narrowed."""

    listing: Listing
    because: str = ""


class _NotUnderstoodError(Exception):
    """Which files a source reads cannot be told, for the reason given."""


def unknown_text(_path: bytes) -> bytes:
    """Return no text for any link: then whatever leads through one is not understood."""
    return b""


def narrow(
    listing: Listing, reads: Sequence[ContextRead], link_text: Callable[[bytes], bytes] = unknown_text
) -> Narrowed:
    """Return the entries of a filtered context that ``reads`` of that context can reach.

    A source that matches a directory reads everything below it. A link inside such a directory is copied as a link, so
    its text is enough; a link on the way to a source is followed, by what ``link_text`` says of its path, and what it
    leads to counts as well. Where a link cannot be followed for certain the whole context counts.
    """
    known: Narrowed | None = listing.parts.get(tuple(reads))
    if known is None:
        known, is_by_itself = _narrow(listing, reads, link_text)
        if is_by_itself:
            listing.parts[tuple(reads)] = known
    return known


def _narrow(
    listing: Listing, reads: Sequence[ContextRead], link_text: Callable[[bytes], bytes]
) -> tuple[Narrowed, bool]:
    """Return what counts, and whether the listing alone decided that: no text of a link did."""
    if not reads:
        return Narrowed(Listing()), True
    whole = next((read for read in reads if read.pattern == WHOLE), None)
    if whole is not None:
        return Narrowed(listing, f"line {whole.line}: the whole context is read"), True
    reach = _Reach(listing, link_text)
    for read in reads:
        try:
            reach.add(read)
        except _NotUnderstoodError as error:
            return Narrowed(listing, f"line {read.line}: {error}"), False
    return Narrowed(listing.joined(reach.chosen)), not reach.has_asked


@value_class(frozen=False)
class _Reach:
    """What is reached so far: ``chosen`` are slices of the listing."""

    listing: Listing
    link_text: Callable[[bytes], bytes]
    chosen: list[slice] = field(default_factory=list)
    has_asked: bool = False
    """Whether the text of a link mattered."""

    def add(self, read: ContextRead) -> None:
        """Add what one source reads."""
        pattern = read.pattern.encode("utf-8", "surrogateescape").strip(b"/")
        if read.is_glob and (read.parents or b"**" in pattern):
            self._add_beginning(read, pattern)
            return
        steps = [_step(part) if read.is_glob else part for part in pattern.split(b"/")]
        known = tuple(step for step in steps if step is not None)
        if len(known) < len(steps):
            raise _NotUnderstoodError(f"the pattern {read.pattern} is not understood")
        waiting, seen = [known], {known}
        while waiting:
            for way in self._go(waiting.pop()):
                if not way or len(seen) > _MOST_WAYS:
                    raise _NotUnderstoodError(f"{read.pattern} is reached through a link")
                if way not in seen:
                    seen.add(way)
                    waiting.append(way)

    def _add_beginning(self, read: ContextRead, pattern: bytes) -> None:
        """Add all below the directories before the first wildcard; a link there may be matched, and followed."""
        fixed: list[bytes] = []
        for part in pattern.split(b"/"):
            if re.search(rb"[*?\[\\]", part):
                break
            if part != b".":
                fixed.append(part)
        if not fixed:
            raise _NotUnderstoodError(f"the pattern {read.pattern} can match anywhere")
        above = [self.listing.get(b"/".join(fixed[:count])) or b"" for count in range(1, len(fixed))]
        spans = self.listing.spans(b"/".join(fixed))
        inside = (self.listing.record_at(at) for part in spans for at in range(part.start, part.stop))
        if any(record.startswith(LINK) for record in [*above, *inside]):
            raise _NotUnderstoodError(f"{read.pattern} is reached through a link")
        self.chosen += spans

    def _go(self, steps: tuple[Step, ...]) -> list[tuple[Step, ...]]:
        """Add every entry at or below a path that ``steps`` match, and return where links on the way lead instead.

        Such a link counts by itself as well: were it anything else, other files would be read. A way without steps
        stands for a link that cannot be followed for certain, or that leads to the root.
        """
        ways: list[tuple[Step, ...]] = []
        waiting = [(b"", 0)]
        while waiting:
            start, number = waiting.pop()
            rest = steps[number + 1 :]
            for name, part in self._children(start, steps[number]):
                is_leaf = part.stop > part.start and self.listing.path_at(part.start) == name
                if is_leaf and self.listing.record_at(part.start).startswith(LINK):
                    self.chosen.append(slice(part.start, part.start + 1))
                    target = self._target(name, self.listing.record_at(part.start))
                    ways.append((*target, *rest) if target is not None else ())
                elif not rest:
                    self.chosen.append(part)
                elif not is_leaf:
                    waiting.append((name + b"/", number + 1))
        return ways

    def _children(self, start: bytes, step: Step) -> Iterator[tuple[bytes, slice]]:
        """Yield what ``step`` matches in the directory ``start`` (with its slash), and where it stands."""
        listing = self.listing
        if isinstance(step, bytes):
            name = start + step
            at = listing.at(name)
            if listing.is_at(at, name):
                yield name, slice(at, at + 1)
            else:
                low = listing.at(name + b"/", at)
                yield name, slice(low, listing.at(name + b"0", low))
            return
        at = listing.at(start)
        high = listing.at(start[:-1] + b"0", at) if start else len(listing)  # "0" is the byte after "/"
        while at < high:
            path = listing.path_at(at)
            end = path.find(b"/", len(start))
            name = path[:end] if end != -1 else path
            following = listing.at(name + b"0", at, high) if end != -1 else at + 1
            if step.fullmatch(name, len(start)):
                yield name, slice(at, following)
            at = following

    def _target(self, link: bytes, record: bytes) -> tuple[bytes, ...] | None:
        """Return where ``link`` leads, ``None`` where its text is not the one that the listing stands for."""
        self.has_asked = True
        text = self.link_text(link)
        return _target(text, link.split(b"/")[:-1]) if record == LINK + b" " + blob_id(text).encode() else None


def _target(text: bytes, above: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """Return where a link with this text leads, in components from the root; ``above`` is the directory it lies in.

    The context's root is ``/`` to its links, and ``..`` there stays there. ``None`` without a text, and for ``..``
    behind a name: that name may be a link, and BuildKit's parts do not agree on what ``..`` is then.
    """
    found = [] if text.startswith(b"/") else list(above)
    is_named = False
    for part in text.split(b"/"):
        if part == b"..":
            if is_named:
                return None
            del found[-1:]
        elif part not in (b"", b"."):
            is_named = True
            found.append(part)
    return tuple(found) if text else None


def _step(part: bytes) -> Step | None:
    """Return one component of a Go ``filepath.Match`` pattern, as something that matches at least as much."""
    if not re.search(rb"[*?\[\\]", part):
        return part
    pieces: list[bytes] = []
    end = 0
    for token in _TOKEN.finditer(part):
        if token.start() != end:
            return None
        end = token.end()
        escaped, star, question, characters, literal = token.groups()
        if escaped is not None:
            pieces.append(re.escape(escaped))
        elif star is not None:
            pieces.append(rb"[^/]*")
        elif question is not None or characters is not None:
            pieces.append(_ONE_RUNE)
        else:
            pieces.append(re.escape(literal))
    return re.compile(b"".join(pieces), re.DOTALL) if end == len(part) else None
