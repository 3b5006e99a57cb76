import random

import pytest

from benchmarks.study import main
from benchmarks.study_runs import drawn, extrapolated
from benchmarks.study_targets import page

MACHINE = {"cpu": "a processor", "cores": 2}
AGAINST = {
    "candidates": 4,
    "seeds": 2,
    "seconds": 60.0,
    "search": 50.0,
    "first": 40.0,
    "sample": [{"name": "a", "seconds": 29.0, "same": True}, {"name": "b", "seconds": 31.0, "same": True}],
    "load_before": 0.1,
    "minutes": 2.0,
}


def test_one_by_one_is_the_first_of_each_seed_and_the_mean_of_the_others():
    total, low, high = extrapolated(AGAINST)
    assert total == pytest.approx(2 * 40 + 6 * 30)
    assert high - total == pytest.approx(total - low) == pytest.approx(6 * 12.706, rel=1e-4)


def test_the_sample_is_spread_over_cheap_and_dear_candidates():
    rows = [{"id": place, "train_seconds": float(place)} for place in range(30)]
    found = drawn(rows[::-1], 6, random.Random(1))
    assert [row["id"] // 10 for row in found] == [0, 0, 1, 1, 2, 2]
    assert len({row["id"] for row in found}) == 6


def test_a_target_is_missed_where_the_figure_is():
    text = page({"machine": MACHINE, "against": AGAINST})
    assert text.count("| reached |") == 2
    slow = page({"machine": MACHINE, "against": {**AGAINST, "seconds": 800.0}})
    assert slow.count("**missed**") == 2


def test_efficiency_is_of_the_part_that_computes_candidates():
    times = {"search_1": [40.0], "search_2": [24.0], "whole_1": [60.0], "whole_2": [44.0]}
    known = {"candidates": 8, "seeds": 2, "load_before": 0.0, "minutes": 1.0}
    text = page({"machine": MACHINE, "efficiency": {"processes": times, "dask": times, **known}})
    assert text.count("| 0.83 (0.83 to 0.83) (") == 2
    assert text.count("of the whole command 0.68") == 2


def test_pieces_that_were_not_measured_are_not_there():
    mlflow = {"candidates": 200, "sqlite": [9.0], "server": [21.0], "ui": [15.0]}
    text = page({"machine": MACHINE, "mlflow": {**mlflow, "load_before": 0.0, "minutes": 1.0}})
    assert (text.count("| reached |"), text.count("**missed**")) == (2, 1)
    assert "Chromium" not in text.split("- Where several")[0]


def test_an_unknown_piece_is_refused():
    with pytest.raises(SystemExit):
        main(["--only", "weather"])
