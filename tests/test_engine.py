"""The engine alone: what it takes, what it refuses, what comes out."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tasks.engine import Budget, compress_model
from tasks.errors import EspalierError
from tasks.export.onnx import run_onnx, session
from tasks.pruning.config import FinetuneConfig

QUICK = FinetuneConfig(epochs=8)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Ten columns, two of which say the class."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(500, 10)).astype(np.float32)
    return X, np.where(X[:, 3] + X[:, 7] > 0, "yes", "no")


def fitted(network: nn.Module, X: np.ndarray, y: np.ndarray, epochs: int = 60) -> nn.Module:
    """Train in the plainest way."""
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    codes = torch.from_numpy((y == "yes").astype(np.int64))
    for _ in range(epochs):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(torch.from_numpy(X)), codes).backward()
        optimiser.step()
    return network.eval()


@pytest.fixture(scope="module")
def network(rows) -> nn.Module:
    torch.manual_seed(0)
    return fitted(nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 2)), *rows)


@pytest.fixture(scope="module")
def small(network, rows):
    return compress_model(network, *rows, Budget(max_metric_drop=0.02), finetune=QUICK)


def test_the_model_is_smaller_and_as_good_and_reads_the_columns_that_matter(small, rows):
    X, y = rows
    right = np.where(small.predict(X)[:, 1] > 0.5, "yes", "no") == y

    assert small.met
    assert small.report["compressed"]["bytes"] < small.report["reference"]["bytes"] / 2
    assert right.mean() > 0.95
    assert {"x3", "x7"} <= set(small.columns)
    assert set(small.columns) | set(small.report["columns_dropped"]) == {f"x{i}" for i in range(10)}


def test_what_is_saved_answers_as_the_model_does(small, rows, tmp_path):
    folder = small.save(tmp_path / "small")
    X = rows[0][:, [int(name[1:]) for name in small.columns]]

    got = run_onnx(session(folder / "model.onnx"), X)
    np.testing.assert_allclose(got, small.predict(rows[0]), rtol=1e-6, atol=1e-7)
    assert json.loads((folder / "report.json").read_text())["met"]
    assert (folder / "model.onnx").stat().st_size == small.report["compressed"]["bytes"]


def test_of_a_parquet_file_only_the_columns_that_are_read_are_loaded(small, rows, tmp_path, monkeypatch):
    pd.DataFrame(rows[0], columns=[f"x{i}" for i in range(10)]).to_parquet(tmp_path / "rows.parquet")
    asked = []
    read = pd.read_parquet
    monkeypatch.setattr(
        pd, "read_parquet", lambda path, columns: asked.extend(columns) or read(path, columns=columns)
    )

    np.testing.assert_array_equal(small.predict(tmp_path / "rows.parquet"), small.predict(rows[0]))
    assert asked == list(small.columns)


def test_rows_of_a_csv_file_are_answered_too(small, rows, tmp_path):
    frame = pd.DataFrame(rows[0], columns=[f"x{i}" for i in range(10)])
    frame.to_csv(tmp_path / "rows.csv", index=False, float_format="%.9g")
    np.testing.assert_allclose(small.predict(str(tmp_path / "rows.csv")), small.predict(frame), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.parquet", "x3,x7", "predict: .*rows.parquet is not a readable Parquet file"),
        ("rows.txt", "x3,x7", "predict: .*rows.txt ends in none of .csv"),
        ("rows.csv", "", "predict: .*rows.csv is empty"),
        ("rows.csv", ",".join(f"x{i}" for i in range(10)) + "\n" + ",".join("a" * 10), "is not numeric"),
        ("rows.csv", "x3\n1", "predict: column '.*' is missing"),
    ],
)
def test_a_file_that_cannot_be_answered_is_one_line(small, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(EspalierError, match=message):
        small.predict(tmp_path / name)
    with pytest.raises(EspalierError, match="predict: no file"):
        small.predict(tmp_path / "none.csv")


def test_the_network_that_came_in_is_not_changed(network, rows):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    compress_model(network, *rows, Budget(max_metric_drop=0.1), finetune=QUICK)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


class Standardised(nn.Module):
    """Scales its input in place, as code that saves memory does."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2))

    def forward(self, x):
        x -= 0.5
        x /= 2.0
        return self.layers(x)


