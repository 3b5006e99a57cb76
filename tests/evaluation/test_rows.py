from __future__ import annotations

from typing import Any

from tasks.evaluation.rows import compared_rows, rows_table

REDUCE = {"rows": {"method": "k_center", "after": 40}}


def history(*metrics: float) -> list[dict[str, Any]]:
    return [{"epoch": i + 1, "valid_metric": metric} for i, metric in enumerate(metrics)]


def train(random: object) -> dict[str, Any]:
    return {"valid_metric": 0.9, "history": history(0.5, 0.9), "random": random}


RANDOM = {"valid_metric": 0.8, "history": history(0.6, 0.7, 0.8)}


def test_without_a_comparison_there_is_nothing_to_show() -> None:
    assert compared_rows(REDUCE, train(None), None) is None
    table = rows_table(None)
    assert table.empty
    assert list(table.columns) == ["seconds", "chosen", "random"]


def test_each_curve_ends_at_the_seconds_its_training_took() -> None:
    found = compared_rows(REDUCE, train(RANDOM), {"chosen": 4.0, "random": 6.0})
    assert found is not None
    assert [point["seconds"] for point in found["chosen"]["curve"]] == [2.0, 4.0]
    assert [point["seconds"] for point in found["random"]["curve"]] == [2.0, 4.0, 6.0]
    assert (found["method"], found["rows"], found["random"]["valid_metric"]) == ("k_center", 40, 0.8)


def test_the_table_says_what_each_had_reached_by_then() -> None:
    table = rows_table(compared_rows(REDUCE, train(RANDOM), {"chosen": 4.0, "random": 9.0}))
    assert table["seconds"].tolist() == [3.0, 4.0, 6.0, 9.0]
    assert table["chosen"].tolist() == [0.5, 0.9, 0.9, 0.9]
    assert table["random"].tolist() == [0.6, 0.6, 0.7, 0.8]


def test_a_machine_that_has_not_trained_them_shows_the_metrics_alone() -> None:
    found = compared_rows(REDUCE, train(RANDOM), None)
    assert found is not None
    assert (found["chosen"]["seconds"], found["chosen"]["curve"]) == (None, [])
    assert rows_table(found).empty
