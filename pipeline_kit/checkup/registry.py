"""From what a registry answered to findings: what is wrong, by which evidence, and what to do."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline_kit.checkup.finding_of_rule import found
from pipeline_kit.checkup.service_facts import Failure, Refused, Reply
from pipeline_kit.retry import Evidence, FailureKind, RetryClass, classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.checkup.findings import Finding
    from pipeline_kit.checkup.service_facts import Outcome, RegistryFacts, RepositoryFacts

CLOCK_SKEW_SECONDS = 300.0
"""AWS refuses signatures, and registries tokens, when clocks differ by more than about five minutes."""
_EXPIRED = re.compile(r"expired", re.IGNORECASE)
_GHCR = "ghcr.io"
_UNREACHABLE = 4


def judge_registry(facts: RegistryFacts, *, provider: str = "") -> Iterator[Finding]:
    """Yield what is wrong with one registry; what follows from an earlier finding is not told again.

    ``provider`` is the CI system, whose own settings the advice then names.
    """
    yield from _skew(facts)
    trouble = _greeting(facts)
    if trouble is None:
        trouble = _login(facts)
    if trouble is not None:
        yield trouble
        return
    for repository in facts.repositories:
        yield from _repository(facts, repository, provider)


def _skew(facts: RegistryFacts) -> Iterator[Finding]:
    skew = facts.greeting.skew if isinstance(facts.greeting, Reply) else None
    if skew is not None and abs(skew) > CLOCK_SKEW_SECONDS:
        direction = "behind" if skew > 0 else "ahead"
        yield found("clock-skew", facts.host, f"this machine is {abs(skew):.0f} s {direction}")


def _greeting(facts: RegistryFacts) -> Finding | None:
    """Return why the host is no registry that can be talked to, or ``None``."""
    answer = facts.greeting
    if isinstance(answer, Refused):
        return found("not-a-registry", facts.host, answer.told)
    if isinstance(answer, Failure):
        return _no_answer(facts, answer)
    if facts.scheme == "http" and _speaks_tls(facts.other):
        return found("tls-expected", facts.host, answer.told, _loopback_hint(facts))
    if answer.status == 407 or _is_transient(answer):  # noqa: PLR2004 - HTTP
        rule = "proxy-refused" if answer.status == 407 else "registry-failing"  # noqa: PLR2004 - HTTP
        return found(rule, facts.host, _by_proxy(answer.told, facts))
    if not answer.is_registry:
        kind = answer.media_type or "no content type"
        return found("not-a-registry", facts.host, f"GET /v2/: {answer.told} ({kind})")
    return None


def _no_answer(facts: RegistryFacts, failure: Failure) -> Finding:
    if facts.scheme == "https" and isinstance(facts.other, Reply):
        return found("plain-http", facts.host, f"{failure.told}; by http: {facts.other.told}")
    if facts.scheme == "http" and _speaks_tls(facts.other):
        return found("tls-expected", facts.host, failure.told, _loopback_hint(facts))
    rule = _RULE_OF_FAILURE.get(failure.kind, "registry-unreachable")
    if failure.kind is FailureKind.TLS_VERIFICATION:
        rule = _certificate(failure.told)
    if facts.proxy and rule in ("registry-unreachable", "host-unknown"):
        rule = "proxy-unreachable"
    return found(rule, facts.host, _by_proxy(failure.told, facts))


_RULE_OF_FAILURE = {
    FailureKind.NAME_RESOLUTION: "host-unknown",
    FailureKind.PROXY_REFUSED: "proxy-refused",
    FailureKind.PROTOCOL: "not-a-registry",
}


def _certificate(told: str) -> str:
    lower = told.lower()
    if "expired" in lower or "not yet valid" in lower:
        return "certificate-expired"
    return "certificate-name" if "mismatch" in lower or "not valid for" in lower else "certificate-unknown"


def _speaks_tls(other: Outcome | None) -> bool:
    if isinstance(other, Failure):
        return other.kind is FailureKind.TLS_VERIFICATION
    return isinstance(other, Reply)


def _loopback_hint(facts: RegistryFacts) -> str:
    return "" if facts.is_loopback else "take the host from `plain_http:`"


def _by_proxy(told: str, facts: RegistryFacts) -> str:
    return f"{told} (through the proxy {facts.proxy})" if facts.proxy else told


def _is_transient(answer: Reply) -> bool:
    evidence = Evidence(status=answer.status, codes=answer.codes, message=answer.message)
    return classify(evidence) is RetryClass.TRANSIENT_HTTP


def _login(facts: RegistryFacts) -> Finding | None:
    """Return what is wrong with the stored login, or ``None``; that there is none matters only if it is needed."""
    if isinstance(facts.credentials, Refused):
        rule = "registry-unreachable" if facts.credentials.code == _UNREACHABLE else "login-broken"
        return found(rule, facts.host, facts.credentials.told, facts.credentials.hint)
    if facts.login is None or not facts.credentials:
        return None
    return _refusal(facts, facts.login)


def _refusal(facts: RegistryFacts, answer: Outcome) -> Finding | None:
    """Return the finding for an answer to the login, ``None`` where it was accepted."""
    rule = _failed(answer)
    if rule is None and (isinstance(answer, Refused) or (isinstance(answer, Reply) and answer.status in (401, 403))):
        rule = "login-expired" if _EXPIRED.search(answer.told) else "login-refused"
    return found(rule, facts.host, answer.told) if rule else None


def _repository(facts: RegistryFacts, repository: RepositoryFacts, provider: str) -> Iterator[Finding]:
    subject = f"{facts.host}/{repository.name}"
    pull = _access(facts, repository.pull, "pull-denied", provider, repository)
    if pull is not None:
        yield pull
        return
    push = _access(facts, repository.push, "push-denied", provider, repository)
    if push is not None:
        yield push
    elif repository.cancel is not None and not _is_gone(repository.cancel):
        yield found("upload-left", subject, repository.cancel.told, images=repository.images)
    yield from _mutability(subject, repository)


def _access(
    facts: RegistryFacts, answer: Outcome | None, denied: str, provider: str, repository: RepositoryFacts
) -> Finding | None:
    """Return what an answer about one repository means, ``None`` where the access is there or was not asked."""
    if answer is None:
        return None
    rule = _failed(answer) or _not_allowed(facts, answer, denied) or _not_there(facts, answer, denied)
    if rule is None:
        return None
    subject = facts.host if rule.startswith("login-") else f"{facts.host}/{repository.name}"
    hint = ""
    if rule == denied:
        hint = _permission(facts, provider)
    elif rule == "repository-missing" and facts.is_ecr:
        hint = f"aws ecr create-repository --repository-name {repository.name}"
    return found(rule, subject, answer.told, hint, images=repository.images)


def _failed(answer: Outcome) -> str | None:
    if isinstance(answer, Reply):
        return "registry-failing" if _is_transient(answer) else None
    return "registry-failing" if isinstance(answer, Failure) or answer.code == _UNREACHABLE else None


def _not_allowed(facts: RegistryFacts, answer: Outcome, denied: str) -> str | None:
    """Return the rule for a 401 or 403, or for a token that was not given."""
    if isinstance(answer, Reply) and answer.status not in (401, 403):
        return None
    if not facts.credentials:
        return "login-missing"
    return "login-expired" if _EXPIRED.search(answer.told) else denied


def _not_there(facts: RegistryFacts, answer: Outcome, denied: str) -> str | None:
    if not isinstance(answer, Reply):
        return None
    is_push = denied == "push-denied"
    if "NAME_UNKNOWN" in answer.codes and (is_push or facts.is_ecr):
        return "repository-missing"
    return "registry-read-only" if is_push and not 200 <= answer.status < 300 else None  # noqa: PLR2004 - HTTP


def _permission(facts: RegistryFacts, provider: str) -> str:
    if facts.host == _GHCR and provider == "github":
        return "permissions: packages: write for the job, and let the package give this repository access"
    if facts.is_ecr:
        return "allow the ecr: actions that docs/registries.md lists, in the role and in the repository's policy"
    return ""


def _is_gone(answer: Outcome) -> bool:
    return isinstance(answer, Reply) and (200 <= answer.status < 300 or answer.status == 404)  # noqa: PLR2004 - HTTP


def _mutability(subject: str, repository: RepositoryFacts) -> Iterator[Finding]:
    words = repository.mutability
    filters = repository.exclusions
    if words.startswith("IMMUTABLE"):
        stuck = [tag for tag in repository.moving if not any(fnmatchcase(tag, each) for each in filters)]
        if stuck:
            told = f"{words}{' except ' + ', '.join(filters) if filters else ''}: {', '.join(stuck)} cannot move"
            yield found("tags-immutable", subject, told, images=repository.images)
    elif words:
        yield found("tags-mutable", subject, words, images=repository.images)
