from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.budget import seeds
from benchmarks.budget_page import Reached, line, page, summary
from benchmarks.problems import SETS, halved, widths

FOUND = Reached(
    name="tiny",
    seed=4,
    dense=0.9,
    compressed=0.89,
    low=-0.02,
    high=0.0,
    dense_bytes=1000,
    bytes=100,
    scratch_bytes=150,
    faster_1=1.0,
    faster_1024=1.0,
    faster_eager_1=1.0,
    faster_eager_1024=1.0,
    identity_1=1.0,
    identity_1024=1.0,
    columns=3,
    columns_before=5,
    seconds=10.0,
    epochs=60,
    recoveries=7,
    met=True,
    holds=True,
    notes=("the time box of 180 s ended the search",),
)


@pytest.mark.parametrize(
    ("text", "wanted"), [("2", (0, 1)), ("100:103", (100, 101, 102)), ("4,7", (4, 7)), ("5,", (5,))]
)
def test_seeds_are_a_count_a_range_or_a_list(text, wanted):
    assert seeds(text) == wanted


def test_a_line_says_how_the_search_went_and_what_a_net_from_scratch_needs():
    told = line(FOUND)
    for part in ("10.0x", "1.50x smaller than from scratch", "7 recoveries of 60 epochs", "(the time box"):
        assert part in told


def test_what_was_not_looked_for_is_not_told():
    bare = replace(FOUND, scratch_bytes=0)
    assert "scratch" not in line(bare)
    assert "scratch" not in summary([bare])
    assert "1.50x smaller than from scratch" in summary([FOUND])


def test_every_row_of_the_page_has_a_cell_a_column():
    rows = [row for row in page([FOUND, FOUND]).splitlines() if row.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1
    assert len(rows) == 4


@pytest.mark.parametrize("name", SETS)
def test_halved_networks_have_other_names_and_end(name):
    names = [widths(model) for model in (SETS[name].model, *halved(SETS[name]))]
    assert len(set(names)) == len(names) > 3
