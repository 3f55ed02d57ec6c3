"""Asking registries what doctor wants to know; nothing is left behind, or an empty upload where none can be cancelled.

The questions go from the outside in (is it there, is it a registry, does it take the login, may this login read and
write), and each is asked only where the one before was answered.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline_kit.adapters.aws.ecr import EcrCredentials, is_ecr_host, parse_ecr_host
from pipeline_kit.adapters.registry.addresses import base_url, host_name, is_loopback, origin_of
from pipeline_kit.adapters.registry.challenge import choose
from pipeline_kit.adapters.registry.credentials import CredentialChain, DockerConfig
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.probing import ABSENT_TAG, RegistryProbe, is_registry_answer
from pipeline_kit.adapters.registry.proxies import proxy_for
from pipeline_kit.adapters.system_clock import SystemClock
from pipeline_kit.checkup.service_facts import Failure, Refused, RegistryFacts, Reply, RepositoryFacts
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.retry import FailureKind
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.credentials import CredentialSource
    from pipeline_kit.checkup.service_facts import Outcome
    from pipeline_kit.config import Config, ImageConfig

_AT_ONCE = 8
_PLACEHOLDER = re.compile(r"\{[^}]*\}")
_MAY_BE_OTHER_SCHEME = frozenset(
    {FailureKind.TLS_HANDSHAKE, FailureKind.PROTOCOL, FailureKind.CONNECTION, FailureKind.SHORT_BODY}
)
_BAD_REQUEST = 400


class _Examiner(NamedTuple):
    """Asks one host. ``may_push`` is false where the CI system has said that this run cannot."""

    probe: RegistryProbe
    credentials: CredentialSource
    host: str
    scheme: str
    may_push: bool

    def look(self, repositories: Sequence[RepositoryFacts], proxy: str) -> RegistryFacts:
        """Return everything there is to know."""
        greeting = _outcome(lambda: self.probe.greet(self.host))
        facts = RegistryFacts(
            self.host,
            self.scheme,
            greeting,
            other=self._other_scheme(greeting),
            proxy=proxy,
            is_loopback=is_loopback(host_name(self.host)),
            is_ecr=is_ecr_host(self.host),
        )
        if not isinstance(greeting, Reply) or not greeting.is_registry or facts.other is not None:
            return facts
        facts = replace(facts, credentials=self._credentials())
        if isinstance(facts.credentials, Refused):
            return facts
        if facts.credentials and greeting.challenge:
            facts = replace(facts, login=_outcome(lambda: self.probe.introduce(self.host)))
            if not isinstance(facts.login, Reply) or facts.login.status != 200:  # noqa: PLR2004 - HTTP
                return facts
        with ThreadPoolExecutor(_AT_ONCE, "doctor") as pool:
            return replace(facts, repositories=tuple(pool.map(self._repository, repositories)))

    def _other_scheme(self, greeting: Outcome) -> Outcome | None:
        """Ask by the other scheme where the answer looks as if that were the right one; never with credentials."""
        is_odd_failure = isinstance(greeting, Failure) and greeting.kind in _MAY_BE_OTHER_SCHEME
        is_odd_reply = isinstance(greeting, Reply) and greeting.status == _BAD_REQUEST and not greeting.is_registry
        if not is_odd_failure and not (is_odd_reply and self.scheme == "http"):
            return None
        other = _outcome(lambda: self.probe.greet(self.host, scheme="https" if self.scheme == "http" else "http"))
        is_answer = isinstance(other, Reply) or (
            isinstance(other, Failure) and other.kind is FailureKind.TLS_VERIFICATION
        )
        return other if is_answer else None

    def _credentials(self) -> str | Refused:
        try:
            found = self.credentials.lookup(self.host)
        except PipelineKitError as error:
            return _refused(error)
        return (found.username or "a token") if found is not None else ""

    def _repository(self, repository: RepositoryFacts) -> RepositoryFacts:
        name = repository.name
        pull = _outcome(lambda: self.probe.ask("GET", self.host, name, f"manifests/{ABSENT_TAG}"))
        is_readable = isinstance(pull, Reply) and pull.status in (200, 404)
        if not self.may_push or not is_readable:
            return replace(repository, pull=pull)
        place: list[str] = []

        def begin() -> Answer:
            answer = self.probe.ask("POST", self.host, name, "blobs/uploads/", actions="pull,push")
            place.append(answer.header("location") if answer.status == 202 else "")  # noqa: PLR2004 - HTTP
            return answer

        push = _outcome(begin)
        cancel = _outcome(lambda: self.probe.cancel_upload(self.host, name, place[0])) if place and place[0] else None
        return replace(repository, pull=pull, push=push, cancel=cancel)


def examine_registry(
    config: Config, images: Sequence[ImageConfig], environ: Mapping[str, str], *, provider: str, may_push: bool
) -> RegistryFacts:
    """Return what the configured registry answers about itself and about the repositories of ``images``."""
    host, _, below = config.registry.partition("/")
    repositories = _repositories(images, below, provider)
    credentials = CredentialChain((DockerConfig(environ), EcrCredentials()))
    base = base_url(host, config.plain_http)
    proxy = proxy_for(origin_of(base), environ)
    with RegistryProbe(
        clock=SystemClock(), environment=environ, credentials=credentials, plain_http=config.plain_http, seconds=15
    ) as probe:
        examiner = _Examiner(probe, credentials, host, urlsplit(base).scheme, may_push)
        facts = examiner.look(repositories, urlsplit(proxy).netloc.rpartition("@")[2] if proxy else "")
    if facts.repositories and parse_ecr_host(host) is not None:
        facts = replace(facts, repositories=_with_mutability(host, facts.repositories))
    return facts


def _repositories(images: Sequence[ImageConfig], below: str, provider: str) -> tuple[RepositoryFacts, ...]:
    """Return the repositories, each with its images and the tags that will move there."""
    found: dict[str, RepositoryFacts] = {}
    for image in images:
        name = f"{below}/{image.repository}" if below else image.repository
        caches = image.cache.mode == "registry" or (image.cache.mode == "auto" and provider.startswith("code"))
        moving = [_PLACEHOLDER.sub("x", alias) for alias in image.aliases] + (["buildcache-x"] if caches else [])
        before = found.get(name, RepositoryFacts(name))
        found[name] = replace(before, images=(*before.images, image.name), moving=(*before.moving, *moving))
    return tuple(found.values())


def _with_mutability(host: str, repositories: Sequence[RepositoryFacts]) -> tuple[RepositoryFacts, ...]:
    """Return the repositories with what ECR's own API says of their tags, where this run may ask it."""
    from pipeline_kit.adapters.aws.ecs_clients import AwsClients

    parsed = parse_ecr_host(host)
    if parsed is None:
        return tuple(repositories)
    clients = AwsClients(parsed.region)

    def ask(repository: RepositoryFacts) -> RepositoryFacts:
        try:
            answer = clients.call(
                "ecr", "DescribeRepositories", registryId=parsed.account, repositoryNames=[repository.name]
            )
            (known,) = answer["repositories"]
        except (PipelineKitError, LookupError, ValueError):  # not allowed to ask: then nothing is said about it
            return repository
        filters = known.get("imageTagMutabilityExclusionFilters") or []
        return replace(
            repository,
            mutability=str(known.get("imageTagMutability", "")),
            exclusions=tuple(str(item.get("filter", "")) for item in filters),
        )

    with ThreadPoolExecutor(_AT_ONCE, "doctor") as pool:
        return tuple(pool.map(ask, repositories))


def _outcome(question: Callable[[], Answer]) -> Outcome:
    """Return the answer to a question as a value, whatever became of it."""
    try:
        answer = question()
    except NetworkFailure as failure:
        return Failure(failure.kind, str(failure))
    except PipelineKitError as error:
        return _refused(error)
    challenge = choose(answer.header("www-authenticate"))
    return Reply(
        answer.status,
        answer.describe(),
        answer.codes,
        answer.message,
        answer.media_type,
        is_registry_answer(answer),
        challenge.scheme if challenge else "",
        _skew(answer.header("date")),
    )


def _refused(error: PipelineKitError) -> Refused:
    return Refused(error.message, error.hint or "", error.exit_code)


def _skew(date: str) -> float | None:
    """Return how many seconds the other side's clock is ahead of ours, ``None`` where it does not say."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
