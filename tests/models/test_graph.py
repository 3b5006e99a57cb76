from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from tasks.data.target import TargetPlan
from tasks.errors import EspalierError
from tasks.models.config import Cnn1dConfig, Cnn2dConfig, MlpConfig, UserConfig
from tasks.models.graph import build_graph, input_shape
from tasks.models.zoo import build_network
from tasks.reduction.reduction import Reduction


def network(shape, outputs=3):
    return build_network(MlpConfig(hidden=(5,)), shape, outputs, seed=0)


def projection(d, k):
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(d, k)).astype(np.float32), rng.normal(size=k).astype(np.float32)
    return Reduction("pca", (k,), projection=(W, b))


def test_without_reduction_the_features_are_those_of_the_plan(mixed_plan, make_rows, make_cleaner):
    X = make_rows(mixed_plan, 20, 0)
    graph = build_graph(make_cleaner(mixed_plan), None, network((mixed_plan.width,)))
    assert isinstance(graph.reducer, nn.Identity)
    np.testing.assert_allclose(
        graph.features(torch.from_numpy(X)).numpy(), mixed_plan.transform(X), atol=1e-6
    )


def test_a_selection_reads_only_the_kept_columns(mixed_plan, make_rows, make_cleaner):
    X, reduction = make_rows(mixed_plan, 20, 0), Reduction("weight_norm", (3,), kept=(0, 3))
    width = mixed_plan.select([0, 3]).width
    graph = build_graph(make_cleaner(mixed_plan), reduction, network((width,)))
    assert graph.columns == ("c0", "c3")
    expected = reduction.transform(mixed_plan.transform(X), mixed_plan)
    np.testing.assert_allclose(graph.features(torch.from_numpy(X[:, [0, 3]])).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("grid", [None, {"kind": "pool", "kernel": [2, 2]}, {"kind": "dct", "keep": [2, 2]}])
def test_grid_layers_repeat_the_reduction(grid_plan, make_rows, make_cleaner, grid):
    X = make_rows(grid_plan, 20, 0)
    reduction = None if grid is None else Reduction(grid["kind"], (1, 2, 2), grid=grid)
    shape = input_shape(Cnn2dConfig(channels=(2,)), grid_plan, reduction)
    graph = build_graph(make_cleaner(grid_plan), reduction, build_network(Cnn2dConfig(), shape, 3, seed=0))
    reference = reduction or Reduction("pool", (1, 3, 3), grid={"kind": "pool", "kernel": [1, 1]})
    expected = reference.transform(grid_plan.transform(X), grid_plan)
    np.testing.assert_allclose(graph.features(torch.from_numpy(X)).numpy(), expected, atol=1e-5)


def test_a_projection_becomes_a_layer(mixed_plan, make_rows, make_cleaner):
    X, reduction = make_rows(mixed_plan, 20, 0), projection(mixed_plan.width, 4)
    graph = build_graph(make_cleaner(mixed_plan), reduction, network((4,)))
    expected = reduction.transform(mixed_plan.transform(X), mixed_plan)
    np.testing.assert_allclose(graph.features(torch.from_numpy(X)).numpy(), expected, atol=1e-5)


def encoder(*widths):
    rng = np.random.default_rng(0)
    maps = tuple(
        (rng.normal(size=(d, k)).astype(np.float32), rng.normal(size=k).astype(np.float32))
        for d, k in pairwise(widths)
    )
    return Reduction("autoencoder", (widths[-1],), encoder=maps)


def test_an_encoder_becomes_layers_with_relu_between(mixed_plan, make_rows, make_cleaner):
    X, reduction = make_rows(mixed_plan, 20, 0), encoder(mixed_plan.width, 6, 5, 2)
    graph = build_graph(make_cleaner(mixed_plan), reduction, network((2,)))
    assert [type(layer).__name__ for layer in graph.reducer] == ["Project", "ReLU"] * 2 + ["Project"]
    expected = reduction.transform(mixed_plan.transform(X), mixed_plan)
    np.testing.assert_allclose(graph.features(torch.from_numpy(X)).numpy(), expected, atol=1e-4)


def test_convolutions_after_an_encoder_are_refused_by_its_name(grid_plan):
    with pytest.raises(EspalierError, match=r"autoencoder projects it away; choose pool, dct or none"):
        input_shape(Cnn2dConfig(), grid_plan, encoder(7, 3, 2))


def test_forward_is_the_network_on_cached_features(mixed_plan, make_rows, make_cleaner):
    x = torch.from_numpy(make_rows(mixed_plan, 20, 0))
    graph = build_graph(make_cleaner(mixed_plan), None, network((mixed_plan.width,))).eval()
    torch.testing.assert_close(graph(x), graph.network(graph.features(x)))
    torch.testing.assert_close(graph.predict(x), graph(x).softmax(dim=1))


def test_features_are_computed_in_chunks_that_do_not_matter(mixed_plan, make_rows, make_cleaner):
    x = torch.from_numpy(make_rows(mixed_plan, 20, 0))
    graph = build_graph(make_cleaner(mixed_plan), None, network((mixed_plan.width,)))
    assert torch.equal(graph.features(x, batch=3), graph.features(x))


def test_regression_predicts_in_the_unit_of_the_target(mixed_plan, make_rows, make_cleaner):
    target = TargetPlan("regression", "y", None, "float", mean=10.0, std=2.0)
    graph = build_graph(make_cleaner(mixed_plan, target), None, network((mixed_plan.width,), 1))
    x = torch.from_numpy(make_rows(mixed_plan, 20, 0))
    assert (graph.task, graph.labels) == ("regression", None)
    torch.testing.assert_close(graph.predict(x), graph(x)[:, 0] * 2 + 10)


def test_convolutions_without_a_grid_are_refused_with_a_way_out(mixed_plan):
    with pytest.raises(
        EspalierError, match=r"cnn2d needs rows on a grid, but the source has none; set source\.shape"
    ):
        input_shape(Cnn2dConfig(), mixed_plan, None)


def test_convolutions_after_a_projection_are_refused_by_its_name(grid_plan):
    with pytest.raises(EspalierError, match=r"reduce\.columns\.method: pca projects it away"):
        input_shape(Cnn2dConfig(), grid_plan, projection(7, 2))


def test_a_series_network_on_an_image_is_refused(grid_plan):
    with pytest.raises(EspalierError, match=r"cnn1d needs rows on a grid \[channels, length\].*cnn2d"):
        build_network(Cnn1dConfig(), input_shape(Cnn1dConfig(), grid_plan, None), 3, seed=0)


def test_indicators_do_not_fit_a_grid(make_plan, make_cleaner):
    plan = make_plan(0, 4, (), (1,), clip=False)
    plan = type(plan)(**{**vars(plan), "positions": (0, 1, 2, 3), "shape": (1, 2, 2)})
    cnn = build_network(Cnn2dConfig(), (1, 2, 2), 3, seed=0)
    with pytest.raises(EspalierError, match=r"clean\.impute\.indicator"):
        build_graph(make_cleaner(plan), None, cnn)


@pytest.mark.parametrize(
    ("wanted", "kept", "shape"),
    [("auto", None, (1, 3, 3)), ("flat", None, (7,)), ("auto", (0, 2), (2,)), ("grid", (0, 2), (1, 3, 3))],
)
def test_a_users_network_gets_the_grid_unless_columns_were_selected(grid_plan, wanted, kept, shape):
    reduction = None if kept is None else Reduction("weight_norm", (len(kept),), kept=kept)
    assert input_shape(UserConfig(input=wanted), grid_plan, reduction) == shape


def test_a_flat_network_takes_a_pooled_grid_flattened(grid_plan, make_rows, make_cleaner):
    reduction = Reduction("pool", (1, 2, 2), grid={"kind": "pool", "kernel": [2, 2]})
    shape = input_shape(UserConfig(input="flat"), grid_plan, reduction)
    graph = build_graph(make_cleaner(grid_plan), reduction, network(shape))
    assert graph(torch.from_numpy(make_rows(grid_plan, 3, 0))).shape == (3, 3)
