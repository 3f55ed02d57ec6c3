"""Obtain and start the real parts that tests and the demo need: a Docker Engine with BuildKit, and a registry.

python3 dev/stack.py up [--json]   start what does not run yet; print what to set
python3 dev/stack.py env           print `export` lines for what runs
python3 dev/stack.py down          stop what this stack started; downloads stay

Runs with Python's standard library alone. Whatever answers already is used as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from dataclasses import dataclass

from aws_double import stop as stop_aws_double
from stack_engine import Engine, classic_engine, ensure_engine, run_docker, running_engine, stop_engine
from stack_programs import busybox_binary, docker_registry_binary
from stack_registry import (
    Registry,
    RegistryConfig,
    TokenAuth,
    bcrypt_hash,
    ensure_registry,
    registry_host,
    running_registry,
    start_registry,
    stop_own_registry,
    stop_registry,
    version_check,
)
from stack_seed import manifest_digest, seed_base
from stack_state import StackError, locked, say, state_dir

__all__ = [
    "Engine",
    "Registry",
    "RegistryConfig",
    "Stack",
    "StackError",
    "TokenAuth",
    "bcrypt_hash",
    "busybox_binary",
    "classic_engine",
    "current",
    "docker_registry_binary",
    "down",
    "manifest_digest",
    "run_docker",
    "running_registry",
    "seed_base",
    "start_registry",
    "stop_registry",
    "up",
    "version_check",
]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: its engine and its registry's host:port."""

    engine: Engine
    registry: str

    def environment(self) -> dict[str, str]:
        """Return the variables to set in a process that uses the stack; PATH is complete, not a prefix."""
        variables = {
            **self.engine.environment,
            "PIPELINE_KIT_STACK_DIR": str(state_dir()),
            "PIPELINE_KIT_STACK_REGISTRY": self.registry,
        }
        if self.engine.path_prefix:
            variables["PATH"] = self.engine.process_environment()["PATH"]
        return variables

    def document(self) -> dict[str, object]:
        """Return everything known about the stack, for `up --json`."""
        return {
            "environment": self.environment(),
            "image_store": self.engine.image_store(),
            "path_prefix": self.engine.path_prefix,
            "registry": self.registry,
            "started_engine": self.engine.started_here,
            "state_dir": str(state_dir()),
        }


def up() -> Stack:
    """Return the stack, with whatever did not run yet started.

    Raises:
        StackError: a part cannot be obtained or started.
    """
    with locked("stack"):
        engine = ensure_engine()
        return Stack(engine=engine, registry=ensure_registry(engine.process_environment()))


def current() -> Stack | None:
    """Return the stack if both its parts run, without starting anything."""
    engine, registry = running_engine(), registry_host()
    return Stack(engine=engine, registry=registry) if engine and registry else None


def down() -> None:
    """Stop what `up` started, and nothing else.

    Raises:
        StackError: a process does not end.
    """
    with locked("stack"):
        engine = running_engine()
        stopped = [
            stop_aws_double(),
            stop_own_registry(engine.process_environment() if engine else os.environ),
            stop_engine(),
        ]
    if not any(stopped):
        say("nothing to stop")


def _export_lines(stack: Stack) -> list[str]:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(stack.environment().items())]
    if stack.engine.path_prefix:
        lines = [line for line in lines if not line.startswith("export PATH=")]
        lines.append(f'export PATH={shlex.quote(stack.engine.path_prefix)}:"$PATH"')
    return lines


def _running() -> Stack:
    stack = current()
    if stack is None:
        raise StackError("the stack does not run: python3 dev/stack.py up")
    return stack


def _print(stack: Stack, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(stack.document(), indent=2, sort_keys=True))
    else:
        print("\n".join(_export_lines(stack)))


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit code: 0, or 1 when a part is missing."""
    parser = argparse.ArgumentParser(prog="stack.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start what does not run yet"), ("env", "print what to set for what runs")):
        commands.add_parser(name, help=text).add_argument("--json", action="store_true", dest="as_json")
    commands.add_parser("down", help="stop what this stack started")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "down":
            down()
            return 0
        _print(up() if chosen.command == "up" else _running(), as_json=chosen.as_json)
    except StackError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
