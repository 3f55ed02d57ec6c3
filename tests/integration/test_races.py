"""Many runners at once over a real registry: every race ends with one digest for each content tag (design D11)."""

from __future__ import annotations

import multiprocessing
import secrets
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from fakes.immutable_front import ImmutableFront, immutable_front
from fakes.racing_runner import Finish, Race, digests_there, run_many, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.registry]
RUNNERS = 8


@pytest.fixture(params=[False, True], ids=["mutable", "immutable"])
def front(request: pytest.FixtureRequest, registry_host: str) -> Iterator[ImmutableFront]:
    """Give a registry whose tags may be written again, and one whose tags may not."""
    with immutable_front(registry_host, is_immutable=request.param) as running:
        yield running


@pytest.fixture
def race(front: ImmutableFront) -> Race:
    """Give a race about three images that nobody has built yet."""
    return Race(front.host, front.upstream, f"race-{secrets.token_hex(6)}")


def check(race: Race, finishes: Sequence[Finish]) -> None:
    """Every runner ended well and names the digests that the registry holds; the race was one."""
    assert [finish.errors for finish in finishes if finish.code] == []
    there = digests_there(race)
    assert {name: {finish.digests[name] for finish in finishes} for name in race.names} == {
        name: {digest} for name, digest in there.items()
    }
    statuses = {finish.statuses[name] for finish in finishes for name in race.names}
    assert statuses <= {"built", "reused", "skipped"}
    assert "reused" in statuses


def test_runners_in_threads_end_with_one_digest_per_tag(race: Race) -> None:
    """All have planned to build before any pushes."""
    check(race, run_many(race, RUNNERS))


def test_runners_that_push_by_tag_end_with_one_digest_per_tag(race: Race) -> None:
    """An engine's own push asks nobody: the registry's refusal, or the last writer, decides for all."""
    barrier = Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        check(race, list(pool.map(lambda _: run_once(race, barrier, is_local=True), range(4))))


def test_runners_in_processes_end_with_one_digest_per_tag(race: Race) -> None:
    """Nothing but the registry is shared."""
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        finishes = [item for done in pool.map(run_many, [race] * 3, [3] * 3) for item in done]
    check(race, finishes)


def test_a_later_run_finds_everything_done(race: Race) -> None:
    """Whoever won, the next run skips."""
    run_many(race, 3)
    assert set(run_once(race).statuses.values()) == {"skipped"}
