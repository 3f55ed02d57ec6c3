"""A registry's own image scan."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from pipeline_kit.reference import Reference
    from pipeline_kit.scan_gate import Finding


class ScanState(StrEnum):
    """How a scan stands."""

    DONE = "done"
    WAITING = "waiting"
    MISSING = "missing"
    """Nothing was scanned yet: just after a push, or because nobody asked for it."""
    FAILED = "failed"
    """There is no scan to be had, and waiting does not help."""


@value_class()
class ScanAnswer:
    """What a look at a scan gave; ``detail`` is the registry's word for anything but DONE."""

    state: ScanState
    detail: str = ""
    findings: tuple[Finding, ...] = ()


class Scanner(Protocol):
    """Asks for the scan of one image, by the digest of one platform.

    Every method raises RegistryRefused, RegistryUnreachable, AwsRefused, AwsUnreachable or AuthenticationFailed.
    """

    def look(self, image: Reference) -> ScanAnswer:
        """Return how the scan of ``image`` stands, with all its findings when it is done."""
        ...

    def start(self, image: Reference) -> str:
        """Ask for a scan; return ``""``, or why the registry starts none (it may do so by itself)."""
        ...
