"""Columns taken out of a whole graph: what it answers, what it asks for, what it is rebuilt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.models.layers import Dct, Grid, Pool, Project, Softmax, preprocess
from tasks.models.mlp import Mlp
from tasks.models.resmlp import ResMlp
from tasks.models.spec import from_spec, replay, to_spec
from tasks.models.user import UserNetwork
from tasks.pruning.column_criteria import COLUMN_CRITERIA, Evidence, column_scores
from tasks.pruning.inputs import input_readers, narrow, unread
from tests.pruning.conftest import Branching

ROWS = 40


def make_plan() -> NumericPlan:
    """Three numbers, the second with an indicator, and a category of three levels: 7 features."""
    inf = np.float32(np.inf)
    return NumericPlan(
        names=("height", "age", "weight", "city"),
        levels=(0, 0, 0, 3),
        fill=np.float32([1, 2, 3, 0]),
        low=np.float32([-5, -inf, -inf, -inf]),
        high=np.float32([5, inf, inf, inf]),
        indicator=(1,),
        mean=np.float32([0.5, 1, 0, 0, 0, 0, 0]),
        scale=np.float32([2, 1, 3, 1, 1, 1, 1]),
    )


def make_rows(seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(ROWS, 4)).astype(np.float32) * 2
    X[:, 3] = generator.integers(0, 3, ROWS)
    X[::7, 1] = np.nan
    return torch.from_numpy(X)


def make_graph(reducer: nn.Module, network: nn.Module) -> Graph:
    plan = make_plan()
    return Graph(
        plan.names, preprocess(plan), reducer, network, Softmax(), "classification", ("a", "b")
    ).eval()


@pytest.fixture
def direct() -> Graph:
    torch.manual_seed(0)
    return make_graph(nn.Identity(), Mlp((7,), hidden=(6,), outputs=2))


@pytest.fixture
def projected() -> Graph:
    torch.manual_seed(0)
    return make_graph(
        nn.Sequential(Project(torch.randn(7, 3), torch.randn(3))), Mlp((3,), hidden=(6,), outputs=2)
    )


@pytest.fixture(params=["direct", "projected"])
def graph(request: pytest.FixtureRequest) -> Graph:
    found: Graph = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def evidence(graph: Graph) -> Evidence:
    X, valid = make_rows(), make_rows(1)
    with torch.no_grad():
        y, y_valid = graph(X).argmax(1), graph(valid).argmax(1)
    return Evidence(X, y, valid, y_valid, "classification", 0)


def as_predicted(graph: Graph, X: torch.Tensor, gone: list[int]) -> torch.Tensor:
    """Logits with the features of some columns as ridge regression predicts them from the others."""
    out = np.isin(make_plan().owner, gone)
    F = graph.preprocess(make_rows()).double().numpy()
    A, B = F[:, ~out] - F[:, ~out].mean(0), F[:, out] - F[:, out].mean(0)
    pull = 0.01 * np.square(A).sum() / A.shape[1]
    T = np.linalg.inv(A.T @ A + pull * np.eye(A.shape[1])) @ A.T @ B
    features = graph.preprocess(X).double().numpy()
    features[:, out] = (features[:, ~out] - F[:, ~out].mean(0)) @ T + F[:, out].mean(0)
    with torch.no_grad():
        return graph.network(graph.reducer(torch.from_numpy(features).float()))


@pytest.mark.parametrize("keep", [[0, 1, 2, 3], [0, 2], [1, 3], [3], [1]])
def test_the_narrow_graph_answers_as_if_the_others_were_predicted_from_what_stays(graph, keep):
    X, gone = make_rows(5), [i for i in range(4) if i not in keep]
    smaller = narrow(graph, make_plan(), keep, make_rows())

    assert smaller.columns == tuple(make_plan().names[i] for i in keep)
    torch.testing.assert_close(smaller(X[:, keep]), as_predicted(graph, X, gone), rtol=1e-4, atol=1e-5)


def test_a_column_that_repeats_another_goes_without_a_trace(direct):
    X = make_rows()
    X[:, 2] = 3 * X[:, 0] + 1
    smaller, blind = narrow(direct, make_plan(), [0, 1, 3], X), narrow(direct, make_plan(), [1, 3], X)

    lost = (smaller(X[:, [0, 1, 3]]) - direct(X)).norm()
    assert lost < 0.05 * (blind(X[:, [1, 3]]) - direct(X)).norm()


def test_the_graph_that_came_in_stays_bit_for_bit(graph):
    before = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
    narrow(graph, make_plan(), [0, 3], make_rows())

    assert graph.columns == make_plan().names
    assert all(torch.equal(before[name], tensor) for name, tensor in graph.state_dict().items())


def test_a_narrow_graph_is_rebuilt_from_its_spec(graph):
    smaller = narrow(graph, make_plan(), [1, 3], make_rows())
    rebuilt = from_spec(*to_spec(smaller))

    assert rebuilt.columns == smaller.columns
    assert torch.equal(rebuilt(make_rows()[:, [1, 3]]), smaller(make_rows()[:, [1, 3]]))


def test_columns_can_be_taken_in_two_goes(graph):
    first = narrow(graph, make_plan(), [0, 1, 3], make_rows())
    twice = narrow(first, make_plan().select([0, 1, 3]), [1, 2], make_rows()[:, [0, 1, 3]])

    assert twice.columns == ("age", "city")
    assert twice(make_rows(3)[:, [1, 3]]).shape == (ROWS, 2)


@pytest.mark.parametrize("importance", COLUMN_CRITERIA)
def test_a_column_the_network_ignores_scores_zero_and_no_other(graph, evidence, importance):
    readers = [graph.network.body[0]]
    with torch.no_grad():
        if isinstance(graph.reducer, nn.Sequential):
            graph.reducer[0].W[2] = 0
        else:
            readers[0].weight[:, 2] = 0
    scores = column_scores(graph, make_plan(), importance, evidence)

    assert scores.shape == (4,)
    assert scores[2] == 0
    assert scores.argmin() == 2 or importance == "permutation"


def test_the_weight_score_is_the_norm_of_the_folded_first_layer_times_the_deviation(projected, evidence):
    plan, features = make_plan(), projected.preprocess(evidence.X)
    V = projected.network.body[0].weight.detach() @ projected.reducer[0].W.T
    sigma = features.std(dim=0, correction=0)
    wanted = [
        float((V[:, plan.owner == column] * sigma[plan.owner == column]).square().sum().sqrt())
        for column in range(4)
    ]

    torch.testing.assert_close(column_scores(projected, plan, "weight", evidence), torch.tensor(wanted))


def test_scores_are_the_same_each_time(graph, evidence):
    first, second = (column_scores(graph, make_plan(), "permutation", evidence) for _ in range(2))
    assert torch.equal(first, second)


def test_columns_nobody_reads_are_found_and_taken_without_any_change(direct):
    with torch.no_grad():
        direct.network.body[0].weight[:, [1, 6]] = 0  # the number `age` and its indicator
        direct.network.body[0].weight[:, 3] = 0  # one of three levels: the column is still read
    X = make_rows()
    assert unread(direct, make_plan(), X) == [1]

    smaller = narrow(direct, make_plan(), [0, 2, 3], X)
    torch.testing.assert_close(smaller(X[:, [0, 2, 3]]), direct(X), rtol=1e-5, atol=1e-6)


def test_a_projection_hides_no_column(projected):
    assert unread(projected, make_plan(), make_rows()) == []
    with torch.no_grad():
        projected.reducer[0].W[2] = 0
    assert unread(projected, make_plan(), make_rows()) == [2]


def test_every_layer_that_reads_the_input_is_found():
    network = Branching()
    assert input_readers(network, torch.zeros(2, 6)) == ("left", "right")


def test_a_residual_network_loses_inputs():
    torch.manual_seed(0)
    graph = make_graph(nn.Identity(), ResMlp((7,), width=5, inner=(4,), outputs=2))
    smaller = narrow(graph, make_plan(), [0, 2], make_rows())

    assert smaller.network.sizes()["input_shape"] == [2]
    torch.testing.assert_close(
        smaller(make_rows()[:, [0, 2]]), as_predicted(graph, make_rows(), [1, 3]), rtol=1e-4, atol=1e-5
    )


class Gated(nn.Module):
    """Two layers read the input."""

    def __init__(self) -> None:
        super().__init__()
        self.value, self.gate, self.last = nn.Linear(7, 5), nn.Linear(7, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.value(x).relu() + self.gate(x).tanh())
        return out


def test_columns_leave_every_layer_that_reads_them_and_in_two_goes():
    graph = make_graph(nn.Identity(), UserNetwork(Gated(), "nets.mine:build", (7,), 2))
    first = narrow(graph, make_plan(), [0, 1, 2], make_rows())
    twice = narrow(first, make_plan().select([0, 1, 2]), [0, 2], make_rows()[:, [0, 1, 2]])

    torch.testing.assert_close(
        first(make_rows()[:, [0, 1, 2]]), as_predicted(graph, make_rows(), [3]), rtol=1e-4, atol=1e-5
    )
    replayed = UserNetwork(Gated(), "nets.mine:build", (7,), 2)
    replay(replayed, twice.network.pruned_steps)
    assert replayed.input_shape == twice.network.input_shape == (2,)
    assert {name: weight.shape for name, weight in replayed.named_parameters()} == {
        name: weight.shape for name, weight in twice.network.named_parameters()
    }


class Shortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(7, 7), nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(x + self.first(x))
        return out


def test_a_network_that_reads_its_input_elsewhere_too_is_refused():
    with pytest.raises(EspalierError, match="reads its input in more places"):
        narrow(make_graph(nn.Identity(), Shortcut()), make_plan(), [0, 2], make_rows())


class Mean(nn.Module):
    """Reads its input beside the first layer, in a way that a row of means does not show."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(7, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(x).relu()) + x.mean(dim=1, keepdim=True)
        return out


