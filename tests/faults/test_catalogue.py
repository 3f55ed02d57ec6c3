"""The catalogue and the tests name each other: no row without a proof or a reason, no proof that does not exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from faults.catalogue import ON_THE_WIRE, ROWS

_TESTS = Path(__file__).resolve().parents[1]
_SIZES = {"A": 11, "B": 7, "C": 13, "D": 12, "E": 11, "F": 10, "G": 8, "H": 7, "I": 5, "J": 6, "K": 8, "L": 10}


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests, all of which say what the behaviour is."""
    tree = ast.parse((_TESTS / path).read_text(encoding="utf-8"))
    found = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")]
    assert all(ast.get_docstring(item) for item in found), path
    return frozenset(item.name for item in found)


@cache
def rows_here() -> frozenset[str]:
    """Return the rows that tests of this folder are named after."""
    names = [name for file in Path(__file__).parent.glob("test_*.py") for name in names_in(f"faults/{file.name}")]
    return frozenset(found[1].upper() for name in names if (found := re.match(r"test_([a-l]\d+)_", name)))


def test_every_row_is_there() -> None:
    """All 108 rows of all twelve sections, in order."""
    assert list(ROWS) == [f"{letter}{number}" for letter, size in _SIZES.items() for number in range(1, size + 1)]


@pytest.mark.parametrize("name", ROWS)
def test_the_row_has_a_proof_or_a_reason(name: str) -> None:
    """What a row names exists; what it does not prove, it says."""
    item = ROWS[name]
    assert item.proofs or item.left
    for proof in item.proofs:
        if proof != ON_THE_WIRE:
            path, _, test = proof.partition("::")
            assert test in names_in(path), proof


def test_the_rows_on_the_wire_are_those_of_this_folder() -> None:
    """A test here that is named after a row is the row's."""
    assert {name for name, item in ROWS.items() if ON_THE_WIRE in item.proofs} == rows_here() | {"J3"}
