from __future__ import annotations

import numpy as np
import pytest

from tasks.drift import words
from tasks.drift.config import MonitorConfig
from tasks.drift.report import Heading, render
from tests.drift.simulated import held, profile, table

HEADING = Heading("batch <1>.csv", "espalier-x", "3", "2026-01-31 12:00 UTC")


@pytest.fixture(scope="module")
def made():
    return profile(np.random.default_rng(0))


@pytest.fixture
def frame():
    return table(500, np.random.default_rng(1))


def test_the_verdict_counts_what_drifted(made, frame):
    drift = held(made, frame.assign(b=frame["b"] + 3, city="Trier"))
    said = words.verdict(drift, MonitorConfig())
    assert said.startswith("Drift: values of 2 of 7 columns, the reduced space")


def test_no_drift_and_too_few_rows_are_said_plainly(made, frame):
    assert words.verdict(held(made, frame), MonitorConfig()).startswith("No drift: ")
    few = held(made, frame[:30])
    assert words.verdict(few, MonitorConfig()) == "Not decided: 30 rows are too few (monitor.rows is 100)"


def test_no_line_of_the_table_is_longer_than_80(made, frame):
    for drift in (held(made, frame), held(made, frame.assign(b=9.0, e=-1.0, city="Trier", a=np.nan))):
        lines = list(words.table_lines(drift))
        assert len(lines) > 3
        assert max(map(len, lines)) <= 80


def test_rows_left_out_are_said_with_their_reason(made, frame):
    assert list(words.missed(held(made, frame.drop(columns=["c", "answer"])))) == [
        "500 of 500 rows could not be scored: c absent",
        "No labels yet: the error was not looked at",
    ]


@pytest.mark.parametrize("change", [{}, {"b": 9.0, "city": "Trier", "extra": 1}, {"a": "none"}])
def test_the_page_holds_everything_and_fetches_nothing(made, frame, change):
    page = render(held(made, frame.assign(**change)), MonitorConfig(), HEADING)
    assert "batch &lt;1&gt;.csv" in page
    assert "src=" not in page
    assert "@import" not in page
    assert len(page) < 200_000
    assert "nan" not in page.lower().split()


def test_equal_comparisons_give_equal_pages(made, frame):
    drift = held(made, frame)
    assert render(drift, MonitorConfig(), HEADING) == render(held(made, frame), MonitorConfig(), HEADING)


def test_the_page_draws_each_column_that_drifted(made, frame):
    drift = held(made, frame.assign(b=frame["b"] + 3, city="Trier"))
    page = render(drift, MonitorConfig(), HEADING)
    drawn = sum(f.shape is not None for f in drift.findings if f.kind == "columns" and f.drifted)
    assert page.count("aria-label='shares by level'") >= 1
    assert page.count("<figure") >= drawn
