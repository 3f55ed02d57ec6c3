"""What runs images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline_kit.retention import Uses


class Usage(Protocol):
    """Asks where images run."""

    def uses(self, cluster: str, families: Iterable[str], definitions: Iterable[str], revisions: int) -> Uses:
        """Return what a cluster uses, and what the newest ``revisions`` of every family seen there or named use.

        ``definitions`` are further revisions (ARNs, ``family:revision``). Raises AwsRefused, AwsUnreachable,
        AuthenticationFailed, AuthorizationDenied: half an answer is none.
        """
        ...
