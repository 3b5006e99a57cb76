"""The budget search on the page, from a made-up search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tasks.evaluation.report import Facts, render
from tasks.evaluation.report.search import candidates, sizes


def row(size: int, before: float, after: float | None, **changes: Any) -> dict[str, Any]:
    told = {"criterion": "weight", "columns": 2, "units": 0.25, "macs": 10, "latency_us": 0.0}
    return {**told, "bytes": size, "before": before, "after": after, "chosen": False, **changes}


@pytest.fixture
def facts(make_facts: Callable[..., Facts]) -> Facts:
    """Three candidates recovered, one chosen, and one that was only made."""
    made = make_facts()
    figures = {"bytes": 4000, "macs": 100, "latency_us": 9.0, "metric": 0.9}
    limits = {"max_bytes": 1000, "max_latency_p50_us": None, "max_macs": None, "objective": "smallest"}
    rows = [
        row(900, 0.61, 0.8987, chosen=True),
        row(500, 0.42, 0.8012, columns=4),
        row(1200, 0.73, 0.9045),
        row(300, 0.2, None),
    ]
    searched = {
        "method": "budget",
        "budget": limits,
        "asked": "the smallest <file>",
        "floor": 0.895,
        "met": True,
        "reference": figures,
        "compressed": figures,
        "columns_all": 4,
        "columns_kept": 2,
        "units_kept": 0.25,
        "tried": 4,
        "recovered": 3,
        "candidates": rows,
    }
    return replace(made, prune={**made.prune, **searched})


def of(page: str, size: str) -> str:
    """Return the row of the candidate with that size."""
    return next(line for line in page.split("<tr") if f"<td>{size}</td>" in line)


def test_without_a_search_the_page_says_nothing_of_it(make_facts: Callable[..., Facts]) -> None:
    assert candidates(make_facts()) == ""
    assert sizes(make_facts()) is None
    assert "Budget search" not in render(make_facts())


def test_the_chosen_candidate_is_marked_and_no_other(facts: Facts) -> None:
    page = candidates(facts)
    assert page.count("class=chosen") == page.count(">chosen<") == 1
    assert "class=chosen" in of(page, "900 B")


def test_the_others_say_what_they_miss(facts: Facts) -> None:
    page = candidates(facts)
    assert "below the floor" in of(page, "500 B")
    assert "too large" in of(page, "1.2 kB")
    assert "below the floor" not in of(page, "1.2 kB")


def test_metrics_before_and_after_recovery_and_the_floor_are_shown(facts: Facts) -> None:
    page = candidates(facts)
    assert "61.00 %" in of(page, "900 B")
    assert "89.87 %" in of(page, "900 B")
    assert "After recovery (floor 89.50 %)" in page


def test_what_did_not_recover_is_folded_away(facts: Facts) -> None:
    shown, _, folded = candidates(facts).partition("<details>")
    assert "300 B" not in shown
    assert "300 B" in folded
    assert "1 more, made without recovery" in folded


def test_the_criterion_is_named_where_columns_were_taken_away(facts: Facts) -> None:
    page = candidates(facts)
    assert "weight" in of(page, "900 B")
    assert "weight" not in of(page, "500 B")


@pytest.mark.parametrize(
    ("limits", "shown"),
    [({}, False), ({"max_latency_p50_us": 9.0}, True), ({"objective": "fastest"}, True)],
)
def test_latency_is_shown_where_it_counts(facts: Facts, limits: dict[str, Any], shown: bool) -> None:
    rows = [{**row, "latency_us": 7.5} for row in facts.prune["candidates"]]
    budget = {**facts.prune["budget"], **limits}
    page = candidates(replace(facts, prune={**facts.prune, "candidates": rows, "budget": budget}))
    assert ("One row" in page) is ("7.5 \N{MICRO SIGN}s" in page) is shown


def test_what_was_asked_for_is_said_and_escaped(facts: Facts) -> None:
    assert "Asked for: the smallest &lt;file&gt;. It is met with 2 of 4 columns" in candidates(facts)
    unmet = replace(facts, prune={**facts.prune, "met": False})
    assert "It is not met; the nearest keeps 2 of 4 columns" in candidates(unmet)


def test_the_page_draws_every_candidate_and_the_floor(facts: Facts) -> None:
    figure = sizes(facts)
    assert figure is not None
    assert [len(trace["x"]) for trace in figure.data] == [4, 2, 1]
    assert figure.layout["shapes"][0]["y0"] == pytest.approx(89.5)
    page = render(facts)
    assert "chart-candidates" in page
    assert "kept 25 % of each layer's units" in page.replace("&#x27;", "'")


def test_recoveries_cut_short_are_not_said_to_be_in_full(facts: Facts) -> None:
    assert "Of 4 candidates 3 recovered in full." in candidates(facts)
    short = replace(facts, prune={**facts.prune, "shortened": 2})
    assert "Of 4 candidates 3 recovered, 2 of them for fewer epochs than asked." in candidates(short)
