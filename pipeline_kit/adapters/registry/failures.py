"""From what happened on the wire to the errors of this project, by the one classification in ``retry``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pipeline_kit.adapters.registry import hints
from pipeline_kit.adapters.registry.answers import sanitize
from pipeline_kit.errors import (
    AuthenticationFailed,
    AuthorizationDenied,
    DigestMismatch,
    ManifestMissing,
    PipelineKitError,
    RegistryRefused,
    RegistryUnreachable,
    RepositoryMissing,
)
from pipeline_kit.retry import Evidence, FailureKind, RetryClass, classify, parse_retry_after, wait_until

if TYPE_CHECKING:
    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.network import NetworkFailure
    from pipeline_kit.reference import Reference

_MISSING_PROJECT_RE = re.compile(r"\bproject \S+ not found", re.IGNORECASE)
_REFUSED_TOKEN_RE = re.compile(r"expired|token is invalid", re.IGNORECASE)


class TemporaryFailure(RegistryUnreachable):
    """A failure that another attempt may mend; ``retry_after`` is in seconds, ``None`` where nothing was asked."""

    def __init__(
        self, message: str, *, retry_class: RetryClass, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint="run the job again later; what is done already is not done twice")
        self.retry_class = retry_class
        self.status = status
        self.retry_after = retry_after


class WaitTooLong(RegistryUnreachable):
    """The registry asks for a longer wait than this run has, or it does not answer anyone any more."""

    temporary: ClassVar[bool] = False


class DoubtfulDigest(DigestMismatch):
    """Bytes that do not match their digest, worth asking for once more."""

    temporary: ClassVar[bool] = True
    retry_class: ClassVar[RetryClass] = RetryClass.ONCE_MORE


class MissingBlobs(RegistryRefused):
    """The registry says that blobs of a manifest are not there (MANIFEST_BLOB_UNKNOWN): once more, then final."""

    temporary: ClassVar[bool] = True
    retry_class: ClassVar[RetryClass] = RetryClass.ONCE_MORE


def evidence_of(answer: Answer, host: str, *, may_refresh: bool = False) -> Evidence:
    """Return what ``answer`` of registry ``host`` proves."""
    return Evidence(
        status=answer.status,
        codes=answer.codes,
        message=answer.message,
        has_challenge=bool(answer.header("www-authenticate")),
        may_refresh=may_refresh,
        is_spec_answer=answer.is_spec_answer,
        creates_on_push=hints.creates_on_push(host),
    )


def from_network(failure: NetworkFailure, doing: str) -> PipelineKitError:
    """Return the error for a request that got no answer while ``doing``."""
    message = f"{doing}: {sanitize(str(failure))}"
    kind = classify(Evidence(failure=failure.kind))
    if failure.kind is FailureKind.TLS_VERIFICATION:
        return RegistryRefused(message, hint="install the registry's certificate authority; TLS is never switched off")
    if kind is RetryClass.PERMANENT:
        return RegistryRefused(message, hint="check HTTPS_PROXY and NO_PROXY")
    return TemporaryFailure(message, retry_class=kind)


def transient(answer: Answer, host: str, doing: str) -> TemporaryFailure | None:
    """Return the failure when ``answer`` is one that another attempt may mend, else ``None``."""
    if answer.is_success:
        return None
    kind = classify(evidence_of(answer, host))
    if kind is not RetryClass.TRANSIENT_HTTP:
        return None
    date = answer.header("date")
    asked = parse_retry_after(answer.header("retry-after"), date)
    until = f" (the registry asks to wait until {wait_until(asked, date)})" if asked else ""
    return TemporaryFailure(
        f"{doing}: {answer.describe()}{until}", retry_class=kind, status=answer.status, retry_after=asked
    )


def refusal(answer: Answer, reference: Reference, doing: str) -> RegistryRefused:
    """Return the error for an answer that is final; ``ManifestMissing`` alone stands for a spec-true 404."""
    message = f"{doing}: {answer.describe()}"
    kind = classify(evidence_of(answer, reference.host))
    if kind is RetryClass.ABSENT:
        return ManifestMissing(message)
    if kind is RetryClass.ONCE_MORE:
        return MissingBlobs(message, hint="layers vanished from the registry meanwhile: run the job again")
    if kind is RetryClass.AUTH:
        return _unauthorized(answer, reference, message)
    if answer.status == 404:  # noqa: PLR2004 - HTTP
        return _not_found(answer, reference, doing)
    return RegistryRefused(message)


def _unauthorized(answer: Answer, reference: Reference, message: str) -> RegistryRefused:
    host, repository = reference.host, reference.repository
    if _MISSING_PROJECT_RE.search(answer.message):  # Harbor says so with 401
        return RepositoryMissing(message, hint=hints.create_hint(host, repository))
    if answer.status == 401:  # noqa: PLR2004 - HTTP
        return AuthenticationFailed(message, hint=hints.login_hint(host, repository))
    if _REFUSED_TOKEN_RE.search(answer.message):  # ECR says so with 403, its public registry with 400
        return AuthenticationFailed(message, hint=f"log in again: pipeline-kit login {host}")
    return AuthorizationDenied(message, hint=hints.access_hint(host, repository))


def _not_found(answer: Answer, reference: Reference, doing: str) -> RegistryRefused:
    if "NAME_UNKNOWN" in answer.codes:
        hint = hints.create_hint(reference.host, reference.repository)
        return RepositoryMissing(f"repository {reference.repository} does not exist at {reference.host}", hint=hint)
    hint = f"check that {reference.host} is the registry's own address, without a proxy or login page before it"
    return RegistryRefused(f"{doing}: not a registry answer: {answer.describe()}", hint=hint)
