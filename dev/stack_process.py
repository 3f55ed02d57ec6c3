"""Start daemons that outlive this process, and stop them by a pid that is proven to be still theirs."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stack_state import StackError, read_json, say, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL_SECONDS = 0.05
_START_TIME_FIELD = 19  # field 22 of /proc/<pid>/stat, counted behind "pid (comm)"
_LOG_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process this stack started: its pid, the program's name, and when the kernel says it began (clock ticks)."""

    pid: int
    program: str
    began: str


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Daemon:
    """Start a daemon in its own session, with its output in `log`; it lives on when this process ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    # Not Popen: its finalizer warns about a child that is meant to outlive its parent.
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Daemon(pid=pid, program=Path(argv[0]).name, began=_began(pid))


def remember(path: Path, daemon: Daemon) -> None:
    """Write a daemon's identity to a file."""
    write_json(path, asdict(daemon))


def recall(path: Path) -> Daemon | None:
    """Return the daemon a file remembers if that very process still runs, else None."""
    document = read_json(path)
    pid = document.get("pid")
    if not isinstance(pid, int):
        return None
    daemon = Daemon(pid=pid, program=str(document.get("program")), began=str(document.get("began")))
    return daemon if is_running(daemon) else None


def is_running(daemon: Daemon) -> bool:
    """Tell whether the process is alive and is the one that was started, not a later one with its pid."""
    _reap(daemon.pid)
    return bool(daemon.began) and _began(daemon.pid) == daemon.began


def is_program(pid: int, program: str) -> bool:
    """Tell whether a live process with this pid runs a program of this name."""
    try:
        comm = (Path("/proc") / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return comm == program[:15] and bool(_began(pid))  # a zombie, which init has not reaped yet, never began


def pid_in(path: Path, program: str) -> int | None:
    """Return the pid in a pid file if it belongs to a live process of this program, else None."""
    try:
        pid = int(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None
    return pid if is_program(pid, program) else None


def adopt(pid: int, program: str) -> Daemon:
    """Return the identity of a process that another daemon started and that has to be stopped here."""
    return Daemon(pid=pid, program=program, began=_began(pid))


def stop(daemon: Daemon, *, patience: float = 20.0) -> None:
    """End a daemon: SIGTERM, then SIGKILL after `patience` seconds.

    Raises:
        StackError: the process is still there after SIGKILL.
    """
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        if not is_running(daemon):
            return
        os.kill(daemon.pid, number)
        if wait(lambda: not is_running(daemon), seconds):
            return
        say(f"{daemon.program} ({daemon.pid}) ignored {number.name} for {seconds:g} s")
    raise StackError(f"{daemon.program} ({daemon.pid}) does not end")


def await_ready(daemon: Daemon, ready: Callable[[], bool], *, log: Path, seconds: float) -> None:
    """Wait until a daemon is ready.

    Raises:
        StackError: it ended, or was not ready in time; the message holds the log's last lines.
    """
    if wait(lambda: not is_running(daemon) or ready(), seconds) and is_running(daemon):
        return
    what = f"was not ready within {seconds:g} s" if is_running(daemon) else "ended"
    stop(daemon)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:])
    raise StackError(f"{daemon.program} {what}; the end of {log}:\n{tail}")


def free_port(preferred: int = 0) -> int:
    """Return the preferred TCP port if nothing listens there on any address, else one that is free on loopback."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise StackError("no free TCP port on loopback")


def _began(pid: int) -> str:
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[_START_TIME_FIELD]


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # not our child: whoever started it, or init, reaps it


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; tell whether it did within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
