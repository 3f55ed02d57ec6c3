"""What makes a checkout untrustworthy or surprising, decided from facts: the pure part of ``pipeline-kit doctor``.

Services (registries, engine, AWS, CI) are judged apart, in ``registry`` and ``services``.
"""

from __future__ import annotations

from pipeline_kit.checkup.facts import CheckoutFacts, FileFacts, GitFacts, Read, Sent, Unread
from pipeline_kit.checkup.findings import PATHS_AT_MOST, Finding, Severity, allow, exit_code, in_order
from pipeline_kit.checkup.judgement import judge
from pipeline_kit.checkup.rule import PARTS, Part, Rule
from pipeline_kit.checkup.rules import RULES

__all__ = [
    "PARTS",
    "PATHS_AT_MOST",
    "RULES",
    "CheckoutFacts",
    "FileFacts",
    "Finding",
    "GitFacts",
    "Part",
    "Read",
    "Rule",
    "Sent",
    "Severity",
    "Unread",
    "allow",
    "exit_code",
    "in_order",
    "judge",
]
