"""Authorization for requests: the challenge learnt once for each host, tokens fetched once for many repositories.

Sources: the distribution project's "Token Authentication Specification" and "OAuth2 Token Authentication". A token
for 200 repositories is a header of about 19 KB, which front ends refuse, so up to 20 repositories share one.
"""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from pipeline_kit.adapters.aws.ecr import parse_ecr_host
from pipeline_kit.adapters.registry import hints
from pipeline_kit.adapters.registry.addresses import api_host
from pipeline_kit.adapters.registry.challenge import Challenge, check_realm, choose
from pipeline_kit.adapters.registry.failures import evidence_of, from_network, transient
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.transport import Outgoing
from pipeline_kit.errors import AuthenticationFailed, AuthorizationDenied, RegistryRefused
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.retry import RetryClass, classify
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.credentials import Credential, CredentialSource
    from pipeline_kit.adapters.registry.transport import Transport
    from pipeline_kit.ports.clock import Clock

BATCH = 20
_DEFAULT_TTL = 60.0
_LONGEST_TTL = 3600.0
_TOKEN_RE = re.compile(r"[\x21-\x7e]+")
_CLIENT_ID = "pipeline-kit"


class Access(NamedTuple):
    """What a request wants: ``actions`` is ``pull``, ``pull,push`` or ``delete``.

    Without a repository, only to be known. ``mount_from`` is another repository that is read: a mount needs one token
    for both.
    """

    host: str
    repository: str
    actions: str = "pull"
    mount_from: str = ""


@value_class(frozen=False)
class _Token:
    lock: threading.Lock = field(default_factory=threading.Lock)
    header: str = field(default="", repr=False)
    expires: float = 0.0


@value_class(frozen=False)
class _Host:
    lock: threading.RLock = field(default_factory=threading.RLock)
    first_contact: threading.Lock = field(default_factory=threading.Lock)
    is_contacted: bool = False
    challenge: Challenge | None = None
    has_forgotten: bool = False
    batches: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """By repository and actions."""
    tokens: dict[tuple[str, ...], _Token] = field(default_factory=dict)


