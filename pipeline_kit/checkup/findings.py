"""One thing that doctor found."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline_kit.values import replace, value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pipeline_kit.checkup.rule import Part

PATHS_AT_MOST = 20
"""A finding names this many paths; ``count`` says how many there are."""


class Severity(StrEnum):
    """``error``: tags of this checkout cannot be trusted; ``warning``: probably not meant; ``note``: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@value_class()
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
    subject: str = ""
    """A registry, repository, engine or variable; ``""`` for findings about the checkout."""
    evidence: str = ""
    """What was seen, in few words: an answer, an address, a difference. Untrusted, and without any secret."""
    part: Part = "checkout"
    code: int = 5
    """The exit code when this is an error."""


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the highest code of the findings that are errors, else 0 (design D2)."""
    return max((finding.code for finding in findings if finding.severity is Severity.ERROR), default=0)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings worst first, otherwise as they came."""
    severities = {severity: at for at, severity in enumerate(Severity)}
    return tuple(sorted(findings, key=lambda finding: severities[finding.severity]))


def allow(findings: Iterable[Finding], rules: Collection[str]) -> Iterator[Finding]:
    """Yield the findings; errors of the named rules have become warnings."""
    for finding in findings:
        if finding.severity is Severity.ERROR and finding.rule in rules:
            yield replace(finding, severity=Severity.WARNING, message=f"{finding.message} (allowed)")
        else:
            yield finding
