"""The fake registry's logins: Basic, and Bearer tokens with scopes."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlsplit

from fakes.fake_registry_values import PATH_RE, Logged, Reply, error, to_json

if TYPE_CHECKING:
    from fakes.fake_registry import FakeRegistry


def _login(registry: FakeRegistry, request: Logged) -> str | None:
    header = request.headers.get("authorization", "")
    if not header.startswith("Basic "):
        return None
    user, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return user if registry.users.get(user) == password else None


def unauthorized(registry: FakeRegistry, request: Logged) -> Reply | None:
    """Return the challenge for a request that lacks what it needs, else ``None``."""
    if not registry.users and not registry.uses_tokens:
        return None
    if not registry.uses_tokens:
        if _login(registry, request) is not None:
            return None
        challenge = 'Basic realm="fake"'
    else:
        needed = _needed_scope(request)
        scopes = registry.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is not None and (needed is None or needed <= scopes):
            return None
        realm = registry.realm or f"http://{registry.host}/token"
        scope = f',scope="{" ".join(sorted(needed))}"' if needed else ""
        challenge = f'Bearer realm="{realm}",service="fake"{scope}'
    reply = error(401, "UNAUTHORIZED", "authentication required")
    reply.headers["WWW-Authenticate"] = challenge
    return reply


def _needed_scope(request: Logged) -> frozenset[str] | None:
    found = PATH_RE.fullmatch(urlsplit(request.path).path)
    if found is None:
        return None
    actions = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete",)}.get(request.method, ("pull", "push"))
    if "/blobs/uploads/" in request.path:
        actions = ("pull", "push")
    mounted = parse_qs(urlsplit(request.path).query).get("from", []) if request.method == "POST" else []
    needed = {f"{found['repository']}:{action}" for action in actions}
    return frozenset(needed | {f"{repository}:pull" for repository in mounted})


def token(registry: FakeRegistry, request: Logged) -> Reply:
    """Return the token server's answer."""
    pairs = parse_qsl(request.body.decode() if request.method == "POST" else urlsplit(request.path).query)
    user = _login(registry, request)
    refresh = dict(pairs).get("refresh_token")
    is_known = user is not None or (refresh is not None and refresh in registry.users.values())
    if registry.users and not is_known:
        return error(401, "UNAUTHORIZED", "incorrect username or password")
    scopes: set[str] = set()
    for name, value in pairs:
        for scope in value.split() if name == "scope" else ():
            _, repository, actions = scope.split(":")
            scopes.update(f"{repository}:{action}" for action in actions.split(","))
    with registry.lock:
        made = f"token-{len(registry.tokens)}-{time.monotonic_ns()}"
        registry.tokens[made] = frozenset(scopes - registry.withheld)
        seconds = registry.token_seconds
    return Reply(200, {"Content-Type": "application/json"}, to_json({"token": made, "expires_in": seconds}))
