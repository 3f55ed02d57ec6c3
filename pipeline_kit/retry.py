"""When trying again can help, and how long to wait: classification, Retry-After, full jitter.

Pure: the caller brings the evidence, the random number and the time. Sources: OCI distribution specification "Error
Codes"; RFC 9110 section 10.2.3 (Retry-After); the retry rules of go-containerregistry and regclient; "Exponential
Backoff And Jitter" (AWS architecture blog) for full jitter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from pipeline_kit.named_tuple import NamedTuple


class RetryClass(StrEnum):
    """What a failure means for the next step."""

    TRANSIENT_NETWORK = "transient-net"
    TRANSIENT_HTTP = "transient-http"
    AUTH_REFRESHABLE = "auth-refreshable"
    """One new token, not counted as a retry."""
    AUTH = "auth"
    ABSENT = "absent"
    """A result, not an error."""
    CONFLICT = "conflict"
    """Ask what is there: the same digest is success."""
    PERMANENT = "permanent"
    ONCE_MORE = "once-more"
    ENGINE = "engine"

    @property
    def is_retried(self) -> bool:
        """Return whether the same request may be sent again without doing anything else first."""
        return self in _RETRIED


_RETRIED = frozenset({RetryClass.TRANSIENT_NETWORK, RetryClass.TRANSIENT_HTTP, RetryClass.ONCE_MORE})


class FailureKind(StrEnum):
    """How a request ended without a usable answer."""

    CONNECTION = "connection failed"
    """Refused, reset, closed, end of file, broken pipe."""
    TIMEOUT = "timed out"
    SHORT_BODY = "answer cut short"
    PROTOCOL = "not HTTP"
    NAME_RESOLUTION = "name not found"
    TLS_HANDSHAKE = "TLS handshake failed"
    TLS_VERIFICATION = "TLS certificate not trusted"
    DIGEST = "bytes do not match their digest"
    DEADLINE = "time is up"
    PROXY_REFUSED = "proxy refused"


_KINDS = {
    FailureKind.CONNECTION: RetryClass.TRANSIENT_NETWORK,
    FailureKind.TIMEOUT: RetryClass.TRANSIENT_NETWORK,
    FailureKind.SHORT_BODY: RetryClass.TRANSIENT_NETWORK,
    FailureKind.PROTOCOL: RetryClass.TRANSIENT_NETWORK,
    FailureKind.TLS_HANDSHAKE: RetryClass.TRANSIENT_NETWORK,
    FailureKind.NAME_RESOLUTION: RetryClass.ONCE_MORE,
    FailureKind.DIGEST: RetryClass.ONCE_MORE,
    FailureKind.TLS_VERIFICATION: RetryClass.PERMANENT,
    FailureKind.PROXY_REFUSED: RetryClass.PERMANENT,
    FailureKind.DEADLINE: RetryClass.TRANSIENT_NETWORK,
}

_TRANSIENT_STATUSES = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 522})
_TRANSIENT_CODES = frozenset({"TOOMANYREQUESTS", "UNAVAILABLE", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
_ABSENT_CODES = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND", "BLOB_UNKNOWN"})
_MISSES = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "TAG_EXPIRED"})
"""Codes that only a registry uses, so that they say absent by themselves; TAG_EXPIRED is Quay's for a deleted tag."""
_HARBOR_MISS_RE = re.compile(r"\b(?:artifact|repo|repository|tag) \S.*\bnot found\b", re.IGNORECASE | re.DOTALL)
"""Harbor says NOT_FOUND, which any server may, and does not say that it is a registry."""
_SERVER_ERROR = 500
_IMMUTABLE_RE = re.compile(
    r"\bimmutab|cannot be overwritten|already exists in the|operation is disallowed", re.IGNORECASE
)
_EXPIRED_RE = re.compile(r"authorization token (?:has expired|is invalid)", re.IGNORECASE)


