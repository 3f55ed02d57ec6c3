"""From what the engine, AWS and the CI system answered to findings: what is wrong, by which evidence, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.checkup.finding_of_rule import found
from pipeline_kit.checkup.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.checkup.findings import Finding
    from pipeline_kit.checkup.service_facts import AwsFacts, CiFacts, EngineFacts

_OLDEST_BUILDX = (0, 13, 0)
_PRIVILEGED = "set privileged mode in the CodeBuild project's environment: without it no Docker Engine is started"


def judge_engine(facts: EngineFacts, *, provider: str = "") -> Iterator[Finding]:
    """Yield what is wrong with the engine and its builder, and which builder it is; ``provider`` is the CI system."""
    if not facts.has_docker and facts.trouble is None:
        yield found("docker-missing", "docker", "not on PATH, though an engine answers")
    elif facts.trouble is not None:
        hint = _PRIVILEGED if provider in ("codebuild", "codepipeline") else facts.trouble.hint
        yield found("engine-unreachable", facts.builder or "docker", facts.trouble.told, hint)
    elif facts.buildx is None:
        yield found("buildx-missing", "docker", "docker buildx version: no such command")
    elif facts.buildx < _OLDEST_BUILDX:
        yield found("buildx-old", "docker buildx", ".".join(map(str, facts.buildx)))
    else:
        version = ".".join(map(str, facts.buildx))
        store = ", containerd image store" if facts.has_containerd_store else ""
        yield found("builder", facts.builder, f"driver {facts.driver}, buildx {version}{store}")
    if facts.trouble is None and facts.several_platforms and not facts.is_multi_platform:
        told = f"driver {facts.driver}, classic image store" if facts.driver else "no buildx"
        yield found("platforms-unsupported", facts.builder or "docker", told, images=facts.several_platforms)


def judge_aws(facts: AwsFacts) -> Iterator[Finding]:
    """Yield who AWS says we are, or why it does not say so; nothing where the configuration needs no AWS."""
    if not facts.is_wanted:
        return
    if facts.trouble is not None:
        rule = "aws-login" if facts.trouble.code == RULES["aws-login"].code else "aws-unreachable"
        yield found(rule, "AWS", facts.trouble.told, facts.trouble.hint)
        return
    yield found("aws-identity", facts.identity)
    for account in facts.accounts:
        if account != facts.account:
            yield found("aws-account", account, f"these credentials are of {facts.account}")


def judge_ci(facts: CiFacts) -> Iterator[Finding]:
    """Yield what the CI system's environment lacks."""
    for warning in facts.warnings:
        yield found("ci-variables", facts.provider, warning)
    if facts.can_write is False:
        yield found("ci-read-only", facts.provider)
    uses_ecr = any((facts.hosts or {}).values())
    if facts.provider == "github" and uses_ecr and not facts.has_id_token and not facts.has_aws_credentials:
        yield found("id-token", "GitHub Actions", "ACTIONS_ID_TOKEN_REQUEST_URL is not set")
