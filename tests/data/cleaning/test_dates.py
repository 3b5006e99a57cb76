from __future__ import annotations

import pandas as pd
import pytest

from tasks.data.cleaning.dates import date_layout, fit_date


@pytest.mark.parametrize(
    ("cells", "layout"),
    [
        (["2024-01-31", "2024-02-01T10:00"], "ISO8601"),
        (["01/31/2024", "02/01/2024"], "%m/%d/%Y"),
        (["31/01/2024", "01/02/2024"], "%d/%m/%Y"),
        (["31.01.2024 10:05", "01.02.2024 11:00"], "%d.%m.%Y %H:%M"),
        (["31 Jan 2024", ""], "%d %b %Y"),
        (["31/01/2024", "01/31/2024"], None),
        (["tea"], None),
    ],
)
def test_one_layout_fits_all_cells_or_none_does(cells, layout) -> None:
    assert date_layout(pd.Series(cells)) == layout


def test_elapsed_counts_from_the_first_training_date() -> None:
    cells = pd.Series(["2024-03-05", "2024-03-01", None], name="when")
    entry, (decision,) = fit_date(cells, ("month", "elapsed"), ())
    assert entry["origin"] == "2024-03-01"
    assert entry["outputs"] == ["when.month", "when.elapsed"]
    assert decision.column == "when"


def test_a_declared_date_without_one_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="'when' is declared a date"):
        fit_date(pd.Series(["2024-03-05", "soon"], name="when"), ("year",), ())
