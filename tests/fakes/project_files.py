"""Writing configurations, and asking for tags as a script would."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pipeline_kit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WHOLE = "FROM scratch\nCOPY . /\n"
"""A Dockerfile that reads everything its context sends."""


def config_text(images: Mapping[str, Mapping[str, Any]], *, registry: str = "registry.example", **top: Any) -> str:
    """Return a pipeline-kit.yaml (JSON is YAML) of project ``shop``."""
    return json.dumps({"version": 1, "project": "shop", "registry": registry, **top, "images": images}, indent=1)


def write_files(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files and their parent directories below ``root``."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


def environment(**more: str) -> dict[str, str]:
    """Return what a run finds in its environment."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **more}


def tags(root: Path, *names: str, **environ: str) -> dict[str, str]:
    """Return the content tags of the project in ``root``."""
    wanted: Sequence[str] = names
    return pipeline_kit.content_tags(root, wanted, environ=environment(**environ))


def tag(root: Path, name: str = "api", **environ: str) -> str:
    """Return one image's content tag."""
    return tags(root, name, **environ)[name]
