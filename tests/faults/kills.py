"""Runs killed with SIGKILL in the middle of what they say to the registry, and the run after each.

The moment is chosen by a seed: which request, and whether it dies before the registry hears of it, after a part of its
body, or after the registry has done it and before the answer.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3
from fakes.fault_proxy import FaultProxy
from faults.runner import ALIAS, Order, run
from faults.whole import holding

if TYPE_CHECKING:
    from faults.runner import Finish
    from faults.whole import Holding

PHASES = ("before", "in its body", "after")
_TESTS = Path(__file__).resolve().parents[1]
_DIED = -signal.SIGKILL
_REQUESTS = ((4, 88), (4, 120))
"""Of a run for one platform and for two: from where the plan is made to about the last."""
_COMMIT_RE = re.compile(r"/(?P<name>[^/]+)/blobs/uploads/.*[?&]digest=(?P<digest>sha256(?::|%3A)[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Killed:
    """One run that was killed at its ``request``-th request (its method and path: ``at``), and the run after it."""

    seed: int
    request: int
    phase: str
    at: str
    died: bool
    """False where the run had fewer requests than that."""
    tags_then: tuple[str, ...]
    """Content tags and aliases that were there right after the kill, by repository."""
    repaired: bool
    sent_again: tuple[str, ...]
    """Blobs that the next run sent although the registry had them."""
    trouble: str = ""


def kill(upstream: str, seed: int) -> Killed:
    """Kill a run of two images at a random one of its requests, look, run again, look."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    number, phase = chance.randrange(*_REQUESTS[seed % 2]), chance.choice(PHASES)
    with FaultProxy(upstream) as proxy, urllib3.PoolManager(retries=False) as http:
        order = Order(
            proxy.host,
            f"kill-{secrets.token_hex(6)}",
            2,
            {"base": 2, "app": 2},
            platforms=1 + seed % 2,
            layer=1_100_000 if seed % 3 == 0 else 20_000,
            needs_record=seed % 4 < 2,
            is_repeatable=True,
        )
        before = run(replace(order, host=upstream, commit=1, keys={"base": 1, "app": 1}))
        assert before.code == 0, before
        code, at = _killed(proxy, order, number, phase)
        then, trouble = _look(upstream, order, http)
        if not trouble:
            trouble = _half_done(order, before, then) if code == _DIED else f"exit {code}" if code else ""
        had = _committed(proxy, died_after=number if phase == "after" else -1)
        proxy.clear()
        after = run(order)
        final, half = _look(upstream, order, http)
    there = [f"{name}:{tag}" for name, held in then.items() for tag in sorted(held.tags) if tag == order.tag(name)]
    return Killed(
        seed,
        number,
        phase,
        at,
        code == _DIED,
        tuple(there),
        _is_repaired(order, after, final),
        tuple(f"{name} {digest}" for name, digest in after.sent if (name, digest) in had),
        trouble or half or "; ".join(after.errors),
    )


def _killed(proxy: FaultProxy, order: Order, number: int, phase: str) -> tuple[int, str]:
    """Let a run die at its request ``number``; return its exit code and that request."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), str(_TESTS.parent / "dev")])}
    child = subprocess.Popen(
        [sys.executable, "-m", "faults.runner", json.dumps(asdict(order))],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def die() -> None:
        child.kill()
        child.wait()

    do = "lost" if phase == "after" else "reset"
    proxy.add(do, skip=number, keep=7 if phase == "in its body" else 0, also=die)
    code = child.wait(120)
    hits = proxy.hits()
    return code, f"{hits[number].method} {hits[number].path.partition('?')[0]}" if number < len(hits) else "the end"


def _look(upstream: str, order: Order, http: urllib3.PoolManager) -> tuple[dict[str, Holding], str]:
    """Read everything that is under a tag; return it by image, and what is half there."""
    found: dict[str, Holding] = {}
    for name in order.keys:
        try:
            found[name] = holding(upstream, order.repository(name).repository, http)
        except AssertionError as error:
            return {}, str(error)
    return found, ""


def _half_done(order: Order, before: Finish, then: dict[str, Holding]) -> str:
    """Return what a killed run must not leave; that everything under a tag is whole was seen by reading it."""
    aliases = {name: held.tags.get(ALIAS) for name, held in then.items()}
    are_all_there = all(order.tag(name) in held.tags for name, held in then.items())
    for name, alias in aliases.items():
        if alias != before.digests[name] and (not are_all_there or alias != then[name].tags[order.tag(name)]):
            return f"{name}:{ALIAS} moved to {alias}"
    return ""


def _is_repaired(order: Order, after: Finish, final: dict[str, Holding]) -> bool:
    return (
        bool(final)
        and after.code == 0
        and all(
            held.tags.get(order.tag(name)) == after.digests[name] == held.tags.get(ALIAS)
            for name, held in final.items()
        )
    )


def _committed(proxy: FaultProxy, *, died_after: int) -> set[tuple[str, str]]:
    """Return which blobs the registry took so far, by image; ``died_after``: that request was done, too."""
    found = set()
    for number, hit in enumerate(proxy.hits()):
        commit = _COMMIT_RE.search(hit.path) if hit.method == "PUT" else None
        if commit is not None and (hit.status == 201 or number == died_after):
            found.add((commit["name"], commit["digest"].replace("%3A", ":")))
    return found
