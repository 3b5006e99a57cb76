from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.errors import EspalierError
from tasks.export.choose import agreement
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, session, to_model
from tasks.export.quantise import (
    QUANTISERS,
    calibration_rows,
    dynamic_int8,
    static_int8,
    weight_int8,
)

METHODS = tuple(QUANTISERS)


def _bytes(model):
    return model.SerializeToString(deterministic=True)


def _answers(model, X):
    return run_onnx(session(_bytes(model)), X)


def _linear(weight, relu=False):
    """rows @ weight, and max(0, .) of it where asked."""
    nodes = [helper.make_node("Gemm", ["rows", "w", "b"], ["z" if relu else "answer"])]
    if relu:
        nodes.append(helper.make_node("Relu", ["z"], ["answer"]))
    p, h = weight.shape
    constants = [
        numpy_helper.from_array(weight.astype(np.float32), "w"),
        numpy_helper.from_array(np.zeros(h, np.float32), "b"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
        for name, width in (("rows", p), ("answer", h))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("method", METHODS)
def test_every_family_can_be_quantised_and_loses_little(graph, written, make_rows, method):
    X = make_rows(graph, 120)
    model = onnx.load_model_from_string(written("auto"))
    int8 = QUANTISERS[method](model, X, True)
    onnx.checker.check_model(int8)
    explained = agreement(_answers(model, X).ravel(), _answers(int8, X).ravel())
    assert explained > (0.998 if method == "weights" else 0.8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["mlp mixed columns", "cnn2d", "resmlp projected"])
def test_equal_models_give_equal_bytes(make_graph, make_rows, kind, method):
    graph = make_graph(kind)
    X, model = make_rows(graph, 60), to_model(fold(graph))
    before = _bytes(model)
    assert _bytes(QUANTISERS[method](model, X, True)) == _bytes(QUANTISERS[method](model, X, True))
    assert _bytes(model) == before


@pytest.mark.parametrize("method", METHODS)
def test_names_and_metadata_are_stripped(make_graph, make_rows, method):
    graph = make_graph("cnn2d")
    int8 = QUANTISERS[method](to_model(fold(graph)), make_rows(graph, 60), True)
    assert not int8.metadata_props
    assert not int8.graph.value_info
    assert all(not node.name for node in int8.graph.node)
    assert int8.producer_name == "espalier"


@pytest.mark.parametrize("method", METHODS)
def test_no_file_and_no_log_level_is_left_behind(make_graph, make_rows, method, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger().level
    graph = make_graph("mlp")
    QUANTISERS[method](to_model(fold(graph)), make_rows(graph, 60), True)
    assert list(Path(tmp_path).iterdir()) == []
    assert logging.getLogger().level == level


def test_rounded_weights_are_within_half_a_step():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(40, 30)) * rng.uniform(0.1, 10, 30)
    X = np.eye(40, dtype=np.float32)
    back = _answers(weight_int8(_linear(weight), X[:0]), X)
    step = np.abs(weight).max(axis=0) / 127
    assert (np.abs(back - weight) <= 0.5001 * step).all()


def test_one_scale_a_unit_rounds_finer_than_one_a_layer():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(40, 30)) * 10.0 ** rng.uniform(-2, 2, 30)
    X = np.eye(40, dtype=np.float32)
    fine, coarse = (_answers(weight_int8(_linear(weight), X[:0], each), X) for each in (True, False))
    small = np.abs(weight).max(axis=0) < 1
    assert np.abs(fine - weight)[:, small].max() < 0.1 * np.abs(coarse - weight)[:, small].max()


def test_zeros_stay_zeros_and_a_unit_of_zeros_is_no_division_by_zero():
    weight = np.random.default_rng(0).normal(size=(40, 30))
    weight[::2] = 0
    weight[:, 3] = 0
    model = weight_int8(_linear(weight), np.empty((0, 40), np.float32))
    held = next(t for t in model.graph.initializer if t.data_type == TensorProto.INT8)
    np.testing.assert_array_equal(numpy_helper.to_array(held)[weight == 0], 0)
    assert np.isfinite(_answers(model, np.eye(40, dtype=np.float32))).all()


def test_weights_too_few_to_pay_stay_float32():
    model = _linear(np.ones((3, 2)))
    assert weight_int8(model, np.empty((0, 3), np.float32)) is model


def test_a_wide_model_shrinks_by_nearly_four():
    model = _linear(np.random.default_rng(0).normal(size=(200, 100)))
    X = np.random.default_rng(1).normal(size=(50, 200)).astype(np.float32)
    for method in METHODS:
        assert len(_bytes(model)) / len(_bytes(QUANTISERS[method](model, X, False))) > 3.7


def test_the_last_product_is_not_rounded(make_graph, make_rows):
    """256 levels would be too few for a regression."""
    graph = make_graph("mlp regression")
    X = make_rows(graph, 300)
    answers = _answers(static_int8(to_model(fold(graph)), X), X)
    assert len(np.unique(answers)) > 256


def test_a_relu_at_the_end_is_kept():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 20)).astype(np.float32)
    model = _linear(rng.normal(size=(20, 10)), relu=True)
    answers = _answers(static_int8(model, X), X)
    assert answers.min() == 0
    np.testing.assert_allclose(answers, _answers(model, X), atol=0.3)


