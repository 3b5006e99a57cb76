"""A made-up search in words and rows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasks.search.budget import Figures, Setting
from tasks.search.candidates import Made
from tasks.search.config import BudgetConfig
from tasks.search.meet import Met
from tasks.search.told import COLUMNS, WIDTH, asked, candidates, outcome, summary

REFERENCE = Figures(9_000, 8_000, 20.0, 0.985)
SMALL = Figures(1_500, 700, 9.0, 0.982)


def probe(columns: float, units: float, figures: Figures, recovered: bool, **how: object) -> dict:
    return {
        "columns": columns,
        "units": units,
        "criterion": "weight",
        **figures.to_dict(),
        "recovered": recovered,
        **how,
    }


@pytest.fixture
def found() -> Met:
    """Two settings of which one has recovered; its bytes were estimated before."""
    probes = (
        probe(0.5, 0.25, Figures(1_600, 700, 0.0, 0.9), False),
        probe(0.5, 0.125, Figures(900, 300, 0.0, 0.5), False),
        probe(0.5, 0.25, SMALL, True, epochs=20, shortened=False),
    )
    best = Made(Setting(0.5, 0.25, "weight"), SimpleNamespace(), SMALL, keep=(0, 1, 2))
    return Met(best, REFERENCE, True, probes, ("a note",))


def test_every_setting_is_one_row_with_its_metric_before_and_after(found):
    first, second = candidates(found, 6)
    assert (first["before"], first["after"], first["chosen"]) == (0.9, 0.982, True)
    assert (second["before"], second["after"], second["chosen"]) == (0.5, None, False)
    assert set(first) == set(second) == set(COLUMNS)


def test_once_recovered_the_costs_are_those_of_the_file_that_is_deployed(found):
    assert [row["bytes"] for row in candidates(found, 6)] == [1_500, 900]


def test_columns_are_counted(found):
    assert [row["columns"] for row in candidates(found, 6)] == [3, 3]


def test_the_summary_counts_what_it_lists(found):
    told = summary(found, BudgetConfig(max_bytes=2_000), 6)
    assert (told["tried"], told["recovered"]) == (2, 1)
    assert (told["columns_all"], told["columns_kept"], told["units_kept"]) == (6, 3, 0.25)
    assert told["floor"] == pytest.approx(0.98)
    assert set(told["budget"]) == set(BudgetConfig.model_fields)


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ({}, "the smallest file with validation metric at least 0.9800"),
        (
            {"objective": "fastest", "max_bytes": 5_000, "max_macs": 4_000},
            "the fastest row with validation metric at least 0.9800 and at most 5,000 bytes and at most "
            "4,000 multiply-adds",
        ),
        (
            {"objective": "best", "max_metric_drop": None, "max_latency_p50_us": 12.5},
            "the best metric with at most 12.5 us a row",
        ),
    ],
)
def test_the_budget_is_said_in_words(budget, text):
    assert asked(BudgetConfig(**budget), REFERENCE) == text


@pytest.mark.parametrize("met", [True, False])
def test_the_outcome_fits_a_terminal_and_says_whether_the_budget_is_met(found, met):
    budget = BudgetConfig(objective="fastest", max_bytes=123_456, max_macs=123_456, max_latency_p50_us=17.25)
    told = {**summary(found, budget, 6), "met": met, "notes": ["something that takes many words " * 9]}
    lines = list(outcome(told))
    text = "\n".join(lines)

    assert max(map(len, lines)) <= WIDTH
    assert ("Budget met:" in text, "Budget NOT met" in text) == (met, not met)
    assert "2 candidates, 1 of them recovered in full." in text
    assert ["bytes", "9,000", "1,500"] in [line.split() for line in lines]


def test_the_network_as_it_came_has_not_recovered_and_a_short_recovery_is_not_in_full(found):
    whole = probe(1.0, 1.0, REFERENCE, True, epochs=0, shortened=False)
    short = probe(0.5, 0.125, SMALL, True, epochs=3, shortened=True)
    told = [
        summary(replace(found, probes=(*found.probes, *more)), BudgetConfig(), 6)
        for more in ((whole,), (whole, short))
    ]
    assert [(each["recovered"], each["shortened"]) for each in told] == [(1, 0), (2, 1)]
    lines = ["\n".join(outcome(each)) for each in told]
    assert "3 candidates, 1 of them recovered in full." in lines[0]
    assert "3 candidates, 2 of them recovered, 1 for fewer epochs than asked." in lines[1]


@pytest.mark.parametrize(
    ("layers", "kept"),
    [
        ([], 1.0),
        ([(2, 2)], 1.0),  # the answers alone
        ([(30, 7), (10, 3), (2, 2)], 0.25),
    ],
)
def test_the_units_kept_are_those_of_the_layers_that_lost_some(found, layers, kept):
    report = {"layers": [{"name": "", "before": before, "after": after} for before, after in layers]}
    report["notes"] = []
    best = replace(found.best, pruned=SimpleNamespace(report=report))
    assert summary(replace(found, best=best), BudgetConfig(), 6)["units_kept"] == kept
