"""``WWW-Authenticate``: parsing it, and judging where it would have credentials sent.

Sources: RFC 9110 section 11.6.1; the distribution project's token authentication specification.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.adapters.registry.addresses import check_target
from pipeline_kit.errors import AuthenticationFailed, RegistryRefused
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - the grammar's "token", not a secret
_SCHEME_RE = re.compile(rf"({_TOKEN})(?=[\s,]|$)(?!\s*=)")
_PARAMETER_RE = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_LONGEST = 8192


@value_class()
class Challenge:
    """One way to authenticate: ``scheme`` in lower case, parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return every challenge of a (possibly joined) header, in order; what cannot be read ends the list."""
    text = header[:_LONGEST]
    found: list[Challenge] = []
    position = 0
    while position < len(text):
        if text[position] in " \t,":
            position += 1
            continue
        scheme = _SCHEME_RE.match(text, position)
        if scheme is None:
            break
        parameters, position = _parameters(text, scheme.end())
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


def _parameters(text: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while True:
        start = position
        while start < len(text) and text[start] in " \t,":
            start += 1
        found = _PARAMETER_RE.match(text, start)
        if found is None:
            return parameters, start
        quoted = found[2]
        value = found[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        parameters.setdefault(found[1].lower(), value)
        position = found.end()


def choose(header: str) -> Challenge | None:
    """Return the challenge to answer: Bearer before Basic, ``None`` where neither is offered."""
    offered = {challenge.scheme: challenge for challenge in reversed(parse_challenges(header))}
    return offered.get("bearer") or offered.get("basic")


def check_realm(challenge: Challenge, *, registry: str, plain_http: Collection[str]) -> str:
    """Return a Bearer challenge's realm when credentials may be sent there. Raises AuthenticationFailed otherwise.

    https may lead anywhere but to internal IP literals; http only where the registry is spoken to without TLS as well.
    """
    realm = challenge.parameters.get("realm", "")
    if not realm:
        raise AuthenticationFailed(f"{registry} asks for a token and does not say where to get one")
    try:
        check_target(realm, registry=registry, plain_http=plain_http, what="token realm")
    except RegistryRefused as error:
        raise AuthenticationFailed(
            f"{registry} asked to send credentials elsewhere: {error.message}",
            hint="nothing was sent; if this registry is yours, correct the realm it announces",
        ) from error
    return realm
