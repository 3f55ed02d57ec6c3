"""The gate on an image scan: which findings count, which are ignored until when and why. Pure.

A scan that cannot be read is no pass: it stands in the result as ``unread`` and fails the gate.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Sequence

SEVERITIES = ("undefined", "informational", "low", "medium", "high", "critical")
"""From the least to the gravest. ``undefined``: the scanner has not rated it."""
FAIL_ON = ("critical", "high", "medium", "low", "informational", "any", "never")
_NAMES = {
    "negligible": "informational",
    "none": "informational",
    "info": "informational",
    "unknown": "undefined",
    "untriaged": "undefined",
    "moderate": "medium",
    "important": "high",
    "defcon1": "critical",
}


@value_class()
class Finding:
    """One vulnerability in one package. ``severity`` is one of :data:`SEVERITIES`; ``fixed`` is where it is mended."""

    id: str
    severity: str
    package: str = ""
    version: str = ""
    fixed: str = ""
    url: str = ""


@value_class()
class Scanned:
    """The scan of an image for one platform; ``unread`` says why none can be read, ``""`` where one was."""

    name: str
    image: str
    platform: str = ""
    findings: tuple[Finding, ...] = ()
    unread: str = ""


@value_class()
class Ignored:
    """An entry of the ignore list: valid through the day ``until`` (``YYYY-MM-DD``, UTC)."""

    id: str
    until: str
    reason: str


@value_class()
class Judged:
    """One scan with its findings sorted out, the gravest first."""

    scanned: Scanned
    failing: tuple[Finding, ...]
    ignored: tuple[tuple[Finding, Ignored], ...]
    counts: tuple[tuple[str, int], ...]
    """How many findings there are of each severity, ignored ones left out; the gravest first."""

    @property
    def passes(self) -> bool:
        """Return whether this scan was read and nothing in it reaches the limit."""
        return not self.failing and not self.scanned.unread


@value_class()
class Gate:
    """The judgement of all scans; ``expired`` and ``unused`` entries of the ignore list are for somebody to see."""

    scans: tuple[Judged, ...]
    fail_on: str
    expired: tuple[Ignored, ...] = ()
    unused: tuple[Ignored, ...] = ()

    @property
    def passes(self) -> bool:
        """Return whether every scan passes."""
        return all(judged.passes for judged in self.scans)


def severity(text: str) -> str:
    """Return one of :data:`SEVERITIES` for a scanner's word; ``undefined`` for one that is not known."""
    word = text.strip().lower()
    word = _NAMES.get(word, word)
    return word if word in SEVERITIES else "undefined"


def judge(scans: Sequence[Scanned], fail_on: str, ignores: Sequence[Ignored], today: str) -> Gate:
    """Return the judgement; ``fail_on`` is one of :data:`FAIL_ON`, ``today`` a day as ``YYYY-MM-DD`` in UTC."""
    valid = {entry.id.lower(): entry for entry in ignores if entry.until >= today}
    seen = {finding.id.lower() for scanned in scans for finding in scanned.findings}
    expired = tuple(entry for entry in ignores if entry.until < today and entry.id.lower() not in valid)
    unused = tuple(entry for entry in valid.values() if entry.id.lower() not in seen)
    return Gate(tuple(_judged(scanned, fail_on, valid) for scanned in scans), fail_on, expired, unused)


def _judged(scanned: Scanned, fail_on: str, valid: dict[str, Ignored]) -> Judged:
    by_weight = sorted(scanned.findings, key=lambda finding: (-SEVERITIES.index(finding.severity), finding.id))
    ignored = tuple((finding, valid[finding.id.lower()]) for finding in by_weight if finding.id.lower() in valid)
    counting = [finding for finding in by_weight if finding.id.lower() not in valid]
    counts = Counter(finding.severity for finding in counting)
    return Judged(
        scanned,
        tuple(finding for finding in counting if _reaches(finding.severity, fail_on)),
        ignored,
        tuple((word, counts[word]) for word in reversed(SEVERITIES) if counts[word]),
    )


def _reaches(found: str, fail_on: str) -> bool:
    if fail_on == "never":
        return False
    return fail_on == "any" or SEVERITIES.index(found) >= SEVERITIES.index(fail_on)
