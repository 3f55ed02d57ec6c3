"""Many runs at once through a registry that fails a fifth of all requests; and runs killed in the middle.

The long ones: ``make soak``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from faults.kills import kill
from faults.soak import RUNNERS, soak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from faults.runner import Finish, Order

pytestmark = pytest.mark.registry


def in_threads(work: Callable[[Order], Finish], orders: Sequence[Order]) -> Iterable[Finish]:
    """Do all, as many at once as there are runners."""
    with ThreadPoolExecutor(RUNNERS) as pool:
        return list(pool.map(work, orders))


def test_a_soak_leaves_nothing_wrong(registry_host: str) -> None:
    """All end well, every tag and alias is right, nothing is skipped wrongly, built needlessly, or half there."""
    done = soak(registry_host, 20240613, 24, in_threads, is_brisk=True)
    assert done.troubles == {}, done.told()
    assert sum(done.faults.values()) > 100
    assert len(done.ends) == 24


@pytest.mark.parametrize("seed", [1, 4, 11, 12])
def test_i2_a_killed_run_is_repaired_by_the_next(registry_host: str, seed: int) -> None:
    """No tag lacks a part, no alias has moved early; the next run ends well and sends nothing twice."""
    killed = kill(registry_host, seed)
    assert killed.died
    assert (killed.repaired, killed.sent_again, killed.trouble) == (True, (), ""), killed
