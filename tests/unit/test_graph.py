from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_kit.errors import InputError
from pipeline_kit.graph import dependants, dependencies, levels, order

DIAMOND = {"top": ("left", "right"), "right": ("base",), "left": ("base",), "base": (), "alone": ()}


def test_levels_are_waves_in_the_mapping_s_order() -> None:
    """A wave depends only on earlier waves; within one the order written is kept."""
    assert levels(DIAMOND) == (("base", "alone"), ("right", "left"), ("top",))
    assert order(DIAMOND) == ("base", "alone", "right", "left", "top")


def test_names_outside_the_graph_do_not_count() -> None:
    """A part of a graph can be ordered by itself."""
    assert order({"api": ("base",)}) == ("api",)
    assert levels({}) == ()


@pytest.mark.parametrize(
    ("graph", "named"),
    [({"a": ("a",)}, "a"), ({"a": ("b",), "b": ("a",), "c": ()}, "a, b"), ({"a": ("b",), "b": ("b",)}, "b")],
)
def test_a_cycle_is_refused_and_named(graph: dict[str, tuple[str, ...]], named: str) -> None:
    """The message names the images of the cycle and not those that merely build upon it."""
    with pytest.raises(InputError, match=rf"in a cycle: {named}$"):
        order(graph)


@pytest.mark.parametrize(
    ("names", "down", "up"),
    [
        (["top"], {"top", "left", "right", "base"}, {"top"}),
        (["base"], {"base"}, {"base", "left", "right", "top"}),
        (["left", "alone"], {"left", "base", "alone"}, {"left", "top", "alone"}),
        ([], set(), set()),
    ],
)
def test_reach(names: list[str], down: set[str], up: set[str]) -> None:
    """Dependencies and dependants include the names themselves."""
    assert dependencies(DIAMOND, names) == down
    assert dependants(DIAMOND, names) == up


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Draw a graph in which a name depends on lower numbers only, written in any order."""
    count = draw(st.integers(0, 8))
    graph = {
        f"n{number}": tuple(f"n{need}" for need in draw(st.sets(st.integers(0, number - 1)))) if number else ()
        for number in range(count)
    }
    return {name: graph[name] for name in draw(st.permutations(list(graph)))}


@given(acyclic())
def test_order_puts_every_need_first(graph: dict[str, tuple[str, ...]]) -> None:
    """Every name stands once, behind everything it needs."""
    ordered = order(graph)
    assert sorted(ordered) == sorted(graph)
    assert all(ordered.index(need) < ordered.index(name) for name, needs in graph.items() for need in needs)


@given(acyclic())
def test_dependants_are_the_reverse_of_dependencies(graph: dict[str, tuple[str, ...]]) -> None:
    """One is reached from the other exactly when the other is a dependant of it."""
    for name in graph:
        for other in graph:
            assert (other in dependencies(graph, [name])) is (name in dependants(graph, [other]))
