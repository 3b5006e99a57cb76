"""Stage reduce on digits, behind the real stages before it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from tasks.artifacts import Layout, load_cleaner, load_graph, load_reduction, load_rows, read_csv, read_json
from tasks.errors import EspalierError
from tasks.stages import clean, fetch, reduce, train

PARAMS: dict[str, Any] = {
    "source": {"uri": "package:digits"},
    "model": {"method": "mlp", "hidden": [24]},
    "train": {"epochs": 4, "threads": 1, "device": "cpu"},
}


def write_params(root: Path, **sections: object) -> None:
    YAML().dump({**PARAMS, **sections}, root / "params.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_params(root)
    fetch.run(root)
    clean.run(root)
    train.run(root, "reference")
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "workspace"))


def reduced(root: Path, columns: dict[str, object], rows: dict[str, object] | None = None) -> dict[str, Any]:
    """Run the stage; its report."""
    write_params(root, reduce={"columns": columns, "rows": rows or {"method": "none"}})
    reduce.run(root)
    return read_json(Layout(root).report("reduce"))


def outputs(root: Path) -> dict[str, bytes]:
    layout = Layout(root)
    plot = layout.plot("reduce")
    paths = [*layout.reduction.iterdir(), layout.report("reduce"), plot, plot.with_suffix(".png")]
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    "columns",
    [
        {"method": "weight_norm", "components": 20},
        {"method": "pca", "components": "auto"},
        {"method": "random_projection", "components": 8},
        {"method": "dct", "keep": 4},
        {"method": "autoencoder", "components": 6, "hidden": [16], "epochs": 3},
        {"method": "auto", "methods": ["weight_norm", "interpolative", "pls"], "components": 6},
    ],
    ids=lambda columns: str(columns["method"]),
)
def test_two_runs_write_the_same_bytes(root: Path, columns: dict[str, object]) -> None:
    rows: dict[str, object] = {"method": "k_center", "factor": 0.1}
    reduced(root, columns, rows)
    first = outputs(root)
    reduced(root, columns, rows)
    assert outputs(root) == first


def test_weight_norm_keeps_columns_by_name(root: Path) -> None:
    columns = reduced(root, {"method": "weight_norm", "components": 20})["columns"]
    reduction = load_reduction(Layout(root).reduction)
    assert len(columns["kept"]) == columns["after"] == 20
    assert reduction.kept is not None
    assert list(reduction.kept) == sorted(reduction.kept)
    assert reduction.projection is None


def test_the_report_and_the_plot_speak_of_the_same_columns(root: Path) -> None:
    columns = reduced(root, {"method": "weight_norm", "components": 20})["columns"]
    ranking = read_csv(Layout(root).plot("reduce"))
    assert set(ranking.loc[ranking["kept"] == 1, "name"]) == set(columns["kept"])


def test_every_trial_of_auto_is_reported(root: Path) -> None:
    columns = reduced(root, {"method": "weight_norm", "components": "auto"})["columns"]
    assert columns["components"] in [trial["components"] for trial in columns["trials"]]
    best = max(trial["score"] for trial in columns["trials"])
    chosen = next(t["score"] for t in columns["trials"] if t["components"] == columns["components"])
    assert chosen >= best - 0.005


def test_auto_tells_which_method_won_and_by_how_much(root: Path) -> None:
    auto = {"method": "auto", "methods": ["pca", "lda", "weight_norm"], "components": 12}
    columns = reduced(root, auto)["columns"]
    scores = sorted(trial["score"] for trial in columns["trials"] if trial["score"] is not None)
    assert [trial["method"] for trial in columns["trials"]] == ["pca", "lda", "weight_norm"]
    assert columns["ahead"] == pytest.approx(scores[-1] - scores[-2], abs=1e-8)
    assert "at most 9 components" in columns["trials"][1]["refused"]


def test_a_network_trains_behind_an_encoder_and_is_saved_with_it(root: Path) -> None:
    reduced(root, {"method": "autoencoder", "components": 6, "hidden": [16], "epochs": 3})
    train.run(root, "train")
    layout = Layout(root)
    graph, reduction = load_graph(layout.model("reduced")), load_reduction(layout.reduction)
    rows, plan = load_rows(layout.rows("valid")), load_cleaner(layout.cleaner).plan
    codes = reduction.transform(plan.transform(rows.X), plan)
    np.testing.assert_allclose(graph.features(torch.from_numpy(rows.X)).numpy(), codes, atol=1e-4)


def test_rows_of_k_center_stand_among_the_training_rows(root: Path) -> None:
    rows = reduced(root, {"method": "none"}, {"method": "k_center", "factor": 0.25})["rows"]
    chosen = load_reduction(Layout(root).reduction).rows
    n = len(load_rows(Layout(root).rows("train")))
    assert chosen is not None
    assert (rows["before"], rows["after"]) == (n, len(chosen))
    assert np.all((chosen >= 0) & (chosen < n))


@pytest.mark.parametrize("answers", ["final", "early"])
def test_difficulty_is_the_references(root: Path, answers: str) -> None:
    rows = {"method": "el2n", "factor": 0.2, "answers": answers, "epochs": 1, "networks": 2}
    first = reduced(root, {"method": "pca", "components": 4}, rows)
    hard = load_reduction(Layout(root).reduction).rows
    assert hard is not None
    assert first["rows"]["after"] == len(hard)
    graph, train_rows = load_graph(Layout(root).model("reference")), load_rows(Layout(root).rows("train"))
    right = graph(torch.from_numpy(train_rows.X)).argmax(dim=1).numpy() == train_rows.y
    assert right[hard].mean() < right.mean()


def test_the_small_network_trains_on_what_the_stage_left(root: Path) -> None:
    resampled: dict[str, object] = {"method": "random", "factor": 0.5, "per_round": "resampled"}
    reduced(root, {"method": "pool", "kernel": 2}, resampled)
    train.run(root, "train")
    report = read_json(Layout(root).report("train"))
    assert report["input_shape"] == [1, 4, 4]
    assert report["rows"] == read_json(Layout(root).report("reduce"))["rows"]["after"]


def test_test_rows_are_not_read(root: Path) -> None:
    Layout(root).rows("test").unlink()
    reduced(root, {"method": "weight_norm", "components": "auto"})


def test_too_many_components_fail_in_one_line_and_write_nothing(root: Path) -> None:
    with pytest.raises(EspalierError, match=r"^reduce\.columns\.components: .*\(got 4000\)") as caught:
        reduced(root, {"method": "weight_norm", "components": 4000})
    assert "\n" not in str(caught.value)
    assert not Layout(root).reduction.exists()


def test_random_rows_are_trained_beside_chosen_ones_and_cost_no_model_anything(root: Path) -> None:
    reduced(root, {"method": "none"}, {"method": "k_center", "factor": 0.1})
    train.run(root, "train")
    layout = Layout(root)
    report, took = read_json(layout.report("train")), read_json(layout.timing("rows"))
    assert len(report["random"]["history"]) == len(report["history"]) == 4
    assert report["random"]["history"] != report["history"]
    assert set(took) == {"chosen", "random"}
    assert read_json(layout.timing("train"))["seconds"] > 0


def test_the_comparison_is_the_same_each_time(root: Path) -> None:
    reduced(root, {"method": "pca", "components": 4}, {"method": "k_medoids", "factor": 0.2})
    train.run(root, "train")
    first = Layout(root).report("train").read_bytes()
    train.run(root, "train")
    assert Layout(root).report("train").read_bytes() == first


@pytest.mark.parametrize(
    "rows",
    [
        {"method": "none"},
        {"method": "random", "factor": 0.2},
        {"method": "k_center", "factor": 0.2, "compare": False},
    ],
    ids=lambda rows: str(rows["method"]),
)
def test_nothing_is_trained_beside_random_or_all_rows_or_when_told_not_to(
    root: Path, rows: dict[str, object]
) -> None:
    reduced(root, {"method": "none"}, rows)
    train.run(root, "train")
    assert read_json(Layout(root).report("train"))["random"] is None
    assert not Layout(root).timing("rows").exists()


@pytest.mark.parametrize(
    "columns",
    [
        {"method": "pca", "components": 8},
        {"method": "autoencoder", "components": 8, "hidden": [16], "epochs": 3},
    ],
    ids=lambda columns: str(columns["method"]),
)
def test_an_unfrozen_projection_trains_with_the_network_and_stays_a_layer(
    root: Path, columns: dict[str, object]
) -> None:
    write_params(root, reduce={"columns": columns, "unfreeze": True})
    reduce.run(root)
    train.run(root, "train")
    layout = Layout(root)
    report, graph = read_json(layout.report("train")), load_graph(layout.model("reduced"))
    fit = load_reduction(layout.reduction)
    W = (fit.projection or (fit.encoder or ())[0])[0]
    trained = next(graph.reducer.buffers()).numpy()
    assert trained.shape == W.shape
    assert not np.array_equal(trained, W)
    assert report["input_shape"] == [8]
    assert report["projection_moved"] > 0
    valid = load_rows(layout.rows("valid"))
    right = graph(torch.from_numpy(valid.X)).argmax(dim=1).numpy() == valid.y
    assert right.mean() == pytest.approx(report["valid_metric"])


def test_a_projection_stays_fixed_by_default(root: Path) -> None:
    reduced(root, {"method": "pca", "components": 8})
    train.run(root, "train")
    layout = Layout(root)
    W, trained = (
        load_reduction(layout.reduction).arrays()["W"],
        next(load_graph(layout.model("reduced")).reducer.buffers()),
    )
    np.testing.assert_array_equal(trained.numpy(), W)
    assert read_json(layout.report("train"))["projection_moved"] is None
