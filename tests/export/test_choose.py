from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tasks.errors import EspalierError
from tasks.export import choose as subject
from tasks.export.choose import Yardstick, agreement, choose
from tasks.export.config import (
    AutoQuantisation,
    DynamicQuantisation,
    NoQuantisation,
    StaticQuantisation,
    WeightQuantisation,
)
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, session, to_model
from tasks.models.layers import Scale


@pytest.fixture
def wide(make_graph, make_rows):
    """A model with a projection before a wide layer, its rows, and a metric: agreement with itself."""
    graph = make_graph("mlp projected wide")
    X, model = make_rows(graph, 80), {"folded": to_model(fold(graph, "always"))}
    classes = run_onnx(session(model["folded"].SerializeToString()), X).argmax(axis=1)
    return model, X, Yardstick(X, lambda answers: float(np.mean(answers.argmax(axis=1) == classes)))


def test_none_keeps_float32_and_reports_nothing(wide):
    model, X, by = wide
    kept = choose(model, NoQuantisation(), X, by)
    assert kept.model == model["folded"].SerializeToString(deterministic=True)
    assert kept.report is None


@pytest.mark.parametrize(
    "config", [StaticQuantisation(tolerance=1), WeightQuantisation(), AutoQuantisation()]
)
def test_a_smaller_file_that_is_as_good_is_kept(wide, config):
    model, X, by = wide
    kept = choose(model, config, X, by)
    fp32 = len(model["folded"].SerializeToString())
    assert len(kept.model) < fp32 == kept.report["fp32"]["bytes"]
    found = next(c for c in kept.report["candidates"] if c["method"] == kept.report["chosen"])
    assert found["bytes"] == len(kept.model)
    assert found["why"] is None


def test_a_form_that_loses_too_much_is_not_kept(wide):
    model, X, by = wide
    harsh = Yardstick(by.rows, lambda answers: 0.0 if by.metric(answers) < 1 else 1.0)
    kept = choose(model, StaticQuantisation(calibration=2), X, harsh)
    assert kept.report["chosen"] == "none"
    assert kept.model == model["folded"].SerializeToString(deterministic=True)
    assert "would lose 1, over export.quantise.tolerance 0.005" in kept.report["candidates"][0]["why"]


def test_a_figure_that_falls_when_it_gets_better_is_read_the_other_way(wide):
    _, _, by = wide
    assert Yardstick(by.rows, by.metric, higher_is_better=False).loss(1.0, 1.5) == 0.5
    assert by.loss(1.0, 0.75) == 0.25


def test_a_tiny_model_stays_float32_and_says_why(make_graph, make_rows):
    graph = make_graph("linear")
    X = make_rows(graph, 40)
    kept = choose({"folded": to_model(fold(graph))}, AutoQuantisation(), X, Yardstick(X, lambda _: 1.0))
    assert kept.report["chosen"] == "none"
    assert all(c["why"].startswith("int8 would be ") for c in kept.report["candidates"])


def test_of_files_of_one_size_the_faster_form_is_kept(wide, monkeypatch):
    model, X, by = wide
    monkeypatch.setattr(subject, "NEAR", 10.0)
    assert choose(model, AutoQuantisation(tolerance=1), X, by).report["chosen"] == "static"
    monkeypatch.setattr(subject, "NEAR", 1.0)
    report = choose(model, AutoQuantisation(tolerance=1), X, by).report
    smallest = min(report["candidates"], key=lambda candidate: candidate["bytes"])
    assert report["chosen"] == smallest["method"]


