import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from tasks.errors import EspalierError
from tasks.training.batching import Tensors
from tasks.training.checkpoint import Checkpoint
from tasks.training.fit import Distil, Hooks, fit
from tasks.training.scoring import predict_logits, score

CLASSES = {"task": "classification", "outputs": 3, "seed": 0}
VALUE = {"task": "regression", "outputs": 1, "seed": 0}


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_equal_bits(one, two):
    assert all(torch.equal(tensor, two.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_classes_that_lie_apart_are_learned(rows, valid_rows, make_net, settings):
    done = fit(make_net(), rows, valid_rows, settings(epochs=20), **CLASSES)
    assert score(done.network, valid_rows, "classification") >= 0.9
    assert len(done.history) == 20
    assert done.history[-1].train_loss < done.history[0].train_loss


def test_a_linear_target_is_learned(make_line, make_net, settings):
    done = fit(make_net(1), make_line(), make_line(seed=1), settings(epochs=60), **VALUE)
    assert score(done.network, make_line(seed=1), "regression") > 0.9


def test_shuffled_labels_give_chance(make_rows, make_net, settings):
    train, valid = make_rows(300), make_rows(900, seed=1)
    shuffled = train.y[torch.randperm(300, generator=torch.Generator().manual_seed(3))]
    done = fit(make_net(), Tensors(train.X, shuffled), None, settings(), **CLASSES)
    assert abs(score(done.network, valid, "classification") - 1 / 3) < 0.25


def test_the_network_passed_in_is_left_as_it_is(rows, valid_rows, make_net, settings):
    network = make_net()
    before = weights(network)
    fit(network, rows, valid_rows, settings(), **CLASSES)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_equal_seeds_give_equal_bits_whatever_ran_between(optimizer, rows, valid_rows, make_net, settings):
    network, config = make_net(dropout=0.3), settings(optimizer=optimizer)
    one = fit(network, rows, valid_rows, config, **CLASSES)
    torch.rand(7), np.random.default_rng().random(), random.random()
    torch.manual_seed(99)
    two = fit(network, rows, valid_rows, config, **CLASSES)
    assert_equal_bits(one.network, two.network)
    assert one.history == two.history


def test_another_seed_gives_other_weights(rows, valid_rows, make_net, settings):
    one, two = (
        fit(make_net(), rows, valid_rows, settings(), **{**CLASSES, "seed": seed}).network for seed in (0, 1)
    )
    assert not torch.equal(one[0].weight, two[0].weight)


def test_generators_and_switches_are_as_before(rows, valid_rows, make_net, settings):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    fit(make_net(dropout=0.5), rows, valid_rows, settings(), **CLASSES)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_best_validation_epoch_is_restored(rows, valid_rows, make_net, settings):
    done = fit(make_net(), rows, valid_rows, settings(epochs=12, lr=0.3, schedule="constant"), **CLASSES)
    best = done.history[done.best_epoch - 1]
    assert best.valid_metric == max(record.valid_metric for record in done.history)
    assert score(done.network, valid_rows, "classification") == best.valid_metric


def test_without_validation_rows_the_last_epoch_stays(rows, make_net, settings):
    done = fit(make_net(), rows, None, settings(), **CLASSES)
    assert done.best_epoch == 5
    assert all(math.isnan(record.valid_loss) for record in done.history)


def test_patience_stops_a_training_that_no_longer_improves(rows, valid_rows, make_net, settings):
    done = fit(make_net(), rows, valid_rows, settings(epochs=200, patience=3), **CLASSES)
    assert len(done.history) == done.best_epoch + 3


def test_no_patience_never_stops_early(rows, valid_rows, make_net, settings):
    assert len(fit(make_net(), rows, valid_rows, settings(epochs=40), **CLASSES).history) == 40


def test_epochs_and_rate_can_be_given_in_place_of_the_configured(rows, valid_rows, make_net, settings):
    config = settings(schedule="constant")
    done = fit(make_net(), rows, valid_rows, config, epochs=2, lr=0.5, **CLASSES)
    assert [record.lr for record in done.history] == [0.5, 0.5]


def test_no_epochs_return_the_initial_weights(rows, valid_rows, make_net, settings):
    network = make_net()
    done = fit(network, rows, valid_rows, settings(), epochs=0, **CLASSES)
    assert_equal_bits(done.network, network)
    assert (done.best_epoch, done.history) == (0, ())


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "step", "plateau", "constant"])
def test_every_schedule_trains(schedule, rows, valid_rows, make_net, settings):
    done = fit(make_net(), rows, valid_rows, settings(schedule=schedule), **CLASSES)
    assert done.history[-1].train_loss < done.history[0].train_loss


