from __future__ import annotations

import pandas as pd

from tasks.data.cleaning.categories import fit_category
from tasks.data.config import CategoriesConfig

TOWNS = pd.Series(["Ulm"] * 6 + ["Bonn"] * 3 + ["Kiel"], name="town")


def test_levels_stand_in_natural_order() -> None:
    entry, decisions = fit_category(TOWNS, CategoriesConfig(), ())
    assert entry["levels"] == ["Bonn", "Kiel", "Ulm"]
    assert not entry["other"]
    assert not decisions
    numbers = pd.Series([10, 9, 100], name="n")
    assert fit_category(numbers, CategoriesConfig(), ())[0]["levels"] == ["9", "10", "100"]


def test_rare_levels_are_pooled_and_counted() -> None:
    entry, (decision,) = fit_category(TOWNS, CategoriesConfig(rare=0.2), ())
    assert entry["levels"] == ["Bonn", "Ulm"]
    assert entry["other"]
    assert (decision.column, decision.count) == ("town", 1)


def test_only_the_commonest_levels_are_told_apart() -> None:
    entry, _ = fit_category(TOWNS, CategoriesConfig(max_levels=1), ())
    assert entry["levels"] == ["Ulm"]


def test_missing_words_and_gaps_are_no_levels() -> None:
    cells = pd.Series(["Ulm", "?", None, ""], name="town")
    assert fit_category(cells, CategoriesConfig(), ("?",))[0]["levels"] == ["Ulm"]