def test_scaling_that_was_merged_is_left_apart_where_units_differ(make_graph, make_rows):
    graph = make_graph("mlp projected wide")
    with torch.no_grad():
        for layer in graph.preprocess:
            if isinstance(layer, Scale):
                layer.scale[:5] = torch.tensor([1e-3, 1.0, 1e3, 1.0, 1.0])
                layer.mean[:5] *= layer.scale[:5]
    X = make_rows(graph, 80)
    X[:, :3] *= np.float32([1e-3, 1, 1e3])
    forms = {
        "folded": to_model(fold(graph, "always")),
        "scaled": to_model(fold(graph, "always", scaling=False)),
    }
    kept = choose(forms, StaticQuantisation(tolerance=1), X, Yardstick(X, lambda _: 1.0))
    agreed = {c["form"]: c["agreement"] for c in kept.report["candidates"]}
    assert agreed["folded"] < 0.95 <= agreed["scaled"]
    assert kept.form == kept.report["form"] == "scaled"


def test_equal_forms_are_tried_once(wide):
    model, X, by = wide
    report = choose(model | {"scaled": model["folded"]}, WeightQuantisation(), X, by).report
    assert [candidate["form"] for candidate in report["candidates"]] == ["folded"]


def test_auto_passes_over_what_cannot_be_made_and_a_name_does_not(wide, monkeypatch):
    def refuses(*_):
        raise EspalierError("not this one")

    model, X, by = wide
    monkeypatch.setitem(subject.QUANTISERS, "dynamic", refuses)
    report = choose(model, AutoQuantisation(), X, by).report
    failed = report["candidates"][1]
    assert (failed["method"], failed["bytes"], failed["why"]) == ("dynamic", None, "not this one")
    with pytest.raises(EspalierError, match="not this one"):
        choose(model, DynamicQuantisation(), X, by)


def test_the_choice_is_the_same_each_time_and_its_report_is_plain(wide):
    model, X, by = wide
    first, second = (choose(model, AutoQuantisation(), X, by) for _ in range(2))
    assert first.model == second.model
    assert json.dumps(first.report, allow_nan=False) == json.dumps(second.report)


def test_an_undefined_metric_keeps_float32(wide):
    model, X, _ = wide
    kept = choose(model, WeightQuantisation(), X, Yardstick(X, lambda _: float("nan")))
    assert kept.report["chosen"] == "none"
    json.dumps(kept.report, allow_nan=False)


def test_agreement_is_a_share_of_rows_or_the_variance_explained():
    one = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    other = one.copy()
    other[0] = [0.4, 0.6]
    assert agreement(one, other) == 0.75
    values = np.array([0.0, 2.0])
    assert agreement(values, values) == 1.0
    assert agreement(values, values + 1) == 0.0
    assert agreement(np.ones(3), np.ones(3)) == 1.0


def _weighed(per_channel, size, loss, why=None):
    return subject.Candidate("static", "folded", per_channel, size, 1.0, 0.9, loss, why)


@pytest.mark.parametrize(
    ("size", "loss", "why", "kept"),
    [(90, 0.0, None, True), (96, 0.0, None, False), (90, 0.001, None, False), (90, 0.0, "no", False)],
    ids=["smaller and as good", "hardly smaller", "worse", "not to be kept"],
)
def test_one_scale_a_layer_stands_where_it_is_smaller_and_no_worse(wide, monkeypatch, size, loss, why, kept):
    made = {True: _weighed(True, 100, 0.0), False: _weighed(False, size, loss, why)}
    monkeypatch.setattr(subject, "_scaled", lambda *parts: (made[parts[-1]], bytes(made[parts[-1]].bytes)))
    model, X, by = wide
    report = choose(model, AutoQuantisation(), X, by).report
    assert {candidate["per_channel"] for candidate in report["candidates"]} == {not kept}


def test_one_scale_a_layer_is_not_tried_under_a_name(wide, monkeypatch):
    model, X, by = wide
    monkeypatch.setattr(subject, "NEAR", 0.0)
    for config in (StaticQuantisation(tolerance=1), AutoQuantisation(per_channel=False)):
        report = choose(model, config, X, by).report
        assert {candidate["per_channel"] for candidate in report["candidates"]} == {config.per_channel}
