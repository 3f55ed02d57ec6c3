"""Who may do what before a registry of the field: logins, tokens, and what is said to those who may not."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from fakes.fake_registry_answers import Logged, Reply, to_json
from fakes.registry_profile import SPEC, Account, Profile, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH_RE = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.+)")


@dataclass(slots=True)
class Grant:
    """What a token allows: actions by repository."""

    actions: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One API request, taken apart."""

    request: Logged
    host: str
    path: str
    query: str
    repository: str = ""
    kind: str = ""
    rest: str = ""

    @property
    def action(self) -> str:
        """Return what the request needs: ``pull``, ``push`` or ``delete``."""
        return {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(self.request.method, "push")

    @property
    def is_tag(self) -> bool:
        """Return whether the request is about a manifest under a tag."""
        return self.kind == "manifests" and not self.rest.startswith("sha256:")


class Authority:
    """The logins and tokens of one profile; ``repositories`` exist, those in ``public`` may be pulled by anybody."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.repositories: set[str] = set()
        self.public: set[str] = set()
        self.pusher = profile.pusher
        self.reader = profile.reader
        self.tokens: dict[str, Grant] = {}
        self.stale: set[str] = set()
        self.lock = threading.RLock()

    def expire(self) -> None:
        """Let every token given so far be refused as expired; with Basic, the passwords, and new ones hold."""
        with self.lock:
            self.stale.update(self.tokens)
            self.tokens.clear()
            if self.profile.scheme == "basic":
                self.stale.update((self.pusher.password, self.reader.password))
                self.pusher = Account(self.pusher.user, f"{self.pusher.password}+")
                self.reader = Account(self.reader.user, f"{self.reader.password}+")

    def exists(self, repository: str) -> bool:
        """Return whether what has to be there before the first push is there."""
        return self._key(repository) in {self._key(item) for item in self.repositories}

    def _key(self, repository: str) -> str:
        return "/".join(repository.split("/")[: self.profile.depth or None])

    def is_token(self, asked: Asked) -> bool:
        """Return whether a request is for the token server."""
        return self.profile.scheme == "bearer" and f"{asked.host}{asked.path}" == self.profile.realm

    def token(self, asked: Asked) -> Reply:
        """Return the token server's answer."""
        profile = self.profile
        is_post = asked.request.method == "POST"
        pairs = parse_qsl(asked.request.body.decode() if is_post else asked.query)
        account = self._exchanged(dict(pairs)) if is_post else self._basic_account(asked)
        if account is None and (is_post or "authorization" in asked.request.headers):
            return profile.bad_login.reply()
        actions: dict[str, frozenset[str]] = {}
        for scope in [scope for name, value in pairs if name == "scope" for scope in value.split()]:
            _, repository, wanted = scope.split(":")
            if not profile.knows_delete and "delete" in wanted:
                return Refusal(400, "INVALID_REQUEST", f"Unable to decode repository and actions: {scope}").reply()
            allowed = self._allowed(account, repository, wanted)
            if not allowed and profile.anonymous_at_token and account is None:
                return profile.anonymous.reply(repository)
            if not allowed and profile.missing_at_token and profile.missing and not self.exists(repository):
                return profile.missing.reply(repository)
            actions[repository] = allowed & frozenset(wanted.split(","))
        with self.lock:
            token = f"token-{profile.name.replace(' ', '-')}-{len(self.tokens) + len(self.stale)}"
            self.tokens[token] = Grant(actions)
        document: dict[str, object] = {profile.token_key: token}
        if profile.token_seconds is not None:
            document["expires_in"] = profile.token_seconds
        return Reply(200, {"Content-Type": "application/json"}, to_json(document))

    def _exchanged(self, form: Mapping[str, str]) -> Account | None:
        if form.get("grant_type") != "refresh_token" or form.get("service") != self.profile.service:
            return None
        known = (item for item in (self.pusher, self.reader) if item.identity_token)
        return next((item for item in known if item.identity_token == form.get("refresh_token")), None)

    def _basic_account(self, asked: Asked) -> Account | None:
        header = asked.request.headers.get("authorization", "")
        if not header.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        known = (item for item in (self.pusher, self.reader) if not item.identity_token)
        return next((item for item in known if (item.user, item.password) == (user, password)), None)

    def _allowed(self, account: Account | None, repository: str, wanted: str) -> frozenset[str]:
        """Return what ``account`` may do to a repository; one that is missing may be hidden, or be made by a push."""
        profile = self.profile
        if account is None:
            return frozenset({"pull"}) if repository in self.public else frozenset()
        rights = frozenset({"pull"} if account == self.reader else {"pull", "push", "delete"})
        if self.exists(repository) or not is_hidden(profile):
            return rights
        makes_it = profile.creates_on_push and "push" in wanted.split(",") and "push" in rights
        return rights if makes_it else frozenset()

    def authorized(self, asked: Asked) -> Reply | None:
        """Return the refusal of a request that its Authorization does not allow."""
        profile = self.profile
        if profile.scheme in ("open", "own"):
            return None
        header = asked.request.headers.get("authorization", "")
        if profile.scheme == "basic":
            return self._basic(asked, header)
        if not header or (header.startswith("Basic ") and profile.basic_elsewhere is None):
            return self._challenged(asked)
        if header.startswith("Basic ") and profile.basic_elsewhere is not None:
            return profile.basic_elsewhere.reply(asked.repository)
        grant = self.tokens.get(header.removeprefix("Bearer "))
        if grant is None:
            reply = profile.expired.reply(asked.repository)
            if profile.expired.status == 401 and profile.expired.challenge is None:
                reply.headers["WWW-Authenticate"] = self._challenge(asked, "invalid_token")
            return reply
        return self._granted(asked, grant.actions.get(asked.repository, frozenset()))

    def _granted(self, asked: Asked, actions: frozenset[str]) -> Reply | None:
        needed = "push" if asked.action == "delete" and not self.profile.knows_delete else asked.action
        if needed in actions:
            return None
        refusal = self.profile.push_denied if "pull" in actions else self.profile.anonymous
        if self.profile.missing is not None and not self.exists(asked.repository):
            refusal = self.profile.missing
        reply = refusal.reply(asked.repository)
        if refusal.status == 401 and refusal.challenge is None:
            reply.headers["WWW-Authenticate"] = self._challenge(asked, "insufficient_scope")
        return reply

    def _basic(self, asked: Asked, header: str) -> Reply | None:
        account = self._basic_account(asked)
        if account is not None:
            return self.profile.push_denied.reply(asked.repository) if self._is_denied(asked, account) else None
        password = base64.b64decode(header[6:]).decode().partition(":")[2] if header else ""
        if password in self.stale:
            return self.profile.expired.reply(asked.repository)
        return (self.profile.bad_login if header else self.profile.anonymous).reply(asked.repository)

    def _is_denied(self, asked: Asked, account: Account) -> bool:
        return account == self.reader and asked.action != "pull"

    def _challenged(self, asked: Asked) -> Reply:
        reply = Reply(401, {**SPEC, "Content-Type": "application/json"})
        reply.body = to_json({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
        reply.headers["WWW-Authenticate"] = self._challenge(asked)
        return reply

    def _challenge(self, asked: Asked, error: str = "") -> str:
        actions = "pull" if asked.action == "pull" else "pull,push"
        scope = f',scope="repository:{asked.repository}:{actions}"' if self.profile.challenge_says_scope else ""
        told = f',error="{error}"' if error else ""
        return f'Bearer realm="http://{self.profile.realm}",service="{self.profile.service}"{scope}{told}'


def take_apart(request: Logged) -> Asked:
    """Return a proxied request with the parts of its URL."""
    parts = urlsplit(request.path)
    found = _PATH_RE.fullmatch(parts.path)
    return Asked(request, parts.netloc, parts.path, parts.query, **(found.groupdict() if found else {}))


def is_hidden(profile: Profile) -> bool:
    """Return whether a missing repository is told from a forbidden one only by those who may push."""
    return profile.missing is not None and profile.missing.status in (401, 403)
