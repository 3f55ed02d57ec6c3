"""The product's one sentence, tried: where BuildKit makes something else, the content tag is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from soundness.build import open_engine
from soundness.dockerfiles import FLAGS
from soundness.generate import case
from soundness.judge import Table, judge
from soundness.products import GONE, Product

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
    assert case(SEED, 5, frozenset(FLAGS)) == case(SEED, 5, frozenset(FLAGS))


def test_cases_hold_every_form() -> None:
    """Chains, repositories in contexts, named contexts and the flags of newer builders come up."""
    scenes = [case(SEED, number * 3, frozenset(FLAGS)).before for number in range(120)]
    assert sum(scene.chained for scene in scenes) >= 5
    assert sum(scene.named for scene in scenes) >= 5
    assert sum(any(b"/.git" in path for path in scene.nodes) for scene in scenes) >= 5
    texts = [scene.nodes[scene.dockerfile].data for scene in scenes]
    for form in (b"--parents", b"--exclude", b"ONBUILD", b"--mount", b"<<", b"--link", b"FROM below"):
        assert any(form in text for text in texts), form


def test_layers_count_by_what_they_change() -> None:
    """A file that is there already is no change; one that goes again is, though the root file system is the same."""
    one = Product(layers=(((b"a", "file - 1"),),))
    two = Product(layers=(((b"a", "file - 1"), (b"b", "file - 2")), ((b"b", GONE),)))
    assert one != two
    assert one.runs_like(two)
    assert one.files() == two.files() == {b"a": "file - 1"}
    assert Product(failed=True, failure="one") == Product(failed=True, failure="another")
    assert not one.runs_like(Product(failed=True))
    assert one != Product(layers=one.layers, history=("RUN true",))


def test_a_tag_that_forgets_files_is_caught(
    running_stack: stack.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial itself can fail: where narrowing drops every file, violations are found and can be looked at."""
    monkeypatch.setattr(keys, "narrow", lambda _listing, _reads, _link_text: Narrowed(Listing()))
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
