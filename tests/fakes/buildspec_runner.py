"""Carries out a buildspec 0.2 as AWS CodeBuild does (user guide: "Build specification reference").

One bash session for all phases; install and pre_build end the build when they fail, build goes on to post_build unless
it says ``on-failure: ABORT``; ``finally`` always runs; CODEBUILD_BUILD_SUCCEEDING tells how it stands. A batch carries
out its build-graph, each build in a checkout and a shell of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from fakes.buildspec_form import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_PHASES = ("install", "pre_build", "build", "post_build")


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


def run_buildspec(
    buildspec: Path | str, source: Path, environment: Mapping[str, str], log: Path, *, node: str = ""
) -> BuildResult:
    """Carry out the buildspec (a file, or its text) in the directory ``source``.

    ``environment`` is the project's and wins over ``env.variables``, as in CodeBuild; those of the batch's build
    ``node`` win over both. ``log`` takes the output.
    """
    spec = read_buildspec(buildspec)
    settings = spec.get("env", {})
    own: dict[str, str] = next((n["env"]["variables"] for n in _graph(spec) if n["identifier"] == node), {})
    given = {"CODEBUILD_SRC_DIR": str(source), **settings.get("variables", {}), **environment, **own}
    session = _Session(source, given, log)
    result = BuildResult()
    try:
        _run_phases(session, spec["phases"], result)
        result.exported = {name: session.value(name) for name in settings.get("exported-variables", [])}
    finally:
        session.close()
    result.output = log.read_text(encoding="utf-8", errors="replace")
    if "post_build" in result.phases:
        _collect(source, spec.get("artifacts", {}), result)
    return result


def run_batch(
    buildspec: str,
    prepare: Callable[[str], Path],
    environment: Mapping[str, str],
    logs: Path,
    tell: Callable[[str, str], None] = lambda _name, _state: None,
) -> dict[str, BuildResult]:
    """Carry out a batch's builds, each when those it depends on have succeeded; return them by identifier.

    ``prepare`` gives the directory with a build's own checkout. ``tell`` hears of each build's status. A build that
    depends on one that failed is not begun; with ``fast-fail`` no other is either.
    """
    spec = read_buildspec(buildspec)
    done: dict[str, BuildResult] = {}
    for node in _graph(spec):
        name = node["identifier"]
        is_open = all(other in done and done[other].succeeded for other in node.get("depend-on", ()))
        if not is_open or (spec["batch"].get("fast-fail") and not all(result.succeeded for result in done.values())):
            continue
        tell(name, "IN_PROGRESS")
        given = {**environment, "CODEBUILD_BATCH_BUILD_IDENTIFIER": name}
        done[name] = run_buildspec(buildspec, prepare(name), given, logs / f"{name}.log", node=name)
        tell(name, "SUCCEEDED" if done[name].succeeded else "FAILED")
    return done


def read_buildspec(buildspec: Path | str) -> dict[str, Any]:
    """Read a buildspec (a file, or its text) and refuse what CodeBuild would refuse or ignore."""
    spec = yaml.safe_load(buildspec if isinstance(buildspec, str) else buildspec.read_text(encoding="utf-8"))
    assert problems(spec) == []
    assert isinstance(spec, dict)
    return spec


def _graph(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(spec.get("batch", {}).get("build-graph", []))


def _collect(source: Path, artifacts: Mapping[str, Any], result: BuildResult) -> None:
    """Upload artifacts: a pattern without a file fails the build, as in CodeBuild."""
    place = source / artifacts.get("base-directory", ".")
    for pattern in artifacts.get("files", []):
        found = [path for path in sorted(place.glob(pattern)) if path.is_file()]
        result.artifacts += found
        if not found:
            result.phases["UPLOAD_ARTIFACTS"] = "FAILED"


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
