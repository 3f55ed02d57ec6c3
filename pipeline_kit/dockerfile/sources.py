"""The sources of COPY and ADD: paths of a context, or something from the network.

Source: Dockerfile reference, "ADD", "COPY"; moby/buildkit util/gitutil for what counts as a git repository.
"""

from __future__ import annotations

import re

from pipeline_kit.late_pattern import late_pattern

_PROTOCOL = re.compile(r"([a-zA-Z0-9]+)://")
_SCP = re.compile(r"(?:[a-zA-Z0-9_\-.]+@)[^:/\s]+:.+")
_COMMIT = late_pattern(r"[0-9a-f]{40}|[0-9a-f]{64}")


def is_remote(source: str) -> bool:
    """Tell whether ADD fetches ``source`` (http, https, git or ssh) rather than taking it from the context."""
    if source.startswith(("./", "../")):
        return False
    match = _PROTOCOL.match(source)
    if match is None:
        return _SCP.fullmatch(source) is not None
    return match[1].lower() in {"git", "ssh"} or source.startswith(("http://", "https://")) or _is_git_url(source)


def _is_git_url(source: str) -> bool:
    path = re.split(r"[?#]", source, maxsplit=1)[0]
    return re.match(r"https?://", source, re.IGNORECASE) is not None and path.endswith(".git")


def pinned_commit(url: str) -> str | None:
    """Return the full commit id that a git ``url`` names (``#<commit>`` or ``checksum=``), or ``None``."""
    found = re.search(r"[?&](?:checksum|commit)=([0-9a-f]+)(?:[&#]|\Z)", url)
    if found is None and (_is_git_url(url) or not url.lower().startswith("http")):
        found = re.search(r"#([0-9a-f]+)(?::|\Z)", url)
    return found[1] if found is not None and _COMMIT.fullmatch(found[1]) else None


def clean(path: str) -> str:
    """Return ``path`` relative to its context's root, without ``.``, ``..`` and doubled slashes; the root is ``.``.

    ``..`` at the root stays there, as in Go's ``path.Join("/", path)``.
    """
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts) or "."


def is_glob(pattern: str) -> bool:
    """Tell whether ``pattern`` has a wildcard of Go's ``filepath.Match`` (``*``, ``?``, ``[``) that is not escaped."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", pattern, flags=re.DOTALL)) is not None
