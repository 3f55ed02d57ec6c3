"""Where the development stack keeps its downloads and its running state, and how two runs stay apart."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# sun_path holds 108 bytes with its terminator; containerd and libnetwork put their sockets below the exec-root.
_LONGEST_SOCKET_SUFFIX = len("/exec/containerd/containerd-debug.sock")
_LONGEST_SOCKET_PATH = 107


class StackError(Exception):
    """A part of the development stack could not be obtained, started or stopped."""


def say(message: str) -> None:
    """Write one step to stderr."""
    print(f"stack: {message}", file=sys.stderr, flush=True)


def state_dir() -> Path:
    """Return the folder of downloads and running state (PIPELINE_KIT_STACK_DIR, else below XDG_CACHE_HOME)."""
    chosen = os.environ.get("PIPELINE_KIT_STACK_DIR")
    if chosen:
        folder = Path(chosen).absolute()
    else:
        cache = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(cache) if cache else Path.home() / ".cache") / "pipeline-kit-dev"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_dir(name: str) -> Path:
    """Return the folder for a daemon's sockets, pid files, data and log, short enough for unix sockets."""
    folder = state_dir() / "run" / name
    if len(os.fsencode(folder)) + _LONGEST_SOCKET_SUFFIX > _LONGEST_SOCKET_PATH:
        short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"pipeline-kit-{os.getuid()}" / short
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the stack's lock of this name; other processes and threads wait. Not reentrant."""
    with (state_dir() / f"{name}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_json(path: Path, document: object) -> None:
    """Write a JSON document so that a reader sees all of it or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        json.dump(document, handle, indent=2, sort_keys=True)
        handle.write("\n")
    Path(temporary).replace(path)


def read_json(path: Path) -> dict[str, object]:
    """Return the JSON object in a file, or an empty one when there is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return document if isinstance(document, dict) else {}
