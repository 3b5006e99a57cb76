from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.artifacts import Layout, load_cleaner, load_graph, load_rows, read_frame, read_json, save_rows
from tasks.data.plan import NumericPlan
from tasks.data.rows import Rows
from tasks.drift.stored import load_profile
from tasks.models.graph import build_graph
from tasks.models.mlp import Mlp
from tasks.reduction.reduction import Reduction
from tasks.stages import evaluate
from tasks.stages.profiled import maps_of


@pytest.fixture
def profiled(judged):
    evaluate.run(judged)
    layout = Layout(judged)
    return layout, load_profile(layout.profile("compressed"))


def test_the_profile_is_of_every_source_row_outside_validation_and_test(profiled):
    layout, profile = profiled
    raw = read_frame(layout.raw)
    held = np.concatenate([load_rows(layout.rows(part)).index for part in ("valid", "test")])
    assert profile.rows == len(raw) - len(held)
    for column in profile.columns:
        counted = sum(part.counts.sum() for part in column.parts.values())
        assert counted + column.missing == profile.rows


def test_the_model_reads_the_columns_that_serving_asks_for(profiled):
    layout, profile = profiled
    served = read_json(layout.serving("compressed"))["encoding"]["columns"]
    assert [column.name for column in profile.columns if column.read] == [e["source"] for e in served]
    assert len(profile.columns) > len(served)


def test_features_are_those_of_the_models_own_layers(profiled):
    layout, profile = profiled
    cleaner, graph = load_cleaner(layout.cleaner), load_graph(layout.model("compressed"))
    valid = load_rows(layout.rows("valid"))
    X = valid.X[:, [cleaner.plan.names.index(name) for name in graph.columns]]
    own = graph.preprocess(torch.from_numpy(X)).numpy()
    assert profile.plan.transform(X) == pytest.approx(own, abs=1e-5)


def test_answers_are_of_validation_rows_and_mistakes_of_test_rows(profiled):
    layout, profile = profiled
    report = read_json(layout.report("evaluate"))
    assert {part.counts.sum() for part in profile.answers.values()} == {report["rows"]["valid"]}
    assert profile.mistakes.rows == report["rows"]["test"]
    own = report["models"]["compressed"]["metrics"]
    if profile.labels is None:
        assert profile.mistakes.mean == pytest.approx(own["mae"])
    else:
        assert profile.mistakes.mean == pytest.approx(1 - own["accuracy"])


def test_test_rows_are_in_nothing_but_the_mistakes(profiled):
    layout, before = profiled
    test = load_rows(layout.rows("test"))
    turned = 1 - test.y if before.labels else 2 * test.y
    save_rows(layout.rows("test"), Rows(test.X[::-1].copy(), turned, test.index))
    evaluate.run(layout.root)
    after = load_profile(layout.profile("compressed"))
    one, other = before.to_dict(), after.to_dict()
    assert one.pop("mistakes") != other.pop("mistakes")
    assert one == other


D = 12
W, B = np.random.default_rng(0).normal(size=(D, 3)).astype(np.float32), np.ones(3, np.float32)
GRID = NumericPlan(
    tuple(f"x{i}" for i in range(D)),
    (0,) * D,
    np.zeros(D, np.float32),
    np.full(D, -np.inf, np.float32),
    np.full(D, np.inf, np.float32),
    (),
    np.zeros(D, np.float32),
    np.ones(D, np.float32),
    tuple(range(D)),
    (1, 3, 4),
)


class _Cleaner:
    plan = GRID

    class target:  # noqa: N801 - as the attribute is called
        kind, labels, outputs = "classification", ("a", "b"), 2


@pytest.mark.parametrize(
    "reduction",
    [
        Reduction("pca", (3,), projection=(W, B)),
        Reduction("autoencoder", (2,), encoder=((W, B), (W[:3, :2], B[:2]))),
        Reduction("pool", (1, 2, 2), grid={"kind": "pool", "kernel": [2, 2]}),
        Reduction("dct", (1, 2, 2), grid={"kind": "dct", "keep": [2, 2]}),
    ],
    ids=lambda reduction: reduction.method,
)
def test_every_reducer_that_projects_becomes_affine_maps(reduction):
    from tasks.reduction.reduction import encode

    width = int(np.prod(reduction.shape))
    graph = build_graph(_Cleaner, reduction, Mlp((width,), (2,), 2))
    x = torch.randn(20, D, generator=torch.Generator().manual_seed(0))
    own = graph.reducer(x).flatten(1).numpy()
    assert encode(maps_of(graph, D), x.double().numpy()) == pytest.approx(own, abs=1e-5)


def test_a_selection_has_no_maps():
    assert maps_of(build_graph(_Cleaner, Reduction("none", (D,)), Mlp((D,), (2,), 2)), D) == ()
