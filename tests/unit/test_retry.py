"""Classification, Retry-After and waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.retry import (
    PUSHES,
    REQUESTS,
    Evidence,
    FailureKind,
    RetryClass,
    RetryPolicy,
    classify,
    classify_engine_text,
    full_jitter,
    parse_retry_after,
    wait_seconds,
    wait_until,
)

DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
IMMUTABLE = "The image tag 't' already exists in the 'r' repository and cannot be overwritten because it is immutable."


@pytest.mark.parametrize("status", [408, 425, 429, 499, 500, 502, 503, 504, 522])
def test_transient_statuses(status: int) -> None:
    """These statuses are tried again, whatever stands in the body."""
    assert classify(Evidence(status=status)) is RetryClass.TRANSIENT_HTTP


@pytest.mark.parametrize("status", [400, 405, 410, 413, 414, 416, 418, 431, 501, 505, 511])
def test_permanent_statuses(status: int) -> None:
    """Every other status is final."""
    assert classify(Evidence(status=status)) is RetryClass.PERMANENT


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(status=400, codes=("TOOMANYREQUESTS",)), RetryClass.TRANSIENT_HTTP),
        (Evidence(status=404, codes=("BLOB_UPLOAD_UNKNOWN",)), RetryClass.TRANSIENT_HTTP),
        (Evidence(status=400, codes=("BLOB_UPLOAD_INVALID",)), RetryClass.TRANSIENT_HTTP),
        (Evidence(status=505, codes=("UNKNOWN",)), RetryClass.TRANSIENT_HTTP),
        (Evidence(status=400, codes=("UNKNOWN",)), RetryClass.PERMANENT),
        (Evidence(status=401, has_challenge=True, may_refresh=True), RetryClass.AUTH_REFRESHABLE),
        (Evidence(status=401, has_challenge=True), RetryClass.AUTH),
        (Evidence(status=401, may_refresh=True), RetryClass.AUTH),
        (
            Evidence(status=403, message="Your authorization token has expired. Reauthenticate", may_refresh=True),
            RetryClass.AUTH_REFRESHABLE,
        ),
        (Evidence(status=403, codes=("DENIED",), may_refresh=True), RetryClass.AUTH),
        (Evidence(status=404, codes=("MANIFEST_UNKNOWN",)), RetryClass.ABSENT),
        (Evidence(status=404, codes=("NAME_UNKNOWN",)), RetryClass.ABSENT),
        (Evidence(status=404, codes=("NAME_UNKNOWN",), creates_on_push=False), RetryClass.PERMANENT),
        (
            Evidence(status=404, codes=("NAME_UNKNOWN",), creates_on_push=False, is_spec_answer=True),
            RetryClass.PERMANENT,
        ),
        (Evidence(status=404, codes=("MANIFEST_UNKNOWN",), creates_on_push=False), RetryClass.ABSENT),
        (Evidence(status=404, is_spec_answer=True), RetryClass.ABSENT),
        (Evidence(status=404, codes=("NOT_FOUND",), is_spec_answer=True), RetryClass.ABSENT),
        (Evidence(status=404, codes=("NOT_FOUND",)), RetryClass.PERMANENT),
        (Evidence(status=404, codes=("NAME_INVALID",), is_spec_answer=True), RetryClass.PERMANENT),
        (Evidence(status=404), RetryClass.PERMANENT),
        (Evidence(status=404, codes=("MANIFEST_BLOB_UNKNOWN",), is_spec_answer=True), RetryClass.ONCE_MORE),
        (Evidence(status=400, codes=("TAG_INVALID",), message=IMMUTABLE), RetryClass.CONFLICT),
        (Evidence(status=400, codes=("TAG_INVALID",), message="bad tag"), RetryClass.PERMANENT),
        (Evidence(status=409), RetryClass.CONFLICT),
        (Evidence(status=412), RetryClass.CONFLICT),
        (Evidence(status=400, codes=("MANIFEST_INVALID",)), RetryClass.PERMANENT),
        (Evidence(), RetryClass.PERMANENT),
    ],
)
def test_classification(evidence: Evidence, expected: RetryClass) -> None:
    """Status, codes and text decide together."""
    assert classify(evidence) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (FailureKind.CONNECTION, RetryClass.TRANSIENT_NETWORK),
        (FailureKind.TIMEOUT, RetryClass.TRANSIENT_NETWORK),
        (FailureKind.SHORT_BODY, RetryClass.TRANSIENT_NETWORK),
        (FailureKind.TLS_HANDSHAKE, RetryClass.TRANSIENT_NETWORK),
        (FailureKind.NAME_RESOLUTION, RetryClass.ONCE_MORE),
        (FailureKind.DIGEST, RetryClass.ONCE_MORE),
        (FailureKind.TLS_VERIFICATION, RetryClass.PERMANENT),
        (FailureKind.PROXY_REFUSED, RetryClass.PERMANENT),
    ],
)
def test_failures_without_an_answer(failure: FailureKind, expected: RetryClass) -> None:
    """A broken connection is retried, an untrusted certificate never."""
    assert classify(Evidence(failure=failure)) is expected


@given(st.builds(Evidence, status=st.integers(100, 599), message=st.text(), codes=st.tuples(st.text())))
def test_absent_only_for_404(evidence: Evidence) -> None:
    """No status but 404 can ever permit a build."""
    assert classify(evidence) is not RetryClass.ABSENT or evidence.status == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("received unexpected HTTP status: 503 Service Unavailable", RetryClass.TRANSIENT_HTTP),
        ("unexpected status from PUT request to http://h/v2/x: 400 Bad Request", RetryClass.PERMANENT),
        ("error parsing HTTP 429 response body: invalid character", RetryClass.TRANSIENT_HTTP),
        ("toomanyrequests: Rate exceeded", RetryClass.TRANSIENT_HTTP),
        ("unauthorized: authentication required", RetryClass.AUTH),
        ("denied: requested access to the resource is denied", RetryClass.AUTH),
        ("no basic auth credentials", RetryClass.AUTH),
        (f"tag invalid: {IMMUTABLE}", RetryClass.CONFLICT),
        ("manifest blob unknown: blob unknown to registry", RetryClass.ONCE_MORE),
        ("name unknown: repository not found", RetryClass.PERMANENT),
        ("write tcp 127.0.0.1:1->127.0.0.1:2: connection reset by peer", RetryClass.TRANSIENT_NETWORK),
        ("unexpected EOF", RetryClass.TRANSIENT_NETWORK),
        ("write /var/lib/x: no space left on device", RetryClass.ENGINE),
        ("error from registry: denied", None),
        ("something never seen", None),
    ],
)
def test_engine_texts(text: str, expected: RetryClass | None) -> None:
    """Known texts of both image stores have a class; anything else is left to the registry's own word."""
    assert classify_engine_text(text) is expected


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("0", DATE, 0.0),
        ("7", None, 7.0),
        (" 120 ", DATE, 120.0),
        ("1.5", DATE, 1.5),
        ("86400", DATE, 86400.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", DATE, 30.0),
        ("Tuesday, 24-Nov-26 12:00:30 GMT", DATE, 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", DATE, 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", None, None),
        ("Tue, 24 Nov 2026 12:00:30 GMT", "garbage", None),
        ("1795521610", DATE, 10.0),
        ("1795521610", None, None),
        ("-5", DATE, None),
        ("soon", DATE, None),
        ("", DATE, None),
        (None, DATE, None),
        ("١٢", DATE, None),
        ("9" * 400, DATE, None),
        ("1e3", DATE, None),
        ("Tue, 99 Nov 2026 12:00:30 GMT", DATE, None),
    ],
)
def test_retry_after(value: str | None, date: str | None, expected: float | None) -> None:
    """Seconds, HTTP dates by the server's clock and Unix time are understood; the rest is nothing."""
    assert parse_retry_after(value, date) == expected


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [A-Z+-]{1,5}\d{0,4}"))
def test_retry_after_never_raises(value: str) -> None:
    """Any text gives seconds that are not negative, or nothing."""
    seconds = parse_retry_after(value, DATE)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 2000), st.floats(0, 1, exclude_max=True))
