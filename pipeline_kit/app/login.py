"""``login``: try credentials at the registry, then keep them where docker and this tool find them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

from pipeline_kit.adapters.aws.ecr import EcrCredentials, is_ecr_host
from pipeline_kit.adapters.registry.credential_store import configured_helper, store, use_own_helper
from pipeline_kit.adapters.registry.credentials import OWN_HELPER, Credential, DockerConfig
from pipeline_kit.adapters.registry.failures import transient
from pipeline_kit.adapters.registry.probing import RegistryProbe, is_registry_answer
from pipeline_kit.adapters.registry.retrying import call
from pipeline_kit.errors import AuthenticationFailed, AuthorizationDenied, InputError, RegistryRefused
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import DEFAULT_HOST, is_host
from pipeline_kit.retry import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.retrying import Retry

Proof = Literal["accepted", "not asked for"]
_OWN_PROGRAM = f"docker-credential-{OWN_HELPER}"


class LoggedIn(NamedTuple):
    """One registry: who is logged in there, what it said to it, and where the login is kept.

    ``proof`` is ``not asked for`` where the registry answers everybody, so nothing was proven. ``holds_secret`` tells
    whether a secret was written; ``is_new`` whether anything was.
    """

    host: str
    username: str
    proof: Proof
    kept: str
    holds_secret: bool
    is_new: bool


class _Known(NamedTuple):
    """A credential source that knows one thing."""

    credential: Credential

    def lookup(self, host: str) -> Credential | None:
        del host
        return self.credential

    def forget(self, host: str) -> None:
        """Keep it: there is no other."""


class Login(NamedTuple):
    """Logs in to registries. ``plain_http`` names hosts without TLS; ``keep_token`` stores ECR's token itself."""

    environ: Mapping[str, str]
    plain_http: Collection[str] = ()
    keep_token: bool = False
    on_retry: Callable[[Retry], None] = lambda retry: None  # noqa: ARG005 - a default that says nothing

    def __call__(self, host: str, given: Credential | None = None) -> LoggedIn:
        """Log in to ``host`` with the credential ``given``, else with AWS's (ECR), else try the one that is stored.

        Raises AuthenticationFailed, AuthorizationDenied or another RegistryRefused, RegistryUnreachable,
        AwsUnreachable, InputError where there is nothing to log in with, OutputFailed where it cannot be kept.
        """
        if given is not None:
            proof = self._prove(host, given)
            return LoggedIn(host, given.username, proof, store(host, given, self.environ), True, True)
        helper = configured_helper(host, self.environ, own_entry=True)
        if is_ecr_host(host) and helper in ("", OWN_HELPER):
            return self._with_aws(host)
        return self._with_stored(host)

    def _with_aws(self, host: str) -> LoggedIn:
        credential = EcrCredentials().lookup(host)
        if credential is None:
            raise AuthenticationFailed(
                f"no AWS credentials to log in to {host} with",
                hint="pip install 'pipeline-kit[aws]', and set AWS_PROFILE",
            )
        proof = self._prove(host, credential)
        if not self.keep_token and shutil.which(_OWN_PROGRAM, path=self.environ.get("PATH")):
            is_new = configured_helper(host, self.environ, own_entry=True) != OWN_HELPER
            kept = use_own_helper(host, self.environ) if is_new else str(DockerConfig(self.environ).path)
            return LoggedIn(host, credential.username, proof, f"{_OWN_PROGRAM} in {kept}", False, is_new)
        return LoggedIn(host, credential.username, proof, store(host, credential, self.environ), True, True)

    def _with_stored(self, host: str) -> LoggedIn:
        config = DockerConfig(self.environ)
        credential = config.lookup(host)
        if credential is None:
            raise InputError(
                f"no login for {host} is stored, and none was given",
                hint=f"… | pipeline-kit login {host} --username USER --password-stdin",
            )
        proof = self._prove(host, credential)
        helper = configured_helper(host, self.environ)
        kept = f"docker-credential-{helper}" if helper else str(config.path)
        return LoggedIn(host, credential.username, proof, kept, False, False)

    def _prove(self, host: str, credential: Credential) -> Proof:
        from pipeline_kit.adapters.system_clock import SystemClock

        clock = SystemClock()
        with RegistryProbe(
            clock=clock, environment=self.environ, credentials=_Known(credential), plain_http=self.plain_http
        ) as probe:
            return call(lambda: _prove_once(probe, host, credential), REQUESTS, clock, self.on_retry)


def _prove_once(probe: RegistryProbe, host: str, credential: Credential) -> Proof:
    """Ask without the credentials first, so that they go only where a registry asks for them."""
    from pipeline_kit.adapters.registry.failures import from_network
    from pipeline_kit.adapters.registry.network import NetworkFailure

    try:
        greeting = probe.greet(host)
    except NetworkFailure as failure:
        raise from_network(failure, f"GET {host}/v2/") from failure
    _refuse(greeting, host, but=(200, 401))
    if greeting.status == 200:  # noqa: PLR2004 - HTTP
        if credential.basic is not None:
            _refuse(probe.insist(host, credential.basic), host, but=(200,))
        return "not asked for"
    try:
        answer = probe.introduce(host)
    except RegistryRefused as error:
        raise type(error)(f"{host} does not accept the login: {error.message}", hint=_hint(host)) from error
    _refuse(answer, host, but=(200,))
    return "accepted"


def _refuse(answer: Answer, host: str, *, but: Collection[int]) -> None:
    """Raise what an answer to ``/v2/`` means, but for the statuses that mean success."""
    failed = transient(answer, host, f"GET {host}/v2/")
    if failed is not None:
        raise failed
    if not is_registry_answer(answer):
        raise RegistryRefused(
            f"{host} does not answer as a registry: {answer.describe()} ({answer.media_type or 'no content type'})",
            hint="check the host and port: the registry's own address, without a path, a proxy or a login page",
        )
    if answer.status in but:
        return
    kind = AuthorizationDenied if answer.status == 403 and "expired" not in answer.message else AuthenticationFailed  # noqa: PLR2004 - HTTP
    raise kind(f"{host} does not accept the login: {answer.describe()}", hint=_hint(host))


def _hint(host: str) -> str:
    if is_ecr_host(host):
        return "check which account and role the AWS credentials are of: aws sts get-caller-identity"
    return "check user name and password; many registries want an access token instead of the account's password"


def clean_host(text: str) -> str:
    """Return the ``host[:port]`` of a registry that a user named. Raises InputError, never showing what is no host."""
    bare = text.strip().removeprefix("https://").removesuffix("/").removesuffix("/v2").removesuffix("/v1")
    if "@" in bare:
        raise InputError("a registry is named by its host alone, without credentials", hint="use --password-stdin")
    if not is_host(bare):
        hint = "like ghcr.io, registry.example.com:5000 or 111122223333.dkr.ecr.eu-west-1.amazonaws.com"
        raise InputError(f"{text[:200]!r} is not a registry's host", hint=hint)
    lower = bare.lower()
    return DEFAULT_HOST if lower in ("index.docker.io", "registry-1.docker.io") else lower