def test_a_network_that_writes_into_its_input_leaves_the_rows_of_the_search_alone(rows):
    X, y = rows
    torch.manual_seed(0)
    network = Standardised()
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimiser.zero_grad()
        answers = network(torch.from_numpy(X.copy()))
        nn.functional.cross_entropy(answers, torch.from_numpy((y == "yes").astype(np.int64))).backward()
        optimiser.step()
    small = compress_model(
        network, X, y, Budget(max_metric_drop=0.02), valid=(X[:200], y[:200]), finetune=QUICK
    )

    right = np.where(small.predict(X[:200])[:, 1] > 0.5, "yes", "no") == y[:200]
    assert small.met
    assert small.report["compressed"]["metric"] == pytest.approx(right.mean(), abs=0.011)


def test_the_same_seed_gives_the_same_model(network, rows):
    first, second = (
        compress_model(network, *rows, Budget(max_metric_drop=0.1), finetune=QUICK, seed=3) for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict(rows[0]), second.predict(rows[0]))


def test_a_frame_keeps_its_names_and_may_miss_cells(network, rows):
    frame = pd.DataFrame(rows[0], columns=list("abcdefghij"))
    frame.loc[::9, "a"] = np.nan
    found = compress_model(network, frame, rows[1], Budget(max_metric_drop=0.1), finetune=QUICK)
    assert set(found.columns) <= set("abcdefghij")
    assert not np.isnan(found.predict(frame)).any()
    with pytest.raises(EspalierError, match="column 'd' is missing"):
        found.predict(frame.drop(columns="d"))


def test_a_regression_is_told_by_its_one_output(rows):
    X = rows[0]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
    found = compress_model(network, X, 3 * X[:, 0], Budget(max_metric_drop=0.5), finetune=QUICK)
    assert found.predict(X).shape == (500,)


@pytest.mark.parametrize(
    ("y", "task", "said"),
    [
        (lambda X: np.arange(500) % 10, "auto", ["y has 10 values, all whole", "worse than the mean of y"]),
        (lambda X: np.arange(500) % 10, "regression", ["worse than the mean of y"]),
        (lambda X: X[:, 0], "auto", []),
    ],
)
def test_what_speaks_against_a_regression_is_noted(rows, y, task, said):
    network = nn.Linear(10, 1)
    with torch.no_grad():
        network.weight.copy_(torch.eye(10)[:1])
        network.bias.zero_()
    budget = Budget(max_metric_drop=0.9, max_seconds=1)
    found = compress_model(network, rows[0], y(rows[0]), budget, task=task, finetune=FinetuneConfig(epochs=1))
    notes = [note for note in found.report["notes"] if "values, all whole" in note or "the mean of y" in note]
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


def test_a_grid_keeps_its_convolutions(rows):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    X = rows[0].reshape(500, 1, 10)
    found = compress_model(network, X, rows[1], Budget(max_metric_drop=0.2), finetune=QUICK)
    assert found.predict(X).shape == (500, 2)


def test_a_network_that_lets_no_column_go_keeps_all_and_loses_units(rows):
    torch.manual_seed(0)
    network = fitted(nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 2)), *rows)
    found = compress_model(network, *rows, Budget(max_metric_drop=0.05), finetune=QUICK)

    assert found.met
    assert found.columns == tuple(f"x{i}" for i in range(10))
    assert found.report["compressed"]["macs"] < found.report["reference"]["macs"] / 2
    assert any("every column is kept" in note for note in found.report["notes"])
    assert {probe["columns"] for probe in found.report["candidates"]} == {10}


