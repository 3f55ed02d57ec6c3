"""The long runs: ``python -m faults.run --runs 500 --kills 50 --seed 1``, with tests/ and dev/ on the path."""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import stack
from faults.kills import Killed, kill
from faults.soak import RUNNERS, soak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from faults.runner import Finish, Order

KILLS_AT_ONCE = 2


def main() -> int:
    """Run, print the figures as JSON lines, and return 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description="Many runs over a failing registry, and runs killed in the middle.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed gives the same orders")
    parser.add_argument("--rate", type=float, default=0.2, help="the share of requests that fail")
    parser.add_argument("--brisk", action="store_true", help="short waits between attempts")
    parser.add_argument("--log", type=Path, help="write every request of the soak here, as JSON lines")
    options = parser.parse_args()
    registry = stack.up().registry
    soaked = _soak(registry, options) if options.runs else 0
    kills = _kills(registry, options.seed, options.kills) if options.kills else 0
    return max(soaked, kills)


def _soak(registry: str, options: argparse.Namespace) -> int:
    done = soak(
        registry, options.seed, options.runs, _in_processes, is_brisk=options.brisk, rate=options.rate, log=options.log
    )
    print(done.told(), flush=True)  # noqa: T201 - a script
    for name, found in done.troubles.items():
        print(f"{name}:", *found, sep="\n  ", flush=True)  # noqa: T201 - a script
    return 1 if done.troubles else 0


def _in_processes(work: Callable[[Order], Finish], orders: Sequence[Order]) -> Iterable[Finish]:
    with multiprocessing.get_context("spawn").Pool(RUNNERS) as pool:
        return pool.map(work, orders, chunksize=1)


def _kills(registry: str, seed: int, wanted: int) -> int:
    """Kill until so many have died; a run may have been over before its turn."""
    died: list[Killed] = []
    tried = itertools.count(seed)
    began = time.monotonic()
    with ThreadPoolExecutor(KILLS_AT_ONCE) as pool:
        while len(died) < wanted:
            chosen = list(itertools.islice(tried, min(KILLS_AT_ONCE, wanted - len(died))))
            died += [one for one in pool.map(lambda number: kill(registry, number), chosen) if one.died]
    wrong = [one for one in died if not one.repaired or one.trouble or one.sent_again]
    told = {
        "kills": len(died),
        "repaired": sum(one.repaired for one in died),
        "with a tag half there": sum("half there" in one.trouble for one in died),
        "with a blob sent again": sum(bool(one.sent_again) for one in died),
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(told), *wrong, sep="\n", flush=True)  # noqa: T201 - a script
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
