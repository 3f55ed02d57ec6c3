"""Which files of a context the build of one target can read: only those count (design D4, "Narrowing").

Everything here errs to one side. A pattern may be taken for wider than it is, never for narrower; what is not fully
understood gives the whole context back, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_kit.snapshot import LINK, Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline_kit.dockerfile import ContextRead

WHOLE = "."
_TOKEN = re.compile(rb"\\(.)|(\*+)|(\?)|(\[\^?+(?:\\.|[^\]\\])+\])|([^\\*?\[]+)", re.DOTALL)
# A byte that begins no character is one of Go's characters too.
_ONE_RUNE = rb"(?:[\xc0-\xf7][\x80-\xbf]{1,3}|[^/])"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What counts of a context; ``because`` says why it is the whole, ``""`` where it was narrowed."""

    listing: Listing
    because: str = ""


def narrow(listing: Listing, reads: Sequence[ContextRead]) -> Narrowed:
    """Return the entries of a filtered context that ``reads`` of that context can reach.

    A source that matches a directory reads everything below it. A link inside such a directory is copied as a link, so
    its text is enough; a link on the way to a source is followed, and then the whole context counts.
    """
    if not reads:
        return Narrowed(Listing())
    links = [path for path, record in listing if record.startswith(LINK)]
    chosen: list[slice] = []
    for read in reads:
        if read.pattern == WHOLE:
            return Narrowed(listing, f"line {read.line}: the whole context is read")
        found, because = _chosen(listing, links, read)
        if because:
            return Narrowed(listing, f"line {read.line}: {because}")
        chosen += found
    positions = sorted({at for part in chosen for at in range(part.start, part.stop)})
    return Narrowed(Listing([listing.paths[at] for at in positions], [listing.records[at] for at in positions]))


def _chosen(listing: Listing, links: Sequence[bytes], read: ContextRead) -> tuple[list[slice], str]:
    pattern = read.pattern.encode("utf-8", "surrogateescape").strip(b"/")
    if not read.is_glob:
        if any(pattern == link or pattern.startswith(link + b"/") for link in links):
            return [], f"{read.pattern} is reached through a link"
        return listing.spans(pattern), ""
    if read.parents or b"**" in pattern:
        return _fixed_beginning(listing, links, read, pattern)
    steps = [_compile(part) for part in pattern.split(b"/")]
    if any(step is None for step in steps):
        return [], f"the pattern {read.pattern} is not understood"
    known = [step for step in steps if step is not None]
    if any(_matches_beginning(link.split(b"/"), known) for link in links):
        return [], f"{read.pattern} is reached through a link"
    return [
        slice(at, at + 1)
        for at, path in enumerate(listing.paths)
        if path.count(b"/") >= len(known) - 1 and _matches_beginning(path.split(b"/")[: len(known)], known)
    ], ""


def _fixed_beginning(
    listing: Listing, links: Sequence[bytes], read: ContextRead, pattern: bytes
) -> tuple[list[slice], str]:
    """Take everything below the directories before the first wildcard; a link there may be matched, and followed."""
    fixed: list[bytes] = []
    for part in pattern.split(b"/"):
        if re.search(rb"[*?\[\\]", part):
            break
        if part != b".":
            fixed.append(part)
    directory = b"/".join(fixed)
    if not directory:
        return [], f"the pattern {read.pattern} can match anywhere"
    if any((directory + b"/").startswith(link + b"/") or link.startswith(directory + b"/") for link in links):
        return [], f"{read.pattern} is reached through a link"
    return listing.spans(directory), ""


def _matches_beginning(parts: Sequence[bytes], steps: Sequence[re.Pattern[bytes]]) -> bool:
    return len(parts) <= len(steps) and all(
        step.fullmatch(part) for part, step in zip(parts, steps[: len(parts)], strict=True)
    )


def _compile(part: bytes) -> re.Pattern[bytes] | None:
    """Return one component of a Go ``filepath.Match`` pattern as a regular expression that matches at least as much."""
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


def reads_of(reads: Iterable[ContextRead], context: str | None) -> list[ContextRead]:
    """Return the reads of one context, ``None`` being the main one."""
    return [read for read in reads if read.context == context]
