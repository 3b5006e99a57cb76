from __future__ import annotations

import gzip
import lzma

import numpy as np
import pytest
import torch
import torch_pruning
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tasks.evaluation.efficiency import (
    multiply_adds,
    nonzeros,
    parameters,
    size_of,
    stored_bytes,
    uncounted,
)
from tasks.export.fold import fold
from tasks.models.cnn import Cnn1d, Cnn2d
from tasks.models.factored import set_ranks
from tasks.models.graph import Graph
from tasks.models.layers import Dct, Grid, Impute, Project, Scale, Softmax
from tasks.models.mlp import Mlp
from tasks.models.resmlp import ResMlp
from tasks.models.user import UserNetwork


def _graph(p, network, *reducer, scale=True):
    layers = [Impute(torch.zeros(p)), *([Scale(torch.zeros(p), torch.ones(p))] if scale else [])]
    reduced = nn.Sequential(*reducer) if reducer else nn.Identity()
    names = [f"x{i}" for i in range(p)]
    return Graph(names, nn.Sequential(*layers), reduced, network, Softmax(), "classification").eval()


def test_multiply_adds_of_an_mlp_closed_form():
    assert multiply_adds(_graph(6, Mlp((6,), (5, 4), 3))) == 6 + 6 * 5 + 5 * 4 + 4 * 3


def test_a_factored_layer_costs_its_rank_times_both_sides():
    network = Mlp((30,), (20,), 4)
    before = multiply_adds(_graph(30, network)), parameters(_graph(30, network))
    set_ranks(network, {"body.0": 3})
    after = multiply_adds(_graph(30, network)), parameters(_graph(30, network))
    assert (before[0] - after[0], before[1] - after[1]) == (30 * 20 - 3 * (30 + 20),) * 2


def test_a_factored_convolution_costs_its_rank_times_window_and_filters_at_every_output_cell():
    network, grid = Cnn2d((2, 6, 6), (8,), 3, pool=1), Grid(torch.arange(72), (2, 6, 6))
    before = multiply_adds(_graph(72, network, grid)), parameters(_graph(72, network, grid))
    set_ranks(network, {"body.0": 3})
    after = multiply_adds(_graph(72, network, grid)), parameters(_graph(72, network, grid))
    gone = 2 * 9 * 8 - 3 * (2 * 9 + 8)
    assert (before[0] - after[0], before[1] - after[1]) == (36 * gone, gone)


def test_folding_takes_the_scaling_away():
    assert multiply_adds(fold(_graph(6, Mlp((6,), (5, 4), 3)))) == 6 * 5 + 5 * 4 + 4 * 3


def test_a_projection_counts_in_multiply_adds_and_parameters():
    graph = _graph(6, Mlp((2,), (50,), 3), Project(torch.ones(6, 2), torch.ones(2)))
    assert multiply_adds(graph) == 6 + 6 * 2 + 2 * 50 + 50 * 3
    assert parameters(graph) == (6 * 2 + 2) + (2 * 50 + 50) + (50 * 3 + 3)


def test_multiply_adds_of_convolutions_closed_form():
    grid = Grid(torch.arange(36), (1, 6, 6))
    graph = _graph(36, Cnn2d((1, 6, 6), (4, 2), 3), grid, scale=False)
    convolutions = 4 * 9 * 36 + 2 * 4 * 9 * 9
    norms = 4 * 36 + 2 * 9
    assert multiply_adds(graph) == convolutions + norms + 2 * 3


def test_multiply_adds_of_the_dct_closed_form():
    grid = Grid(torch.arange(24), (1, 4, 6))
    graph = _graph(24, Mlp((6,), (), 2), grid, Dct((1, 4, 6), (2, 3)), nn.Flatten(), scale=False)
    assert multiply_adds(graph) == 4 * 6 * 3 + 2 * 4 * 3 + 6 * 2


