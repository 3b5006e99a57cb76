import json
from dataclasses import asdict, replace

from benchmarks.contest import DENSE, OURS, SIZED, UNITS, Judged
from benchmarks.peers import _kept
from benchmarks.peers_page import Run, page, picked, rows, volumes


def _judged(method, size, valid, test, tables="AB", seed=0):
    return Judged("tiny", seed, tables, method, "", valid, test, size, size, 10, 5.0)


FOUND = [
    _judged(DENSE, 1000, 0.90, 0.90),
    _judged("Torch-Pruning", 500, 0.90, 0.90, tables="A"),
    _judged("Torch-Pruning", 100, 0.90, 0.90, tables="B"),
    _judged(OURS, 200, 0.90, 0.89),
    _judged(SIZED, 150, 0.90, 0.89),
    _judged(UNITS, 150, 0.90, 0.88),
]


def test_the_smallest_file_that_reaches_the_floor_is_picked():
    small, large = _judged("a", 10, 0.7, 0.9), _judged("a", 20, 0.8, 0.1)
    assert picked([large, small], floor=0.7) == (small, True)
    assert picked([large, small], floor=0.75) == (large, True)


def test_the_best_on_validation_rows_is_picked_where_none_reaches_the_floor():
    small, large = _judged("a", 10, 0.7, 0.9), _judged("a", 20, 0.8, 0.1)
    assert picked([large, small], floor=0.9) == (large, False)


def test_a_method_has_a_row_only_in_its_tables():
    only_a = [each for each in FOUND if each.tables != "B"]
    assert [row.method for row in rows(only_a, "B")] == [DENSE, OURS, SIZED, UNITS]


def test_the_page_names_where_a_library_wins_and_nowhere_else():
    text = page(Run(FOUND, 60, (0.5,)))
    assert "- tiny, table B, hypervolume: Torch-Pruning" in text
    assert "- tiny, table B, the file it would deploy: Torch-Pruning at 100 bytes and 90.0" in text
    assert "- tiny, table A" not in text


def test_a_page_without_losses_says_so():
    better = [replace(each, bytes=10) if each.method in (OURS, SIZED) else each for each in FOUND]
    assert "- nowhere." in page(Run(better, 60, (0.5,)))


def test_what_is_missing_is_named():
    assert "left out: nncf; adult." in page(Run(FOUND, 60, (0.5,), ("nncf", "adult")))


def test_a_librarys_own_int8_is_a_library_in_table_a():
    small = _judged("nncf, int8", 50, 0.90, 0.90, tables="A")
    assert set(volumes([*FOUND, small], "A")) == {SIZED, "Torch-Pruning", "nncf, int8"}
    assert set(volumes([*FOUND, small], "B")) == {SIZED, "Torch-Pruning"}
    assert "- tiny, table A, hypervolume: nncf, int8" in page(Run([*FOUND, small], 60, (0.5,)))


def test_figures_stay_but_for_what_is_measured_again(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps([asdict(each) for each in FOUND]))
    again = _judged("Torch-Pruning", 90, 0.9, 0.9, tables="B")
    assert [each.method for each in _kept(path, [again])] == [DENSE, OURS, SIZED, UNITS]
    assert _kept(path, [_judged("Torch-Pruning", 90, 0.9, 0.9, seed=1)]) == FOUND
    assert _kept(tmp_path / "none.json", [again]) == []


def test_a_method_is_held_against_the_dense_network_of_its_own_run():
    later = replace(
        _judged("nncf, int8", 50, 0.80, 0.80, tables="A"), dense_valid=0.80, dense_test=0.79, dense_us=2.5
    )
    text = page(Run([*FOUND, later], 60, (0.5,)))
    (line,) = (line for line in text.splitlines() if line.startswith("| nncf, int8 | "))
    assert "| +1.0 (+1.0 to +1.0) | 50 | 20.0x | 50 | 10 | 0.50x |" in line
