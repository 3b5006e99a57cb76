import numpy as np
import pytest
import torch

from tasks.artifacts import load_rows, map_rows, save_rows
from tasks.data.cleaner import Cleaner
from tasks.data.plan import NumericPlan
from tasks.data.rows import Rows
from tasks.data.target import TargetPlan
from tasks.models.config import LinearConfig
from tasks.models.graph import build_graph
from tasks.models.zoo import build_network
from tasks.reduction.reduction import Reduction
from tasks.training.tensors import learning_target, split_tensors

VALUE = TargetPlan("regression", "y", None, "float", mean=1.0, std=2.0, log=True)
CLASS = TargetPlan("classification", "y", ("a", "b"), "str")
ONES = np.ones(3, np.float32)
PLAN = NumericPlan(
    ("u", "v", "w"), (0, 0, 0), 0 * ONES, -np.inf * ONES, np.inf * ONES, (), mean=ONES, scale=2 * ONES
)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3)).astype(np.float32)
    return Rows(X, rng.integers(0, 2, 20), np.arange(20))


def graph(reduction, width):
    columns = [{"source": name, "kind": "number", "outputs": [name]} for name in PLAN.names]
    cleaner = Cleaner({"version": 1, "columns": columns}, PLAN, CLASS)
    return build_graph(cleaner, reduction, build_network(LinearConfig(), (width,), 2, seed=0))


def test_a_regression_target_is_learned_on_its_standard_scale():
    scaled = learning_target(VALUE, np.array([0.0, 3.0]))
    assert scaled.dtype == torch.float32
    np.testing.assert_allclose(scaled.numpy(), (np.log([1.0, 4.0]) - 1) / 2, rtol=1e-6)


def test_class_codes_stay():
    assert learning_target(CLASS, np.array([0, 1])).dtype == torch.int64


def test_inputs_are_the_features_of_the_plan(rows):
    split = split_tensors(graph(None, 3), CLASS, None, rows)
    np.testing.assert_allclose(split.X.numpy(), PLAN.transform(rows.X), atol=1e-6)
    assert split.prepare is None


def test_a_selection_takes_its_columns(rows):
    reduction = Reduction("weight_norm", (2,), kept=(0, 2))
    split = split_tensors(graph(reduction, 2), CLASS, reduction, rows)
    np.testing.assert_allclose(split.X.numpy(), PLAN.transform(rows.X)[:, [0, 2]], atol=1e-6)


def test_uncached_inputs_are_prepared_from_the_rows(rows):
    reduction = Reduction("weight_norm", (2,), kept=(0, 2))
    made = graph(reduction, 2)
    cached = split_tensors(made, CLASS, reduction, rows)
    streamed = split_tensors(made, CLASS, reduction, rows, cached=False)
    assert streamed.X.shape == (20, 3)
    assert torch.equal(streamed.inputs(streamed.X[3:7], torch.device("cpu")), cached.X[3:7])


def test_mapped_rows_equal_loaded_ones_and_stay_in_the_file(rows, tmp_path):
    save_rows(tmp_path / "train.npz", rows)
    loaded, mapped = load_rows(tmp_path / "train.npz"), map_rows(tmp_path / "train.npz")
    assert isinstance(mapped.X, np.memmap)
    for name in ("X", "y", "index"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(loaded, name))


def test_writing_to_mapped_rows_does_not_reach_the_file(rows, tmp_path):
    save_rows(tmp_path / "train.npz", rows)
    map_rows(tmp_path / "train.npz").X[:] = 7
    np.testing.assert_array_equal(load_rows(tmp_path / "train.npz").X, rows.X)
