"""A child process whose lines are read as they come, and which never outlives the call."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from pipeline_kit.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_GRACE_SECONDS = 2.0
_LONGEST_LINE = 1 << 20


def run_lines(
    argv: Sequence[str],
    *,
    stdin: bytes,
    environ: Mapping[str, str],
    folder: Path,
    on_line: Callable[[str], None],
) -> int:
    """Run ``argv`` in ``folder``, give each line of its stderr to ``on_line``, and return its exit code.

    The child leads a session of its own, so that the terminal's Ctrl-C reaches this process alone; whatever is raised
    here (KeyboardInterrupt and Interrupted too) ends the child and all its children, and is raised on. Raises
    EngineUnreachable when the program cannot be started.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise EngineUnreachable(f"{argv[0]} cannot be started: {error.strerror}") from error
    with child:
        try:
            _feed(child, stdin)
            _read(child, on_line)
            return child.wait()
        except BaseException:
            # Inside the block: leaving it waits for the child, which must have been told to end by then.
            _end(child)
            raise


def _feed(child: subprocess.Popen[bytes], stdin: bytes) -> None:
    assert child.stdin is not None  # noqa: S101 - PIPE was asked for
    # A child that ends before it has read everything says why on stderr.
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(stdin)
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()


def _read(child: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
    assert child.stderr is not None  # noqa: S101 - PIPE was asked for
    while line := child.stderr.readline(_LONGEST_LINE):
        on_line(line.decode("utf-8", "replace"))


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole group: TERM, two seconds at most, KILL; a second interruption leads to KILL at once."""
    try:
        _signal(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
    finally:
        _signal(child, signal.SIGKILL)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
