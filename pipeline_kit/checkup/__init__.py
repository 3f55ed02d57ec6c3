"""What makes a checkout untrustworthy or surprising, decided from facts: the pure part of ``pipeline-kit doctor``."""

from __future__ import annotations

from pipeline_kit.checkup.facts import CheckoutFacts, FileFacts, GitFacts, Read, Sent, Unread
from pipeline_kit.checkup.findings import PATHS_AT_MOST, Finding, Severity, exit_code
from pipeline_kit.checkup.judgement import judge
from pipeline_kit.checkup.rules import RULES, Rule

__all__ = [
    "PATHS_AT_MOST",
    "RULES",
    "CheckoutFacts",
    "FileFacts",
    "Finding",
    "GitFacts",
    "Read",
    "Rule",
    "Sent",
    "Severity",
    "Unread",
    "exit_code",
    "judge",
]