def test_a_teacher_alone_is_imitated(rows, valid_rows, make_net, settings):
    teacher = fit(make_net(), rows, valid_rows, settings(epochs=20), **CLASSES).network
    logits = predict_logits(teacher, rows.X)
    wrong = Tensors(rows.X, torch.zeros_like(rows.y))
    config = settings(epochs=40)
    done = fit(make_net(), wrong, None, config, teacher=logits, distil=Distil(1.0, 2.0), **CLASSES)
    agreement = (predict_logits(done.network, rows.X).argmax(1) == logits.argmax(1)).double().mean()
    assert agreement > 0.95


def test_a_teacher_without_weight_changes_nothing(rows, valid_rows, make_net, settings):
    logits = torch.randn(60, 3)
    plain = fit(make_net(), rows, valid_rows, settings(), **CLASSES)
    taught = fit(make_net(), rows, valid_rows, settings(), teacher=logits, distil=Distil(0.0), **CLASSES)
    assert_equal_bits(plain.network, taught.network)


def test_rounds_choose_the_rows_of_each_epoch(rows, valid_rows, make_net, settings):
    asked = []

    def half(epoch):
        asked.append(epoch)
        return np.arange(epoch % 2, 60, 2)

    fit(make_net(), rows, valid_rows, settings(epochs=3), rounds=half, **CLASSES)
    assert asked == [0, 1, 2]


def test_rounds_of_all_rows_are_no_rounds(rows, valid_rows, make_net, settings):
    plain = fit(make_net(), rows, valid_rows, settings(), **CLASSES)
    rounds = fit(make_net(), rows, valid_rows, settings(), rounds=lambda _: np.arange(60), **CLASSES)
    assert_equal_bits(plain.network, rounds.network)


def test_rows_outside_the_rounds_do_not_matter(rows, valid_rows, make_net, settings):
    spoiled = Tensors(torch.where(torch.arange(60)[:, None] < 30, rows.X, 1e6), rows.y)
    nets = [
        fit(make_net(), data, valid_rows, settings(), rounds=lambda _: np.arange(30), **CLASSES).network
        for data in (rows, spoiled)
    ]
    assert_equal_bits(*nets)


def test_one_row_a_round_trains(rows, valid_rows, make_net, settings):
    fit(make_net(), rows, valid_rows, settings(), rounds=lambda epoch: np.array([epoch]), **CLASSES)


def test_hooks_hold_a_mask_through_training(rows, valid_rows, make_net, settings):
    def zero_first(network):
        network[0].weight.data[0] = 0

    seen = []
    hooks = Hooks(lambda _, epoch, total: seen.append((epoch, total)), zero_first)
    done = fit(make_net(), rows, valid_rows, settings(epochs=2), hooks=hooks, **CLASSES)
    assert done.network[0].weight[0].abs().sum() == 0
    assert seen == [(0, 2), (1, 2)]


def test_epochs_before_a_schedule_has_settled_are_never_the_best(rows, valid_rows, make_net, settings):
    done = fit(make_net(), rows, valid_rows, settings(epochs=6), hooks=Hooks(settled=4), **CLASSES)
    assert done.best_epoch >= 5


@pytest.mark.parametrize("until", [1, 3])
def test_a_training_cut_short_has_the_weights_that_the_whole_one_had_then(
    until, rows, valid_rows, make_net, settings
):
    states = {}

    def note(network, epoch, epochs):
        states[epoch] = weights(network)

    network, config = make_net(), settings(epochs=5, patience=1)
    fit(network, rows, valid_rows, settings(epochs=5), hooks=Hooks(before_epoch=note), **CLASSES)
    early = fit(network, rows, valid_rows, config, until=until, **CLASSES)
    assert len(early.history) == early.best_epoch == until
    assert all(torch.equal(tensor, states[until][name]) for name, tensor in weights(early.network).items())


def test_clipping_bounds_the_step(rows, make_net, settings):
    network = make_net()
    config = settings(
        optimizer="sgd", momentum=0.0, weight_decay=0.0, clip_norm=1e-3, schedule="constant", lr=1.0, batch=60
    )
    done = fit(network, rows, None, config, epochs=1, **CLASSES)
    pairs = zip(done.network.parameters(), network.parameters(), strict=True)
    moved = [float((a - b).detach().pow(2).sum()) for a, b in pairs]
    assert sum(moved) ** 0.5 == pytest.approx(1e-3, rel=1e-2)


def test_a_loss_that_is_not_finite_stops_with_what_to_do(rows, valid_rows, make_net, settings, tmp_path):
    checkpoint = Checkpoint(tmp_path / "run")
    config = settings(optimizer="sgd", schedule="constant", epochs=50)

    def explode(network, epoch, _):
        if epoch == 2:
            network[0].weight.data.fill_(1e38)

    with pytest.raises(EspalierError, match=r"diverged in epoch 3: .*epoch 2 is kept in .*Lower train\.lr"):
        fit(make_net(), rows, valid_rows, config, hooks=Hooks(explode), checkpoint=checkpoint, **CLASSES)
    resumed = fit(make_net(), rows, valid_rows, config, checkpoint=checkpoint, **CLASSES)
    assert resumed.history == fit(make_net(), rows, valid_rows, config, **CLASSES).history


