"""A regular expression as a sequence of nodes that Python can run: fast by ``re``, or in linear time as Go would."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cached_property
from itertools import pairwise

from pipeline_kit.values import value_class


class GoRegexpError(ValueError):
    """Go's ``regexp.Compile`` refuses the expression, or it needs a Unicode table that differs between versions."""


class Kind(Enum):
    """What a node consumes."""

    CHARACTERS = auto()
    SKIP = auto()
    ASSERT = auto()


@value_class()
class Node:
    """One step: ``source`` (Python's spelling of a character class or an assertion), ``low`` to ``high`` times."""

    kind: Kind
    source: str
    low: int = 1
    high: int | None = 1

    @property
    def loops(self) -> bool:
        """Return whether the node takes more or less as the match demands."""
        return self.low != self.high or self.kind is Kind.SKIP

    def __str__(self) -> str:
        """Return the node in Python's syntax."""
        if (self.low, self.high) == (1, 1):
            return self.source
        high = "" if self.high is None else self.high
        return f"{self.source}{{{self.low},{high}}}"


SKIP = Node(Kind.SKIP, "(?:.*/)?")
_START = r"\A"
_NOT_SLASH = r"[^\U0000002f-\U0000002f]"
_SLASH = Node(Kind.CHARACTERS, "/")


@value_class()
class GoRegexp:
    """A parsed expression: its alternatives, each a sequence of nodes."""

    alternatives: tuple[tuple[Node, ...], ...]

    @cached_property
    def source(self) -> str:
        """Return the expression in Python's syntax, to be used with ``re.search``."""
        return "|".join("".join(map(str, nodes)) for nodes in self.alternatives)

    @cached_property
    def loops(self) -> int:
        """Return how many parts can stop at more than one place: the degree of Python's backtracking at worst.

        The ``*`` of ``*/`` stops at the next slash or nowhere, so however many an anchored pattern has, they add up
        and do not multiply: ``*/*/*/*.py[cod]`` stands in many a Python project's ignore file and is cheap.
        """
        return max(map(_free_loops, self.alternatives))

    def search(self, text: str) -> bool:
        """Return whether the expression occurs in ``text``, in time linear in its length as Go does.

        Python's own engine backtracks, and an ignore file is untrusted: ``*a*a*a*a*b`` could stall it.
        """
        return any(_occurs(program, text) for program in self._programs)

    @cached_property
    def _programs(self) -> tuple[_Program, ...]:
        return tuple(_compile(nodes) for nodes in self.alternatives)


def _free_loops(nodes: tuple[Node, ...]) -> int:
    """Return how many of an alternative's nodes multiply the ways to match it."""
    loops = sum(node.loops for node in nodes)
    if not nodes or nodes[0].source != _START:
        return loops
    bound = sum(node.source == _NOT_SLASH and node.loops and following == _SLASH for node, following in pairwise(nodes))
    return max(loops - bound, min(loops, 1))


class _Op(Enum):
    """An instruction of the automaton."""

    ONE = auto()
    MANY = auto()
    MAYBE = auto()
    JUMP = auto()  # over the next two
    ASSERT = auto()


_Program = tuple[tuple[_Op, re.Pattern[str]], ...]


def _compile(nodes: tuple[Node, ...]) -> _Program:
    """Return the instructions for one alternative: every repetition written out."""
    found: list[tuple[_Op, re.Pattern[str]]] = []
    for node in nodes:
        if node.kind is Kind.SKIP:
            found += [(_Op.JUMP, re.compile("")), (_Op.MANY, re.compile(".")), (_Op.ONE, re.compile("/"))]
            continue
        pattern = re.compile(node.source)
        if node.kind is Kind.ASSERT:
            found.append((_Op.ASSERT, pattern))
            continue
        found += [(_Op.ONE, pattern)] * node.low
        found += [(_Op.MANY, pattern)] if node.high is None else [(_Op.MAYBE, pattern)] * (node.high - node.low)
    return tuple(found)


def _occurs(program: _Program, text: str) -> bool:
    """Return whether ``program`` can run to its end from any position of ``text``."""
    here: set[int] = set()
    for at in range(len(text) + 1):
        here.add(0)
        reached = _closure(program, here, text, at)
        if len(program) in reached:
            return True
        if at < len(text):
            here = _advance(program, reached, text[at])
    return False


def _closure(program: _Program, states: set[int], text: str, at: int) -> set[int]:
    """Return the states reachable without consuming a character."""
    reached: set[int] = set()
    pending = list(states)
    while pending:
        state = pending.pop()
        if state in reached:
            continue
        reached.add(state)
        if state == len(program):
            continue
        op, pattern = program[state]
        if op in (_Op.MANY, _Op.MAYBE) or (op is _Op.ASSERT and pattern.match(text, at)):
            pending.append(state + 1)
        elif op is _Op.JUMP:
            pending += [state + 1, state + 3]
    return reached


def _advance(program: _Program, states: set[int], character: str) -> set[int]:
    """Return the states after consuming ``character``."""
    following: set[int] = set()
    for state in states:
        if state == len(program):
            continue
        op, pattern = program[state]
        if op in (_Op.ONE, _Op.MANY, _Op.MAYBE) and pattern.match(character):
            following.add(state if op is _Op.MANY else state + 1)
    return following
