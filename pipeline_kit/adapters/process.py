"""Child processes whose output is taken when they have ended, so that they run beside our own work."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self


_PATIENCE = 19
"""Steps of niceness, a tenth of a processor that is wanted: one process of git has twenty threads, and we have one."""


class Answer(NamedTuple):
    """How a process ended: exit status and everything it wrote."""

    status: int
    stdout: bytes
    stderr: str


class Process(NamedTuple):
    """A running process; a context manager, so that no process outlives its caller's errors."""

    child: subprocess.Popen[bytes] | _Child
    stdout: BinaryIO
    stderr: BinaryIO

    def is_done(self) -> bool:
        """Return whether it has ended."""
        return self.child.poll() is not None

    def answer(self) -> Answer:
        """Wait and return how it ended."""
        status = self.child.wait()
        self.stderr.seek(0)
        text = self.stderr.read().decode("utf-8", "backslashreplace").strip()
        self.stdout.seek(0)
        return Answer(status, self.stdout.read(), text)

    def close(self) -> None:
        """End it, if it still runs, and free what it wrote."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.stdout.close()
        self.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    command: Sequence[str | bytes],
    *,
    where: str,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    is_patient: bool = False,
) -> Process:
    """Start ``command`` (its first word an absolute path) in ``where``. Raises OSError.

    A process that ``is_patient`` lets others go first: what it finds out is wanted later than what we do meanwhile.
    """
    with _spool(stdin) as source:
        stdout, stderr = _spool(), _spool()
        try:
            child = subprocess.Popen(command, cwd=where, env=environment, stdin=source, stdout=stdout, stderr=stderr)
        except OSError:
            stdout.close()
            stderr.close()
            raise
    if is_patient:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, os.getpriority(os.PRIO_PROCESS, 0) + _PATIENCE)
    return Process(child, stdout, stderr)


def adopt(pid: int, stdout: int, stderr: int) -> Process:
    """Return the child process ``pid``, which writes to these descriptors of files; both are closed with it."""
    return Process(_Child(pid), *(os.fdopen(handle, "w+b", buffering=0) for handle in (stdout, stderr)))


class _Child:
    """A child process that was not started by :mod:`subprocess`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, ``None`` while it runs."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its exit status."""
        status = self._waited(0)
        assert status is not None  # noqa: S101 - it was waited for
        return status

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)

    def _waited(self, options: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, options)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _spool(content: bytes = b"") -> BinaryIO:
    """Return a nameless file in memory, at its start.

    Files instead of pipes: a process writes at its own speed while Python computes, with no thread to empty a pipe.
    """
    if hasattr(os, "memfd_create"):
        stream: BinaryIO = os.fdopen(os.memfd_create("output", os.MFD_CLOEXEC), "w+b", buffering=0)
    else:
        import tempfile

        stream = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by Process
    if content:
        left = memoryview(content)
        while left:
            left = left[stream.write(left) :]
        stream.seek(0)
    return stream