def test_a_network_that_averages_its_input_too_is_refused():
    with pytest.raises(EspalierError, match="reads its input in more places"):
        narrow(make_graph(nn.Identity(), Mean()), make_plan(), [0, 2], make_rows())


@pytest.mark.parametrize("kind", ["shared", "computed"])
def test_no_column_is_taken_from_a_first_layer_that_cannot_be_cut(kind):
    first, last = nn.Linear(7, 7), nn.Linear(7, 7)
    if kind == "shared":
        last.weight = first.weight
    else:
        nn.utils.parametrizations.weight_norm(first)
    network = nn.Sequential(first, nn.ReLU(), last, nn.ReLU(), nn.Linear(7, 2))
    with pytest.raises(EspalierError, match="no column can be taken from layer 0: it"):
        narrow(make_graph(nn.Identity(), network), make_plan(), [0, 2], make_rows())


def test_no_column_is_taken_from_a_layer_that_reads_its_own_outputs_too():
    layer = nn.Linear(7, 7)
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(7, 2))
    with pytest.raises(EspalierError, match="no column can be taken"):
        narrow(make_graph(nn.Identity(), network), make_plan(), [0, 2], make_rows())


class ByName(nn.Module):
    """Calls its layers by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(7, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(input=self.first(input=x).relu())
        return out


def test_layers_called_by_name_are_found_too():
    assert input_readers(ByName(), torch.randn(3, 7)) == ("first",)
    narrow(make_graph(nn.Identity(), ByName()), make_plan(), [0, 2], make_rows())


def test_a_grid_keeps_its_shape_and_an_absent_cell_is_zero():
    plan = replace(
        make_plan(),
        names=("a", "b", "c", "d"),
        levels=(0, 0, 0, 0),
        low=np.full(4, -np.inf, np.float32),
        indicator=(),
        mean=np.zeros(4, np.float32),
        scale=np.ones(4, np.float32),
        positions=(0, 1, 2, 3),
        shape=(1, 4),
    )
    grid = Grid(torch.arange(4), (1, 4))
    network = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(6, 2))
    graph = Graph(
        plan.names, preprocess(plan), nn.Sequential(grid), network, Softmax(), "classification"
    ).eval()
    X = torch.randn(5, 4)
    smaller = narrow(graph, plan, [0, 3], torch.zeros(2, 4))

    wanted = X.clone()
    wanted[:, [1, 2]] = 0
    torch.testing.assert_close(smaller(X[:, [0, 3]]), graph(wanted))
    evidence = Evidence(
        X, torch.zeros(5, dtype=torch.int64), X, torch.zeros(5, dtype=torch.int64), "classification", 0
    )
    with pytest.raises(EspalierError, match="importance taylor or permutation"):
        column_scores(graph, plan, "weight", evidence)
    assert column_scores(graph, plan, "taylor", evidence).shape == (4,)


class Codes(nn.Module):
    """Reads whole numbers; its answer on the row of means is the same with fewer of them."""

    def __init__(self) -> None:
        super().__init__()
        self.codes, self.last = nn.Embedding(9, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.codes(0 * x.long()).mean(dim=1))
        return out


def test_a_network_that_reads_codes_is_refused_and_has_no_slope():
    graph, X, y = make_graph(nn.Identity(), Codes()), make_rows(), torch.zeros(ROWS, dtype=torch.int64)
    with pytest.raises(EspalierError, match="no column can be taken"):
        narrow(graph, make_plan(), [0, 2], X)
    evidence = Evidence(X, y, X, y, "classification", 0)
    for frozen in (False, True):
        graph.requires_grad_(not frozen)
        with pytest.raises(EspalierError, match="reads codes, as an embedding does"):
            column_scores(graph, make_plan(), "taylor", evidence)
    assert column_scores(graph, make_plan(), "permutation", evidence).shape == (4,)


@pytest.mark.parametrize("reducer", [nn.Sequential(Pool([2])), nn.Sequential(Dct((1, 4), [2]))])
def test_another_reducer_is_refused_by_name(reducer):
    graph = make_graph(reducer, Mlp((7,), hidden=(), outputs=2))
    with pytest.raises(EspalierError, match="this reducer is another"):
        narrow(graph, make_plan(), [0], make_rows())
