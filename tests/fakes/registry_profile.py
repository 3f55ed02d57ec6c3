"""What one registry of the field does that others do not, as data for the front that stands in for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fakes.fake_registry_answers import Reply, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Scheme = Literal["open", "own", "basic", "bearer"]
"""``open``: no login. ``own``: the real registry's own htpasswd. ``basic``, ``bearer``: the front's."""
SPEC = {"Docker-Distribution-Api-Version": "registry/2.0"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer that is no success. ``{repository}``, ``{tag}`` and ``{project}`` in the message are filled in."""

    status: int
    code: str = ""
    message: str = ""
    challenge: str | None = None
    """A WWW-Authenticate header of its own; ``None`` is none."""
    is_spec: bool = True
    """Whether it bears Docker-Distribution-Api-Version; without a code the body is the message as plain text."""

    def reply(self, repository: str = "", tag: str = "") -> Reply:
        """Return the HTTP answer."""
        names = {"repository": repository, "project": repository.partition("/")[0], "tag": tag}
        text = self.message
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        headers = dict(SPEC) if self.is_spec else {}
        if self.challenge is not None:
            headers["WWW-Authenticate"] = self.challenge
        if not self.code:
            return Reply(self.status, {**headers, "Content-Type": "text/plain"}, text.encode())
        body = to_json({"errors": [{"code": self.code, "message": text}]})
        return Reply(self.status, {**headers, "Content-Type": "application/json"}, body)


@dataclass(frozen=True, slots=True)
class Account:
    """A login: ``identity_token`` is what a refresh-token exchange takes instead of user and password."""

    user: str
    password: str = ""
    identity_token: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """How the registry's own tool leaves a login in Docker's ``config.json``."""

    key: str = ""
    """The key under ``auths`` or ``credHelpers``; the host itself by default."""
    helper: str = ""
    """``docker-credential-HELPER`` gives the login; else it stands under ``auths``."""
    has_token_user: bool = False
    """The helper gives an identity token under the user name ``<token>``."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One registry: what to expect of it stands beside what it does."""

    name: str
    """As docs/registries.md calls it."""
    host: str
    scheme: Scheme
    prefix: str
    """Repositories of the tests are made below this path."""
    pusher: Account = Account("")
    reader: Account = Account("")
    login: Login = Login()
    api_host: str = ""
    """Where the API is; ``host`` by default."""
    realm: str = ""
    """``host/path`` of the token server."""
    service: str = ""
    token_seconds: int | None = 300
    """``expires_in`` of a token; ``None``: the answer does not say."""
    token_key: str = "token"
    challenge_says_scope: bool = True

    missing: Refusal | None = None
    """About a repository that does not exist; ``None``: the real registry answers (404 NAME_UNKNOWN)."""
    missing_at_token: bool = False
    missing_is_absent: bool = True
    """Whether a build may follow: else the verdict is denied, with ``missing_hint`` in its hint."""
    missing_hint: str = ""
    creates_on_push: bool = True
    depth: int = 0
    """How many leading components of the path have to exist before the first push; 0: the whole repository."""
    absent: Refusal | None = None
    """About a tag that does not exist; ``None``: the real registry answers (404 MANIFEST_UNKNOWN)."""

    anonymous: Refusal = Refusal(401, "UNAUTHORIZED", "authentication required")
    """About a private repository, to somebody without a login."""
    anonymous_at_token: bool = False
    bad_login: Refusal = Refusal(401, "UNAUTHORIZED", "incorrect username or password")
    push_denied: Refusal = Refusal(403, "DENIED", "requested access to the resource is denied")
    """To a login that may only pull."""
    expired: Refusal = Refusal(401, "UNAUTHORIZED", "authentication required")
    basic_elsewhere: Refusal | None = None
    """About Basic sent to the API itself by a registry that wants tokens there; ``None``: as without a login."""

    immutable: Refusal | None = None
    """To a PUT of a tag that is there already; ``None``: the registry knows no immutable tags."""
    limited: Refusal = Refusal(429, "TOOMANYREQUESTS", "too many requests")
    retry_after: Literal["seconds", "date", "epoch", ""] = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    """On every answer."""

    mounts: bool = True
    patched: int = 202
    """What a PATCH is answered with; ECR says 201."""
    knows_delete: bool = True
    """Whether tokens know the action ``delete``; where not, ``push`` deletes."""
    referrers: bool = False
    deletes: Refusal | None = None
    """To a DELETE; ``None``: carried out."""
    requests_to_observe: int = 0
    """What a new client sends to see three tags of three repositories."""
    tested: str = "front"
    """``real``: the real registry itself; ``front``: a real registry behind the stand-in."""
    sources: tuple[str, ...] = ()

    @property
    def has_login(self) -> bool:
        """Return whether there is anybody to log in as."""
        return self.scheme != "open"
