from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tasks.evaluation.report import Facts, render
from tasks.evaluation.report.choices import against_random, column_method, rows_and_time


def compared(took: float | None) -> dict[str, Any]:
    curve = [] if took is None else [{"seconds": took, "valid_metric": 0.9, "epoch": 1}]
    side = {"valid_metric": 0.9, "seconds": took, "curve": curve}
    return {"method": "k_center", "rows": 40, "chosen": side, "random": {**side, "valid_metric": 0.8}}


def facts(make_facts: Callable[..., Facts], took: float | None) -> Facts:
    made = make_facts()
    return replace(made, measure={**made.measure, "rows": compared(took)})


def test_without_a_comparison_the_page_says_nothing_of_it(make_facts: Callable[..., Facts]) -> None:
    assert against_random(make_facts()) == ""
    assert rows_and_time(make_facts()) is None


def test_random_stands_beside_the_chosen_rows(make_facts: Callable[..., Facts]) -> None:
    page = render(facts(make_facts, 1.5))
    sentence = "validation accuracy: k_center 90.0 % in 1.5 s, as many random rows 80.0 % in 1.5 s."
    assert sentence in page
    assert "chart-rows" in page


def test_without_seconds_the_metrics_are_still_said(make_facts: Callable[..., Facts]) -> None:
    assert "k_center 90.0 %, as many random rows 80.0 %." in against_random(facts(make_facts, None))
    assert rows_and_time(facts(make_facts, None)) is None


def test_the_lead_of_the_method_that_auto_chose_is_said(make_facts: Callable[..., Facts]) -> None:
    made = make_facts()
    trials = [
        {"method": name, "score": score} for name, score in (("pls", 0.9), ("pca", 0.88), ("lda", None))
    ]
    columns = {**made.reduce["columns"], "method": "pls", "ahead": 0.02, "trials": trials}
    chosen = replace(made, reduce={**made.reduce, "columns": columns})
    assert column_method(chosen) == "pls, best of 2 by +2.0 points on validation rows"
    assert column_method(made) == "weight_norm"
