"""One thing that doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PATHS_AT_MOST = 20
"""A finding names this many paths; ``count`` says how many there are."""

_UNTRUSTED = 5


class Severity(StrEnum):
    """``error``: tags of this checkout cannot be trusted; ``warning``: probably not meant; ``note``: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that applies: to which images and context, by which paths, and what to do about it.

    ``paths`` (from the top of the checkout, at most :data:`PATHS_AT_MOST`) are raw bytes and untrusted; ``message`` may
    quote the checkout as well, so whoever prints them escapes both. ``images`` is empty for what concerns the checkout
    as a whole.
    """

    rule: str
    severity: Severity
    message: str
    hint: str
    images: tuple[str, ...] = ()
    context: str = ""
    paths: tuple[bytes, ...] = ()
    count: int = 0


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 5 where any finding is an error, else 0 (design D2)."""
    return _UNTRUSTED if any(finding.severity is Severity.ERROR for finding in findings) else 0
