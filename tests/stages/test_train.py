import json
import logging
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from sklearn.datasets import load_digits

from tasks.artifacts import (
    Layout,
    load_cleaner,
    load_graph,
    load_rows,
    save_cleaner,
    save_reduction,
    save_rows,
)
from tasks.data.cleaner import Cleaner
from tasks.data.plan import NumericPlan
from tasks.data.rows import Rows
from tasks.data.target import TargetPlan
from tasks.errors import EspalierError
from tasks.reduction.reduction import Reduction
from tasks.stages.train import run
from tasks.training.scoring import score
from tasks.training.tensors import split_tensors

MINE = """
import torch
def build(input_shape, outputs):
    first, last = torch.nn.Linear(64, 16), torch.nn.Linear(16, outputs)
    return torch.nn.Sequential(torch.nn.Flatten(), first, torch.nn.ReLU(), last)
"""


def digits_plan() -> NumericPlan:
    names = tuple(f"p{i:02d}" for i in range(64))
    bound = np.full(64, np.inf, np.float32)
    zeros, ones = np.zeros(64, np.float32), np.ones(64, np.float32)
    return NumericPlan(
        names, (0,) * 64, zeros, -bound, bound, (), 5 * ones, 6 * ones, tuple(range(64)), (1, 8, 8)
    )


def write_params(root: Path, **sections: object) -> None:
    train = {"epochs": 3, "threads": 1, "device": "cpu", **sections.pop("train", {})}
    model = sections.pop("model", {"method": "mlp", "hidden": [16]})
    with (root / "params.yaml").open("w") as file:
        YAML().dump({"model": model, "train": train, **sections}, file)


def prepare(root: Path, target: TargetPlan, y: np.ndarray, **sections: object) -> Layout:
    """Write a workspace as stage clean leaves it, 400 digits to learn from and 100 to judge on."""
    write_params(root, **sections)
    layout, plan = Layout(root), digits_plan()
    X = load_digits(return_X_y=True)[0].astype(np.float32)
    columns = [{"source": name, "kind": "number", "outputs": [name]} for name in plan.names]
    save_cleaner(layout.cleaner, Cleaner({"version": 1, "columns": columns}, plan, target))
    for part, cut in {"train": slice(400), "valid": slice(400, 500)}.items():
        save_rows(layout.rows(part), Rows(X[cut], y[cut], np.arange(500)[cut]))
    return layout


def prepare_digits(root: Path, **sections: object) -> Layout:
    target = TargetPlan("classification", "y", tuple("0123456789"), "int")
    return prepare(root, target, load_digits(return_X_y=True)[1].astype(np.int64), **sections)


def report(layout: Layout, stage: str) -> dict:
    return json.loads(layout.report(stage).read_text())


def outputs(layout: Layout, stage: str, model: str) -> dict[str, bytes]:
    files = [*layout.model(model).iterdir(), layout.report(stage), layout.plot(stage)]
    return {file.name: file.read_bytes() for file in files}


def test_the_reference_learns_and_reports_what_its_saved_graph_does(tmp_path):
    layout = prepare_digits(tmp_path, train={"epochs": 15, "batch": 32})
    run(tmp_path, "reference")
    facts, graph = report(layout, "reference"), load_graph(layout.model("reference"))
    target = load_cleaner(layout.cleaner).target
    valid = split_tensors(graph, target, None, load_rows(layout.rows("valid")))
    assert facts["valid_metric"] == score(graph.network, valid, "classification") > 0.7
    assert facts["valid_metric"] == facts["history"][facts["best_epoch"] - 1]["valid_metric"]
    assert (facts["epochs"], facts["rows"], facts["features"], facts["input_shape"]) == (15, 400, 64, [64])
    assert facts["parameters"] == 64 * 16 + 16 + 16 * 10 + 10


def test_plot_data_has_one_line_an_epoch(tmp_path):
    layout = prepare_digits(tmp_path)
    run(tmp_path, "reference")
    lines = layout.plot("reference").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,valid_loss,valid_metric,lr"
    assert len(lines) == 4


def test_running_again_writes_the_same_bytes(tmp_path):
    layout = prepare_digits(tmp_path, model={"method": "mlp", "hidden": [16], "dropout": 0.2})
    run(tmp_path, "reference")
    before = outputs(layout, "reference", "reference")
    torch.rand(5)
    run(tmp_path, "reference")
    assert outputs(layout, "reference", "reference") == before


def test_streaming_from_the_file_writes_the_model_of_memory(tmp_path):
    layout = prepare_digits(tmp_path)
    run(tmp_path, "reference")
    before = (layout.model("reference") / "weights.safetensors").read_bytes()
    write_params(tmp_path, train={"loader": "stream"})
    run(tmp_path, "reference")
    assert (layout.model("reference") / "weights.safetensors").read_bytes() == before


def test_threads_are_restored_and_the_checkpoint_is_gone(tmp_path):
    layout, threads = prepare_digits(tmp_path, train={"threads": 2}), torch.get_num_threads()
    run(tmp_path, "reference")
    assert torch.get_num_threads() == threads
    assert not [file for file in layout.state.rglob("*") if file.is_file() and file.parent.name != "timings"]


