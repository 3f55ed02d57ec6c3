"""GitHub's event file, read with bounds."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.adapters.ci.context import Variables

MAX_EVENT_BYTES = 26 * 1024 * 1024
"""GitHub caps webhook payloads at 25 MB."""


def read_event(variables: Variables) -> Mapping[str, Any]:
    """Return the payload in ``GITHUB_EVENT_PATH``, or an empty mapping and a warning. Never raises, never waits."""
    path = variables.text("GITHUB_EVENT_PATH")
    if not path:
        variables.warnings.append("GITHUB_EVENT_PATH is not set: pull request and base commit are unknown")
        return {}
    problem: str
    try:
        value = json.loads(_read(path))
    except OSError as error:
        problem = error.strerror or str(error)
    except (ValueError, RecursionError):
        problem = "it is not JSON"
    else:
        if isinstance(value, dict):
            return value
        problem = "it is not a JSON object"
    variables.warnings.append(f"the event file in GITHUB_EVENT_PATH is ignored: {problem}")
    return {}


def _read(path: str) -> bytes:
    # Without O_NONBLOCK a FIFO in its place would hang the run.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is not a regular file")
    with os.fdopen(handle, "rb") as stream:
        data = stream.read(MAX_EVENT_BYTES + 1)
    if len(data) > MAX_EVENT_BYTES:
        raise OSError(0, f"it is larger than {MAX_EVENT_BYTES} bytes")
    return data