class Authorizer:
    """Authorization headers for every host; safe for use by many threads."""

    def __init__(
        self, *, transport: Transport, credentials: CredentialSource, clock: Clock, plain_http: Collection[str] = ()
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._plain_http = plain_http
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def expect(self, host: str, repositories: Sequence[str], actions: str = "pull") -> None:
        """Say which repositories will be read (or written), so that their scopes share tokens."""
        state = self._host(host)
        wanted = sorted(set(repositories))
        with state.lock:
            for start in range(0, len(wanted), BATCH):
                batch = tuple(wanted[start : start + BATCH])
                state.batches.update({(repository, actions): batch for repository in batch})

    def first_contact(self, host: str) -> threading.Lock | None:
        """Return the lock under which a first request is to be sent, ``None`` once the host's challenge is known."""
        state = self._host(host)
        return None if state.is_contacted else state.first_contact

    def contacted(self, host: str) -> None:
        """Note that the host was asked, whatever came of it."""
        self._host(host).is_contacted = True

    def header(self, access: Access, deadline: float) -> str | None:
        """Return the Authorization header to send, ``None`` for an anonymous request.

        Raises AuthenticationFailed, AuthorizationDenied or RegistryUnreachable when it cannot be had.
        """
        challenge = self._host(access.host).challenge
        if challenge is None:
            # ECR is known to take Basic: asking it first would cost a request. Its public registry refuses Basic (400).
            return self._basic(access.host) if parse_ecr_host(access.host) is not None else None
        if challenge.scheme == "basic":
            return self._basic(access.host)
        try:
            return self._bearer(access, challenge, deadline)
        except RegistryRefused:
            if access.actions == "delete":  # Quay knows no such action: there the right to push deletes
                return self._bearer(access._replace(actions="pull,push"), challenge, deadline)
            if not self._narrow(access):
                raise
            return self._bearer(access, challenge, deadline)

    def renew(self, access: Access, answer: Answer, sent: str | None, deadline: float) -> str | None:
        """Return another header after a 401 or 403 to ``sent``, ``None`` where there is nothing better to send."""
        state = self._host(access.host)
        kind = classify(evidence_of(answer, access.host, may_refresh=True))
        if kind is not RetryClass.AUTH_REFRESHABLE:
            is_batch = answer.status in (401, 403) and _is_bearer(sent) and self._narrow(access)
            return self.header(access, deadline) if is_batch else None
        challenge = choose(answer.header("www-authenticate"))
        # Harbor asks for Basic once a token was refused: the next token is what helps, not the password.
        if challenge is not None and not (_is_bearer(sent) and challenge.scheme == "basic"):
            with state.lock:
                state.challenge = challenge
        if sent is None:
            return self.header(access, deadline)
        self._drop(access, sent)
        return self.header(access, deadline)

    def _host(self, host: str) -> _Host:
        with self._lock:
            return self._hosts.setdefault(host, _Host())

    def _basic(self, host: str) -> str | None:
        credential = self._credentials.lookup(host)
        return credential.basic if credential else None

    def _repositories(self, access: Access) -> tuple[str, ...]:
        alone = (access.repository,)
        return alone if access.mount_from else self._host(access.host).batches.get(_key(access), alone)

    def _narrow(self, access: Access) -> bool:
        """Ask for this repository alone from now on; return whether that is a change."""
        state = self._host(access.host)
        with state.lock:
            had = len(self._repositories(access)) > 1
            state.batches.pop(_key(access), None)
            return had

    def _slot(self, access: Access) -> tuple[_Token, tuple[str, ...]]:
        state = self._host(access.host)
        scopes = tuple(f"repository:{name}:{access.actions}" for name in self._repositories(access) if name)
        if access.mount_from:
            scopes = (*scopes, f"repository:{access.mount_from}:pull")
        with state.lock:
            return state.tokens.setdefault(scopes, _Token()), scopes

    def _drop(self, access: Access, sent: str) -> None:
        """Forget what was refused, unless another thread has replaced it already."""
        if sent.startswith("Basic "):
            state = self._host(access.host)
            with state.lock:
                if not state.has_forgotten:
                    # Once: a helper must not run again for every one of hundreds of refused repositories.
                    state.has_forgotten = True
                    self._credentials.forget(access.host)
            return
        self._narrow(access)
        slot, _ = self._slot(access)
        with slot.lock:
            if slot.header == sent:
                slot.expires = 0.0

    def _bearer(self, access: Access, challenge: Challenge, deadline: float) -> str:
        slot, scopes = self._slot(access)
        with slot.lock:
            if not slot.header or self._clock.monotonic() >= slot.expires:
                asked = self._clock.monotonic()
                token, seconds = self._fetch(access.host, challenge, scopes, deadline)
                slot.header = f"Bearer {token}"
                slot.expires = asked + seconds - max(2.0, min(30.0, seconds / 10))
            return slot.header

    def _fetch(self, host: str, challenge: Challenge, scopes: tuple[str, ...], deadline: float) -> tuple[str, float]:
        credential = self._credentials.lookup(host)
        if credential is not None and credential.registry_token:
            return _checked(credential.registry_token, host), _LONGEST_TTL
        realm = check_realm(challenge, registry=api_host(host), plain_http=self._plain_http)
        request = _token_request(realm, api_host(host), challenge, scopes, credential)
        doing = f"token for {host} from {urlsplit(realm).netloc}"
        try:
            answer = self._transport.send(request, deadline)
        except NetworkFailure as failure:
            raise from_network(failure, doing) from failure
        failed = transient(answer, host, doing)
        if failed is not None:
            raise failed
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            kind = AuthorizationDenied if answer.status == 403 else AuthenticationFailed  # noqa: PLR2004 - HTTP
            hint = hints.access_hint if answer.status == 403 else hints.login_hint  # noqa: PLR2004 - HTTP
            repository = scopes[0].split(":")[1] if scopes else ""
            raise kind(f"{doing}: {answer.describe()}", hint=hint(host, repository))
        return _parse_token(answer.body, host)


def _is_bearer(sent: str | None) -> bool:
    return sent is not None and sent.startswith("Bearer ")


def _key(access: Access) -> tuple[str, str]:
    return access.repository, access.actions


def _token_request(
    realm: str, registry: str, challenge: Challenge, scopes: tuple[str, ...], credential: Credential | None
) -> Outgoing:
    service = challenge.parameters.get("service")
    common = [("service", service)] if service else []
    if credential is not None and credential.identity_token:
        form = [
            *common,
            ("grant_type", "refresh_token"),
            ("client_id", _CLIENT_ID),
            ("scope", " ".join(scopes)),
            ("refresh_token", credential.identity_token),
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Outgoing("POST", realm, registry, headers, urlencode(form).encode())
    query = urlencode([*common, *(("scope", scope) for scope in scopes)], safe=":/,")
    basic = credential.basic if credential else None
    url = f"{realm}{'&' if urlsplit(realm).query else '?'}{query}"
    return Outgoing("GET", url, registry, {"Authorization": basic} if basic else {})


def _parse_token(body: bytes, host: str) -> tuple[str, float]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise AuthenticationFailed(f"the token server of {host} did not answer with JSON")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str):
        raise AuthenticationFailed(f"the token server of {host} gave no token")
    seconds = document.get("expires_in")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds <= 0:
        seconds = _DEFAULT_TTL
    return _checked(token, host), min(float(seconds), _LONGEST_TTL)


def _checked(token: str, host: str) -> str:
    if not _TOKEN_RE.fullmatch(token):
        raise AuthenticationFailed(f"the token for {host} cannot be sent in a header")
    return token
