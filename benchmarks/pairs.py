"""Time whole commands in turn, A B A B …, and print medians and the ratio pair by pair."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


AS_INSTALLED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Images of CI set that variable: every run would compile the package anew, which an installed one never does."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command under test: its ``label`` in the table, its words, where it runs; ``before`` is done and not timed."""

    label: str
    words: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    before: Sequence[str] = ()


def seconds(command: Command) -> float:
    """Return the wall-clock seconds of one run that succeeds; a failed one is said and done again, twice at most.

    Raises CalledProcessError. (buildx's own pushes of an unchanged image fail now and then: "already exists".)
    """
    for left in (2, 1, 0):
        if command.before:
            subprocess.run(
                command.before,
                cwd=command.directory,
                env={**AS_INSTALLED, **command.environment},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        before = time.perf_counter()
        done = subprocess.run(
            command.words,
            cwd=command.directory,
            env={**AS_INSTALLED, **command.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=not left,
        )
        if done.returncode == 0:
            return time.perf_counter() - before
        print(f"  {command.label} failed with {done.returncode}: again")
    raise AssertionError("the last run raises")


def compare(ours: Command, others: Sequence[Command], runs: int) -> None:
    """Run all commands in turn, once to warm up and ``runs`` times counted, and print a row for each."""
    commands = [ours, *others]
    for command in commands:
        seconds(command)
    rounds = [[seconds(command) for command in commands] for _ in range(runs)]
    mine = statistics.median(row[0] for row in rounds)
    print(f"{ours.label:<44} {mine * 1000:9.1f} ms  ({runs} runs)")
    for at, command in enumerate(others, 1):
        median = statistics.median(row[at] for row in rounds)
        ratio = statistics.median(row[0] / row[at] for row in rounds)
        print(f"  beside {command.label:<35} {median * 1000:9.1f} ms  ratio {ratio:6.2f}")
