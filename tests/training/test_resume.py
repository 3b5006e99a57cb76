import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file

from tasks.errors import EspalierError
from tasks.training.checkpoint import Checkpoint
from tasks.training.fit import Distil, Hooks, fit

CLASSES = {"task": "classification", "outputs": 3, "seed": 0}

SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import torch
    from safetensors.torch import save_file
    from torch import nn
    from tasks.training.batching import Tensors
    from tasks.training.checkpoint import Checkpoint
    from tasks.training.config import TrainConfig
    from tasks.training.fit import fit

    folder, target, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.manual_seed(0)
    rows = Tensors(torch.randn(90, 4), torch.arange(90) % 3)
    valid = Tensors(torch.randn(30, 4), torch.arange(30) % 3)
    layers = nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    network = nn.Sequential(*layers)
    torch.manual_seed(os.getpid())

    def die(record):
        if record.epoch == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    config = TrainConfig(epochs=8, batch=16, threads=1, schedule=sys.argv[4], patience=0)
    done = fit(network, rows, valid, config, task="classification", outputs=3, seed=0,
               checkpoint=Checkpoint(folder), on_epoch=die)
    save_file(done.network.state_dict(), target, metadata={"history": repr(done.history)})
    """
)


def train(tmp_path, folder, fatal, schedule):
    target = tmp_path / f"{folder}-{fatal}.safetensors"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / folder), str(target), str(fatal), schedule]
    status = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode
    return status, target


@pytest.mark.parametrize("schedule", ["onecycle", pytest.param("plateau", marks=pytest.mark.slow)])
def test_killed_and_started_again_training_ends_with_the_same_bits(tmp_path, schedule):
    _, unbroken = train(tmp_path, "unbroken", 0, schedule)
    status, _ = train(tmp_path, "broken", 3, schedule)
    assert status == -signal.SIGKILL
    assert (tmp_path / "broken" / "last.safetensors").exists()
    _, resumed = train(tmp_path, "broken", 0, schedule)
    assert resumed.read_bytes() == unbroken.read_bytes()
    assert load_file(resumed).keys() == load_file(unbroken).keys()


@pytest.fixture
def stopped(rows, valid_rows, make_net, settings, tmp_path):
    """Stop a training of five epochs after the third."""
    checkpoint = Checkpoint(tmp_path / "run")

    def stop(record):
        if record.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(make_net(), rows, valid_rows, settings(), checkpoint=checkpoint, on_epoch=stop, **CLASSES)
    return checkpoint


def told(network, rows, valid, config, checkpoint, **options):
    records = []
    done = fit(
        network, rows, valid, config, checkpoint=checkpoint, on_epoch=records.append, **CLASSES, **options
    )
    return done, [record.epoch for record in records]


def test_only_the_missing_epochs_are_trained(stopped, rows, valid_rows, make_net, settings):
    done, epochs = told(make_net(), rows, valid_rows, settings(), stopped)
    assert epochs == [4, 5]
    assert done.earlier > 0
    assert done.history == fit(make_net(), rows, valid_rows, settings(), **CLASSES).history


def test_a_finished_training_is_read_not_repeated(rows, valid_rows, make_net, settings, tmp_path):
    checkpoint = Checkpoint(tmp_path)
    one, _ = told(make_net(), rows, valid_rows, settings(), checkpoint)
    two, epochs = told(make_net(), rows, valid_rows, settings(), checkpoint)
    assert epochs == []
    assert torch.equal(one.network[0].weight, two.network[0].weight)


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"batch": 20}, {"label_smoothing": 0.1}])
def test_other_settings_start_afresh(stopped, change, rows, valid_rows, make_net, settings):
    assert told(make_net(), rows, valid_rows, settings(**change), stopped)[1] == [1, 2, 3, 4, 5]


def test_other_rows_start_afresh(stopped, make_rows, valid_rows, make_net, settings):
    assert told(make_net(), make_rows(seed=8), valid_rows, settings(), stopped)[1] == [1, 2, 3, 4, 5]


def test_other_validation_rows_start_afresh(stopped, rows, make_rows, make_net, settings):
    assert told(make_net(), rows, make_rows(seed=9), settings(), stopped)[1] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "option",
    [
        {"teacher": torch.zeros(90, 3), "distil": Distil(0.5, 2.0)},
        {"rounds": lambda epoch: torch.arange(30)},
        {"hooks": Hooks(after_step=lambda network: None)},
        {"hooks": Hooks(settled=1)},
    ],
    ids=["teacher", "rounds", "hook", "settled"],
)
def test_another_argument_starts_afresh(stopped, option, rows, valid_rows, make_net, settings):
    assert told(make_net(), rows, valid_rows, settings(), stopped, **option)[1] == [1, 2, 3, 4, 5]


def test_another_teacher_starts_afresh(rows, valid_rows, make_net, settings, tmp_path):
    def epochs(teacher):
        options = {"teacher": teacher, "distil": Distil(0.5, 2.0)}
        return told(make_net(), rows, valid_rows, settings(), Checkpoint(tmp_path), **options)[1]

    assert [len(epochs(torch.full((len(rows), 3), value))) for value in (0.0, 0.0, 1.0)] == [5, 0, 5]


def test_another_initial_network_starts_afresh(stopped, rows, valid_rows, make_net, settings):
    network = make_net()
    network[0].weight.data += 1
    assert told(network, rows, valid_rows, settings(), stopped)[1] == [1, 2, 3, 4, 5]


def test_a_damaged_checkpoint_starts_afresh(stopped, rows, valid_rows, make_net, settings):
    stopped.path.write_bytes(stopped.path.read_bytes()[:100])
    assert told(make_net(), rows, valid_rows, settings(), stopped)[1] == [1, 2, 3, 4, 5]


def test_a_full_disk_keeps_the_checkpoint_of_the_epoch_before(
    stopped, rows, valid_rows, make_net, settings, monkeypatch
):
    before = stopped.path.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tasks.training.checkpoint.save_file", full)
        with pytest.raises(EspalierError, match=r"could not be written .*No space left"):
            told(make_net(), rows, valid_rows, settings(), stopped)
    assert stopped.path.read_bytes() == before
    assert [file.name for file in stopped.folder.iterdir()] == ["last.safetensors"]
    assert told(make_net(), rows, valid_rows, settings(), stopped)[1] == [4, 5]


def test_a_cleared_checkpoint_leaves_nothing(stopped):
    stopped.clear()
    assert not stopped.folder.exists()
    stopped.clear()
