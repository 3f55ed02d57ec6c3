"""What registries, the engine, AWS and the CI system answered, without any judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.retry import FailureKind


@value_class()
class Reply:
    """An HTTP answer. ``told`` is status, code and message in few words; ``skew`` its Date minus our clock, seconds."""

    status: int
    told: str
    codes: tuple[str, ...] = ()
    message: str = ""
    media_type: str = ""
    is_registry: bool = True
    challenge: str = ""
    """``basic``, ``bearer`` or ``""``."""
    skew: float | None = None


@value_class()
class Failure:
    """No answer at all."""

    kind: FailureKind
    told: str


@value_class()
class Refused:
    """It did not come to a request, or not to a usable answer: no token, a broken helper, a redirect not followed.

    ``code`` is the error's exit code.
    """

    told: str
    hint: str = ""
    code: int = 3


Outcome = Reply | Failure | Refused


@value_class()
class RepositoryFacts:
    """One repository: the answers to reading a tag that is not there, to beginning an upload, and to cancelling it.

    ``None`` where it was not asked. ``mutability`` and ``exclusions`` are ECR's words, ``""`` where they are not known;
    ``moving`` are the tags (or beginnings of tags) that runs will move there.
    """

    name: str
    images: tuple[str, ...] = ()
    pull: Outcome | None = None
    push: Outcome | None = None
    cancel: Outcome | None = None
    mutability: str = ""
    exclusions: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()


@value_class()
class RegistryFacts:
    """One registry, asked by ``scheme``; ``other`` is the answer by the other scheme, where that was worth asking.

    ``proxy`` is the proxy's ``host:port`` or ``""``. ``credentials`` is the user name that is known for the host,
    ``""`` without a login, or why there is none to be had. ``login`` is the answer to the credentials.
    """

    host: str
    scheme: str
    greeting: Outcome
    other: Outcome | None = None
    proxy: str = ""
    is_loopback: bool = False
    is_ecr: bool = False
    credentials: str | Refused = ""
    login: Outcome | None = None
    repositories: tuple[RepositoryFacts, ...] = ()


@value_class()
class EngineFacts:
    """What would build: ``trouble`` says why nothing does. ``is_multi_platform`` says whether several at once go."""

    has_docker: bool
    buildx: tuple[int, int, int] | None = None
    builder: str = ""
    driver: str = ""
    has_containerd_store: bool = False
    trouble: Refused | None = None
    several_platforms: tuple[str, ...] = ()
    """Images that are configured for several platforms."""

    @property
    def is_multi_platform(self) -> bool:
        """Return whether one build may make several platforms."""
        return bool(self.driver) and (self.driver != "docker" or self.has_containerd_store)


@value_class()
class AwsFacts:
    """Who the AWS credentials are: ``identity`` is the ARN. ``accounts`` are the ECR registries' accounts."""

    identity: str = ""
    account: str = ""
    accounts: tuple[str, ...] = ()
    trouble: Refused | None = None
    is_wanted: bool = True
    """Whether the configuration needs AWS at all."""


@value_class()
class CiFacts:
    """What the CI system's environment says; ``warnings`` are variables that are missing or contradict each other.

    ``has_id_token`` tells whether GitHub would give an OIDC token, ``has_aws_credentials`` whether there are any of
    AWS; ``hosts`` are the registries in use.
    """

    provider: str
    warnings: tuple[str, ...] = ()
    can_write: bool | None = None
    has_id_token: bool = False
    has_aws_credentials: bool = False
    hosts: Mapping[str, bool] | None = None
    """Registry host to whether it is ECR."""
