"""Carries out a buildspec 0.2 as AWS CodeBuild does (user guide: "Build specification reference").

One bash session for all phases; install and pre_build end the build when they fail, build goes on to post_build unless
it says ``on-failure: ABORT``; ``finally`` always runs; CODEBUILD_BUILD_SUCCEEDING tells how it stands.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PHASES = ("install", "pre_build", "build", "post_build")
_KEYS = {"version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache"}
_PHASE_KEYS = {"run-as", "on-failure", "runtime-versions", "commands", "finally"}


@dataclass(slots=True)
class BuildResult:
    """How a build ended: each phase's outcome, what it said, the exported variables and the artifact files."""

    phases: dict[str, str] = field(default_factory=dict)
    output: str = ""
    exported: dict[str, str] = field(default_factory=dict)
    artifacts: list[Path] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Return whether no phase failed."""
        return "FAILED" not in self.phases.values()


class _Session:
    """A bash that keeps variables, functions and directory from one command to the next."""

    def __init__(self, source: Path, environment: Mapping[str, str], log: Path) -> None:
        self._answers, child = os.pipe()
        with log.open("ab") as stream:
            self._bash = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=source,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                pass_fds=(child,),
            )
        os.close(child)
        self._child = child

    def run(self, command: str) -> int:
        """Run one command and return its status; a command that ends the shell has failed."""
        answer = self._ask(f"eval {_quoted(command)} </dev/null {self._child}>&-\nprintf '%s\\0' $? >&{self._child}\n")
        return int(answer) if answer else 1

    def value(self, name: str) -> str:
        """Return an exported variable, empty where it is none."""
        return self._ask(f"printf '%s\\0' \"$(printenv {name})\" >&{self._child}\n")

    def close(self) -> None:
        """End the shell."""
        assert self._bash.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._bash.stdin.close()
        self._bash.wait(timeout=30)
        os.close(self._answers)

    def _ask(self, text: str) -> str:
        assert self._bash.stdin is not None
        try:
            self._bash.stdin.write(text.encode())
            self._bash.stdin.flush()
        except BrokenPipeError:
            return ""
        answer = b""
        while not answer.endswith(b"\0"):
            piece = os.read(self._answers, 65536)
            if not piece:
                return ""
            answer += piece
        return answer[:-1].decode()


def run_buildspec(path: Path, source: Path, environment: Mapping[str, str], log: Path) -> BuildResult:
    """Carry out the buildspec at ``path`` in the directory ``source``.

    ``environment`` is the project's and wins over ``env.variables``, as in CodeBuild. ``log`` takes the output.
    """
    spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    _check(spec)
    settings = spec.get("env", {})
    session = _Session(source, {**settings.get("variables", {}), **environment}, log)
    result = BuildResult()
    try:
        _run_phases(session, spec["phases"], result)
        result.exported = {name: session.value(name) for name in settings.get("exported-variables", [])}
    finally:
        session.close()
    result.output = log.read_text(encoding="utf-8", errors="replace")
    result.artifacts = sorted(
        found for pattern in spec.get("artifacts", {}).get("files", []) for found in source.glob(pattern)
    )
    return result


def _check(spec: Mapping[str, Any]) -> None:
    assert spec["version"] == 0.2
    assert set(spec) <= _KEYS, set(spec) - _KEYS
    assert spec["env"].get("shell", "bash") == "bash"
    for name, phase in spec["phases"].items():
        assert name in _PHASES, name
        assert set(phase) <= _PHASE_KEYS, set(phase) - _PHASE_KEYS
        assert all(isinstance(command, str) for command in (*phase["commands"], *phase.get("finally", ())))


def _run_phases(session: _Session, phases: Mapping[str, Mapping[str, Any]], result: BuildResult) -> None:
    for name in _PHASES:
        phase = phases.get(name, {"commands": []})
        session.run(f"export CODEBUILD_BUILD_SUCCEEDING={int(result.succeeded)}")
        is_good = _run_commands(session, phase["commands"])
        _run_commands(session, phase.get("finally", ()))
        result.phases[name] = "SUCCEEDED" if is_good else "FAILED"
        stops = name != "build" or phase.get("on-failure") == "ABORT"
        if not is_good and stops and phase.get("on-failure") != "CONTINUE":
            return


def _run_commands(session: _Session, commands: Sequence[str]) -> bool:
    return all(session.run(command) == 0 for command in commands)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
