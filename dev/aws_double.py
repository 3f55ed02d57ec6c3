"""Obtain and start ministack, the AWS double whose ECS runs tasks as real containers on the stack's engine.

python3 dev/aws_double.py up      start it if it does not run yet; print what to set
python3 dev/aws_double.py down    stop it

It lives in a virtual environment of its own below the stack's folder, because its dependencies are not ours. It listens
on loopback alone: its own default is every address. What it holds is gone when it stops.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import stack_process as process
from stack_state import StackError, locked, read_json, run_dir, say, state_dir, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGES = ("ministack>=1.5.33", "docker>=7.1")
REGION = "eu-west-1"
_PREFERRED_PORT = 4571
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AwsDouble:
    """A running double: its URL."""

    url: str

    def environment(self) -> dict[str, str]:
        """Return the variables that send boto3 there."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }


def ensure(engine: Mapping[str, str]) -> AwsDouble:
    """Return the double, started if it does not run; `engine` is the environment that leads to the stack's engine.

    Raises:
        StackError: it cannot be obtained, or does not answer.
    """
    with locked("aws-double"):
        running = current()
        return running if running is not None else _start(engine)


def current() -> AwsDouble | None:
    """Return the double if it runs."""
    url = str(read_json(_folder() / "double.json").get("url", ""))
    if process.recall(_folder() / "daemon.json") is None or not url or not _answers(url):
        return None
    return AwsDouble(url)


def stop() -> bool:
    """Stop the double; tell whether it ran."""
    with locked("aws-double"):
        daemon = process.recall(_folder() / "daemon.json")
        if daemon is None:
            return False
        process.stop(daemon)
        return True


def _folder() -> Path:
    return run_dir("aws-double")


def _start(engine: Mapping[str, str]) -> AwsDouble:
    program = _program()
    port = process.free_port(_PREFERRED_PORT)
    url = f"http://127.0.0.1:{port}"
    log = _folder() / "ministack.log"
    say(f"starting ministack at {url}")
    environment = {
        **{name: value for name, value in engine.items() if not name.startswith("AWS_")},
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "SERVICES": "ecs,ecr,iam,logs,secretsmanager,ssm,s3,sts,events,scheduler,ec2",
    }
    daemon = process.spawn([str(program)], environment=environment, log=log)
    process.remember(_folder() / "daemon.json", daemon)
    process.await_ready(daemon, lambda: _answers(url), log=log, seconds=_READY_SECONDS)
    write_json(_folder() / "double.json", {"url": url})
    return AwsDouble(url)


def _program() -> Path:
    place = state_dir() / "aws-double"
    program = place / "bin" / "ministack"
    if not program.exists():
        say("installing ministack")
        for argv in (
            [sys.executable, "-m", "venv", str(place)],
            [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                raise StackError(f"{' '.join(argv[:4])} failed:\n{done.stderr[-2000:]}")
    return program


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/_ministack/health", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return True
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit code: 0, or 1 when the double cannot be had."""
    import stack  # noqa: PLC0415 - it is not needed where the caller has an engine

    parser = argparse.ArgumentParser(prog="aws_double.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("up", "down"))
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "down":
            say("stopped ministack" if stop() else "nothing to stop")
            return 0
        double = ensure({**os.environ, **stack.up().environment()})
    except StackError as error:
        say(str(error))
        return 1
    print("\n".join(f"export {name}={value}" for name, value in double.environment().items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