class Evidence(NamedTuple):
    """What is known about one failed request; every member is optional.

    ``codes`` are the distribution specification's error codes, ``message`` the registry's free text. ``is_spec_answer``
    says that the answer bears ``Docker-Distribution-Api-Version``; ``creates_on_push`` that a repository which does
    not exist comes to be by a push; ``may_refresh`` that a new token was not tried yet.
    """

    status: int | None = None
    codes: tuple[str, ...] = ()
    message: str = ""
    failure: FailureKind | None = None
    has_challenge: bool = False
    may_refresh: bool = False
    is_spec_answer: bool = False
    creates_on_push: bool = True


def classify(evidence: Evidence) -> RetryClass:
    """Return the class of one failure. Whatever is not known to help is permanent."""
    if evidence.failure is not None:
        return _KINDS[evidence.failure]
    if "MANIFEST_BLOB_UNKNOWN" in evidence.codes:
        return RetryClass.ONCE_MORE
    if evidence.status in (401, 403) or (evidence.status == 400 and _is_expired(evidence)):  # noqa: PLR2004 - HTTP
        return _auth(evidence)
    if evidence.status in (409, 412) or (evidence.status in (400, 405) and _is_immutable(evidence)):
        return RetryClass.CONFLICT
    if evidence.status == 404:  # noqa: PLR2004 - HTTP
        return _not_found(evidence)
    return _by_status(evidence)


def _auth(evidence: Evidence) -> RetryClass:
    if _is_immutable(evidence) and evidence.status == 403:  # noqa: PLR2004 - HTTP
        return RetryClass.CONFLICT
    has_reason = evidence.has_challenge or _is_expired(evidence)
    return RetryClass.AUTH_REFRESHABLE if evidence.may_refresh and has_reason else RetryClass.AUTH


def _is_immutable(evidence: Evidence) -> bool:
    return _IMMUTABLE_RE.search(evidence.message) is not None


def _is_expired(evidence: Evidence) -> bool:
    """Return whether a token is refused: ECR says so with 403, its public registry with 400, without a challenge."""
    return _EXPIRED_RE.search(evidence.message) is not None


def _not_found(evidence: Evidence) -> RetryClass:
    if _TRANSIENT_CODES.intersection(evidence.codes):
        return RetryClass.TRANSIENT_HTTP
    if not evidence.creates_on_push and "NAME_UNKNOWN" in evidence.codes:
        return RetryClass.PERMANENT
    if _MISSES.intersection(evidence.codes):
        return RetryClass.ABSENT
    if "NOT_FOUND" in evidence.codes and _HARBOR_MISS_RE.search(evidence.message):
        return RetryClass.ABSENT
    is_plain_miss = evidence.is_spec_answer and _ABSENT_CODES.issuperset(evidence.codes)
    return RetryClass.ABSENT if is_plain_miss else RetryClass.PERMANENT


def _by_status(evidence: Evidence) -> RetryClass:
    status = evidence.status or 0
    if status in _TRANSIENT_STATUSES or _TRANSIENT_CODES.intersection(evidence.codes):
        return RetryClass.TRANSIENT_HTTP
    if status >= _SERVER_ERROR and "UNKNOWN" in evidence.codes:
        return RetryClass.TRANSIENT_HTTP
    return RetryClass.PERMANENT


_ENGINE_TEXTS: tuple[tuple[re.Pattern[str], RetryClass], ...] = (
    (re.compile(r"no space left on device|\bErr:28\b|ENOSPC"), RetryClass.ENGINE),
    (re.compile(r"^toomanyrequests:", re.IGNORECASE), RetryClass.TRANSIENT_HTTP),
    (re.compile(r"^(unauthorized|denied|no basic auth credentials)\b", re.IGNORECASE), RetryClass.AUTH),
    (re.compile(r"^tag invalid:.*immutable", re.IGNORECASE | re.DOTALL), RetryClass.CONFLICT),
    (re.compile(r"^manifest blob unknown", re.IGNORECASE), RetryClass.ONCE_MORE),
    (re.compile(r"^(name unknown|manifest invalid|tag invalid):", re.IGNORECASE), RetryClass.PERMANENT),
    (re.compile(r"connection re(?:set|fused)|\bEOF\b|i/o timeout|broken pipe"), RetryClass.TRANSIENT_NETWORK),
)
_ENGINE_STATUS_RE = re.compile(
    r"^received unexpected HTTP status: (\d{3})"
    r"|error parsing HTTP (\d{3}) response body"
    r"|unexpected status from \w+ request to \S+: (\d{3})"
)


