"""What doctor concludes from the answers of services, by tables."""

from __future__ import annotations

import pytest

from pipeline_kit.checkup import RULES, Severity, allow, exit_code, in_order
from pipeline_kit.checkup.registry import judge_registry
from pipeline_kit.checkup.service_facts import (
    AwsFacts,
    CiFacts,
    EngineFacts,
    Failure,
    Outcome,
    Refused,
    RegistryFacts,
    Reply,
    RepositoryFacts,
)
from pipeline_kit.checkup.services import judge_aws, judge_ci, judge_engine
from pipeline_kit.retry import FailureKind

OK = Reply(200, "200", skew=0.0)
ABSENT = Reply(404, "404 MANIFEST_UNKNOWN", ("MANIFEST_UNKNOWN",))
UNKNOWN = Reply(404, "404 NAME_UNKNOWN", ("NAME_UNKNOWN",))
BEGUN = Reply(202, "202")
NO = Reply(403, "403 DENIED: no", ("DENIED",), "no")


def rules(facts: RegistryFacts, provider: str = "") -> list[str]:
    """Return the rules that apply to a registry."""
    return [finding.rule for finding in judge_registry(facts, provider=provider)]


def at(
    host: str = "registry.example", *, pull: Outcome = ABSENT, push: Outcome = BEGUN, **more: object
) -> RegistryFacts:
    """Return a registry in order, with one repository."""
    repository = RepositoryFacts("shop/api", ("api",), pull, push, Reply(204, "204"))
    members = {"credentials": "me", "login": OK, "repositories": (repository,), **more}
    return RegistryFacts(host, "https", OK, **members)  # type: ignore[arg-type]


def test_in_order_is_in_order() -> None:
    """No answer that a working registry gives is a finding."""
    assert rules(at()) == []
    assert rules(at(pull=OK)) == []
    assert rules(at(pull=UNKNOWN)) == []  # a registry that makes repositories on a push


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_of_failure_has_a_finding(kind: FailureKind) -> None:
    """Unreachable ends with 4; what asking again cannot mend ends with 3."""
    facts = RegistryFacts("registry.example", "https", Failure(kind, "told"))
    (found,) = judge_registry(facts)
    final = {FailureKind.TLS_VERIFICATION, FailureKind.PROXY_REFUSED, FailureKind.PROTOCOL}
    assert exit_code([found]) == (3 if kind in final else 4)
    assert found.evidence == "told"


def test_a_push_is_not_judged_where_a_pull_was_refused() -> None:
    """One finding for one cause."""
    assert rules(at(pull=NO, push=NO)) == ["pull-denied"]


def test_advice_knows_the_registry_and_the_ci() -> None:
    """GHCR in GitHub Actions lacks a permission of the job; ECR one of the role; others a right there."""
    hints = {
        (host, provider): next(judge_registry(at(host, push=NO, is_ecr=is_ecr), provider=provider)).hint
        for host, provider, is_ecr in (
            ("ghcr.io", "github", False),
            ("ghcr.io", "gitlab", False),
            ("1.dkr.ecr", "codebuild", True),
        )
    }
    assert "packages: write" in hints["ghcr.io", "github"]
    assert hints["ghcr.io", "gitlab"] == RULES["push-denied"].hint
    assert "ecr:" in hints["1.dkr.ecr", "codebuild"]


def test_what_is_unknown_is_no_refusal() -> None:
    """A token server that is down says nothing about rights."""
    down = Refused("token: 503", code=4)
    assert rules(at(pull=down)) == ["registry-failing"]
    assert rules(at(login=down, repositories=())) == ["registry-failing"]
    assert rules(at(login=Failure(FailureKind.TIMEOUT, "x"), repositories=())) == ["registry-failing"]
    assert rules(at(credentials=Refused("AWS is gone", code=4), login=None, repositories=())) == [
        "registry-unreachable"
    ]


def engine(facts: EngineFacts) -> list[str]:
    """Return the rules that apply to an engine."""
    return [finding.rule for finding in judge_engine(facts)]


def test_engines() -> None:
    """Each state of docker, buildx and engine."""
    assert engine(EngineFacts(has_docker=False)) == ["docker-missing"]
    assert engine(EngineFacts(has_docker=True, trouble=Refused("gone", code=4))) == ["engine-unreachable"]
    assert engine(EngineFacts(has_docker=True)) == ["buildx-missing"]
    assert engine(EngineFacts(has_docker=True, several_platforms=("api",))) == [
        "buildx-missing",
        "platforms-unsupported",
    ]
    assert engine(EngineFacts(True, (0, 12, 9), "default", "docker")) == ["buildx-old"]
    several = ("api",)
    classic = EngineFacts(True, (0, 20, 0), "default", "docker", several_platforms=several)
    assert engine(classic) == ["builder", "platforms-unsupported"]
    assert engine(EngineFacts(True, (0, 20, 0), "default", "docker", True, None, several)) == ["builder"]
    assert engine(EngineFacts(True, (0, 20, 0), "b", "kubernetes", False, None, several)) == ["builder"]


def test_aws() -> None:
    """Refused is 3, unreachable 4, another account a note, not needed nothing."""
    assert list(judge_aws(AwsFacts(is_wanted=False, trouble=Refused("x")))) == []
    assert [item.rule for item in judge_aws(AwsFacts(trouble=Refused("x")))] == ["aws-login"]
    assert [item.rule for item in judge_aws(AwsFacts(trouble=Refused("x", code=4)))] == ["aws-unreachable"]
    assert [item.rule for item in judge_aws(AwsFacts("arn", "1", ("1",)))] == ["aws-identity"]
    assert [item.rule for item in judge_aws(AwsFacts("arn", "1", ("2",)))] == ["aws-identity", "aws-account"]


def test_ci() -> None:
    """Only what the provider lacks."""
    assert list(judge_ci(CiFacts("local"))) == []
    ecr = {"1.dkr.ecr": True}
    assert [item.rule for item in judge_ci(CiFacts("github", hosts=ecr))] == ["id-token"]
    assert list(judge_ci(CiFacts("github", hosts=ecr, has_aws_credentials=True))) == []
    assert list(judge_ci(CiFacts("github", hosts={"ghcr.io": False}))) == []
    told = judge_ci(CiFacts("github", ("A is not set",), can_write=False))
    assert [item.rule for item in told] == ["ci-variables", "ci-read-only"]


def test_the_highest_code_counts_and_allowed_errors_do_not() -> None:
    """Errors first; the exit code is that of the gravest error that is not allowed."""
    found = [*judge_registry(at(push=NO)), *judge_engine(EngineFacts(True, trouble=Refused("gone", code=4)))]
    assert exit_code(found) == 4
    assert exit_code(allow(found, ("engine-unreachable",))) == 3
    assert exit_code(allow(found, ("engine-unreachable", "push-denied"))) == 0
    ordered = in_order(allow(found, ("push-denied",)))
    assert [item.severity for item in ordered] == [Severity.ERROR, Severity.WARNING]