class Persistent(nn.Module):
    """Adds to what columns say the first of them as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(10, 16), nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(x).relu()) + x[:, :1]
        return out


def test_a_column_that_is_read_in_its_place_stays_and_others_go(rows):
    torch.manual_seed(0)
    X, network = rows[0], Persistent()
    nn.init.zeros_(network.last.weight)
    found = compress_model(
        network, X, X[:, 0], Budget(max_metric_drop=0.05, max_seconds=20), finetune=FinetuneConfig(epochs=2)
    )
    assert found.columns[0] == "x0"
    assert len(found.columns) < 10
    assert any("column x0 is kept in every candidate" in note for note in found.report["notes"])


def test_a_hook_is_part_of_the_network_and_of_the_file(rows):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 2))
    network[2].register_forward_hook(lambda _, given, out: out * torch.tensor([1.0, -3.0]))
    fitted(network, *rows)
    budget = Budget(max_metric_drop=0.02, max_seconds=1)  # torch.onnx takes its time with each candidate
    found = compress_model(network, *rows, budget, finetune=QUICK)
    with torch.no_grad():
        columns = [int(name[1:]) for name in found.columns]
        wanted = found.graph.predict(torch.from_numpy(rows[0][:, columns])).numpy()
    np.testing.assert_allclose(found.predict(rows[0]), wanted, atol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, :9], y), "does not take rows of shape"),
        (lambda X, y: (X, y[:-1]), "y has 499 values for 500 rows"),
        (lambda X, y: (X, np.arange(500) % 3), "3 classes and the network 2 outputs"),
        (lambda X, y: (np.full_like(X, np.inf), y), "infinite cells"),
        (lambda X, y: (X[:0], y[:0]), "needed: rows"),
        (lambda X, y: (pd.DataFrame(X).astype({3: str}), y), "column '3' is not numeric"),
        (lambda X, y: (X[:2], np.array(["no", "yes"])), "too few to hold some back"),
        (lambda X, y: (pd.DataFrame(X, columns=list("abcdefghia")), y), "two columns are called 'a'"),
        (lambda X, y: (X, np.stack([y, y], axis=1)), r"y has shape \(500, 2\)"),
        (
            lambda X, y: (X, pd.Series(y).mask(X[:, 0] > 2.5)),
            "y lacks [0-9]+ of 500 values, the first in row",
        ),
        (lambda X, y: (X, pd.Series([1, "a"] * 250, dtype=object)), "y mixes kinds of labels"),
        (lambda X, y: ([*X.tolist()[:-1], [1.0]], y), "X is no array of numbers"),
        (lambda X, y: (X.astype(str), y), "X is no array of numbers but of <U"),
        (lambda X, y: ({"a": [1]}, y), "X is no array of numbers"),
    ],
)
def test_what_does_not_fit_is_one_line(network, rows, change, message):
    with pytest.raises(EspalierError, match=message):
        compress_model(network, *change(*rows), finetune=QUICK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.where(y == "no", "maybe", y)), "label 'maybe' does not occur in y, .* no, yes"),
        (lambda X, y: (X[:50], y), "valid: y has 500 values for 50 rows"),
        (lambda X, y: (X[:, :9], y), "valid: column 'x9' of X is missing"),
        (lambda X, y: (np.tile(X, 2), y), r"valid: rows have shape \[20\], those of X \[10\]"),
        (lambda X, y: (X[:0], y[:0]), "valid: X has shape"),
        (lambda X, y: (X, np.full(500, None)), "valid: y lacks 500 of 500 values"),
    ],
)
def test_validation_rows_that_do_not_fit_are_one_line(network, rows, change, message):
    with pytest.raises(EspalierError, match=message):
        compress_model(network, *rows, valid=change(*rows), finetune=QUICK)


def test_validation_rows_without_targets_are_one_line(network, rows):
    with pytest.raises(EspalierError, match=r"valid: got ndarray; give .* valid=\(X, y\)"):
        compress_model(network, *rows, valid=rows[0], finetune=QUICK)


def test_lists_and_a_budget_by_keys_are_what_arrays_and_a_budget_are(network, rows):
    X, y = rows[0][:100], rows[1][:100]
    limits = {"max_metric_drop": 0.9, "max_seconds": 1}
    lists, arrays = (
        compress_model(network, *given, budget, valid=given, finetune=FinetuneConfig(epochs=1))
        for given, budget in (((X.tolist(), y.tolist()), limits), ((X, y), Budget(**limits)))
    )
    assert lists.report["reference"]["metric"] == arrays.report["reference"]["metric"]
    assert lists.report["budget"] == arrays.report["budget"]
    assert lists.predict(X.tolist()).shape == (100, 2)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"max_byte": 3}, "did you mean 'max_bytes'"),
        ({"max_bytes": "3"}, "must be a whole number"),
        ({"objective": "best"}, "objective best needs max_bytes"),
        (20_000, "budget: got int; give limits by name"),
    ],
)
def test_a_budget_that_is_none_is_refused(network, rows, budget, message):
    with pytest.raises(EspalierError, match=message):
        compress_model(network, *rows, budget, finetune=QUICK)


def test_a_network_of_nan_is_one_line(rows):
    network = nn.Sequential(nn.Linear(10, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.init.constant_(network[0].weight, float("nan"))
    with pytest.raises(EspalierError, match="NaN"):
        compress_model(network, *rows, finetune=QUICK)


def test_a_network_with_its_own_softmax_is_one_line(network, rows):
    with pytest.raises(EspalierError, match="gives probabilities; leave its softmax out"):
        compress_model(nn.Sequential(network, nn.Softmax(1)), *rows)


@pytest.mark.parametrize("labels", [lambda y: y, lambda y: (y == "yes").astype(int)])
@pytest.mark.parametrize("task", ["auto", "classification"])
def test_one_logit_for_two_classes_is_told_what_to_do(rows, labels, task):
    with pytest.raises(EspalierError, match="two logits"):
        compress_model(nn.Linear(10, 1), rows[0], labels(rows[1]), task=task)


def test_words_and_infinite_numbers_are_no_targets_of_a_regression(rows):
    X, y = rows
    with pytest.raises(EspalierError, match="y holds no numbers"):
        compress_model(nn.Linear(10, 1), X, y, task="regression")
    with pytest.raises(EspalierError, match="y holds infinite values"):
        compress_model(nn.Linear(10, 1), X, np.where(y == "yes", np.inf, X[:, 0]))


@pytest.mark.parametrize(("count", "message"), [(200, "all 200 targets are 1.1"), (1, "there is one row")])
def test_validation_targets_without_spread_are_refused(rows, count, message):
    X, y = rows[0], rows[0][:, 0]
    valid = (X[:count], np.full(count, 1.1))
    with pytest.raises(EspalierError, match=f"{message}, so that R2 cannot tell"):
        compress_model(nn.Linear(10, 1), X, y, valid=valid, task="regression")


def test_validation_rows_of_one_class_are_noted(network, rows):
    X, y = rows
    some = y == "yes"
    budget = Budget(max_metric_drop=0.9, max_seconds=1)
    found = compress_model(network, X, y, budget, valid=(X[some], y[some]), finetune=FinetuneConfig(epochs=1))
    assert any("validation rows are all of one class" in note for note in found.report["notes"])


def test_targets_in_a_single_column_are_targets(rows):
    X, wanted = rows[0], 3 * rows[0][:, :1]
    torch.manual_seed(0)
    network, budget = (
        nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1)),
        Budget(max_metric_drop=0.9, max_seconds=1),
    )
    flat, column = (
        compress_model(network, X, y, budget, valid=(X, y), finetune=FinetuneConfig(epochs=1))
        for y in (wanted[:, 0], torch.from_numpy(wanted))
    )
    assert column.report["reference"]["metric"] == flat.report["reference"]["metric"]


def test_a_network_in_float64_is_taken_in_float32(network, rows):
    found = compress_model(
        copy.deepcopy(network).double(), *rows, Budget(max_metric_drop=0.1, max_seconds=1), finetune=QUICK
    )
    assert found.met


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
def test_a_callers_block_without_gradients_changes_nothing(rows, block):
    X, y = rows[0], torch.from_numpy(rows[0][:, 0])
    budget, quick = Budget(max_metric_drop=0.5, max_seconds=2), FinetuneConfig(epochs=2)
    with block():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)).eval()
        found = compress_model(network, torch.from_numpy(X), y, budget, valid=(X, y), finetune=quick)
        assert not torch.is_grad_enabled()
    assert found.report["recovered"] > 0


@pytest.mark.parametrize("made", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(2, 10))])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_scripted_network_is_one_line(network, rows, made):
    with pytest.raises(EspalierError, match="TorchScript, whose layers"):
        compress_model(made(network), *rows)
    with pytest.raises(EspalierError, match="TorchScript, whose layers"):
        compress_model(nn.Sequential(made(network)), *rows)


class Doubled(nn.Sequential):
    """Answers in float64 what it computes in float32."""

    def forward(self, x):
        return super().forward(x).double()


def test_a_network_that_answers_in_float64_is_taken_in_float32(network, rows):
    doubled = Doubled(*copy.deepcopy(network)).eval()
    found = compress_model(doubled, *rows, Budget(max_metric_drop=0.1, max_seconds=1), finetune=QUICK)
    assert found.met
    assert found.predict(rows[0]).dtype == np.float32


class Decided(nn.Linear):
    """Answers with the class alone."""

    def forward(self, x):
        return super().forward(x) > 0


def test_a_network_without_numbers_for_an_answer_is_one_line(rows):
    with pytest.raises(EspalierError, match=r"answers in torch\.bool"):
        compress_model(Decided(10, 2), *rows)


def test_a_task_that_contradicts_the_network_is_one_line(network, rows):
    with pytest.raises(EspalierError, match="task regression needs one output, and the network has 2"):
        compress_model(network, *rows, task="regression")
    with pytest.raises(EspalierError, match="none of auto"):
        compress_model(network, *rows, task="ranking")


class Logarithm(nn.Module):
    """Bears rows whose first column is above a number."""

    def __init__(self, least: float) -> None:
        super().__init__()
        self.least, self.last = least, nn.Linear(10, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x) + torch.log(x[:, :1] - self.least)


def test_a_network_that_does_not_bear_every_row_is_one_line(rows):
    X, y = rows
    least = float(np.sort(X[:, 0])[2])
    with pytest.raises(EspalierError, match="answers 3 of 500 validation rows with NaN"):
        compress_model(Logarithm(least), X[X[:, 0] > least], y[X[:, 0] > least], valid=rows, finetune=QUICK)


class Matrix(nn.Module):
    """Multiplies by a matrix of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.ones(10, 4))
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(x @ self.W))


