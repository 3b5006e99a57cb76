import json
from pathlib import Path

import pytest
import torch
import torch_pruning as tp

from tasks.errors import EspalierError
from tasks.models.config import UserConfig
from tasks.models.factored import ranks
from tasks.models.graph import build_graph
from tasks.models.spec import from_spec, network_spec, to_spec
from tasks.models.user import UserNetwork
from tasks.models.zoo import build_network
from tasks.pruning.lowrank import factorise
from tasks.pruning.structure import remove, widths
from tasks.reduction.reduction import Reduction

from_json = lambda spec: json.loads(json.dumps(spec, allow_nan=False))  # noqa: E731

BODY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, 8), nn.Linear(8, {units})
        self.fc3 = nn.Linear({units}, outputs)
        self.gain = nn.Parameter(torch.ones({units}))

    def forward(self, x):
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)) * self.gain)

def build(input_shape, outputs):
    return Net(input_shape[0], outputs)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.py").write_text(BODY.format(units=6))
    return tmp_path


def graph_of(network, plan, make_cleaner):
    return build_graph(make_cleaner(plan), None, network).eval()


def assert_rebuilt(graph, X, root=None):
    spec, tensors = to_spec(graph)
    rebuilt = from_spec(from_json(spec), tensors, root)
    assert torch.equal(rebuilt.predict(torch.from_numpy(X)), graph.predict(torch.from_numpy(X)))
    assert (rebuilt.columns, rebuilt.task, rebuilt.labels) == (graph.columns, graph.task, graph.labels)
    assert not rebuilt.training
    return rebuilt


FLAT = {"linear": {}, "mlp": {"hidden": (8, 4)}, "resmlp": {"width": 8, "inner": (6, 4)}}
GRID = {"cnn2d": {"channels": (4, 6), "hidden": (5,)}}


def family(method, options, shape):
    from pydantic import TypeAdapter

    from tasks.models.config import ModelConfig

    config = TypeAdapter(ModelConfig).validate_python({"method": method, **options})
    network = build_network(config, shape, 3, seed=1)
    network.train()(torch.randn(16, *shape))  # batch norm has seen something
    return network.eval()


@pytest.mark.parametrize("method", FLAT)
@pytest.mark.parametrize("cut", [False, True])
def test_flat_families_come_back_exactly(method, cut, mixed_plan, make_rows, make_cleaner):
    network = family(method, FLAT[method], (mixed_plan.width,))
    if cut and method != "linear":
        first = next(iter(widths(network)))
        network = remove(network, torch.randn(2, mixed_plan.width), {first: [0, 2, 5]})
    assert_rebuilt(graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 20, 0))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("readout", ["flatten", "average"])
def test_convolutions_come_back_exactly(cut, readout, grid_plan, make_rows, make_cleaner):
    network = family("cnn2d", {**GRID["cnn2d"], "readout": readout}, (1, 3, 3))
    if cut:
        network = remove(network, torch.randn(2, 1, 3, 3), {"body.0": [0, 2], "body.4": [1, 2, 5]})
        assert network.sizes()["channels"] == [2, 3]
    assert_rebuilt(graph_of(network, grid_plan, make_cleaner), make_rows(grid_plan, 20, 0))


def test_a_graph_with_an_encoder_comes_back_exactly(mixed_plan, make_rows, make_cleaner):
    draws = torch.Generator().manual_seed(0)
    maps = tuple(
        (torch.randn(d, k, generator=draws).numpy(), torch.randn(k, generator=draws).numpy())
        for d, k in ((mixed_plan.width, 6), (6, 2))
    )
    reduction = Reduction("autoencoder", (2,), encoder=maps)
    graph = build_graph(make_cleaner(mixed_plan), reduction, family("mlp", {"hidden": (4,)}, (2,))).eval()
    assert_rebuilt(graph, make_rows(mixed_plan, 20, 0))


def test_a_users_network_comes_back_through_its_builder(workspace, mixed_plan, make_rows, make_cleaner):
    config = UserConfig(builder="nets.mine:build")
    network = build_network(config, (mixed_plan.width,), 3, seed=0, root=workspace)
    assert_rebuilt(graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 20, 0), workspace)


def test_a_pruned_users_network_replays_its_kept_units(workspace, mixed_plan, make_rows, make_cleaner):
    config = UserConfig(builder="nets.mine:build")
    network = build_network(config, (mixed_plan.width,), 3, seed=0, root=workspace)
    example = torch.randn(2, mixed_plan.width)
    network = remove(network, example, {"body.fc1": [0, 3, 4], "body.fc2": [1, 2, 5]})
    network = remove(network, example, {"body.fc2": [0, 2]})
    rebuilt = assert_rebuilt(
        graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 20, 0), workspace
    )
    assert rebuilt.network.body.gain.shape == (2,)
    assert rebuilt.network.pruned_steps == network.pruned_steps
    assert_rebuilt(rebuilt, make_rows(mixed_plan, 20, 1), workspace)


