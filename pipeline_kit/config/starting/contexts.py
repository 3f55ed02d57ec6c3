"""Which directory a Dockerfile that nothing describes is probably built in."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline_kit.config.paths import join
from pipeline_kit.config.starting.names import is_dockerfile
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline_kit.config.starting.found import Disk, Examined, Read

WHOLE = "."
_SHOWN = 3


class Guess(NamedTuple):
    """A context, relative to the configuration, why it was chosen, and what it lacks."""

    context: str
    why: str
    missing: tuple[str, ...] = ()


def guess(dockerfile: str, examined: Examined, disk: Disk) -> Guess:
    """Return the Dockerfile's directory where all that it copies is there, else the root, else one in between.

    Where no directory has everything, the one that lacks least is taken; of those the nearest to the Dockerfile.
    """
    home = posixpath.dirname(dockerfile) or "."
    if not examined.reads:
        return Guess(home, "it copies nothing from a context")
    best: Guess | None = None
    for directory in _candidates(home):
        missing = _missing(directory, examined.reads, disk)
        if not missing:
            return Guess(directory, _why(directory, home, examined.reads))
        if best is None or len(missing) < len(best.missing):
            best = Guess(directory, "no directory here has all that it copies", missing)
    return best or Guess(home, "")


def _candidates(home: str) -> Iterator[str]:
    """Yield the Dockerfile's directory, the root, and what lies between, the nearest first."""
    yield home
    if home == ".":
        return
    yield "."
    above = posixpath.dirname(home)
    while above:
        yield above
        above = posixpath.dirname(above)


def _missing(directory: str, reads: Sequence[Read], disk: Disk) -> tuple[str, ...]:
    below: tuple[str, ...] | None = None
    found: dict[str, None] = {}
    globs: list[str] = []
    for read in reads:
        if read.is_glob:
            globs.append(read.pattern)
        elif read.pattern == WHOLE:
            below = disk.holds(directory) if below is None else below
            if all(is_dockerfile(name.rpartition("/")[2]) or name.endswith("ignore") for name in below):
                found.setdefault(WHOLE)
        elif not disk.exists(join(directory, read.pattern)):
            found.setdefault(read.pattern)
    if globs:
        below = disk.holds(directory) if below is None else below
        # BuildKit permits a pattern that nothing matches, so patterns only speak against a place as one.
        if not any(_matches(pattern, name) for pattern in globs for name in below):
            found.setdefault(globs[0])
    return tuple(found)


def _matches(pattern: str, name: str) -> bool:
    """Return whether a file, or a directory that it lies in, is one of ``pattern``."""
    steps, parts = pattern.split("/"), name.split("/")
    return len(parts) >= len(steps) and all(fnmatchcase(part, step) for part, step in zip(parts, steps, strict=False))


def _why(directory: str, home: str, reads: Sequence[Read]) -> str:
    named = list(dict.fromkeys(read.pattern for read in reads))
    if WHOLE in named:
        alone = "" if directory == home else ", and its Dockerfile lies alone in its directory"
        return f"it is copied whole{alone}"
    some = ", ".join(named[:_SHOWN]) + (", …" if len(named) > _SHOWN else "")
    return f"it has {some}" if directory == home else f"it has {some}, which the Dockerfile's own directory lacks"
