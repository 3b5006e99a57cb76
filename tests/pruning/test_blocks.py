import json

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from tasks.models.resmlp import ResMlp
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.user import UserNetwork
from tasks.models.zoo import seeded
from tasks.pruning.blocks import block_scores, remove_blocks, residual_blocks
from tasks.pruning.config import BlocksConfig, PruneConfig
from tasks.pruning.recipe import prune, sensitivity
from tasks.pruning.saliency import Calibration
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.scoring import score

CONFIG: TypeAdapter = TypeAdapter(PruneConfig)
SETTINGS = TrainConfig(batch=8, threads=1, device="cpu")
IMPORTANCES = ("bypass", "magnitude", "taylor", "hessian", "activation", "random")


@pytest.fixture
def deep():
    with seeded(0):
        return ResMlp((6,), width=8, inner=(12, 10, 6), outputs=3).eval()


@pytest.fixture
def data():
    X = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    return Tensors(X, X[:, :3].argmax(dim=1))


@pytest.fixture
def calibration(data):
    return Calibration(data.X, data.y, "classification", seed=0)


def pruned(network, data, **keys):
    config = CONFIG.validate_python({"method": "blocks", "finetune": {"epochs": 2}, **keys})
    return prune(network, config, data, data, SETTINGS, task="classification", outputs=3, seed=0)


EXPECTED = {
    "mlp": (),
    "resmlp": ("body.1", "body.2"),
    "cnn1d": (),
    "cnn2d": (),
    "user": (),
}


def test_the_blocks_of_every_family_are_found(network, rows, family):
    assert residual_blocks(network, rows) == EXPECTED[family]


class Convolved(nn.Module):
    """A block of a ResNet: relu(x + f(x))."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv1d(4, 4, 3, padding=1), nn.BatchNorm1d(4)
        self.second = nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, x):
        return (x + self.second(self.norm(self.first(x)).relu())).relu()


def resnet():
    stage = nn.Sequential(Convolved(), Convolved())
    return nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), stage, nn.Flatten(), nn.Linear(24, 2))


def test_the_blocks_of_a_users_network_are_found_one_by_one():
    assert residual_blocks(resnet().eval(), torch.randn(5, 1, 8)) == ("2.0", "2.1")


def test_a_removed_block_of_a_users_network_is_removed_again_when_it_is_rebuilt(tmp_path):
    rows = torch.randn(5, 6)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").touch()
    (tmp_path / "nets" / "deep.py").write_text(
        "from torch import nn\n\nfrom tasks.models.resmlp import Block\n\n\n"
        "def build(input_shape, outputs):\n"
        "    blocks = [Block(6, 4, 0.0), Block(6, 4, 0.0)]\n"
        "    return nn.Sequential(*blocks, nn.Linear(6, outputs))\n"
    )
    spec = {"kind": "user", "builder": "nets.deep:build", "input_shape": [6], "outputs": 3, "pruned": []}
    network = network_from_spec(spec, tmp_path)
    assert isinstance(network, UserNetwork)
    first, *_ = residual_blocks(network.eval(), rows)
    smaller = remove_blocks(network, [first])
    rebuilt = network_from_spec(json.loads(json.dumps(network_spec(smaller))), tmp_path)
    rebuilt.load_state_dict(smaller.state_dict())
    assert torch.equal(rebuilt.eval()(rows), smaller.eval()(rows))


def test_a_block_that_adds_nothing_leaves_without_a_trace(deep, data):
    nn.init.zeros_(deep.body[2].back.weight)
    nn.init.zeros_(deep.body[2].back.bias)
    smaller = remove_blocks(deep, ["body.2"])
    torch.testing.assert_close(smaller(data.X), deep(data.X))
    assert smaller.sizes()["inner"] == [12, 0, 6]


def test_the_network_passed_in_stays(deep):
    remove_blocks(deep, ["body.2"])
    assert deep.sizes()["inner"] == [12, 10, 6]


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_every_importance_has_a_score_for_every_block(importance, deep, calibration):
    names = residual_blocks(deep, calibration.X)
    scores = block_scores(deep, names, importance, calibration)
    assert scores.shape == (3,)
    assert torch.equal(scores, block_scores(deep, names, importance, calibration))
    assert set(BlocksConfig.model_fields["importance"].annotation.__args__) == set(IMPORTANCES)


def test_a_block_that_adds_nothing_is_missed_least(deep, calibration):
    nn.init.zeros_(deep.body[3].back.weight)
    nn.init.zeros_(deep.body[3].back.bias)
    scores = block_scores(deep, ("body.1", "body.2", "body.3"), "bypass", calibration)
    assert scores[2] == 0.0


@pytest.mark.parametrize("keys", [{"amount": 0.34}, {"amount": 0.67, "rounds": 2}])
def test_the_share_of_blocks_is_gone_and_the_rest_is_rebuilt_by_its_spec(deep, data, keys):
    found = pruned(deep, data, **keys)
    assert found.network.sizes()["inner"].count(0) == round(3 * keys["amount"])
    rebuilt = network_from_spec(json.loads(json.dumps(network_spec(found.network))))
    rebuilt.load_state_dict(found.network.state_dict())
    assert torch.equal(rebuilt.eval()(data.X), found.network(data.X))
    assert found.report["amount"] == keys["amount"]
    assert [layer["after"] for layer in found.report["layers"]].count(0) == 2 * round(3 * keys["amount"])


def test_one_block_stays_and_that_is_said(deep, data):
    found = pruned(deep, data, amount=1.0)
    assert sum(units > 0 for units in found.network.sizes()["inner"]) == 1
    assert "one residual block stays, the amount would have removed all" in found.report["notes"]


def test_a_network_without_blocks_is_left_as_it_is_and_says_so(data):
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    found = pruned(network, data)
    assert found.report["amount"] == 0.0
    assert any("no residual blocks" in note for note in found.report["notes"])


def test_units_can_be_removed_after_blocks(deep, data):
    fewer = pruned(deep, data, amount=0.34).network
    config = CONFIG.validate_python({"method": "structured", "amount": 0.5, "finetune": {"epochs": 0}})
    both = prune(fewer, config, data, data, SETTINGS, task="classification", outputs=3, seed=0).network
    assert both.sizes()["inner"].count(0) == 1
    assert both.sizes()["width"] == 4


def test_each_block_is_left_out_alone_to_see_what_it_is_worth(deep, data):
    for weight in deep.body[2].back.parameters():
        nn.init.zeros_(weight)
    config = BlocksConfig(method="blocks")
    curves = sensitivity(deep, config, data, data, SETTINGS, task="classification", outputs=3, seed=0)
    whole = score(deep, data, "classification")
    assert curves["body.2"] == ((0.0, whole), (1.0, whole))
    for name in ("body.1", "body.3"):
        alone = score(remove_blocks(deep, [name]), data, "classification")
        assert curves[name] == ((0.0, whole), (1.0, alone))


def test_without_blocks_there_is_no_curve(data):
    network, config = (
        nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)),
        BlocksConfig(method="blocks"),
    )
    assert not sensitivity(network, config, data, data, SETTINGS, task="classification", outputs=3, seed=0)
