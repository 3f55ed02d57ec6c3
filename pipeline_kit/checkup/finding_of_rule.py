"""A finding of a rule about a service."""

from __future__ import annotations

from pipeline_kit.checkup.findings import Finding
from pipeline_kit.checkup.rules import RULES


def found(rule: str, subject: str, evidence: str = "", hint: str = "", *, images: tuple[str, ...] = ()) -> Finding:
    """Return a finding of ``rule``; ``hint`` replaces the rule's own where it knows better."""
    known = RULES[rule]
    said = (hint or known.hint).replace("HOST", subject) if known.part == "registry" else hint or known.hint
    return Finding(
        rule,
        known.severity,
        known.message,
        said,
        images,
        subject=subject,
        evidence=evidence,
        part=known.part,
        code=known.code,
    )