def test_a_step_of_one_row_through_batch_norm_is_explained(rows, valid_rows, settings):
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    with pytest.raises(EspalierError, match=r"train\.batch: a step has one row"):
        fit(network, rows, valid_rows, settings(batch=1), **CLASSES)


def test_a_last_batch_of_one_row_does_not_break_batch_norm(make_rows, settings):
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    fit(network, make_rows(33), None, settings(), **CLASSES)


def test_a_frozen_network_cannot_be_trained(rows, valid_rows, make_net, settings):
    with pytest.raises(EspalierError, match="no trainable parameter"):
        fit(make_net().requires_grad_(False), rows, valid_rows, settings(), **CLASSES)


def test_frozen_layers_stay(rows, valid_rows, make_net, settings):
    network = make_net()
    network[0].requires_grad_(False)
    done = fit(network, rows, valid_rows, settings(), **CLASSES)
    assert torch.equal(done.network[0].weight, network[0].weight)
    assert not torch.equal(done.network[3].weight, network[3].weight)


def test_parametrised_layers_train(rows, valid_rows, make_net, settings):
    network = make_net()
    weight_norm(network[0])
    done = fit(network, rows, valid_rows, settings(), **CLASSES)
    assert done.history[-1].train_loss < done.history[0].train_loss


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_streaming_gives_the_bits_of_memory(dropout, rows, valid_rows, make_net, settings):
    raw = Tensors(rows.X - 1, rows.y, prepare=lambda X: X + 1)
    cached = Tensors(raw.X + 1, rows.y)
    network = make_net(dropout=dropout)
    one = fit(network, cached, valid_rows, settings(), **CLASSES)
    two = fit(network, raw, valid_rows, settings(loader="stream"), **CLASSES)
    assert_equal_bits(one.network, two.network)


def test_prepared_rows_are_cached_in_memory(rows, valid_rows, make_net, settings):
    calls = []

    def prepare(X):
        calls.append(len(X))
        return X

    fit(make_net(), Tensors(rows.X, rows.y, prepare), valid_rows, settings(), **CLASSES)
    assert calls == [60]


def test_every_epoch_is_told(rows, valid_rows, make_net, settings):
    told = []
    done = fit(make_net(), rows, valid_rows, settings(), on_epoch=told.append, **CLASSES)
    assert tuple(told) == done.history
    assert [record.epoch for record in told] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("at", [1, 3])
def test_a_training_that_is_told_to_stop_has_the_weights_of_that_moment(
    at, rows, valid_rows, make_net, settings
):
    network, config = make_net(), settings(epochs=5)
    stopped = fit(
        network, rows, valid_rows, config, until=5, on_epoch=lambda record: record.epoch == at, **CLASSES
    )
    early = fit(network, rows, valid_rows, config, until=at, **CLASSES)
    assert len(stopped.history) == stopped.best_epoch == at
    assert_equal_bits(stopped.network, early.network)


def test_a_training_that_is_told_to_stop_keeps_its_best_epoch(rows, valid_rows, make_net, settings):
    whole = fit(make_net(), rows, valid_rows, settings(epochs=5), **CLASSES)
    stopped = fit(
        make_net(), rows, valid_rows, settings(epochs=5), on_epoch=lambda record: record.epoch == 4, **CLASSES
    )
    metrics = [(record.valid_metric, -record.valid_loss) for record in whole.history[:4]]
    assert stopped.best_epoch == 1 + metrics.index(max(metrics))


def test_balanced_classes_lift_the_rare_one(make_rows, make_net, settings):
    rows = make_rows(300)
    keep = torch.cat([torch.nonzero(rows.y != 0)[:, 0], torch.nonzero(rows.y == 0)[:2, 0]])
    overlapping = Tensors(rows.X[keep] * 0.3, rows.y[keep])
    found = {}
    for balance in ("none", "balanced"):
        done = fit(make_net(), overlapping, None, settings(class_weights=balance, epochs=10), **CLASSES)
        found[balance] = int((predict_logits(done.network, rows.X * 0.3).argmax(1) == 0).sum())
    assert found["balanced"] > found["none"]


def test_an_absent_device_is_refused(rows, valid_rows, make_net, settings):
    if torch.backends.mps.is_available():
        pytest.skip("this machine has mps")
    with pytest.raises(EspalierError, match=r"train\.device: mps is not available"):
        fit(make_net(), rows, valid_rows, settings(device="mps"), **CLASSES)
