"""The product's one sentence, tried: where BuildKit makes something else, the content tag is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from soundness.build import open_engine
from soundness.generate import case
from soundness.judge import Table, judge

from pipeline_kit.app import keys
from pipeline_kit.narrowing import Narrowed
from pipeline_kit.snapshot import Listing

if TYPE_CHECKING:
    from pathlib import Path

    import stack

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]

SEED = 7
CHANGES = 60


def test_a_case_is_the_same_every_time() -> None:
    """A seed and a number are enough to come back to a case."""
    assert case(SEED, 5) == case(SEED, 5)
    assert case(SEED, 5) != case(SEED, 6)
    assert len({case(SEED, number).edit.what for number in range(30)}) > 20


def test_a_tag_that_forgets_files_is_caught(
    running_stack: stack.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial itself can fail: where narrowing drops every file, violations are found and can be looked at."""
    monkeypatch.setattr(keys, "narrow", lambda _listing, _reads: Narrowed(Listing()))
    found = [verdict for verdict in judge(open_engine(tmp_path), SEED, range(15), tmp_path) if verdict.is_violation]
    assert found
    assert "Dockerfile" in found[0].told()


def test_tags_differ_where_products_do(running_stack: stack.Stack, tmp_path: Path) -> None:
    """Random changes to random projects: no image that would come out otherwise is taken for built already."""
    table = Table(SEED)
    for verdict in judge(open_engine(tmp_path), SEED, range(CHANGES), tmp_path):
        table.verdicts.append(verdict)
    assert [verdict.told() for verdict in table.violations] == []
    assert sum(not verdict.product_equal for verdict in table.verdicts) >= CHANGES // 6, table.told()
    same, count = table.precision(ordinary=True)
    assert same >= count * 0.8, table.told()
