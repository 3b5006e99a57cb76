from __future__ import annotations

from tasks.data.cleaning.decisions import Decision, decision_table, per_column


def test_a_table_names_each_column_and_a_grid_counts_its_cells() -> None:
    found = [("a", 2, "one value"), ("b", 1, "one value")]
    assert [decision.column for decision in per_column("dropped", found, grid=False)] == ["a", "b"]
    assert per_column("dropped", found, grid=True) == [Decision("dropped", None, 3, "one value")]


def test_reasons_that_differ_are_not_made_up_into_one() -> None:
    (decision,) = per_column("filled", [("a", 2, "with 1"), ("b", 1, "with 2")], grid=True)
    assert decision.why == "in 2 cells, each with its own figure"


def test_the_table_is_headed_and_fits_its_width() -> None:
    decision = Decision("missing cells filled", "a_column_with_a_very_long_name", 12345, "why " * 40)
    rows = decision_table({"decisions": [decision.to_dict()]}, width=80)
    assert rows[0] == ("what", "column", "count", "why")
    assert rows[1][2] == "12,345"
    assert sum(max(len(row[i]) for row in rows) for i in range(4)) + 6 <= 80


def test_many_columns_of_one_fate_share_a_row() -> None:
    decisions = [Decision("column dropped", f"c{i}", 1, "one value").to_dict() for i in range(40)]
    assert decision_table({"decisions": decisions})[1:] == [
        ("column dropped", "40 columns", "40", "one value")
    ]


def test_nothing_decided_leaves_the_head() -> None:
    assert decision_table({"decisions": []}) == [("what", "column", "count", "why")]
