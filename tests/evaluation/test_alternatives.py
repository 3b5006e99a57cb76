from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.evaluation import alternatives as module
from tasks.evaluation.alternatives import alternatives, beside, settled
from tasks.evaluation.config import MeasureConfig
from tasks.export.config import ExportConfig
from tasks.export.fold import fold
from tasks.export.onnx import export_onnx, run_onnx, serialised, session, to_model
from tasks.models.graph import Graph
from tasks.models.layers import Impute, Project, Softmax
from tasks.models.mlp import Mlp


def _graph(d: int, k: int, h: int) -> Graph:
    torch.manual_seed(0)
    names = [f"x{i}" for i in range(d)]
    reducer = torch.nn.Sequential(Project(torch.randn(d, k), torch.randn(k)))
    return Graph(
        names,
        torch.nn.Sequential(Impute(torch.zeros(d))),
        reducer,
        Mlp((k,), (h,), 3),
        Softmax(),
        "classification",
    ).eval()


@pytest.mark.parametrize(
    ("sizes", "setting"),
    [((20, 8, 15), "export.fold: always"), ((20, 8, 12), "export.fold: apart"), ((20, 2, 60), None)],
    ids=["apart", "merged", "far"],
)
def test_the_other_folding_is_timed_near_break_even(sizes, setting):
    found = alternatives(_graph(*sizes), ExportConfig(), None)
    assert [form.setting for form in found] == ([] if setting is None else [setting])


def test_a_folding_that_was_asked_for_has_no_rival():
    assert alternatives(_graph(20, 8, 15), ExportConfig(fold="always"), None) == []


def test_float32_is_timed_where_int8_was_kept_and_only_there():
    graph = _graph(20, 2, 60)
    (found,) = alternatives(graph, ExportConfig(), {"chosen": "weights"})
    assert (found.what, found.setting) == ("float32", "export.quantise.method: none")
    assert alternatives(graph, ExportConfig(), {"chosen": "none"}) == []


def test_an_alternative_answers_alike():
    graph, X = _graph(20, 8, 15), np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    (other,) = alternatives(graph, ExportConfig(), None)
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(run_onnx(session(other.model), X), wanted, rtol=1e-4, atol=1e-5)


def test_both_forms_are_timed_at_both_batches(tmp_path):
    graph, X = _graph(20, 8, 15), np.zeros((5, 20), np.float32)
    kept = export_onnx(fold(graph), tmp_path / "model.onnx")
    (other,) = alternatives(graph, ExportConfig(), None)
    found = beside(kept, other, X, MeasureConfig(repeats=3, batch=16))
    assert found["setting"] == "export.fold: always"
    for key in ("batch1", "batch"):
        assert 0 < found[key]["low"] <= found[key]["ratio"] <= found[key]["high"]


def _timed(monkeypatch, **seconds):
    """Let every call of a form take as long as said; the clock is not asked."""
    raced = []

    def race(models, rows, size, config):
        raced.append((sorted(models), size))
        return {name: np.full((config.repeats, 2), seconds[name]) for name in models}

    monkeypatch.setattr(module, "race", race)
    return raced


ROWS = np.zeros((5, 20), np.float32)


@pytest.mark.parametrize(("h", "other"), [(15, "always"), (12, "apart")], ids=["apart", "merged"])
def test_near_break_even_the_faster_folding_is_taken_where_it_is_asked_for(monkeypatch, h, other):
    graph = _graph(20, 8, h)
    raced = _timed(monkeypatch, auto=2.0, **{other: 1.0})
    assert settled(graph, "measured", ROWS) == other
    assert raced == [(sorted(["auto", other]), 1024)]
    _timed(monkeypatch, auto=1.0, **{other: 1.0})
    assert settled(graph, "measured", ROWS) == "auto"


@pytest.mark.parametrize(("mode", "h"), [("auto", 15), ("never", 15), ("apart", 15), ("measured", 200)])
def test_nothing_is_timed_where_it_is_not_asked_for_or_multiply_adds_tell(monkeypatch, mode, h):
    raced = _timed(monkeypatch)
    assert settled(_graph(20, 2, h), mode, ROWS) == ("auto" if mode == "measured" else mode)
    assert raced == []


def test_a_folding_that_is_measured_answers_as_the_graph_does():
    graph, X = _graph(20, 8, 15), np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    file = serialised(to_model(fold(graph, settled(graph, "measured", X))))
    with torch.no_grad():
        wanted = graph.predict(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(run_onnx(session(file), X), wanted, rtol=1e-4, atol=1e-5)