def _elementwise(network, shape):
    """What torch-pruning counts beside products: biases, ReLUs, pooled cells, and two for a norm's one."""
    found = []
    rules = {
        nn.Linear: lambda x, y: y.numel(),
        nn.ReLU: lambda x, y: y.numel(),
        nn.MaxPool1d: lambda x, y: x.numel(),
        nn.MaxPool2d: lambda x, y: x.numel(),
        nn.BatchNorm1d: lambda x, y: y.numel(),
        nn.BatchNorm2d: lambda x, y: y.numel(),
    }
    for module in network.modules():
        if type(module) in rules:
            module.register_forward_hook(lambda m, x, y: found.append(rules[type(m)](x[0], y)))
    network(torch.zeros(1, *shape))
    return sum(found)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (Mlp((9,), (8, 4), 3), (9,)),
        (Cnn1d((2, 12), (4, 3), 3), (2, 12)),
        (Cnn2d((1, 8, 8), (4, 3), 3, hidden=(5,)), (1, 8, 8)),
        (ResMlp((9,), 6, (5,), 3), (9,)),
    ],
    ids=["mlp", "cnn1d", "cnn2d", "resmlp"],
)
def test_the_count_agrees_with_torch_prunings(network, shape):
    cells = int(torch.tensor(shape).prod())
    reducer = (Grid(torch.arange(cells), shape),) if len(shape) > 1 else ()
    graph = _graph(cells, network.eval(), *reducer, scale=False)
    theirs = torch_pruning.utils.count_ops_and_params(network, torch.zeros(1, *shape))
    assert multiply_adds(graph) + _elementwise(network, shape) == theirs[0]
    assert parameters(graph) == theirs[1]


def test_nonzeros_leave_out_zeros():
    graph = _graph(4, Mlp((4,), (3,), 2))
    with torch.no_grad():
        graph.network.body[0].weight.zero_()
    assert parameters(graph) - nonzeros(graph) == 12


def test_counting_leaves_no_hooks_behind():
    graph = _graph(4, Mlp((4,), (3,), 2))
    multiply_adds(graph)
    assert not any(module._forward_hooks for module in graph.modules())


def test_gzip_bytes_do_not_depend_on_the_clock(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"weights " * 100)
    plain, zipped, xz = stored_bytes(file)
    assert (plain, zipped) == (800, len(gzip.compress(b"weights " * 100, 9, mtime=0)))
    assert zipped < 100
    assert xz < 100


def test_a_stored_file_can_be_had_back(tmp_path):
    content = np.random.default_rng(0).normal(size=999).astype(np.float32).tobytes()
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    packed = lzma.compress(content, preset=9, check=lzma.CHECK_CRC32)
    assert stored_bytes(file)[2] == len(packed)
    assert lzma.decompress(packed) == content


def test_zeros_shrink_the_stored_file_but_not_the_file_itself(tmp_path):
    sizes = []
    for share in (0.0, 0.9):
        rng = np.random.default_rng(0)
        weights = rng.normal(size=4000).astype(np.float32) * (rng.uniform(size=4000) >= share)
        file = tmp_path / "model.onnx"
        file.write_bytes(weights.tobytes())
        sizes.append(stored_bytes(file))
    dense, sparse = sizes
    assert dense[0] == sparse[0]
    assert sparse[1] < 0.3 * dense[1]
    assert sparse[2] < 0.3 * dense[2]


def test_a_size_says_everything(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"0123456789")
    size = size_of(_graph(4, Mlp((4,), (3,), 2)), file).to_dict()
    assert list(size) == [
        "parameters",
        "nonzeros",
        "multiply_adds",
        "bytes",
        "gzip_bytes",
        "xz_bytes",
        "inputs",
    ]
    assert (size["inputs"], size["bytes"]) == (4, 10)


def test_every_layer_of_an_encoder_counts():
    encoder = (Project(torch.ones(6, 4), torch.ones(4)), nn.ReLU(), Project(torch.ones(4, 2), torch.ones(2)))
    graph = _graph(6, Mlp((2,), (5,), 3), *encoder)
    assert multiply_adds(graph) == 6 + 6 * 4 + 4 * 2 + 2 * 5 + 5 * 3
    assert parameters(graph) == (6 * 4 + 4) + (4 * 2 + 2) + (2 * 5 + 5) + (5 * 3 + 3)