@pytest.mark.parametrize("rows", [None, np.arange(0, 400, 2)])
def test_the_reduced_network_reads_the_kept_columns_and_rows(tmp_path, rows):
    layout = prepare_digits(tmp_path)
    kept = tuple(range(10, 40))
    save_reduction(layout.reduction, Reduction("weight_norm", (30,), kept=kept, rows=rows, row_factor=0.5))
    run(tmp_path, "train")
    facts, graph = report(layout, "train"), load_graph(layout.model("reduced"))
    assert graph.columns == digits_plan().names[10:40]
    assert (facts["features"], facts["input_shape"]) == (30, [30])
    assert facts["rows"] == (400 if rows is None else 200)


def test_a_fresh_share_of_rows_each_epoch_is_reported(tmp_path):
    layout = prepare_digits(tmp_path)
    save_reduction(layout.reduction, Reduction("none", (64,), row_factor=0.25, per_round="resampled"))
    run(tmp_path, "train")
    assert report(layout, "train")["rows"] == 100


@pytest.mark.parametrize("grid", [None, {"kind": "pool", "kernel": [2, 2]}])
def test_convolutions_train_on_the_grid(tmp_path, grid):
    layout = prepare_digits(
        tmp_path, model={"method": "cnn2d", "channels": [4]}, reduce={"columns": {"method": "none"}}
    )
    shape = (1, 8, 8) if grid is None else (1, 4, 4)
    save_reduction(layout.reduction, Reduction("pool", shape, grid=grid))
    run(tmp_path, "train")
    assert report(layout, "train")["input_shape"] == list(shape)


def test_regression_is_learned_on_a_standard_scale_and_saved_in_its_unit(tmp_path):
    y = load_digits(return_X_y=True)[0][:, 20:40].sum(axis=1) + 1000
    target = TargetPlan("regression", "y", None, "float", mean=float(y.mean()), std=float(y.std()))
    layout = prepare(tmp_path, target, y, train={"epochs": 20})
    run(tmp_path, "reference")
    facts, graph = report(layout, "reference"), load_graph(layout.model("reference"))
    assert facts["metric"] == "r2"
    assert facts["valid_metric"] > 0.7
    predicted = graph.predict(torch.from_numpy(load_rows(layout.rows("valid")).X))
    assert predicted.shape == (100,)
    assert abs(float(predicted.detach().mean()) - y.mean()) < y.std()


def test_a_trained_network_is_taken_as_the_reference(tmp_path):
    layout = prepare_digits(tmp_path)
    run(tmp_path, "reference")
    network = load_graph(layout.model("reference")).network
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    write_params(tmp_path, reference={"weights": "mine.pth"})
    run(tmp_path, "reference")
    facts, loaded = report(layout, "reference"), load_graph(layout.model("reference")).network
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), loaded.parameters(), strict=True))
    assert (facts["epochs"], facts["history"], facts["weights"]) == (0, [], "mine.pth")
    assert layout.plot("reference").read_text() == "epoch,train_loss,valid_loss,valid_metric,lr\n"


def test_weights_that_do_not_fit_leave_nothing_behind(tmp_path):
    layout = prepare_digits(tmp_path, reference={"weights": "mine.pth"})
    torch.save({"0.weight": torch.zeros(3, 3)}, tmp_path / "mine.pth")
    with pytest.raises(EspalierError, match=r"reference\.weights: .*does not fit the network"):
        run(tmp_path, "reference")
    assert not layout.model("reference").exists()


def write_dvc(root: Path, *deps: str) -> None:
    with (root / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": {"reference": {"cmd": "x", "deps": list(deps)}}}, file)


@pytest.fixture
def with_own_network(tmp_path):
    layout = prepare_digits(tmp_path, model={"method": "user", "builder": "nets.mine:build"})
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.py").write_text(MINE)
    return layout


def test_a_users_network_trains_on_the_grid_and_comes_back(with_own_network, tmp_path):
    write_dvc(tmp_path, "nets")
    run(tmp_path, "reference")
    assert report(with_own_network, "reference")["input_shape"] == [1, 8, 8]
    assert load_graph(with_own_network.model("reference"), tmp_path).network.body[1].out_features == 16


@contextmanager
def stopping(stage, epochs, task):
    def shown(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    yield shown


def test_an_interrupted_training_does_not_go_on_with_edited_code(with_own_network, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("tasks.stages.train.progress", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, "reference")
    (tmp_path / "nets" / "mine.py").write_text(MINE.replace("ReLU", "Tanh"))
    run(tmp_path, "reference")
    after_the_edit = outputs(with_own_network, "reference", "reference")
    run(tmp_path, "reference")
    assert after_the_edit == outputs(with_own_network, "reference", "reference")


def test_an_undeclared_network_is_refused_before_anything_is_read(with_own_network, tmp_path):
    write_dvc(tmp_path, "data/clean/train.npz")
    with pytest.raises(EspalierError, match="add '- nets' under deps"):
        run(tmp_path, "reference")


def test_undeclared_weights_are_refused(tmp_path):
    prepare_digits(tmp_path, reference={"weights": "mine.pth"})
    write_dvc(tmp_path, "nets")
    with pytest.raises(EspalierError, match=r"reference\.weights is in mine\.pth.*add '- mine\.pth'"):
        run(tmp_path, "reference")


def test_epochs_are_logged_without_escape_codes(tmp_path, caplog):
    caplog.set_level(logging.INFO, "espalier")
    prepare_digits(tmp_path)
    run(tmp_path, "reference")
    assert caplog.messages[-1].startswith("validation accuracy 0.")
    assert not any("\x1b" in message for message in caplog.messages)
