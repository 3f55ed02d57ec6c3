from __future__ import annotations

import re

import pytest
from fakes.sample_report import HOSTILE

from pipeline_kit.outputs.plan_table import PlanRow, plan_table
from pipeline_kit.outputs.sanitize import display_width

ROWS = (
    PlanRow("api", "build", "absent", "c-0123", ("services/api/main.py changed", "base image moved")),
    PlanRow("web-frontend", "skip", "present", "c-4567"),
)


def test_columns_are_aligned() -> None:
    """The width of a column is its widest cell; a second reason stands below the first."""
    assert plan_table(ROWS, width=80) == (
        "IMAGE         ACTION  VERDICT  TAG     WHY\n"
        "api           build   absent   c-0123  services/api/main.py changed\n"
        "                                       base image moved\n"
        "web-frontend  skip    present  c-4567\n"
    )


def test_on_a_narrow_terminal_reasons_go_below() -> None:
    """Nothing is squeezed into a few columns."""
    assert plan_table(ROWS[:1], width=50) == (
        "IMAGE  ACTION  VERDICT  TAG\n"
        "api    build   absent   c-0123\n"
        "    services/api/main.py changed\n"
        "    base image moved\n"
    )


def test_no_rows() -> None:
    """An empty plan says so."""
    assert plan_table(()) == "no images\n"


def test_colour_only_when_asked_and_only_the_action() -> None:
    """Without the codes the coloured table is the plain one."""
    coloured = plan_table(ROWS, width=80, colour=True)
    assert "\x1b[33mbuild " in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plan_table(ROWS, width=80)
    assert "\x1b" not in plan_table(ROWS)


@pytest.mark.parametrize("reason", ["word " * 60, "名前 " * 60, "x" * 300, "名" * 300])
@pytest.mark.parametrize("width", [30, 60, 100])
def test_long_reasons_are_wrapped_by_columns(reason: str, width: int) -> None:
    """No line is wider than the terminal, also with wide characters."""
    table = plan_table((PlanRow("a", "build", "absent", "c", (reason,)),), width=width)
    assert max(map(display_width, table.splitlines())) <= width
    shown = re.sub(
        r"\s", "", "".join(line.removeprefix("a      build   absent   c") for line in table.splitlines()[1:])
    )
    assert shown == re.sub(r"\s", "", reason)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_cells_stay_in_their_line(hostile: str) -> None:
    """One line for the head, one for the row; nothing that acts on a terminal."""
    table = plan_table((PlanRow(hostile, "build", "absent", "c", (hostile[:9],)),), width=200)
    assert len(table.splitlines()) == 2
    assert table.replace("\n", "").isprintable()
