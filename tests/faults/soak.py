"""Many runs at once over a registry that fails a share of all requests, and what must hold in the end.

Some runs bring images that nobody has built, some check old ones, and some are about the same images at the same time.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import urllib3
from fakes.fault_proxy import FaultProxy
from faults.runner import ALIAS, Order, run_until_done
from faults.storm import Storm
from faults.whole import Holding, holding

from pipeline_kit.content_tag import KEY_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from faults.runner import Finish

    Each = Callable[[Callable[[Order], Finish], Sequence[Order]], Iterable[Finish]]
RUNNERS = 8
PROJECTS = 6


@dataclass(slots=True)
class Soak:
    """What came of a soak; every list between ``seconds`` and ``overtaken`` should be empty."""

    ends: list[tuple[Order, Finish]] = field(default_factory=list)
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    wrong_tags: list[str] = field(default_factory=list)
    wrong_skips: list[str] = field(default_factory=list)
    needless_builds: list[str] = field(default_factory=list)
    wrong_aliases: list[str] = field(default_factory=list)
    half_there: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    """Aliases that a commit brought back to an old image and an older run moved on; see :func:`_judge_alias`."""

    @property
    def troubles(self) -> dict[str, list[str]]:
        """Return what should not be."""
        names = ("failed", "wrong_tags", "wrong_skips", "needless_builds", "wrong_aliases", "half_there", "unrecorded")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def told(self) -> str:
        """Return the figures as one JSON object."""
        statuses = Counter(status for _, finish in self.ends for status in finish.statuses.values())
        return json.dumps(
            {
                "runs": len(self.ends),
                "images": dict(statuses),
                "aliases": dict(Counter(state for _, finish in self.ends for state in finish.aliases.values())),
                "requests": self.requests,
                "faults": dict(self.faults),
                "faults_in_all": sum(self.faults.values()),
                "started_anew": sum(finish.again for _, finish in self.ends),
                "retries": sum(len(finish.retries) for _, finish in self.ends),
                "aliases_overtaken": len(self.overtaken),
                "seconds": round(self.seconds, 1),
                "troubles": {name: len(found) for name, found in self.troubles.items()},
            }
        )


def schedule(host: str, seed: int, runs: int, *, is_brisk: bool) -> list[Order]:
    """Return ``runs`` orders: three in five bring something new, one in five checks, one in five joins a race."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    mark = secrets.token_hex(5)
    orders: list[Order] = []
    commits = dict.fromkeys(range(PROJECTS), 0)
    while len(orders) < runs:
        number = chance.randrange(PROJECTS)
        kind = chance.choices(("new", "check", "race"), (3, 1, 0.5))[0]
        mates = [order for order in orders if order.project.endswith(f"-{number}")]
        for _ in range(2 if kind == "race" else 1):
            commits[number] += 1
            # In every fifth run both images change, in the others only app does.
            keys = {"base": commits[number] // 5, "app": commits[number]}
            if kind == "check" and mates:
                keys = dict(chance.choice(mates).keys)
            elif kind == "race" and mates and mates[-1] is orders[-1]:
                keys = dict(mates[-1].keys)
            order = Order(
                host,
                f"soak-{mark}-{number}",
                commits[number],
                keys,
                platforms=1 + (number % 3 == 0),
                layer=1_100_000 if commits[number] % 10 == 0 else 20_000,
                is_brisk=is_brisk,
                needs_record=number % 2 == 0,
            )
            orders.append(order)
            mates.append(order)
    return orders[:runs]


def soak(
    upstream: str, seed: int, runs: int, each: Each, *, is_brisk: bool, rate: float = 0.2, log: Path | None = None
) -> Soak:
    """Do ``runs`` runs by ``each`` (which does them in parallel) and judge what the registry then holds."""
    storm = Storm(random.Random(seed), rate, 0.05 if is_brisk else 1.0)  # noqa: S311 - no secret
    result = Soak()
    with FaultProxy(upstream, storm) as proxy:
        orders = schedule(proxy.host, seed, runs, is_brisk=is_brisk)
        began = time.monotonic()
        result.ends = list(zip(orders, each(run_until_done, orders), strict=True))
        result.seconds = time.monotonic() - began
        result.requests, result.faults = len(proxy.log), storm.counts
        if log is not None:
            proxy.write_log(log)
    _judge(result, upstream)
    return result


def _judge(result: Soak, upstream: str) -> None:
    done: dict[tuple[str, str], float] = {}
    for order, finish in result.ends:
        where = f"{order.project} commit {order.commit}"
        if finish.code:
            result.failed.append(f"{where}: exit {finish.code}: {finish.errors}")
        if finish.warning:
            result.unrecorded.append(f"{where}: {finish.warning}")
        for name in [name for name, digest in finish.digests.items() if digest]:
            image = (order.repository(name).repository, order.tag(name))
            done[image] = min(done.get(image, finish.ended), finish.ended)
    with urllib3.PoolManager(retries=False) as http:
        for repository in sorted({repository for repository, _ in done}):
            _judge_repository(result, done, repository, partial(holding, upstream, repository, http))


def _judge_repository(
    result: Soak, done: dict[tuple[str, str], float], repository: str, read: Callable[[], Holding]
) -> None:
    try:
        held = read()
    except AssertionError as error:
        result.half_there.append(str(error))
        return
    runs: list[tuple[int, Finish, str]] = []
    for order, finish in result.ends:
        name = next((name for name in order.keys if order.repository(name).repository == repository), None)
        if name is None or not finish.digests.get(name):
            continue
        where, tag = f"{repository} commit {order.commit}", order.tag(name)
        if finish.digests[name] != held.tags.get(tag):
            told = f"{where}: {finish.statuses[name]} {finish.digests[name]}, the tag names {held.tags.get(tag)}"
            result.wrong_tags.append(told)
        if finish.statuses[name] == "skipped" and order.key(name) not in held.labels(held.tags.get(tag), KEY_LABEL):
            result.wrong_skips.append(where)
        if (name in finish.builds and done[repository, tag] < finish.began) or name in finish.needless:
            result.needless_builds.append(where)
        runs.append((order.commit, finish, name))
    _judge_alias(result, repository, str(held.tags.get(ALIAS)), runs)


def _judge_alias(result: Soak, repository: str, named: str, runs: Sequence[tuple[int, Finish, str]]) -> None:
    """The alias names the newest commit's image.

    Known limit: a run that finds the alias where it belongs leaves no trace of having been there. Where its commit
    brought an old image back, a run of an older commit that is still under way moves the alias.
    """
    commit, newest, name = max(runs, key=lambda item: item[0])
    if named == newest.digests[name]:
        return
    later = [other for _, other, _ in runs if other.digests[name] == named and other.ended > newest.began]
    if newest.aliases[name] == "unchanged" and later:
        result.overtaken.append(repository)
        return
    result.wrong_aliases.append(f"{repository}: {ALIAS} names {named}, the newest commit {commit} {newest}")
