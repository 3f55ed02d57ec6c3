"""What a rule of doctor is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from pipeline_kit.checkup.findings import Severity

Part = Literal["checkout", "ci", "registry", "engine", "aws"]
PARTS: tuple[Part, ...] = ("checkout", "ci", "registry", "engine", "aws")
"""What doctor looks at, in this order."""


@value_class()
class Rule:
    """``message`` follows a number of paths (``3 paths: MESSAGE``) or a subject (``HOST: MESSAGE``).

    ``hint`` is what to do; ``code`` the exit code when the severity is an error (design D2).
    """

    name: str
    severity: Severity
    message: str
    hint: str
    part: Part = "checkout"
    code: int = 5
