"""Image references: ``[host[:port]/]repository[:tag][@digest]``.

The grammar is that of the distribution project's ``reference`` package (and of the OCI distribution specification,
"Pulling manifests"); short names follow Docker: no host means ``docker.io``, one component there means ``library/``.
"""

from __future__ import annotations

import re

from pipeline_kit.errors import InvalidReference
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.values import replace, value_class

DEFAULT_HOST = "docker.io"
HUB_API_HOST = "registry-1.docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REPOSITORY_RE = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST_RE = re.compile(_HOST)
_TAG_RE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_RE = late_pattern(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MAX_NAME = 255


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a legal tag: up to 128 of ``[A-Za-z0-9_.-]``, not led by ``.`` or ``-``."""
    return _TAG_RE.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Return whether ``text`` is a ``sha256:`` or ``sha512:`` digest in lower-case hex."""
    return _DIGEST_RE.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Return whether ``text`` is a legal repository path, without a host."""
    return len(text) <= _MAX_NAME and _REPOSITORY_RE.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Return whether ``text`` is a legal registry ``host[:port]``."""
    return _HOST_RE.fullmatch(text) is not None


@value_class()
class Reference:
    """A repository of a registry, with a tag, a digest, both or neither."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Return ``host/repository``."""
        return f"{self.host}/{self.repository}"

    @property
    def identifier(self) -> str:
        """Return what the API asks for: the digest if there is one, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    def with_tag(self, tag: str) -> Reference:
        """Return the same repository with ``tag`` and no digest. Raises InvalidReference."""
        if not is_tag(tag):
            raise InvalidReference(f"{tag!r} is not a legal tag")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Reference:
        """Return the same repository pinned to ``digest``, without a tag. Raises InvalidReference."""
        if not is_digest(digest):
            raise InvalidReference(f"{digest!r} is not a digest")
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        """Return the full form, which parses back to an equal value."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Parse ``text`` as Docker does. Raises InvalidReference for anything outside the grammar, credentials included."""
    rest, _, digest = text.partition("@")
    if digest and not is_digest(digest):
        reason = "credentials do not belong in a reference" if ":" in rest.split("/")[0] else f"bad digest {digest!r}"
        raise InvalidReference(f"{_shown(text)} is not an image reference: {reason}")
    if "@" in text and not digest:
        raise InvalidReference(f"{_shown(text)} is not an image reference: empty digest")
    host, path = _split_host(rest)
    path, tag = _split_tag(path)
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    _check(text, host, path, tag)
    return Reference(host, path, tag, digest or None)


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_host_like = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    if not is_host_like:
        return DEFAULT_HOST, text
    return (DEFAULT_HOST if first == "index.docker.io" else first), rest


def _split_tag(path: str) -> tuple[str, str | None]:
    head, slash, last = path.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", (tag if colon else None)


def _check(text: str, host: str, path: str, tag: str | None) -> None:
    if not is_host(host):
        problem = f"bad registry host {host!r}"
    elif path != path.lower():
        problem = "a repository is lower case"
    elif not is_repository(path) or len(host) + 1 + len(path) > _MAX_NAME:
        problem = f"bad repository {path!r}"
    elif tag is not None and not is_tag(tag):
        problem = f"bad tag {tag!r}"
    else:
        return
    raise InvalidReference(f"{_shown(text)} is not an image reference: {problem}")


def _shown(text: str) -> str:
    """Return ``text`` fit for a message: shortened, and without anything that could be a password before an ``@``."""
    _, at, tail = text.rpartition("@")
    safe = f"…@{tail}" if at and not tail.startswith(("sha256:", "sha512:")) else text
    return repr(safe[:200])
