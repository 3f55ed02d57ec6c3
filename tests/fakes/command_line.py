"""Running the command as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout as JSON."""
        return json.loads(self.out)


def run(root: Path, *arguments: str, env: Mapping[str, str] | None = None, **streams: Any) -> Ran:
    """Run ``pipeline-kit ARGUMENTS`` in ``root``; a traceback fails the test, however the command ended."""
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline_kit", *arguments],
        cwd=root,
        env={**os.environ, "COLUMNS": "120", **(env or {})},
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )
    out, err = ((stream or b"").decode("utf-8", "surrogateescape") for stream in (ended.stdout, ended.stderr))
    assert "Traceback" not in err + out, err + out
    return Ran(ended.returncode, out, err)


def normal(text: str, replaced: Mapping[str, str]) -> str:
    """Return ``text`` without what differs from run to run: hosts and paths as given, tags, digests and times."""
    for old, new in replaced.items():
        text = text.replace(old, new)
    text = re.sub(r"\b[0-9a-f]{64}\b", "HEX64", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "TAG40", text)
    text = re.sub(r"\b[0-9a-f]{12}…", "TAG12…", text)
    return re.sub(r"\b\d+\.\d s\b", "N s", text)