def test_a_factored_users_network_replays_removals_and_ranks_in_their_order(
    workspace, mixed_plan, make_rows, make_cleaner
):
    config = UserConfig(builder="nets.mine:build")
    network = build_network(config, (mixed_plan.width,), 3, seed=0, root=workspace)
    rows = torch.randn(20, mixed_plan.width)
    network = remove(network, rows[:2], {"body.fc2": [1, 2, 4, 5]})
    network = factorise(network, {"body.fc1": 4, "body.fc2": 2}, rows)
    network = remove(network, rows[:2], {"body.fc1.up": [0, 1, 3, 6], "body.fc1.down": [0, 2]})
    rebuilt = assert_rebuilt(
        graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 20, 0), workspace
    )
    assert ranks(rebuilt.network) == {"body.fc1": 2, "body.fc2": 2}


CONVOLUTIONS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.inner = nn.Conv2d(8, 8, 3, padding="same", bias=False)
        self.head = nn.Linear(8, outputs)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.inner(x).relu()).mean(dim=(2, 3)))

def build(input_shape, outputs):
    return Net(input_shape[0], outputs)
"""


def test_a_users_factored_convolutions_come_back_and_can_be_cut(
    workspace, grid_plan, make_rows, make_cleaner
):
    (workspace / "nets" / "mine.py").write_text(CONVOLUTIONS)
    network = build_network(
        UserConfig(builder="nets.mine:build"), (1, 3, 3), 3, seed=0, root=workspace
    ).eval()
    rows = torch.randn(40, 1, 3, 3)
    network = factorise(network, {"body.stem.0": 3, "body.inner": 4}, rows)
    network = remove(network, rows[:2], {"body.inner.down": [0, 2, 3], "body.stem.0.up": [0, 1, 2, 5, 7]})
    rebuilt = assert_rebuilt(
        graph_of(network, grid_plan, make_cleaner), make_rows(grid_plan, 20, 0), workspace
    )
    assert ranks(rebuilt.network) == {"body.stem.0": 3, "body.inner": 3}
    assert rebuilt.network.body.stem[1].num_features == 5


def test_a_frozen_users_network_is_replayed_without_gradients(workspace, mixed_plan, make_rows, make_cleaner):
    config = UserConfig(builder="nets.mine:build")
    network = build_network(config, (mixed_plan.width,), 3, seed=0, root=workspace)
    network = remove(network, torch.randn(2, mixed_plan.width), {"body.fc1": [0, 3]})
    with torch.no_grad():
        assert_rebuilt(graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 5, 0), workspace)


def test_changed_code_of_a_saved_network_is_named(workspace, mixed_plan, make_cleaner):
    config = UserConfig(builder="nets.mine:build")
    network = build_network(config, (mixed_plan.width,), 3, seed=0, root=workspace)
    spec, tensors = to_spec(graph_of(network, mixed_plan, make_cleaner))
    (workspace / "nets" / "mine.py").write_text(BODY.format(units=7))
    with pytest.raises(EspalierError, match="no longer builds the network that was saved"):
        from_spec(spec, tensors, workspace)


def test_tied_weights_are_saved_apart_and_come_back(mixed_plan, make_rows, make_cleaner):
    network = family("mlp", {"hidden": (mixed_plan.width, mixed_plan.width)}, (mixed_plan.width,))
    network.body[2].weight = network.body[0].weight
    assert_rebuilt(graph_of(network, mixed_plan, make_cleaner), make_rows(mixed_plan, 5, 0))


def test_the_spec_does_not_share_memory_with_the_graph(mixed_plan, make_cleaner):
    graph = graph_of(family("linear", {}, (mixed_plan.width,)), mixed_plan, make_cleaner)
    _, tensors = to_spec(graph)
    tensors["network.body.0.weight"].zero_()
    assert graph.network.body[0].weight.abs().sum() > 0


def test_another_version_is_refused(mixed_plan, make_cleaner):
    spec, tensors = to_spec(graph_of(family("linear", {}, (mixed_plan.width,)), mixed_plan, make_cleaner))
    with pytest.raises(EspalierError, match="format 99, and this Espalier reads up to 1"):
        from_spec({**spec, "version": 99}, tensors)


def test_a_plain_module_is_no_network():
    with pytest.raises(TypeError, match="wrap a module in UserNetwork"):
        network_spec(torch.nn.Linear(2, 2))


def test_a_wrapped_module_remembers_how_it_was_built():
    network = UserNetwork(torch.nn.Linear(2, 3), "nets.mine:build", (2,), 3)
    assert network_spec(network) == {
        "kind": "user",
        "builder": "nets.mine:build",
        "input_shape": [2],
        "outputs": 3,
        "pruned": [],
    }


def test_torch_pruning_understands_every_family():
    for method, shape in {"mlp": (6,), "resmlp": (6,), "cnn2d": (1, 3, 3)}.items():
        network = family(method, {**FLAT, **GRID}[method], shape)
        graph = tp.DependencyGraph().build_dependency(network, example_inputs=torch.randn(2, *shape))
        assert list(graph.get_all_groups(root_module_types=[torch.nn.Linear, torch.nn.Conv2d]))
