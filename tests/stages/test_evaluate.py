from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tasks.artifacts import Layout, load_cleaner, load_rows, read_csv, read_json, save_rows
from tasks.config import apply_overrides
from tasks.data.encoding import encode
from tasks.data.rows import Rows
from tasks.export.onnx import run_onnx, session
from tasks.export.serving import Predictor
from tasks.metrics.classification import accuracy, decide
from tasks.stages import evaluate

MODELS = ("reference", "reduced", "compressed")


def _outputs(root):
    layout = Layout(root)
    files = [layout.onnx(name) for name in MODELS] + [layout.serving(name) for name in MODELS]
    files += [layout.report("evaluate"), layout.report("metrics")]
    files += sorted(layout.profile("compressed").iterdir())
    files += [layout.plot(name) for name in ("confusion", "reliability", "roc", "per_class")]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def test_another_process_writes_the_same_bytes(judged):
    evaluate.run(judged)
    first = _outputs(judged)
    subprocess.run(
        [sys.executable, "-m", "tasks.stages.evaluate"], cwd=judged, check=True, capture_output=True
    )
    assert _outputs(judged) == first


def test_what_is_judged_is_what_the_file_answers(copy_of):
    root = copy_of("classification")
    evaluate.run(root)
    layout = Layout(root)
    cleaner, test = load_cleaner(layout.cleaner), load_rows(layout.rows("test"))
    report, plan = read_json(layout.report("evaluate")), read_json(layout.serving("compressed"))
    X = test.X[:, [cleaner.plan.names.index(name) for name in plan["columns"]]]
    answers = run_onnx(session(layout.onnx("compressed")), X)
    found = accuracy(test.y, decide(answers, plan["threshold"]))
    assert report["models"]["compressed"]["metrics"]["accuracy"] == found
    assert report["threshold"] == plan["threshold"] == report["models"]["compressed"]["threshold"]


def test_sizes_fall_from_reference_to_compressed(judged):
    evaluate.run(judged)
    models = read_json(Layout(judged).report("evaluate"))["models"]
    for key in ("parameters", "multiply_adds", "bytes", "gzip_bytes"):
        sizes = [models[name]["size"][key] for name in MODELS]
        assert sizes == sorted(sizes, reverse=True)
    assert models["compressed"]["size"]["inputs"] == 4
    assert all(model["parity"] < 1e-2 for model in models.values())


def test_the_served_encoding_asks_for_the_kept_columns_alone(judged):
    evaluate.run(judged)
    plan = read_json(Layout(judged).serving("compressed"))
    assert [entry["source"] for entry in plan["encoding"]["columns"]] == plan["columns"]
    assert len(plan["columns"]) == 4


def test_test_rows_inform_no_choice(copy_of):
    root = copy_of("classification")
    layout = Layout(root)
    evaluate.run(root)
    before = {name: layout.serving(name).read_bytes() + layout.onnx(name).read_bytes() for name in MODELS}
    test = load_rows(layout.rows("test"))
    save_rows(layout.rows("test"), Rows(test.X[::-1].copy(), 1 - test.y, test.index))
    evaluate.run(root)
    assert {n: layout.serving(n).read_bytes() + layout.onnx(n).read_bytes() for n in MODELS} == before


def test_a_quick_look_says_so_in_every_report(copy_of):
    root = copy_of("classification")
    apply_overrides(root, ["evaluate.factor=0.5"])
    evaluate.run(root)
    layout = Layout(root)
    report, metrics = read_json(layout.report("evaluate")), read_json(layout.report("metrics"))
    assert report["rows"]["test"] == round(0.5 * report["rows"]["test_all"])
    assert report["factor"] == metrics["factor"] == 0.5
    assert metrics["test_rows"] == report["rows"]["test"]


def test_an_identical_model_is_non_inferior_by_exactly_nothing(copy_of):
    root = copy_of("classification")
    layout = Layout(root)
    for file in layout.model("reference").iterdir():
        (layout.model("reduced") / file.name).write_bytes(file.read_bytes())
    evaluate.run(root)
    found = read_json(layout.report("evaluate"))["comparisons"]["reduced"]
    assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)
    assert found["verdict"] == "non-inferior"