def test_a_limit_on_multiply_adds_that_cannot_be_counted_is_one_line(rows):
    with pytest.raises(EspalierError, match=r"max_macs: .* of Matrix \(W\) cannot be counted"):
        compress_model(Matrix(), *rows, Budget(max_macs=50), finetune=QUICK)


def test_constant_columns_are_the_first_to_go(rows):
    X = rows[0].copy()
    X[:, 5] = 1.0
    torch.manual_seed(0)
    network = fitted(nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2)), X, rows[1])
    found = compress_model(network, X, rows[1], Budget(max_metric_drop=0.05), finetune=QUICK)
    assert "x5" not in found.columns


ALONE = """
import sys
import torch
from tasks.engine import Budget, compress_model
from tasks.pruning.config import FinetuneConfig

X = torch.randn(60, 4)
y = (X[:, 0] > 0).long()
budget = Budget(max_metric_drop=1.0, max_seconds=1)
small = compress_model(torch.nn.Linear(4, 2), X, y, budget, finetune=FinetuneConfig(epochs=1))
small.save(sys.argv[1])
small.predict(X)
print(sorted({"prefect", "mlflow", "dvc"} & set(sys.modules)))
"""


def test_neither_prefect_nor_mlflow_nor_dvc_is_imported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert {file.name for file in tmp_path.iterdir()} == {"model.onnx", "report.json"}


@pytest.mark.parametrize("dies_at", ["model.onnx", "report.json"])
def test_a_kill_between_files_leaves_no_report_of_another_model(small, tmp_path, monkeypatch, dies_at):
    folder = small.save(tmp_path / "small")
    (folder / "spec.json").write_text("{}")
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == dies_at:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        small.save(folder)
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


def test_a_full_disk_leaves_nothing_half_written(small, tmp_path, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EspalierError, match="No space left"):
        small.save(tmp_path / "small")
    assert not list(tmp_path.rglob("*.onnx*"))


def test_of_a_network_without_hidden_layers_no_units_go(rows):
    torch.manual_seed(0)
    network = fitted(nn.Linear(10, 2), *rows)
    found = compress_model(network, *rows, Budget(max_metric_drop=0.05, max_seconds=5), finetune=QUICK)
    assert len(found.columns) < 10
    assert found.report["units_kept"] == 1.0
