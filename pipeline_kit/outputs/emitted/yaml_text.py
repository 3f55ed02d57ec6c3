"""Values as YAML that every version's reader takes alike."""

from __future__ import annotations

from typing import Any

import yaml

_WIDTH = 4096


def yaml_text(document: Any, use: str = "") -> str:
    """Return ``document`` in block style, in its own order, below a comment that says who wrote it and its ``use``."""
    head = f"# Written by pipeline-kit. {use}".rstrip() + "\n" if use else ""
    return head + yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=_WIDTH, allow_unicode=True)