def test_shuffled_test_labels_score_at_chance(copy_of):
    root = copy_of("classification")
    layout = Layout(root)
    test = load_rows(layout.rows("test"))
    labels = np.random.default_rng(0).integers(0, 2, 40 * len(test))
    save_rows(layout.rows("test"), Rows(np.tile(test.X, (40, 1)), labels, np.tile(test.index, 40)))
    evaluate.run(root)
    metrics = read_json(layout.report("evaluate"))["models"]["reference"]["metrics"]
    assert metrics["accuracy"] == pytest.approx(0.5, abs=0.03)
    assert metrics["roc_auc"] == pytest.approx(0.5, abs=0.03)


def _quantised(root, method, model="reference"):
    """Judge a copy of `model` as the compressed one, quantised."""
    layout = Layout(root)
    for file in layout.model(model).iterdir():
        (layout.model("compressed") / file.name).write_bytes(file.read_bytes())
    apply_overrides(root, [f"export.quantise.method={method}"])
    evaluate.run(root)
    return layout, read_json(layout.report("evaluate"))


@pytest.mark.parametrize("method", ["static", "weights", "auto"])
def test_only_the_compressed_model_is_quantised_and_it_is_smaller(copy_of, method):
    layout, report = _quantised(copy_of("classification"), method)
    models, found = report["models"], report["quantisation"]
    assert models["compressed"]["size"]["bytes"] < models["reference"]["size"]["bytes"]
    assert found["fp32"]["bytes"] == models["reference"]["size"]["bytes"]
    kept = (found["chosen"], found["form"])
    chosen = next(c for c in found["candidates"] if (c["method"], c["form"]) == kept)
    assert chosen["bytes"] == len(layout.onnx("compressed").read_bytes())
    assert chosen["agreement"] > 0.9
    assert models["compressed"]["size"]["parameters"] == models["reference"]["size"]["parameters"]


def test_a_model_too_small_to_gain_stays_float32(copy_of):
    _, report = _quantised(copy_of("classification"), "static", model="compressed")
    assert report["quantisation"]["chosen"] == "none"
    assert "int8 would be larger" in report["quantisation"]["candidates"][0]["why"]


def test_without_quantisation_the_report_says_none(judged):
    evaluate.run(judged)
    assert read_json(Layout(judged).report("evaluate"))["quantisation"] is None


def test_a_quantised_model_is_written_the_same_by_another_process(copy_of):
    root = copy_of("regression")
    _quantised(root, "auto")
    first = _outputs(root)
    subprocess.run([sys.executable, "-m", "tasks.stages.evaluate"], cwd=root, check=True, capture_output=True)
    assert _outputs(root) == first


def test_a_quantised_model_is_served_like_any_other(copy_of):
    layout, report = _quantised(copy_of("classification"), "static")
    assert report["quantisation"]["chosen"] == "static"
    frame = pd.read_parquet(layout.raw).head(20)
    served = Predictor.load(layout.onnx("compressed"), layout.serving("compressed"), encode)
    dense = Predictor.load(layout.onnx("reference"), layout.serving("reference"), encode)
    assert list(served.predict(frame)) == list(dense.predict(frame))
    np.testing.assert_allclose(served.scores(frame), dense.scores(frame), atol=0.15)


def test_reports_and_plots_have_their_promised_shape(judged):
    evaluate.run(judged)
    layout = Layout(judged)
    report = read_json(layout.report("evaluate"))
    assert set(report["models"]) == set(report["curves"]) == set(MODELS)
    assert set(report["comparisons"]) == {"reduced", "compressed"}
    assert set(read_json(layout.report("metrics"))) == {*MODELS, "difference", "test_rows", "factor"}
    assert list(read_csv(layout.plot("roc")))[1:] == list(MODELS)
    assert "NaN" not in json.dumps(report)


def test_layers_that_multiply_adds_leave_out_are_in_the_report(copy_of, monkeypatch):
    root = copy_of("classification")
    monkeypatch.setattr(evaluate, "uncounted", lambda graph: ("Mine (W)",))
    evaluate.run(root)
    models = read_json(Layout(root).report("evaluate"))["models"]
    assert [models[name]["uncounted"] for name in MODELS] == [["Mine (W)"]] * 3
