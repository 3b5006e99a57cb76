from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.export.fold import fold
from tasks.export.onnx import check_parity, export_onnx, run_onnx, session, to_model
from tasks.models.graph import Graph
from tasks.models.layers import Unscale


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_the_onnx_model_answers_as_the_eager_graph_does(graph, written, make_rows, mode):
    X = make_rows(graph, 50)
    opened = session(written(mode))
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    assert np.isfinite(wanted).all()
    unit = max(1.0, np.std(wanted)) if graph.task == "regression" else 1.0
    np.testing.assert_allclose(run_onnx(opened, X), wanted, rtol=1e-4, atol=1e-5 * unit)


def test_one_row_and_seven_rows_agree_with_many(graph, written, make_rows):
    X = make_rows(graph, 20)
    opened = session(written())
    together = run_onnx(opened, X)
    for batch in (1, 7):
        np.testing.assert_allclose(run_onnx(opened, X, batch), together, rtol=1e-4, atol=1e-5)


def test_the_file_carries_no_metadata(graph, written):
    model = onnx.load_model_from_string(written())
    assert not model.doc_string
    assert not model.metadata_props
    for node in model.graph.node:
        assert (node.name, node.doc_string, list(node.metadata_props)) == ("", "", [])
    assert not model.graph.value_info


def test_the_output_is_named_for_its_task(make_graph):
    assert to_model(make_graph("mlp")).graph.output[0].name == "probabilities"
    assert to_model(make_graph("mlp regression")).graph.output[0].name == "prediction"


def test_the_number_of_rows_is_free(make_graph):
    dims = to_model(make_graph("cnn2d")).graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == "N"
    assert dims[1].dim_value == 59


def test_a_plain_network_is_imputation_then_one_node_a_layer(make_graph):
    ops = [node.op_type for node in to_model(fold(make_graph("mlp"))).graph.node]
    assert ops == ["Imputer", "Gemm", "Relu", "Gemm", "Relu", "Gemm", "Softmax"]


def test_weights_are_stored_once(make_graph):
    model = to_model(fold(make_graph("mlp")))
    assert sum(np.prod(c.dims) for c in model.graph.initializer) == 5 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3


def test_the_written_file_is_a_valid_model(make_graph, tmp_path):
    onnx.checker.check_model(onnx.load(export_onnx(make_graph("cnn1d"), tmp_path / "a" / "model.onnx")))


def test_parity_fails_loudly_when_the_model_is_another(make_graph, make_rows):
    right, wrong = make_graph("mlp"), make_graph("mlp")
    with torch.no_grad():
        wrong.network.body[0].weight.add_(0.5)
    model = to_model(wrong).SerializeToString()
    with pytest.raises(EspalierError, match=r"differs from the network by up to .*set export\.fold: never"):
        check_parity(right, model, make_rows(right, 30))


def test_parity_is_the_largest_difference(make_graph, make_rows):
    graph = make_graph("mlp")
    assert 0 <= check_parity(graph, to_model(graph).SerializeToString(), make_rows(graph, 30)) < 1e-5


def test_a_model_that_cannot_be_written_says_so_and_leaves_nothing_behind(make_graph, tmp_path):
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(EspalierError, match="could not be written"):
        export_onnx(make_graph("mlp"), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def _regression(weight: float, bias: float) -> Graph:
    linear = nn.Linear(3, 1)
    nn.init.constant_(linear.weight, weight)
    nn.init.constant_(linear.bias, bias)
    return Graph("abc", *(nn.Identity(), nn.Identity(), linear, Unscale()), "regression").eval()


@pytest.mark.parametrize(("unit", "mean"), [(1e-8, 0.0), (1e-8, 1e-5), (1.0, 1e3), (1e6, 0.0)])
def test_predictions_may_differ_by_little_of_their_spread_in_any_unit(unit, mean):
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    graph, model = _regression(unit, mean), to_model(_regression(1.05 * unit, mean)).SerializeToString()
    check_parity(graph, to_model(graph).SerializeToString(), X)
    with pytest.raises(EspalierError, match="differs from the network"):
        check_parity(graph, model, X)


@pytest.mark.parametrize("constant", [0.0, 1e-8, 1e6])
def test_constant_predictions_may_differ_by_what_float32_rounds(constant):
    X = np.ones((5, 3), np.float32)
    graph = _regression(0.0, constant)
    check_parity(graph, to_model(_regression(0.0, constant * (1 + 1e-6))).SerializeToString(), X)
    with pytest.raises(EspalierError, match="differs from the network"):
        check_parity(graph, to_model(_regression(0.0, constant * 1.01 + 1e-9)).SerializeToString(), X)


def test_answers_that_both_lack_count_as_no_difference(make_graph, make_rows):
    graph = make_graph("mlp")
    graph.preprocess = torch.nn.Identity()  # nothing fills the cells that the check takes away
    found = check_parity(graph, to_model(graph).SerializeToString(), make_rows(graph, 30))
    assert 0 <= found < 1e-5


@pytest.mark.parametrize("cell", [1e20, -1e20, 1e-40, -0.0], ids=str)
def test_extreme_cells_are_answered_alike(graph, written, make_rows, cell):
    X = make_rows(graph, 12)
    X[::2, 0] = cell
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    unit = max(1.0, np.nanstd(wanted[1::2])) if graph.task == "regression" else 1.0
    got = run_onnx(session(written()), X)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * unit)


def test_no_rows_give_no_answers_of_the_right_shape(graph, written):
    X = np.empty((0, len(graph.columns)), np.float32)
    got = run_onnx(session(written()), X)
    with torch.no_grad():
        assert got.shape == tuple(graph.predict(torch.from_numpy(X)).shape)


SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import conftest
from tasks.export.fold import fold
from tasks.export.onnx import export_onnx
for kind in ("mlp mixed columns", "cnn2d", "user odd"):
    export_onnx(fold(conftest._make(kind)), Path(sys.argv[2]) / f"{kind}.onnx")
"""


def test_two_processes_write_the_same_bytes(make_graph, tmp_path):
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)],
        check=True,
        capture_output=True,
    )
    for kind in ("mlp mixed columns", "cnn2d", "user odd"):
        here = export_onnx(fold(make_graph(kind)), tmp_path / "here" / f"{kind}.onnx")
        assert (tmp_path / here.name).read_bytes() == here.read_bytes()