def test_a_relu_beside_another_reader_cuts_only_its_own_branch():
    """y = relu(z) - z is max(0, -z): it is lost when z is cut as well."""
    rng = np.random.default_rng(0)
    weight, X = rng.normal(size=(20, 10)), rng.normal(size=(64, 20)).astype(np.float32)
    model = _linear(weight, relu=True)
    model.graph.node[1].output[0] = "cut"
    model.graph.node.append(helper.make_node("Sub", ["cut", "z"], ["answer"]))
    np.testing.assert_allclose(_answers(static_int8(model, X), X), _answers(model, X), atol=0.4)


def test_calibration_rows_are_seeded_bounded_and_in_order():
    X = np.arange(100.0).reshape(50, 2)
    rows = calibration_rows(X, 10, seed=1)
    assert rows.shape == (10, 2)
    assert rows.dtype == np.float32
    assert (np.diff(rows[:, 0]) > 0).all()
    np.testing.assert_array_equal(rows, calibration_rows(X, 10, seed=1))
    assert not np.array_equal(rows, calibration_rows(X, 10, seed=2))
    assert len(calibration_rows(X, 1000, seed=1)) == 50


@pytest.mark.parametrize("make", [static_int8, dynamic_int8])
def test_int8_products_do_not_saturate(make):
    """Large weights of one sign on rows at the top of their range: the worst case of sums in 16 bits."""
    X, weight = np.full((8, 64), 1.0, np.float32), np.full((64, 4), 3.0)
    X[0] = 0
    np.testing.assert_allclose(_answers(make(_linear(weight), X), X)[1:], 192, rtol=0.01)


@pytest.mark.parametrize("method", ["static", "dynamic"])
def test_what_cannot_be_quantised_is_said_with_the_reason(method, monkeypatch):
    def refuses(*_, **__):
        raise ValueError("no such scale\nand more")

    monkeypatch.setattr(f"onnxruntime.quantization.quantize_{method}", refuses)
    said = rf"export\.quantise\.method: .* {method} int8 .*\(no such scale\); set weights or none"
    with pytest.raises(EspalierError, match=said):
        QUANTISERS[method](_linear(np.ones((4, 3))), np.ones((5, 4), np.float32), True)


def _constants(values):
    return [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in values.items()]


def _residual(second, then=(), product="Conv"):
    """z = product(rows), u = product(z); answer = z + `second`, and what `then` makes of it."""
    rng, shape = np.random.default_rng(0), (6, 6, 1) if product == "Conv" else (6, 6)
    held = {name: rng.normal(size=shape) for name in "wv"} | {"b": np.zeros(6), "c": np.full(1, 9.0)}
    nodes = [
        helper.make_node(product, ["rows", "w", "b"], ["z"]),
        helper.make_node(product, ["z", "v", "b"], ["u"]),
        helper.make_node("Tanh", ["u"], ["t"]),
        helper.make_node("Add", ["z", second], ["sum"]),
        *then,
    ]
    nodes[-1].output[0] = "answer"
    row = ["N", *shape[1:]]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, row) for name in ("rows", "answer")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], _constants(held))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model, rng.normal(size=(64, *shape[1:])).astype(np.float32)


def _close(int8, model, X):
    wanted = _answers(model, X)
    np.testing.assert_allclose(_answers(int8, X), wanted, atol=0.05 * np.abs(wanted).max())


SUMS = {
    "two convolutions": ("u", (), "Conv", True),
    "a ReLU behind": ("u", (helper.make_node("Relu", ["sum"], [""]),), "Conv", True),
    "a constant": ("c", (), "Conv", False),
    "a float32 value": ("t", (), "Conv", False),
    "products that give float32": ("u", (), "Gemm", False),
}


@pytest.mark.parametrize(("second", "then", "product", "wanted"), SUMS.values(), ids=SUMS.keys())
def test_a_sum_is_int8_where_two_convolutions_meet(second, then, product, wanted):
    model, X = _residual(second, then, product)
    int8 = static_int8(model, X)
    assert ("QLinearAdd" in {node.op_type for node in int8.graph.node}) == wanted
    _close(int8, model, X)


def test_a_relu_of_a_sum_that_is_read_before_it_cuts_only_its_own_branch():
    """relu(s) - s is max(0, -s): it is lost when s is cut as well."""
    cut = [helper.make_node("Relu", ["sum"], ["cut"]), helper.make_node("Sub", ["cut", "sum"], [""])]
    model, X = _residual("u", cut)
    _close(static_int8(model, X), model, X)


def test_between_two_products_nothing_returns_to_float32(make_graph, make_rows):
    graph = make_graph("cnn2d average")
    ops = [node.op_type for node in static_int8(to_model(fold(graph)), make_rows(graph, 60)).graph.node]
    inside = ops[ops.index("QuantizeLinear") + 1 : ops.index("Softmax")]
    assert inside == ["QLinearConv", "MaxPool", "QLinearGlobalAveragePool", "Flatten", "QGemm", "QGemm"]


def test_zero_points_of_convolutions_weights_are_one_constant(make_graph, make_rows):
    graph = make_graph("cnn1d")
    int8 = static_int8(to_model(fold(graph)), make_rows(graph, 60))
    assert len({node.input[5] for node in int8.graph.node if node.op_type == "QLinearConv"}) == 1
