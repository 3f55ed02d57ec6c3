"""What each registry's own words mean, and the next step that its people are told."""

from __future__ import annotations

import pytest

from pipeline_kit.adapters.registry import hints
from pipeline_kit.adapters.registry.answers import Answer
from pipeline_kit.adapters.registry.failures import refusal
from pipeline_kit.errors import AuthenticationFailed, AuthorizationDenied, RepositoryMissing
from pipeline_kit.reference import Reference
from pipeline_kit.retry import Evidence, RetryClass, classify

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
GAR = "europe-west1-docker.pkg.dev"


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(status=404, codes=("TAG_EXPIRED",)), RetryClass.ABSENT),
        (Evidence(status=404, codes=("NOT_FOUND",), message="artifact shop/api:t not found"), RetryClass.ABSENT),
        (
            Evidence(status=404, codes=("NOT_FOUND",), message="resource not found: repo shop/api, tag t not found"),
            RetryClass.ABSENT,
        ),
        (Evidence(status=404, codes=("NOT_FOUND",), message="project shop not found"), RetryClass.PERMANENT),
        (Evidence(status=404, codes=("NOT_FOUND",), message="route not found"), RetryClass.PERMANENT),
        (Evidence(status=404, codes=("NOT_FOUND",)), RetryClass.PERMANENT),
        (Evidence(status=400, message="Your Authorization Token is invalid."), RetryClass.AUTH),
        (
            Evidence(status=400, message="Your Authorization Token is invalid.", may_refresh=True),
            RetryClass.AUTH_REFRESHABLE,
        ),
        (Evidence(status=400, codes=("NAME_INVALID",), may_refresh=True), RetryClass.PERMANENT),
        (Evidence(status=405, message="The operation is disallowed on this registry"), RetryClass.CONFLICT),
        (Evidence(status=405, codes=("UNSUPPORTED",)), RetryClass.PERMANENT),
        (Evidence(status=409, codes=("TAG_IMMUTABLE",)), RetryClass.CONFLICT),
    ],
)  # fmt: skip
def test_the_words_of_the_field(evidence: Evidence, expected: RetryClass) -> None:
    """Only what a registry alone says is absent; a refused token is renewed; a lock is a conflict."""
    assert classify(evidence) is expected


@pytest.mark.parametrize(
    ("host", "makes"),
    [
        (ECR, False),
        ("public.ecr.aws", False),
        (GAR, False),
        ("us-docker.pkg.dev", False),
        ("docker.pkg.dev.evil.example", True),
        ("gcr.io", True),
        ("ghcr.io", True),
        ("registry.example:5000", True),
    ],
)
def test_who_makes_repositories(host: str, makes: bool) -> None:
    """NAME_UNKNOWN is absent only where a push makes the repository."""
    assert hints.creates_on_push(host) is makes
    expected = RetryClass.ABSENT if makes else RetryClass.PERMANENT
    assert classify(Evidence(status=404, codes=("NAME_UNKNOWN",), creates_on_push=makes)) is expected


@pytest.mark.parametrize(
    ("host", "repository", "expected"),
    [
        (ECR, "shop/api", "aws ecr create-repository --repository-name shop/api"),
        (
            "public.ecr.aws",
            "alias/shop/api",
            "aws ecr-public create-repository --region us-east-1 --repository-name shop/api",
        ),
        (
            GAR,
            "acme/images/shop/api",
            "gcloud artifacts repositories create images --project=acme --location=europe-west1 --repository",
        ),
        ("quay.io", "acme/api", "quay.io/new"),
        ("docker.io", "acme/api", "hub.docker.com"),
        ("harbor.example", "shop/api", "create the project shop there"),
    ],
)
def test_how_to_make_a_repository(host: str, repository: str, expected: str) -> None:
    """The hint is the command or the place that makes it."""
    assert expected in hints.create_hint(host, repository)


@pytest.mark.parametrize("host", [ECR, GAR, "docker.io", "quay.io", "ghcr.io", "registry.example"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_both_ways_out(host: str, status: int) -> None:
    """Whether it is missing or forbidden cannot be told: the hint says how to log in and what else to do."""
    answer = Answer("GET", status, {"content-type": "application/json"}, b"{}")
    error = refusal(answer, Reference(host, "shop/api", "t"), "GET x")
    assert isinstance(error, AuthenticationFailed if status == 401 else AuthorizationDenied)
    assert f"pipeline-kit login {host}" in (error.hint or "")
    assert any(word in (error.hint or "") for word in ("create it", "does not exist", "packages: write"))


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "project shop not found", RepositoryMissing),
        (400, "Your Authorization Token is invalid.", AuthenticationFailed),
        (403, "Your authorization token has expired. Reauthenticate and try again.", AuthenticationFailed),
        (403, "permission_denied: write_package", AuthorizationDenied),
    ],
)
def test_what_kind_of_refusal(status: int, message: str, expected: type[Exception]) -> None:
    """The registry's words decide between a missing project, a login and a right."""
    body = f'{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}'.encode()
    answer = Answer("PUT", status, {"content-type": "application/json"}, body)
    assert type(refusal(answer, Reference("registry.example", "shop/api", "t"), "PUT x")) is expected
