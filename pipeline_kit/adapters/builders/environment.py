"""The environment that docker and buildx are run in."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARED = ("cli-plugins", "contexts")
_FIXED = {
    # Attestations hold the build's time: they would give each build of the same key another digest.
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    "BUILDX_METADATA_PROVENANCE": "disabled",
    "BUILDX_METADATA_WARNINGS": "0",
    # buildx would run git inside the context, which may be a bare repository with a command in its config.
    "BUILDX_GIT_INFO": "false",
    # The paths were checked before; buildx would refuse every one outside its working directory, an empty folder.
    "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
    "DOCKER_CLI_HINTS": "false",
}
# Each would put something into the image, or choose what is built, that is no part of the key.
_REMOVED = ("BUILDX_GIT_LABELS", "BUILDX_GIT_CHECK_DIRTY", "BUILDX_BAKE_FILE", "BUILDX_BAKE_FILE_SEPARATOR")


def docker_config_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of docker's client configuration: DOCKER_CONFIG, else ``.docker`` in HOME."""
    chosen = environ.get("DOCKER_CONFIG")
    return Path(chosen) if chosen else Path(environ.get("HOME") or "/nonexistent") / ".docker"


def child_environment(environ: Mapping[str, str], docker_config: Path | None) -> dict[str, str]:
    """Return ``environ`` as docker and buildx shall see it.

    ``docker_config`` is a folder of the caller's with a ``config.json`` of its own (credentials that come from
    elsewhere). The user's plugins and contexts are linked into it, and the user's builders stay the same.
    """
    child = {name: value for name, value in environ.items() if name not in _REMOVED} | _FIXED
    if docker_config is None:
        return child
    original = docker_config_folder(environ)
    for name in _SHARED:
        link = docker_config / name
        if (original / name).is_dir() and not link.exists():
            link.symlink_to((original / name).absolute(), target_is_directory=True)
    child["DOCKER_CONFIG"] = str(docker_config)
    child.setdefault("BUILDX_CONFIG", str(original.absolute() / "buildx"))
    if not child.get("DOCKER_HOST") and not child.get("DOCKER_CONTEXT"):
        context = _current_context(original)
        if context:
            child["DOCKER_CONTEXT"] = context
    return child


def _current_context(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        document = json.loads((folder / "config.json").read_bytes())
        value = document.get("currentContext") if isinstance(document, dict) else None
        return value if isinstance(value, str) else ""
    return ""
