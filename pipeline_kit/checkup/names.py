"""Judgements on names alone: what looks like a secret, what clashes on file systems that fold names."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECRET = re.compile(
    rb"""(?:^|/)(?:
        \.env(?:\.[^/]+)?
        | [^/]+\.(?:pem|p12|pfx|ppk|jks|keystore|kubeconfig)
        | id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?
        | \.npmrc | \.pypirc | \.netrc | \.git-credentials | \.dockercfg | \.vault-token | \.htpasswd
        | credentials(?:\.json)? | kubeconfig
        | \.aws/.+ | \.docker/config\.json | \.kube/config | \.ssh/(?!known_hosts$|[^/]+\.pub$).+
        | [^/]*service[-_]?account[^/]*\.json
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_HARMLESS = re.compile(
    rb"""(?:^|/)(?:
        \.env\.(?:[^/]*\.)?(?:example|sample|template|tmpl|dist|schema)
        | (?:ca|cacert|ca-?bundle|ca-?cert|cert|chain|fullchain)\.pem
    )$""",
    re.VERBOSE | re.IGNORECASE,
)


def looks_secret(path: bytes) -> bool:
    """Return whether a file of this name usually holds a secret; nothing is read.

    Public certificates and examples (``.env.example``) do not count.
    """
    return _SECRET.search(path) is not None and _HARMLESS.search(path) is None


def clashes(paths: Iterable[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the names that clash by case and those that clash by Unicode normal form, each in byte order.

    Only the names themselves are told, not what lies below two clashing directories.
    """
    siblings: dict[tuple[bytes, str], set[bytes]] = defaultdict(set)
    for path in with_parents(paths):
        parent, _, name = path.rpartition(b"/")
        text = name.decode("utf-8", "surrogateescape")
        folded = text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()
        siblings[parent, folded].add(path)
    by_case: list[bytes] = []
    by_form: list[bytes] = []
    for group in siblings.values():
        if len(group) > 1:
            forms = {unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape")) for path in group}
            by_form += group if len(forms) < len(group) else ()
            by_case += group if len(forms) > 1 else ()
    return sorted(by_case), sorted(by_form)


def with_parents(paths: Iterable[bytes]) -> set[bytes]:
    """Return ``paths`` and every directory above them, without the top."""
    found: set[bytes] = set()
    for path in paths:
        current = path
        while current and current not in found:
            found.add(current)
            current = current.rpartition(b"/")[0]
    return found
