"""Step `inputs` inside a recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.models.layers import Project, Softmax, preprocess
from tasks.models.mlp import Mlp
from tasks.models.spec import from_spec, to_spec
from tasks.pruning.config import FinetuneConfig, InputsConfig
from tasks.pruning.recipe import Pruned, prune, sensitivity
from tasks.pruning.recovery import Front
from tasks.pruning.sensitivity import SHARES
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig

p = 8


@pytest.fixture
def front() -> Front:
    """Eight columns; the class is the sign of the sum of the first two."""
    torch.manual_seed(0)
    one = np.ones(p, np.float32)
    names = tuple(f"c{i}" for i in range(p))
    plan = NumericPlan(names, (0,) * p, 0 * one, -one * np.inf, one * np.inf, (), 0 * one, one)
    network = Mlp((p,), hidden=(16,), outputs=2)
    graph = Graph(names, preprocess(plan), nn.Identity(), network, Softmax(), "classification", ("a", "b"))
    return Front(graph.eval(), plan, torch.randn(1000, p), torch.randn(200, p))


def rows(X: torch.Tensor) -> Tensors:
    return Tensors(X, (X[:, 0] + X[:, 1] > 0).long())


def taken(front: Front, epochs: int = 5, **keys: object) -> Pruned:
    config = InputsConfig(method="inputs", finetune=FinetuneConfig(epochs=epochs, distil=0), **keys)
    return prune(
        front.graph.network,
        config,
        rows(front.train),
        rows(front.valid),
        TrainConfig(device="cpu"),
        task="classification",
        outputs=2,
        seed=0,
        front=front,
    )


@pytest.mark.parametrize(("amount", "left"), [(0.0, 8), (0.25, 6), (0.5, 4), (1.0, 1)])
@pytest.mark.parametrize("rounds", [1, 3])
def test_the_asked_share_of_columns_goes_and_one_stays(front, amount, left, rounds):
    done = taken(front, epochs=1, amount=amount, rounds=rounds)
    assert len(done.front.graph.columns) == len(done.front.plan.names) == left
    assert done.front.train.shape == (1000, left)
    assert done.front.graph.columns == done.front.plan.names
    assert any("one column stays" in note for note in done.report["notes"]) == (amount == 1.0)


def test_the_network_that_came_in_and_its_path_stay_as_they_are(front):
    before = {name: tensor.clone() for name, tensor in front.graph.state_dict().items()}
    taken(front, amount=0.5)
    assert front.graph.columns == tuple(f"c{i}" for i in range(p))
    assert all(torch.equal(before[name], tensor) for name, tensor in front.graph.state_dict().items())


def test_permutation_finds_the_columns_that_say_the_class(front):
    trained = taken(front, epochs=60, amount=1e-9)
    again = Front(front.graph, front.plan, front.train, front.valid)
    again.graph.network = trained.network
    for importance in ("permutation", "taylor", "weight"):
        done = taken(again, epochs=0, amount=0.75, importance=importance)
        assert set(done.front.graph.columns) == {"c0", "c1"}


def curve(front: Front, **keys: object) -> dict[float, float]:
    found = sensitivity(
        front.graph.network,
        InputsConfig(method="inputs", **keys),
        rows(front.train),
        rows(front.valid),
        TrainConfig(device="cpu"),
        task="classification",
        outputs=2,
        seed=0,
        front=front,
    )
    assert list(found) == ["inputs"]
    return dict(found["inputs"])


def test_columns_have_one_curve_and_its_points_are_the_steps_own_metrics(front):
    found = curve(front, importance="taylor")
    assert list(found) == [0.0, *SHARES]
    for share in (0.25, 0.5, 1.0):
        done = taken(front, epochs=0, importance="taylor", amount=share)
        assert found[share] == done.report["valid_metric"]


def test_taking_columns_that_no_weight_reads_costs_nothing(front):
    with torch.no_grad():
        front.graph.network.body[0].weight[:, 2:] = 0
    found = curve(front)
    assert found[0.0] == found[0.25] == found[0.5] == found[0.75]


def test_measuring_the_curve_changes_nothing(front):
    before = {name: tensor.clone() for name, tensor in front.graph.state_dict().items()}
    curve(front)
    assert all(torch.equal(before[name], tensor) for name, tensor in front.graph.state_dict().items())
    assert not front.graph.network.training


def test_without_recovery_the_network_is_the_narrow_one(front):
    done = taken(front, epochs=0, amount=0.5)
    assert done.history == ()
    assert done.network.input_shape == (4,)


def test_an_input_behind_a_convolution_has_no_weight_score(front):
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv1d(1, 2, 3), nn.Linear(12, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(self.conv(x.unsqueeze(1)).flatten(1))
            return out

    front.graph.network = Odd().eval()
    with pytest.raises(EspalierError, match="use importance taylor or permutation"):
        taken(front, amount=0.5)
    with pytest.raises(EspalierError, match="reads its input in more places"):
        taken(front, amount=0.5, importance="taylor")


@pytest.fixture
def projected(front: Front) -> Front:
    """The same columns behind a projection onto six components, of which the first two say the class."""
    torch.manual_seed(0)
    W = torch.linalg.qr(torch.randn(p, p))[0][:, :6]
    W[:, :2] = torch.eye(p)[:, :2]
    graph = Graph(
        front.graph.columns,
        front.graph.preprocess,
        nn.Sequential(Project(W, torch.full((6,), 0.1))),
        Mlp((6,), hidden=(16,), outputs=2),
        front.graph.head,
        "classification",
        front.graph.labels,
    ).eval()
    with torch.no_grad():
        graph.network.body[0].weight[:, 2:] *= 0.01
        graph.network.body[-1].bias -= graph(front.train).mean(0)  # both classes are answered
    return replace(front, graph=graph)


@pytest.mark.parametrize("importance", ["weight", "taylor", "permutation", "decomposition"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_components_that_the_network_does_without_leave_and_every_column_stays(projected, importance, rounds):
    pruned = components(projected, importance=importance, amount=4 / 6, rounds=rounds)
    (project,) = pruned.front.graph.reducer
    kept, offset = projected.graph.reducer[0].W[:, :2], projected.graph.reducer[0].b[:2]
    assert pruned.front.graph.columns == projected.graph.columns
    assert pruned.network.body[0].in_features == 2
    torch.testing.assert_close(project.W, kept)
    torch.testing.assert_close(project.b, offset)


def test_a_path_of_fewer_components_is_rebuilt_from_its_spec_and_answers_alike(projected):
    pruned = components(projected, amount=0.5)
    graph = pruned.front.graph.with_parts(network=pruned.network)
    rebuilt = from_spec(*to_spec(graph))
    with torch.no_grad():
        torch.testing.assert_close(rebuilt(projected.valid), graph(projected.valid))
        torch.testing.assert_close(
            graph(projected.valid), projected.graph(projected.valid), atol=0.1, rtol=0.1
        )


def test_components_have_a_curve_of_the_steps_own_metrics(projected):
    found = sensitivity(
        projected.graph.network,
        InputsConfig(method="inputs", of="components"),
        behind(projected, projected.train),
        behind(projected, projected.valid),
        TrainConfig(device="cpu"),
        task="classification",
        outputs=2,
        seed=0,
        front=projected,
    )
    for share in (0.25, 0.5):
        done = components(projected, amount=share)
        assert dict(found["inputs"])[share] == done.report["valid_metric"]


def test_without_a_projection_there_are_no_components(front):
    with pytest.raises(EspalierError, match="takes outputs of a linear projection"):
        taken(front, of="components")


def behind(front: Front, X: torch.Tensor) -> Tensors:
    with torch.no_grad():
        return Tensors(front.graph.features(X), front.graph(X).argmax(1))


def components(front: Front, **keys: object) -> Pruned:
    config = InputsConfig(
        method="inputs", of="components", finetune=FinetuneConfig(epochs=0, distil=0), **keys
    )
    return prune(
        front.graph.network,
        config,
        behind(front, front.train),
        behind(front, front.valid),
        TrainConfig(device="cpu"),
        task="classification",
        outputs=2,
        seed=0,
        front=front,
    )