class Called(nn.Module):
    """Shapes a row of twelve, and calls a layer by a function of it."""

    def __init__(self, layer, shape, call):
        super().__init__()
        self.layer, self.shape, self.call = layer, shape, call

    def forward(self, x):
        return self.call(self.layer, x.reshape(self.shape))


def _alone(layer, shape, call=lambda layer, x: layer(x)):
    """Count one layer behind nothing, on a row of twelve."""
    names = [f"x{i}" for i in range(12)]
    network = Called(layer, shape, call)
    return Graph(names, nn.Identity(), nn.Identity(), network, Softmax(), "classification").eval()


class Wider(nn.Linear):
    """A Linear of another class."""


def _attended(layer, x):
    return layer(x, x, value=x)[0]


@pytest.mark.parametrize(
    ("layer", "shape", "call", "count"),
    [
        (Wider(12, 5), (1, 12), None, 12 * 5),
        (nn.utils.parametrizations.weight_norm(nn.Linear(12, 5)), (1, 12), None, 12 * 5),
        (nn.Linear(3, 5), (4, 3), None, 4 * 3 * 5),  # one row cut into four
        (nn.Conv3d(1, 4, 2, padding=1), (1, 1, 2, 2, 3), None, (4 * 8) * (3 * 3 * 4)),
        (nn.ConvTranspose1d(3, 6, 5), (1, 3, 4), None, (3 * 6 * 5) * 4),
        (nn.ConvTranspose2d(2, 6, 3, stride=2, groups=2), (1, 2, 2, 3), None, (2 * 3 * 9) * 6),
        (nn.Bilinear(6, 6, 5), (1, 2, 6), lambda m, x: m(x[:, 0], x[:, 1]), 5 * (6 * 6 + 6)),
        (nn.RNN(3, 7, batch_first=True), (1, 4, 3), None, 4 * (3 * 7 + 7 * 7)),
        (nn.GRU(3, 7), (4, 1, 3), None, 4 * 3 * (3 * 7 + 7 * 7)),
        (
            nn.LSTM(3, 7, num_layers=2, bidirectional=True, batch_first=True),
            (1, 4, 3),
            None,
            4 * 2 * 4 * ((3 * 7 + 7 * 7) + (14 * 7 + 7 * 7)),
        ),
        (nn.LSTM(3, 7, proj_size=2), (4, 1, 3), None, 4 * (4 * (3 * 7 + 2 * 7) + 7 * 2)),
        (nn.GRUCell(12, 7), (1, 12), None, 3 * (12 * 7 + 7 * 7)),
        (nn.LSTMCell(12, 7), (1, 12), None, 4 * (12 * 7 + 7 * 7)),
        (
            nn.MultiheadAttention(6, 2, batch_first=True),
            (1, 2, 6),
            _attended,
            4 * 2 * 6 * 6 + 2 * (2 * 2 * 6),
        ),
        (
            nn.MultiheadAttention(6, 2, kdim=3, vdim=3),
            (4, 1, 3),
            lambda m, x: m(torch.ones(2, 1, 6), x, x)[0],
            2 * (2 * 6 * 6) + 2 * (4 * 3 * 6) + 2 * (2 * 4 * 6),
        ),
        (nn.GroupNorm(2, 6), (1, 6, 2), None, 12),
        (nn.Embedding(3, 5), (1, 12), lambda m, x: m(x.long()), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_multiply_adds_of_one_layer_closed_form(layer, shape, call, count):
    graph = _alone(layer, shape, call or (lambda layer, x: layer(x)))
    assert multiply_adds(graph) == count
    assert uncounted(graph) == ()


@pytest.mark.parametrize(
    ("layer", "shape", "call"),
    [
        (nn.Conv3d(1, 4, 2, padding=1), (1, 1, 2, 2, 3), None),
        (nn.ConvTranspose2d(2, 6, 3, stride=2, groups=2), (1, 2, 2, 3), None),
        (nn.MultiheadAttention(6, 2, batch_first=True), (1, 2, 6), _attended),
    ],
    ids=["Conv3d", "ConvTranspose2d", "MultiheadAttention"],
)
def test_the_count_of_products_agrees_with_torchs(layer, shape, call):
    graph = _alone(layer, shape, call or (lambda layer, x: layer(x)))
    graph.requires_grad_(True)  # else attention is one operation that torch does not count
    with FlopCounterMode(display=False) as counter:
        graph(torch.zeros(1, 12))
    assert 2 * multiply_adds(graph) == counter.get_total_flops()


def test_a_layer_of_a_transformer_counts_all_that_is_in_it():
    layer = nn.TransformerEncoderLayer(6, 2, 5, batch_first=True)
    attention, feeding, norms = 4 * 2 * 6 * 6 + 2 * (2 * 2 * 6), 2 * (2 * 6 * 5), 2 * 12
    graph = _alone(layer, (1, 2, 6))
    assert multiply_adds(graph) == attention + feeding + norms
    assert uncounted(graph) == ()


class Own(nn.Module):
    """Parameters of its own, and a layer that nobody knows."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.ones(12, 4))
        self.inner = nn.Sequential(nn.Linear(4, 4))
        self.inner.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.inner(x @ self.W) + self.inner.shift


def test_what_is_not_counted_is_named_by_its_path():
    network = UserNetwork(Own(), "", (12,), 4)
    assert uncounted(_graph(12, network)) == ("Own (W)", "inner: Sequential (shift)")
    assert uncounted(_graph(6, Mlp((6,), (5,), 3))) == ()


def test_a_linear_layer_with_more_weights_than_a_linear_layer_has_is_named():
    layer = nn.Linear(12, 2)
    layer.lora = nn.Parameter(torch.zeros(12, 1))
    assert uncounted(_alone(layer, (1, 12))) == ("layer: Linear (lora)",)


class Multiplies(nn.Module):
    """Two layers and a buffer, and code that uses them as it likes."""

    def __init__(self, code):
        super().__init__()
        self.first, self.last, self.code = nn.Linear(12, 4), nn.Linear(4, 2), code
        self.register_buffer("R", torch.ones(12, 4))

    def forward(self, x):
        return self.last(self.code(self, x))


PRODUCTS = {
    "a tied decoder": lambda m, x: m.first(functional.linear(m.first(x), m.first.weight.T)),
    "a buffer": lambda m, x: torch.cos(x @ m.R),
    "a weight without its layer": lambda m, x: functional.linear(x, m.first.weight, m.first.bias),
    "a sum by letters": lambda m, x: torch.einsum("nd,dk->nk", x, m.R),
    "one row": lambda m, x: (m.R.T @ x[0])[None],
    "attention": lambda m, x: functional.scaled_dot_product_attention(*[m.first(x)[:, None]] * 3)[:, 0],
    "a convolution": lambda m, x: functional.conv1d(x[:, None], m.R[None, None, :, 0])[:, 0].expand(1, 4),
}


@pytest.mark.parametrize("code", PRODUCTS.values(), ids=PRODUCTS)
def test_products_beside_the_layers_are_named(code):
    graph = _graph(12, UserNetwork(nn.Sequential(Multiplies(code)), "", (12,), 2))
    assert uncounted(graph) == ("0: Multiplies (products outside its layers)",)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in graph.modules())


def test_sums_and_scaling_beside_the_layers_are_no_products():
    code = PRODUCTS["a buffer"]
    assert uncounted(_alone(Multiplies(lambda m, x: (m.first(x) + m.R[0]) * m.R[1]), (1, 12))) == ()
    assert uncounted(_alone(Multiplies(code), (1, 12))) != ()
    assert uncounted(fold(_graph(6, Mlp((2,), (5,), 3), Project(torch.ones(6, 2), torch.ones(2))))) == ()
