from __future__ import annotations

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from tasks.export.compact import compact, consumers
from tasks.export.onnx import session


def _model():
    """rows + 1 + 1, the one stored twice, an orphan beside it, everything labelled."""
    constants = [
        numpy_helper.from_array(np.ones(1, np.float32), name) for name in ("long.name", "other", "orphan")
    ]
    nodes = [
        helper.make_node("Add", ["rows", "long.name"], ["middle"], name="first", doc_string="said"),
        helper.make_node("Add", ["middle", "other"], ["answer"], name="second"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("rows", "answer")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"who": "me"})
    return model


def test_equal_constants_are_shared_and_orphans_go():
    assert len(compact(_model()).graph.initializer) == 1


def test_a_constant_is_kept_for_those_who_read_its_double():
    model = _model()
    model.graph.node[0].input[1] = "other"  # the first of the equal ones is now read by nobody
    assert [tensor.name for tensor in compact(model).graph.initializer] == ["0"]


def test_an_empty_text_costs_nothing():
    bare = compact(_model())
    assert not any(part.HasField("doc_string") for part in (bare, bare.graph, *bare.graph.node))


def test_the_answer_stays_the_same():
    small = compact(_model())
    checker.check_model(small)
    assert session(small.SerializeToString()).run(None, {"rows": np.zeros(2, np.float32)})[0].tolist() == [
        2,
        2,
    ]


def test_nothing_but_the_graph_is_left():
    small = compact(_model())
    assert not small.metadata_props
    assert all(not node.name and not node.doc_string for node in small.graph.node)
    assert [value.name for value in (*small.graph.input, *small.graph.output)] == ["rows", "answer"]


def test_the_argument_stays_as_it_is():
    model = _model()
    before = model.SerializeToString(deterministic=True)
    compact(model)
    assert model.SerializeToString(deterministic=True) == before


def test_readers_are_counted_and_an_answer_has_one_more():
    assert consumers(_model()) == {"rows": 1, "long.name": 1, "middle": 1, "other": 1, "answer": 1}


def _padded(pads, kernel=(3,)):
    """A convolution of a series with every attribute said."""
    weight = numpy_helper.from_array(np.ones((1, 1, *kernel), np.float32), "w")
    said = {"strides": [1], "dilations": [1], "group": 1, "kernel_shape": list(kernel), "pads": pads}
    nodes = [
        helper.make_node("Conv", ["rows", "w"], ["z"], auto_pad="NOTSET", **said),
        helper.make_node("MaxPool", ["z"], ["p"], kernel_shape=[2], strides=[2], dilations=[1], ceil_mode=0),
        helper.make_node("Flatten", ["p"], ["answer"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("rows", ["N", 1, 8]), ("answer", ["N", None]))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _said(model):
    return [{attribute.name for attribute in node.attribute} for node in model.graph.node]


def test_attributes_that_nodes_have_by_default_are_left_out():
    assert _said(compact(_padded([0, 0]))) == [set(), {"kernel_shape", "strides"}, set()]


def test_other_attributes_stay_and_so_does_the_answer():
    model = _padded([1, 1])
    small, rows = compact(model), np.random.default_rng(0).normal(size=(4, 1, 8)).astype(np.float32)
    checker.check_model(small)
    assert _said(small)[0] == {"pads"}
    wanted, got = (session(m.SerializeToString()).run(None, {"rows": rows})[0] for m in (model, small))
    np.testing.assert_array_equal(got, wanted)
