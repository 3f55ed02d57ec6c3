"""The whole job on real parts, told step by step: ``make demo``.

Starts a Docker Engine and a registry unless they run already, copies examples/shop to a temporary git repository, plans
and builds it twice, changes one file, changes the base, and prints the task definition. Stops what it started. The
registry's data stays: a second demo finds the shop's images there, and skips them from the beginning.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import stack
from stack_engine import running_engine, stop_engine
from stack_registry import registry_host, stop_own_registry
from stack_state import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOP = Path(__file__).resolve().parent.parent / "examples" / "shop"
_ALL = ("base", "api", "web", "worker")


class Unexpected(Exception):
    """A step did not do what the demo says it does."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A copy of examples/shop in a git repository of its own, and the environment that its commands run in."""

    directory: Path
    environment: Mapping[str, str]

    def run(self, *words: str) -> float:
        """Run pipeline-kit so that everything it says is seen; return the seconds. Raises Unexpected if it fails."""
        print(f"\n    $ pipeline-kit {' '.join(words)}", flush=True)
        before = time.monotonic()
        done = subprocess.run(_program(*words), cwd=self.directory, env=self.environment, check=False)
        if done.returncode != 0:
            raise Unexpected(f"pipeline-kit {words[0]} ended with exit code {done.returncode}")
        return time.monotonic() - before

    def plan(self) -> dict[str, tuple[str, str]]:
        """Return action and reasons by image, as ``plan --json`` tells them."""
        words = _program("plan", "--json")
        done = subprocess.run(
            words, cwd=self.directory, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        images = json.loads(done.stdout)["images"]
        return {name: (image["action"], "; ".join(image["reasons"])) for name, image in images.items()}

    def build(self) -> tuple[dict[str, str], float]:
        """Build, and return the status by image and the seconds."""
        report = self.directory.parent / "report.json"
        seconds = self.run("build", "--report", str(report))
        images = json.loads(report.read_text(encoding="utf-8"))["images"]
        return {name: image["status"] for name, image in images.items()}, seconds

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file. Raises Unexpected where it does not occur."""
        file = self.directory / path
        text = file.read_text(encoding="utf-8")
        if old not in text:
            raise Unexpected(f"{path} holds no {old!r}")
        file.write_text(text.replace(old, new), encoding="utf-8")


def _program(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipeline_kit", *words]


def _step(number: int, text: str) -> None:
    print(f"\n── {number}. {text}", flush=True)


def _expect(what: str, *, found: object, wanted: object) -> None:
    if found != wanted:
        raise Unexpected(f"{what}: expected {wanted}, found {found}")
    print(f"    ✓ {what}", flush=True)


def tell(shop: Shop) -> None:
    """Go through the story. Raises Unexpected at the first step that is not as told."""
    _step(1, "Plan: what would be built, and why. Nothing is changed.")
    shop.run("plan")
    missing = _to_build(shop)

    _step(2, "Build: base first, then what builds upon it; each is pushed under its content tag.")
    statuses, first = shop.build()
    if not missing:
        print("    An earlier demo has built these very bytes, so there was nothing to do.")
    expected = {name: "built" if name in missing else "skipped" for name in _ALL}
    _expect("what the plan said was done", found=statuses, wanted=expected)

    _step(3, "Plan again: every content tag is there.")
    shop.run("plan")
    _expect("nothing is to be built", found=_to_build(shop), wanted=[])

    _step(4, "Build again: nothing is built, nothing is pulled.")
    statuses, second = shop.build()
    told = f"all skipped in {second:.1f} s (the build before took {first:.1f} s)"
    _expect(told, found=set(statuses.values()), wanted={"skipped"})

    _step(5, "Change one file of api, without a commit.")
    shop.change("services/api/cgi-bin/stock", '"pears": 7', f'"pears": {_new_number()}')
    shop.run("plan")
    _expect(
        "api alone is to be built, and the plan says why",
        found={name: why for name, (action, why) in shop.plan().items() if action == "build"},
        wanted={"api": "cgi-bin/stock changed"},
    )
    statuses, _ = shop.build()
    _expect("api alone was built", found=_named(statuses, "built"), wanted=["api"])

    _step(6, "Change a note that web's .dockerignore keeps out of the image.")
    shop.change("services/web/NOTES.md", "The front page", "The first page")
    _expect("nothing is to be built", found=_to_build(shop), wanted=[])

    _step(7, "Change the base: everything builds upon it.")
    shop.change("images/base/log.sh", "one line a message", f"one line a message, change {_new_number()}")
    shop.run("plan")
    statuses, _ = shop.build()
    _expect("all four were built", found=statuses, wanted=dict.fromkeys(_ALL, "built"))

    _step(8, "The ECS task definition: api and web by digest, the sidecar left alone.")
    shop.run("ecs", "render")


def _to_build(shop: Shop) -> list[str]:
    return [name for name, (action, _) in shop.plan().items() if action == "build"]


def _named(statuses: Mapping[str, str], status: str) -> list[str]:
    return [name for name, found in statuses.items() if found == status]


def _new_number() -> int:
    """Return a number that makes a file's bytes new to a registry that remembers earlier demos."""
    return 10**6 + secrets.randbelow(9 * 10**6)


@contextlib.contextmanager
def running_stack() -> Iterator[stack.Stack]:
    """Give the engine and the registry; stop afterwards whichever of them did not run before. Raises StackError."""
    has_engine, has_registry = running_engine() is not None, registry_host() is not None
    try:
        parts = stack.up()
        started = [name for name, ran in (("engine", has_engine), ("registry", has_registry)) if not ran]
        print(f"    {' and '.join(started)} started, stopped at the end" if started else "    both run already")
        yield parts
    finally:
        with locked("stack"):
            if not has_registry:
                engine = running_engine()
                stop_own_registry(engine.process_environment() if engine else os.environ)
            if not has_engine:
                stop_engine()


@contextlib.contextmanager
def copied(parts: stack.Stack) -> Iterator[Shop]:
    """Give a copy of the shop, committed to a new git repository; the base it uses is put into the registry."""
    stack.seed_base(parts.engine, parts.registry)
    with tempfile.TemporaryDirectory(prefix="pipeline-kit-demo-") as folder:
        directory = Path(folder) / "shop"
        shutil.copytree(_SHOP, directory)
        environment = {
            **os.environ,
            **parts.environment(),
            "REGISTRY": parts.registry,
            "BASE_IMAGE": f"{parts.registry}/library/busybox:1.36",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        who = ["-c", "user.name=demo", "-c", "user.email=demo@example.invalid"]
        for words in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--message", "The shop"]):
            subprocess.run(["git", *words], cwd=directory, env=environment, check=True)
        yield Shop(directory, environment)


def main() -> int:
    """Run the demo and return its exit code: 0, or 1 when a step was not as told."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = time.monotonic()
    try:
        _step(0, "A Docker Engine with BuildKit, and a registry.")
        with running_stack() as parts, copied(parts) as shop:
            tell(shop)
    except (Unexpected, stack.StackError, subprocess.SubprocessError, OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(
        f"\nThat was the whole job, in {time.monotonic() - before:.0f} s. Type it again: the shop is skipped at once."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
