"""From the text of a failed push, the engine's or BuildKit's, to the error it means (faults: one table for all).

``probe`` asks the registry about a ``host/repository``: true means that it would take a push, false that it refuses,
``None`` that it cannot say. It is asked where the text says nothing: the containerd store drops the registry's code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pipeline_kit.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    EngineUnreachable,
    PipelineKitError,
    PushFailed,
    RegistryRefused,
    RegistryUnreachable,
    RepositoryMissing,
    TagConflict,
)
from pipeline_kit.retry import RetryClass, classify_engine_text

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCAL_RE = re.compile(r"does not exist locally|^tag does not exist: |No such image|image .* not found", re.IGNORECASE)
_FAILED_TO_PUSH_RE = re.compile(r"^(?:failed to solve: )?failed to push \S+: ")
_NAME_UNKNOWN_RE = re.compile(r"name unknown|NAME_UNKNOWN|repository .* does not exist", re.IGNORECASE)
_DENIED_RE = re.compile(r"denied|403", re.IGNORECASE)
_LONGEST = 300


class TransientPush(RegistryUnreachable):
    """A push that may succeed when it is repeated; ``retry_class`` says how often."""

    temporary: ClassVar[bool] = True

    def __init__(self, message: str, retry_class: RetryClass) -> None:
        super().__init__(message)
        self.retry_class = retry_class


def push_error(text: str, repository: str, probe: Callable[[str], bool | None]) -> PipelineKitError:
    """Return the error that ``text`` means for a push to ``repository`` (``host/repository``)."""
    detail = _FAILED_TO_PUSH_RE.sub("", text).strip()
    message = f"push to {repository} failed: {one_line(detail)}"
    if _LOCAL_RE.search(detail):
        return PushFailed(message)
    kind = classify_engine_text(detail)
    if kind is None and _NAME_UNKNOWN_RE.search(detail):
        kind = RetryClass.PERMANENT
    if kind is None:
        kind = RetryClass.PERMANENT if probe(repository) is False else RetryClass.TRANSIENT_NETWORK
    if kind.is_retried:
        return TransientPush(message, kind)
    return _refusal(kind, detail, message)


def _refusal(kind: RetryClass, detail: str, message: str) -> PipelineKitError:
    if kind in (RetryClass.AUTH, RetryClass.AUTH_REFRESHABLE):
        error = AuthorizationDenied if _DENIED_RE.search(detail) else AuthenticationFailed
        return error(message, hint="log in to the registry again: pipeline-kit login")
    if kind is RetryClass.CONFLICT:
        return TagConflict(message)
    if kind is RetryClass.ENGINE:
        return EngineUnreachable(message, hint="free space on the engine's or the registry's disk")
    if kind is RetryClass.ABSENT or _NAME_UNKNOWN_RE.search(detail):
        return RepositoryMissing(message, hint="create the repository first")
    return RegistryRefused(message)


def one_line(text: str) -> str:
    """Return ``text`` on one line of at most 300 characters; what it holds is not sanitised."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
