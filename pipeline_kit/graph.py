"""Order and reach in the graph of images: who builds upon whom.

A graph is a mapping from a name to the names it depends on. Everything here is stable: equal input gives equal order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


def order(graph: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return all names, dependencies first, otherwise in the mapping's order. Raises InputError on a cycle."""
    return tuple(name for level in levels(graph) for name in level)


def levels(graph: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """Return names in waves: each wave depends only on earlier ones. Raises InputError on a cycle."""
    waves: list[tuple[str, ...]] = []
    done: set[str] = set()
    left = dict(graph)
    while left:
        wave = tuple(name for name, needs in left.items() if all(need in done for need in needs if need in graph))
        if not wave:
            cycle = [name for name in left if name in _reach(left, left[name])]
            raise InputError(f"images depend on each other in a cycle: {', '.join(sorted(cycle))}")
        waves.append(wave)
        done.update(wave)
        left = {name: needs for name, needs in left.items() if name not in done}
    return tuple(waves)


def dependencies(graph: Mapping[str, Collection[str]], names: Iterable[str]) -> frozenset[str]:
    """Return ``names`` and everything they depend on, directly or not."""
    return _reach(graph, names)


def dependants(graph: Mapping[str, Collection[str]], names: Iterable[str]) -> frozenset[str]:
    """Return ``names`` and everything that depends on them, directly or not."""
    reverse: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for need in needs:
            reverse.setdefault(need, []).append(name)
    return _reach(reverse, names)


def _reach(graph: Mapping[str, Collection[str]], names: Iterable[str]) -> frozenset[str]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return frozenset(seen)
