"""A Docker Engine with BuildKit: the one that answers already, or one started here."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import stack_process as process
from stack_programs import can_run, docker_client, docker_config, engine_path
from stack_state import StackError, run_dir, say, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READY_SECONDS = 60.0
_BRIDGE_ADDRESS = "172.31.253.1/24"


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers: what must be set to reach it, and the path in front of PATH for its client, if any."""

    environment: dict[str, str] = field(default_factory=dict)
    path_prefix: str | None = None
    started_here: bool = False

    def process_environment(self) -> dict[str, str]:
        """Return this process's environment with what is needed to reach the engine."""
        environment = {**os.environ, **self.environment}
        if self.path_prefix:
            environment["PATH"] = os.pathsep.join([self.path_prefix, environment.get("PATH", os.defpath)])
        return environment

    def image_store(self) -> str:
        """Return "containerd" or "classic".

        Raises:
            StackError: the engine does not answer.
        """
        status = run_docker(self, ["info", "--format", "{{json .DriverStatus}}"])
        return "containerd" if "io.containerd.snapshotter" in status else "classic"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where one dockerd keeps its things; all below one folder."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "dockerd.json"

    @property
    def pid_file(self) -> Path:
        return self.folder / "docker.pid"

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def exec_root(self) -> Path:
        return self.folder / "exec"

    @property
    def containerd_pid_file(self) -> Path:
        return self.exec_root / "containerd" / "containerd.pid"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"


def ensure_engine() -> Engine:
    """Return an engine that answers and has buildx; start one, and obtain the plugin, when that is not so.

    Raises:
        StackError: no engine answers and none could be started.
    """
    layout = _Layout(run_dir("engine"))
    if process.recall(layout.record) is not None:
        return _own_engine(layout)
    if can_run(["docker", "version"]):
        say("the Docker Engine that answers is used as it is")
        if can_run(["docker", "buildx", "version"]):
            return Engine()
        return Engine(environment={"DOCKER_CONFIG": str(docker_config())})
    _start(layout, containerd_store=True, extra=[])
    return _own_engine(layout)


def running_engine() -> Engine | None:
    """Return the engine started here if it runs, or the one that answers with buildx, or None."""
    layout = _Layout(run_dir("engine"))
    if process.recall(layout.record) is not None:
        return _own_engine(layout)
    return Engine() if can_run(["docker", "version"]) and can_run(["docker", "buildx", "version"]) else None


def stop_engine() -> bool:
    """Stop the engine started here; tell whether there was one."""
    return _stop(_Layout(run_dir("engine")))


@contextlib.contextmanager
def classic_engine() -> Iterator[Engine]:
    """Run a second dockerd with the CLASSIC image store (no containerd snapshotter) while the block runs.

    It has a bridge of its own and leaves the machine's packet filter alone, so that the first engine keeps its network;
    RUN steps work in it, but reach nothing outside.

    Raises:
        StackError: it could not be started (it needs root and `ip`).
    """
    layout = _Layout(run_dir(f"classic-{os.getpid()}"))
    bridge = f"pkc{os.getpid()}"[:15]
    with _bridge(bridge):
        try:
            _start(layout, containerd_store=False, extra=["--bridge", bridge, "--iptables=false", "--ip6tables=false"])
            yield _own_engine(layout)
        finally:
            _stop(layout)
            shutil.rmtree(layout.folder, ignore_errors=True)


def run_docker(engine: Engine, arguments: list[str], *, seconds: float = 300.0) -> str:
    """Run the docker client against an engine and return its stdout.

    Raises:
        StackError: it failed; the message holds its stderr's last lines.
    """
    # The list goes through env(1) so that a client found by path_prefix alone is found on the child's PATH.
    done = subprocess.run(
        ["/usr/bin/env", "docker", *arguments],
        env=engine.process_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.splitlines()[-15:])
        raise StackError(f"docker {' '.join(arguments[:2])} failed ({done.returncode}):\n{last}")
    return done.stdout


def _own_engine(layout: _Layout) -> Engine:
    prefix = docker_client()
    return Engine(
        environment={"DOCKER_HOST": f"unix://{layout.socket}", "DOCKER_CONFIG": str(docker_config())},
        path_prefix=str(prefix) if prefix else None,
        started_here=True,
    )


def _start(layout: _Layout, *, containerd_store: bool, extra: list[str]) -> None:
    if os.geteuid() != 0:
        raise StackError("no Docker Engine answers, and starting one needs root: start yours and try again")
    folders = engine_path()
    _clear_stale(layout)
    settings = layout.folder / "daemon.json"
    write_json(settings, {"features": {"containerd-snapshotter": containerd_store}})
    environment = dict(os.environ)
    path = [*map(str, folders), environment.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    environment["PATH"] = os.pathsep.join(path)
    program = shutil.which("dockerd", path=environment["PATH"])
    if program is None:
        raise StackError("the package docker.io holds no dockerd")
    say(f"starting Docker Engine ({'containerd' if containerd_store else 'classic'} image store) …")
    argv = [program, "--config-file", str(settings), "--data-root", str(layout.folder / "data")]
    argv += ["--exec-root", str(layout.exec_root), "--pidfile", str(layout.pid_file)]
    argv += ["--host", f"unix://{layout.socket}", *extra]
    daemon = process.spawn(argv, environment=environment, log=layout.log)
    process.remember(layout.record, daemon)
    client = _own_engine(layout).process_environment()
    process.await_ready(
        daemon,
        lambda: layout.socket.exists() and can_run(["/usr/bin/env", "docker", "version"], client),
        log=layout.log,
        seconds=_READY_SECONDS,
    )


def _clear_stale(layout: _Layout) -> None:
    # dockerd refuses to start when any process, whatever it is, has the pid that a killed dockerd left behind.
    if process.pid_in(layout.pid_file, "dockerd") is None:
        layout.pid_file.unlink(missing_ok=True)
        layout.socket.unlink(missing_ok=True)
    _stop_containerd(layout)
    layout.containerd_pid_file.unlink(missing_ok=True)


def _stop(layout: _Layout) -> bool:
    daemon = process.recall(layout.record)
    if daemon is not None:
        say(f"stopping Docker Engine ({daemon.pid})")
        process.stop(daemon, patience=40.0)
    _stop_containerd(layout)
    for path in (layout.record, layout.pid_file, layout.socket):
        path.unlink(missing_ok=True)
    return daemon is not None


def _stop_containerd(layout: _Layout) -> None:
    # dockerd ends its containerd itself; one is left over only when dockerd was killed.
    pid = process.pid_in(layout.containerd_pid_file, "containerd")
    if pid is not None:
        process.stop(process.adopt(pid, "containerd"))


@contextlib.contextmanager
def _bridge(name: str) -> Iterator[None]:
    for arguments in (["add", name, "type", "bridge"], ["set", name, "up"]):
        _ip(["link", *arguments])
    try:
        _ip(["address", "add", _BRIDGE_ADDRESS, "dev", name])
        yield
    finally:
        _ip(["link", "delete", name])


def _ip(arguments: list[str]) -> None:
    program = shutil.which("ip", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if program is None:
        raise StackError("a second Docker Engine needs `ip` (Debian package iproute2) for a bridge of its own")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"ip {' '.join(arguments)} failed: {done.stderr.strip()}")
