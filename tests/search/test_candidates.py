"""A candidate made, recovered and measured, on six columns of which two say the class."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from onnx import ModelProto
from torch import nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.export.config import AutoQuantisation
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, serialised, session, to_model
from tasks.models.graph import Graph
from tasks.models.layers import Softmax, preprocess
from tasks.pruning.config import FinetuneConfig
from tasks.search import candidates
from tasks.search.budget import Setting
from tasks.search.candidates import Bench
from tasks.search.luck import resampled, spread
from tasks.search.pace import Pace
from tasks.search.problem import Problem
from tasks.training.batching import Tensors
from tasks.training.config import TrainConfig
from tasks.training.fit import fit

COLUMNS, HALF = 6, Setting(0.5, 0.5)
KEPT = "recovery made it worse on validation rows; kept as it was before"


def plan() -> NumericPlan:
    zeros, ones = np.zeros(COLUMNS, np.float32), np.ones(COLUMNS, np.float32)
    return NumericPlan(
        tuple("abcdef"), (0,) * COLUMNS, zeros, -np.inf * ones, np.inf * ones, (), zeros, ones, None, None
    )


def drawn(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    X = torch.randn(rows, COLUMNS, generator=torch.Generator().manual_seed(seed))
    return X, (X[:, 1] + X[:, 4] > 0).long()


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    X, y = drawn(200, 0)
    network = nn.Sequential(nn.Linear(COLUMNS, 16), nn.ReLU(), nn.Linear(16, 2))
    trained = fit(
        network,
        Tensors(X, y),
        None,
        TrainConfig(epochs=30, lr=0.02),
        task="classification",
        outputs=2,
        seed=0,
    )
    given = plan()
    labels = ("no", "yes")
    return Graph(
        given.names, preprocess(given), nn.Identity(), trained.network, Softmax(), "classification", labels
    ).eval()


def bench(graph: Graph, **finetune: object) -> Bench:
    X, y, valid, y_valid = *drawn(200, 0), *drawn(100, 1)
    problem = Problem(
        graph, plan(), X, y, valid, y_valid, "classification", 0, TrainConfig(), FinetuneConfig(**finetune)
    )
    return Bench(problem, quantise=AutoQuantisation(method="auto"))


def test_a_candidate_that_recovery_makes_worse_stays_as_it_was(graph):
    made = bench(graph, epochs=2, lr=30.0)
    before, after = made.probe(HALF), made.recover(HALF)

    assert after.pruned.network is before.pruned.network
    assert after.pruned.history == ()
    assert after.epochs == 2
    assert KEPT in after.notes
    assert KEPT not in before.notes


def test_what_is_kept_so_is_measured_in_the_form_that_is_deployed(graph):
    made = bench(graph, epochs=2, lr=30.0)
    before, after = made.probe(HALF), made.recover(HALF)
    X, y = drawn(100, 1)
    answers = run_onnx(session(after.model), X[:, list(after.keep)].numpy()).argmax(1)

    assert after.figures.bytes == len(after.model) <= len(before.model)
    assert after.figures.metric == pytest.approx((answers == y.numpy()).mean())
    assert after.figures.latency_us > 0


def test_int8_has_its_scaling_apart_where_a_column_in_large_units_would_be_rounded_away(graph):
    sizes = np.float32([1, 1, 1, 1, 1e5, 1])
    wide = replace(plan(), scale=sizes)
    whole, replaced = bench(graph), copy.deepcopy(graph)
    replaced.preprocess = preprocess(wide)
    problem = replace(
        whole.problem,
        graph=replaced,
        plan=wide,
        X=whole.problem.X * torch.from_numpy(sizes),
        valid=whole.problem.valid * torch.from_numpy(sizes),
    )
    made = replace(whole, problem=problem).recover(Setting(1.0, 1.0))
    assert made.figures.bytes < len(serialised(to_model(fold(made.graph))))
    assert made.figures.metric == pytest.approx(whole.recover(Setting(1.0, 1.0)).figures.metric, abs=0.02)


@pytest.mark.parametrize("setting", [Setting(1.0, 1.0), Setting(0.5, 1.0), Setting(0.5, 0.25)])
@pytest.mark.parametrize("lr", [0.003, 30.0])
def test_recovery_never_lowers_the_validation_metric(graph, setting, lr):
    made = bench(graph, epochs=3, lr=lr)
    assert made.recover(setting).pruned.valid_metric >= made.probe(setting).pruned.valid_metric


def test_a_recovery_that_would_not_fit_is_shorter_and_says_so(graph, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(candidates, "Pace", partial(Pace, clock=lambda: float(next(ticks))))
    made = bench(graph, epochs=50).recover(HALF, seconds=30.0)
    epochs = len(made.pruned.history)

    assert 3 < epochs < 30
    assert made.pruned.history[-1].lr < 0.1 * max(record.lr for record in made.pruned.history)
    assert (made.epochs, made.shortened) == (epochs, True)
    assert f"recovered for {epochs} epochs instead of 50: no more fit into the time box" in made.notes


def test_time_enough_changes_nothing(graph):
    free, timed = (bench(graph, epochs=5).recover(HALF, seconds) for seconds in (float("inf"), 1e6))
    assert free.model == timed.model
    assert free.notes == timed.notes


def test_where_time_counts_both_forms_are_measured(graph):
    one, both = (
        replace(bench(graph, epochs=1), timed=timed).recover(Setting(0.5, 1.0)) for timed in (False, True)
    )
    assert one.float32 is None
    assert both.float32.figures.bytes == len(both.float32.model) > both.figures.bytes
    assert both.float32.figures.metric == both.pruned.valid_metric
    assert both.float32.figures.latency_us > 0


def test_a_candidate_that_recovers_brings_its_epochs_and_no_note(graph):
    recovered = bench(graph, epochs=10).recover(Setting(0.5, 0.125))
    assert [record.epoch for record in recovered.pruned.history] == list(range(1, 11))
    assert (recovered.epochs, recovered.shortened) == (10, False)
    assert KEPT not in recovered.notes


def test_fewer_columns_alone_are_a_removal(graph):
    notes = bench(graph, epochs=1).probe(Setting(0.5, 1.0)).notes
    assert not any("nothing removed" in note for note in notes)


@pytest.mark.parametrize("units", [0.5, 1.0])
def test_fewer_columns_are_recovered_from_where_no_unit_can_leave(graph, units):
    linear = nn.Linear(COLUMNS, 2)
    made = bench(graph.with_parts(network=linear), epochs=5, lr=0.05).recover(Setting(0.5, units))

    assert made.epochs == 5
    assert "nothing can be removed from this network" not in made.notes
    assert made.figures.metric > bench(graph.with_parts(network=linear)).probe(made.setting).figures.metric


def test_with_every_column_and_no_unit_that_can_leave_nothing_is_trained(graph):
    made = bench(graph.with_parts(network=nn.Linear(COLUMNS, 2)), epochs=5).recover(Setting(1.0, 0.5))
    assert made.epochs == 0
    assert "nothing can be removed from this network" in made.notes


class BothWays(nn.Module):
    """Columns that a recurrent layer reads, forwards and backwards, through a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(COLUMNS, 6), nn.Linear(8, 2)
        self.inner = nn.GRU(3, 4, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.inner(self.first(x).relu().view(-1, 2, 3))[0][:, -1])
        return out


