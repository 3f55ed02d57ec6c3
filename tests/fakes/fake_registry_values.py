"""What the parts of the fake registry hand each other: requests, answers, the path's grammar."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH_RE = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.*)")


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Logged:
    """One request: ``path`` with its query; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Reply:
    """An answer to be: Content-Length and Date are added when it is sent."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def to_json(document: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(document, separators=(",", ":")).encode()


def error(status: int, code: str, message: str) -> Reply:
    """Return the specification's error."""
    body = to_json({"errors": [{"code": code, "message": message}]})
    return Reply(status, {"Content-Type": "application/json"}, body)


def unsupported() -> Reply:
    """Return what a registry answers whose deleting is switched off."""
    return error(405, "UNSUPPORTED", "The operation is unsupported.")