def classify_engine_text(text: str) -> RetryClass | None:
    """Return the class of a Docker Engine's or BuildKit's push error, or ``None``: then only the registry knows.

    The containerd image store drops the registry's error code, so ``error from registry: …`` is always ``None``.
    """
    found = _ENGINE_STATUS_RE.search(text)
    if found is not None:
        return classify(Evidence(status=int(next(group for group in found.groups() if group))))
    return next((known for pattern, known in _ENGINE_TEXTS if pattern.search(text)), None)


class RetryPolicy(NamedTuple):
    """How often and how long: ``attempts`` in all, every other number in seconds."""

    attempts: int = 5
    base: float = 0.5
    cap: float = 15.0
    floor: float = 0.2
    deadline: float = 60.0
    """Budget of the whole logical call, waits included."""
    retry_after_cap: float = 120.0

    def limit(self, kind: RetryClass | None) -> int:
        """Return how many attempts a failure of this class may have in all."""
        return min(self.attempts, 2) if kind is RetryClass.ONCE_MORE else self.attempts


REQUESTS = RetryPolicy()
"""Our own HTTP requests."""
PUSHES = RetryPolicy(attempts=4, base=2.0, cap=30.0, deadline=600.0)
"""A whole push by the engine or BuildKit, which may already have waited 50 s by itself."""
NO_RETRIES = RetryPolicy(attempts=1)
"""For calls inside an attempt that is itself retried: retries never multiply."""

_GATE_JITTER = 0.1


def full_jitter(policy: RetryPolicy, failed_attempts: int, random: float) -> float:
    """Return the seconds before the next attempt; ``random`` lies in [0, 1), ``failed_attempts`` counts from 1."""
    exponent = min(max(failed_attempts, 0), 60)
    return max(policy.floor, random * min(policy.cap, policy.base * 2.0**exponent))


def wait_seconds(policy: RetryPolicy, failed_attempts: int, retry_after: float | None, random: float) -> float:
    """Return the seconds to wait: what the server asks for plus up to a tenth, or full jitter."""
    jitter = full_jitter(policy, failed_attempts, random)
    return jitter if not retry_after else max(policy.floor, retry_after * (1 + _GATE_JITTER * random))


_EPOCH_FROM = 1_000_000_000.0
_SECONDS_RE = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, or ``None`` where it cannot be understood.

    An HTTP date counts from ``date``, the same answer's Date header, so that this machine's clock does not matter; a
    past date is 0. Some registries send Unix time: a number above 1e9 is taken as such.
    """
    text = (value or "").strip()
    if _SECONDS_RE.fullmatch(text):
        seconds = float(text)
        if seconds < _EPOCH_FROM:
            return seconds
        now = _timestamp(date)
        return None if now is None else max(0.0, seconds - now)
    until, now = _timestamp(text), _timestamp(date)
    return None if until is None or now is None else max(0.0, until - now)


def _timestamp(text: str | None) -> float | None:
    if not text or not text.isascii():
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def wait_until(seconds: float, date: str | None) -> str:
    """Return when a wait of ``seconds`` ends, for people: ``14:05Z`` by the server's own clock, else ``in 90 s``."""
    now = _timestamp(date)
    if now is None:
        return f"in {seconds:.0f} s"
    try:
        return datetime.fromtimestamp(now + seconds, UTC).strftime("%H:%MZ on %Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return f"in {seconds:.0f} s"