def test_full_jitter_is_bounded(failed: int, random: float) -> None:
    """A wait lies between the floor and the cap, however many attempts failed."""
    assert REQUESTS.floor <= full_jitter(REQUESTS, failed, random) <= REQUESTS.cap


def test_full_jitter_grows() -> None:
    """The upper bound doubles from the base until the cap."""
    top = [full_jitter(REQUESTS, failed, 1.0) for failed in range(1, 8)]
    assert top == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert full_jitter(PUSHES, 9, 1.0) == 30.0


def test_retry_after_beats_jitter() -> None:
    """What the server asks for is waited in full, plus at most a tenth."""
    assert wait_seconds(REQUESTS, 1, 10.0, 0.0) == 10.0
    assert wait_seconds(REQUESTS, 1, 10.0, 0.999) < 11.0
    assert wait_seconds(REQUESTS, 1, None, 0.0) == REQUESTS.floor
    assert wait_seconds(REQUESTS, 1, 0.0, 0.5) == 0.5


def test_limits() -> None:
    """Once-more means two attempts in all, never more than the policy has."""
    assert REQUESTS.limit(RetryClass.TRANSIENT_HTTP) == 5
    assert REQUESTS.limit(RetryClass.ONCE_MORE) == 2
    assert RetryPolicy(attempts=1).limit(RetryClass.ONCE_MORE) == 1


@pytest.mark.parametrize("kind", list(RetryClass))
def test_what_is_retried(kind: RetryClass) -> None:
    """Only the two transient classes and once-more are sent again as they are."""
    assert kind.is_retried == (kind.value in ("transient-net", "transient-http", "once-more"))


def test_wait_until() -> None:
    """People read a time of day where the server tells its own, else a number of seconds."""
    assert wait_until(7200, DATE) == "14:00Z on 2026-11-24"
    assert wait_until(90, None) == "in 90 s"
    assert wait_until(1e18, DATE) == "in 1000000000000000000 s"
