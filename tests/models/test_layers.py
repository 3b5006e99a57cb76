import numpy as np
import pytest
import torch
from scipy.fft import dctn

from tasks.models.layers import (
    LAYERS,
    Clip,
    Dct,
    Grid,
    Impute,
    Pool,
    Project,
    Scale,
    Softmax,
    Unscale,
    preprocess,
)

PLANS = [
    (3, (), (), False),
    (3, (), (), True),
    (0, (3, 2), (), False),
    (4, (5,), (1,), True),
    (2, (2, 3), (0, 1), True),
    (1, (1,), (), False),
]


@pytest.mark.parametrize(("numbers", "levels", "indicator", "clip"), PLANS)
@pytest.mark.parametrize("seed", [0, 1])
def test_preprocess_repeats_the_plan(make_plan, make_rows, numbers, levels, indicator, clip, seed):
    plan = make_plan(seed, numbers, levels, indicator, clip)
    X = make_rows(plan, 40, seed)
    features = preprocess(plan)(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(features, plan.transform(X), rtol=0, atol=1e-6)


def test_preprocess_of_a_selection_gives_the_features_it_owns(mixed_plan, make_rows):
    X, kept = make_rows(mixed_plan, 30, 0), [1, 2, 4]
    selected = preprocess(mixed_plan.select(kept))(torch.from_numpy(X[:, kept])).numpy()
    np.testing.assert_allclose(
        selected, mixed_plan.transform(X)[:, np.isin(mixed_plan.owner, kept)], atol=1e-6
    )


def test_an_unseen_code_has_no_level(make_plan):
    plan = make_plan(0, 0, (3,), (), clip=False)
    assert preprocess(plan)(torch.tensor([[7.0], [float("nan")], [-1.0]])).abs().sum() == 0


def test_layers_that_do_nothing_are_left_out_but_impute_stays(make_plan):
    plan = make_plan(0, 2, (), (), clip=False)
    plan = type(plan)(**{**vars(plan), "mean": np.zeros(2, np.float32), "scale": np.ones(2, np.float32)})
    assert [type(layer) for layer in preprocess(plan)] == [Impute]


def test_every_layer_kind_of_a_full_plan_stands_once(mixed_plan):
    kinds = [type(layer).__name__ for layer in preprocess(mixed_plan)]
    assert kinds == ["Indicate", "Impute", "Clip", "OneHot", "Scale"]


def test_preprocess_does_not_share_memory_with_the_plan(mixed_plan):
    layers = preprocess(mixed_plan)
    layers[-1].mean.add_(1.0)
    assert not np.allclose(layers[-1].mean.numpy(), mixed_plan.mean)


def test_clip_of_infinite_bounds_is_the_identity():
    x = torch.randn(5, 2)
    bound = torch.full((2,), torch.inf)
    assert torch.equal(Clip(-bound, bound)(x), x)


def test_scale_centres_its_mean():
    scale = Scale(torch.tensor([2.0]), torch.tensor([4.0]))
    assert scale(torch.tensor([[2.0], [6.0]])).tolist() == [[0.0], [1.0]]


def test_project_is_affine():
    x, W, b = torch.randn(4, 3), torch.randn(3, 2), torch.randn(2)
    torch.testing.assert_close(Project(W, b)(x), x @ W + b)


def test_grid_puts_zeros_where_no_feature_is():
    grid = Grid(torch.tensor([2, 0, 2, 1]), (1, 2, 2))  # two features; 2 means none
    assert grid(torch.tensor([[5.0, 7.0]])).tolist() == [[[[0.0, 5.0], [0.0, 7.0]]]]


def test_a_whole_grid_is_only_reshaped():
    grid, x = Grid(torch.arange(6), (1, 2, 3)), torch.randn(2, 6)
    assert grid.whole
    assert torch.equal(grid(x).flatten(1), x)


def test_pool_averages_the_cells_of_an_edge_window():
    assert Pool([2])(torch.tensor([[[1.0, 3.0, 8.0]]])).tolist() == [[[2.0, 8.0]]]


@pytest.mark.parametrize("shape", [(1, 8), (2, 5, 6)])
def test_dct_is_the_low_corner_of_the_orthonormal_transform(shape):
    x, keep = torch.randn(3, *shape), [3] * (len(shape) - 1)
    axes = tuple(range(2, x.ndim))
    expected = dctn(x.numpy(), type=2, norm="ortho", axes=axes)[(..., *(slice(3) for _ in axes))]
    np.testing.assert_allclose(Dct(shape, keep)(x).numpy(), expected, atol=1e-5)


def test_a_whole_dct_keeps_lengths():
    x = torch.randn(4, 1, 7)
    torch.testing.assert_close(Dct((1, 7), [7])(x).norm(dim=2), x.norm(dim=2))


def test_softmax_gives_probabilities():
    assert torch.allclose(Softmax()(torch.randn(5, 3)).sum(1), torch.ones(5))


@pytest.mark.parametrize("log", [False, True])
def test_unscale_undoes_the_scaling_of_the_target(log):
    y = torch.tensor([0.5, 2.0, 9.0])
    unit = torch.log1p(y) if log else y
    torch.testing.assert_close(Unscale(1.5, 2.0, log)(((unit - 1.5) / 2.0)[:, None]), y)


def test_the_table_names_its_classes():
    assert all(LAYERS[name].__name__ == name for name in LAYERS)
