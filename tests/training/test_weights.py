import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tasks.errors import EspalierError
from tasks.models.config import MlpConfig
from tasks.models.zoo import build_network
from tasks.training.weights import load_weights, read_state


class Planted:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def trained():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def network():
    return build_network(MlpConfig(hidden=(5,)), (4,), 2, seed=0)


def save_safetensors(state, path):
    save_file(state, path)
    return path


def save_pth(state, path):
    torch.save(state, path)
    return path


@pytest.mark.parametrize(("save", "name"), [(save_safetensors, "net.safetensors"), (save_pth, "net.pth")])
@pytest.mark.parametrize("prefix", ["", "body.", "module.body."])
def test_a_trained_state_is_loaded_whatever_stands_before_its_names(tmp_path, save, name, prefix):
    source, target, x = trained(), network(), torch.randn(3, 4)
    state = {prefix + key: tensor for key, tensor in source.state_dict().items()}
    load_weights(target, save(state, tmp_path / name))
    assert torch.equal(target(x), source(x))


def test_a_training_checkpoint_holds_its_state_below_a_name(tmp_path):
    target = network()
    load_weights(target, save_pth({"epoch": 3, "state_dict": trained().state_dict()}, tmp_path / "net.pth"))
    assert torch.equal(target.body[0].weight, trained()[0].weight)


def test_what_does_not_fit_is_listed(tmp_path):
    state = {
        "0.weight": torch.zeros(6, 4),
        "0.bias": torch.zeros(5),
        "9.weight": torch.zeros(2, 5),
        "9.bias": torch.zeros(2),
    }
    with pytest.raises(EspalierError) as caught:
        load_weights(network(), save_pth(state, tmp_path / "net.pth"))
    message = str(caught.value)
    assert "body.0.weight is [6, 4], needed [5, 4]" in message
    assert "body.2.weight is missing" in message
    assert "and 1 more" in message


def test_planted_code_is_refused_and_not_run(tmp_path):
    path, proof = tmp_path / "net.pth", tmp_path / "proof"
    torch.save({"weight": Planted(str(proof))}, path)
    with pytest.raises(EspalierError, match="holds more than tensors"):
        read_state(path)
    assert not proof.exists()


def test_a_whole_pickled_module_is_refused(tmp_path):
    with pytest.raises(EspalierError, match=r"save it with torch\.save\(model\.state_dict\(\), path\)"):
        read_state(save_pth(trained(), tmp_path / "net.pth"))


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps([1], protocol=2)])
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EspalierError, match=name):
        read_state(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EspalierError, match=r"no file .*net\.pth"):
        read_state(tmp_path / "net.pth")


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(EspalierError, match=r"is none of \.safetensors, \.pth, \.pt"):
        read_state(tmp_path / "net.h5")
