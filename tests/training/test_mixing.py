import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tasks.errors import EspalierError
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import Distil, fit
from tasks.training.mixing import Teacher

X = torch.arange(12.0).reshape(6, 2)


def teacher(y: torch.Tensor) -> Teacher:
    torch.manual_seed(0)
    return Teacher(nn.Linear(2, 3), Tensors(X, y))


@given(st.integers(0, 40), st.integers(1, 7))
def test_every_row_has_a_turn_and_lies_between_two_rows_as_does_its_target(epoch, size):
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    given_ = teacher(classes)
    mixing = given_.mixtures(1.0, outputs=3, seed=1, epochs=20)
    batches = list(mixing.batches(given_.rows, epoch, torch.arange(6), size))
    rows, targets, answers = (torch.cat(parts) for parts in zip(*batches, strict=True))
    turn = epoch % len(mixing.partners)
    shares, partners = mixing.shares[turn, :, None], mixing.partners[turn]
    torch.testing.assert_close(rows, shares * X + (1 - shares) * X[partners])
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    torch.testing.assert_close(
        targets @ torch.arange(3.0), shares[:, 0] * classes + (1 - shares[:, 0]) * classes[partners]
    )
    torch.testing.assert_close(answers, given_.network(rows).detach())


def test_numbers_are_mixed_as_numbers():
    given_ = Teacher(nn.Linear(2, 1), Tensors(X, X[:, 0]))
    mixing = given_.mixtures(0.4, outputs=1, seed=0, epochs=5, answered=False)
    rows, targets, answers = next(mixing.batches(given_.rows, 3, torch.arange(6), 6))
    torch.testing.assert_close(rows[:, 0], targets)
    assert answers is None


def test_only_rows_of_a_fixed_round_are_mixed_in_and_all_of_resampled_ones():
    given_ = teacher(torch.zeros(6, dtype=torch.int64))

    def partners(rounds):
        mixing = given_.mixtures(1.0, outputs=3, seed=0, epochs=16, rounds=rounds)
        return mixing.partners[:, [1, 4]].unique().tolist()

    assert partners(lambda epoch: torch.tensor([4, 1])) == [1, 4]
    assert partners(lambda epoch: torch.tensor([epoch % 6, 5])) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("rows", "outputs", "epochs", "sets"), [(6, 3, 5, 5), (6, 3, 99, 16), (60_000, 1, 99, 3)]
)
def test_there_are_as_many_sets_as_epochs_while_they_are_few(rows, outputs, epochs, sets):
    X_ = torch.zeros(rows, 2)
    mixing = Teacher(nn.Linear(2, outputs), Tensors(X_, X_[:, 0])).mixtures(
        1.0, outputs=outputs, seed=0, epochs=epochs, answered=False
    )
    assert len(mixing.partners) == len(mixing.shares) == sets


def test_answers_are_bounded_where_there_are_many_classes(monkeypatch):
    monkeypatch.setattr("tasks.training.mixing._MOST_ANSWERS", 40)
    mixing = teacher(torch.zeros(6, dtype=torch.int64)).mixtures(1.0, outputs=3, seed=0, epochs=9)
    assert mixing.answers is not None
    assert mixing.answers.shape == (2, 6, 3)


def test_streamed_rows_cannot_be_mixed():
    given_ = teacher(torch.tensor([0, 1, 2, 0, 1, 2]))
    mixing = given_.mixtures(1.0, outputs=3, seed=0, epochs=1)
    config = TrainConfig(threads=1, loader="stream")
    with pytest.raises(EspalierError, match="set memory"):
        fit(
            given_.network, given_.rows, None, config, task="classification", outputs=3, seed=0, mixing=mixing
        )


def test_equal_seeds_give_equal_mixtures_and_other_seeds_others():
    y = torch.zeros(6, dtype=torch.int64)
    one, same, other = (teacher(y).mixtures(1.0, outputs=3, seed=seed, epochs=2) for seed in (0, 0, 1))
    torch.testing.assert_close(one.shares, same.shares)
    assert not torch.equal(one.shares, other.shares)


def test_the_teacher_is_learned_where_there_are_no_rows():
    """Two rows at the ends: without mixtures nothing says what happens between them."""
    ends = torch.tensor([[-1.0], [1.0]]).repeat(32, 1)
    network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    bent = _Bent()
    rows = Tensors(ends, bent(ends)[:, 0])
    between = torch.linspace(-1, 1, 21)[:, None]
    config = TrainConfig(threads=1, batch=16)
    settings = {
        "task": "regression",
        "outputs": 1,
        "seed": 0,
        "epochs": 150,
        "lr": 0.02,
        "distil": Distil(1.0),
    }
    mixing = Teacher(bent, rows).mixtures(1.0, outputs=1, seed=0, epochs=150)
    taught = fit(network, rows, None, config, mixing=mixing, **settings).network
    untaught = fit(network, rows, None, config, teacher=bent(ends), **settings).network
    with torch.no_grad():
        errors = [float((net(between) - bent(between)).abs().max()) for net in (taught, untaught)]
    assert errors[0] < 0.15 < errors[1]


class _Bent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cos(3 * x)
