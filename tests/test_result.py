import pytest

from tasks.artifacts import Layout, read_json, write_json
from tasks.metrics.table import METRICS
from tasks.result import clean_report, result_rows, result_text

SIZE = {"inputs": 784, "parameters": 1000, "nonzeros": 1000, "multiply_adds": 990, "bytes": 1_872_595}
STORED = {"gzip_bytes": 1_000_000, "xz_bytes": 900_000}


@pytest.fixture
def root(tmp_path):
    layout = Layout(tmp_path)
    models = {
        name: {
            "metrics": {"accuracy": 0.95},
            "interval": [0.94, 0.96],
            "size": {key: value // part for key, value in SIZE.items()},
        }
        for name, part in {"reference": 1, "reduced": 2, "compressed": 10}.items()
    }
    comparisons = {name: {"verdict": "non-inferior"} for name in ("reduced", "compressed")}
    evaluate = {"metric": "accuracy", "models": models, "comparisons": comparisons, "factor": 1.0}
    evaluate["confidence"] = 0.95
    latency = {"reference": 50.0, "reduced": 25.0, "compressed": 10.0}
    write_json(layout.report("evaluate"), evaluate)
    measure = {
        "latency": {name: {"p50_us": value} for name, value in latency.items()},
        "seconds": {"reference": 8.0, "reduce": 1.0, "train": 3.0, "prune": 4.0},
    }
    write_json(layout.report("measure"), measure)
    return tmp_path


def row(root, label):
    return next(row for row in result_rows(root) if row[0] == label)


def test_factors_are_against_the_reference(root):
    assert row(root, "bytes") == ["bytes", "1,872,595", "936,297 (2.0x)", "187,259 (10.0x)"]
    assert row(root, "latency p50")[1:] == ["50.0 us", "25.0 us (2.0x)", "10.0 us (5.0x)"]


def test_stored_bytes_are_shown_where_weights_are_zero_and_nowhere_else(root):
    path = Layout(root).report("evaluate")
    evaluate = read_json(path)
    assert not any("gzipped" in row[0] for row in result_rows(root))
    for judged in evaluate["models"].values():
        judged["size"] |= STORED
    evaluate["models"]["compressed"]["size"] |= {"nonzeros": 5, "gzip_bytes": 10_000}
    write_json(path, evaluate)
    assert row(root, "bytes, gzipped")[-1] == "10,000 (100.0x)"
    assert row(root, "bytes, xz")[1] == "900,000"


def test_a_model_costs_all_the_training_that_led_to_it(root):
    assert row(root, "training time")[1:] == ["8.0 s", "4.0 s (2.0x)", "8.0 s (1.0x)"]


def test_the_metric_stands_with_its_interval(root):
    assert row(root, "test accuracy")[1] == "95.0 %"
    assert row(root, "95 % interval")[1] == "94.0 to 96.0 %"


@pytest.mark.parametrize("metric", METRICS)
def test_the_table_fits_eighty_columns_whatever_the_metric(root, metric):
    path = Layout(root).report("evaluate")
    evaluate = read_json(path) | {"metric": metric}
    for judged in evaluate["models"].values():
        judged["metrics"], judged["interval"] = {metric: -0.12345}, [-0.23456, -0.0123456]
        judged["size"] = dict.fromkeys(SIZE, 98765432)
    write_json(path, evaluate)
    assert max(map(len, result_text(root).splitlines())) <= 80


def test_a_figure_that_is_undefined_is_said_to_be(root):
    path = Layout(root).report("evaluate")
    evaluate = read_json(path)
    for judged in evaluate["models"].values():
        judged["metrics"], judged["interval"] = {"accuracy": None}, [None, None]
    write_json(path, evaluate)
    assert row(root, "test accuracy")[1:] == ["undefined"] * 3
    assert row(root, "95 % interval")[1:] == ["undefined"] * 3


def test_a_time_that_this_machine_does_not_know_is_left_open(root):
    path = Layout(root).report("measure")
    write_json(path, read_json(path) | {"seconds": {"reference": 8.0, "reduce": 1.0, "train": 3.0}})
    assert row(root, "training time")[1:] == ["8.0 s", "4.0 s (2.0x)", "-"]


def test_a_quick_look_is_said_to_be_one(root):
    layout = Layout(root)
    write_json(layout.report("evaluate"), {**read_json(layout.report("evaluate")), "factor": 0.2})
    assert "20 % of the test rows" in result_text(root)


def test_cleaning_decisions_are_one_row_each(tmp_path):
    decision = {"what": "constant", "column": None, "count": 3, "why": "one value"}
    write_json(Layout(tmp_path).report("clean"), {"decisions": [decision, {**decision, "column": "a"}]})
    lines = clean_report(tmp_path).splitlines()
    assert lines[2:] == ["| constant |  | 3 | one value |", "| constant | a | 3 | one value |"]


def test_layers_that_multiply_adds_leave_out_are_named_once(root):
    path = Layout(root).report("evaluate")
    evaluate = read_json(path)
    assert "without" not in result_text(root)
    for name in ("reference", "compressed"):
        evaluate["models"][name]["uncounted"] = ["body.0: Mine (W)"]
    write_json(path, evaluate)
    assert result_text(root).count("Multiply-adds are without body.0: Mine (W)") == 1