def test_columns_leave_a_recurrent_network_whose_units_stay(graph):
    torch.manual_seed(0)
    made = bench(graph.with_parts(network=BothWays()), epochs=2).recover(Setting(0.5, 0.5))
    assert len(made.keep) == COLUMNS // 2
    assert made.epochs == 2
    assert any(note.startswith("inner left alone") for note in made.notes)


def test_the_noise_is_the_spread_at_the_reference(graph):
    made = bench(graph, epochs=1)
    assert made.noise == spread("classification", made.reference.metric, 100)


def test_the_noise_of_r2_counts_rows_that_carry_most_of_the_error():
    y = torch.linspace(-1, 1, 100).double().numpy()
    far = y.copy()
    far[-1] += 3.0
    assert resampled(y, y) == 0
    assert resampled(y, far) > 2 * spread("regression", 1 - 9 / (y**2).sum(), 100)


def test_a_file_that_answers_otherwise_is_written_unmerged_and_says_so(graph, monkeypatch):
    def wrong(graph: Graph) -> Graph:
        folded = copy.deepcopy(graph)
        with torch.no_grad():
            folded.network[-1].bias[0] += 1
        return folded

    monkeypatch.setattr(candidates, "fold", wrong)
    made = bench(graph, epochs=1).recover(HALF)
    X = drawn(100, 1)[0][:, list(made.keep)]
    wanted = made.graph.predict(X).detach().numpy()

    assert any("layers are not merged" in note for note in made.notes)
    np.testing.assert_allclose(run_onnx(session(made.model), X.numpy()), wanted, atol=0.05)


def test_a_file_that_cannot_be_right_is_one_line(graph, monkeypatch):
    right = candidates.to_model

    def wrong(graph: Graph) -> ModelProto:
        changed = copy.deepcopy(graph)
        with torch.no_grad():
            changed.network[-1].bias[0] += 1
        return right(changed)

    monkeypatch.setattr(candidates, "to_model", wrong)
    with pytest.raises(EspalierError, match=r"differs from the network by up to .* torch\.nn layers"):
        bench(graph, epochs=1).recover(HALF)


def test_a_candidate_recovers_no_shorter_than_the_network_was_trained(graph):
    given = bench(graph)
    longer = replace(given.problem, train=TrainConfig(epochs=200))
    assert replace(given, problem=longer).epochs == 200


@pytest.mark.parametrize(("given", "expected"), [({}, 180), ({"epochs": "auto"}, 180), ({"epochs": 7}, 7)])
def test_a_candidate_recovers_longer_than_a_removal_unless_told(graph, given, expected):
    assert bench(graph, **given).epochs == expected


def test_a_candidate_that_does_not_bear_every_row_counts_as_wrong_in_all(graph, monkeypatch):
    monkeypatch.setattr(candidates, "unanswered", lambda network, X: torch.tensor([3]))
    made = bench(graph, epochs=1).recover(HALF)
    assert not made.sound
    assert made.figures.metric == 0.0


def test_a_recovery_that_ends_in_answers_without_numbers_is_undone(graph, monkeypatch):
    made = bench(graph, epochs=20)
    before = made.probe(HALF).pruned.network
    monkeypatch.setattr(
        candidates, "unanswered", lambda network, X: torch.arange(0 if network is before else 1)
    )
    after = made.recover(HALF)
    assert after.sound
    assert after.pruned.network is before
    assert KEPT in after.notes
