"""What a registry answered, as a value: status, headers, a capped body, and the error codes in it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.registry.bodies import Body

SMALL_BODY = 64 * 1024
"""Cap in bytes of error and token bodies."""
SHOWN = 240
_ANSI_RE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_SECRET_RE = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9+/=._~-]{8,}")


def sanitize(text: str, limit: int = SHOWN) -> str:
    """Return foreign text fit for one line: no control, format or ANSI codes, no workflow command, no token, short."""
    plain = _ANSI_RE.sub("", text[: limit * 8])
    shown = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in plain)
    line = " ".join(_SECRET_RE.sub(r"\1 …", shown).split()).replace("::", ": :")
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


class Answer(NamedTuple):
    """One HTTP answer; header names are lower case.

    ``stream`` is the unread body of a success that was asked for in pieces; whoever gets it has to close it.
    """

    method: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: Body | None = None

    def header(self, name: str) -> str:
        """Return the header ``name`` (lower case), or ``""``."""
        return self.headers.get(name, "")

    @property
    def is_success(self) -> bool:
        """Return whether the status is one of 200 to 299."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    @property
    def media_type(self) -> str:
        """Return Content-Type without its parameters, lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def digest(self) -> str | None:
        """Return Docker-Content-Digest, or ``None`` where it is missing or no digest."""
        digest = self.header("docker-content-digest").strip()
        return digest if is_digest(digest) else None

    @property
    def is_spec_answer(self) -> bool:
        """Return whether the answer says it comes from a registry of the distribution API."""
        return self.header("docker-distribution-api-version").strip().lower().startswith("registry/2")

    def errors(self) -> tuple[tuple[str, str], ...]:
        """Return the specification's errors as (code, message) pairs; ``()`` where the body holds none."""
        try:
            document = json.loads(self.body) if self.body[:1].strip() or self.body else None
        except (ValueError, RecursionError):
            return ()
        items = document.get("errors") if isinstance(document, dict) else None
        if not isinstance(items, list):
            return ()
        found = [item for item in items[:16] if isinstance(item, dict) and isinstance(item.get("code"), str)]
        return tuple((item["code"].upper(), _message(item)) for item in found)

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the error codes, upper case."""
        return tuple(code for code, _ in self.errors())

    @property
    def message(self) -> str:
        """Return the errors' messages in one string, not sanitised; ``""`` without any."""
        return "; ".join(message for _, message in self.errors() if message)

    def describe(self) -> str:
        """Return status, code and message in a few words, sanitised."""
        errors = self.errors()
        if errors:
            code, message = errors[0]
            return sanitize(f"{self.status} {code}: {message}" if message else f"{self.status} {code}")
        text = (
            "" if self.media_type == "text/html" else sanitize(self.body[:SMALL_BODY].decode("utf-8", "replace"), 120)
        )
        return f"{self.status} {text}".strip()


def _message(item: dict[str, object]) -> str:
    message = item.get("message")
    detail = item.get("detail")
    parts = [part for part in (message, detail) if isinstance(part, str) and part]
    return ": ".join(parts)
