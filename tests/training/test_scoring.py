import numpy as np
import pytest
import torch
from torch import nn

from tasks.metrics.table import headline
from tasks.training.batching import Tensors
from tasks.training.scoring import METRIC, metric, network_inputs, predict_logits, score


def test_the_validation_metric_is_the_headline_of_classification():
    outputs, y = torch.randn(40, 3), torch.randint(0, 3, (40,))
    expected = headline("auto", "classification")(y.numpy(), outputs.softmax(1).numpy())
    assert metric("classification", outputs, y) == pytest.approx(expected)


def test_the_validation_metric_is_the_headline_of_regression():
    outputs, y = torch.randn(40, 1), torch.randn(40)
    expected = headline("auto", "regression")(y.numpy().astype(np.float64), outputs[:, 0].numpy())
    assert metric("regression", outputs, y) == pytest.approx(expected)


def test_its_name_is_the_headlines_name():
    assert all(headline("auto", task).name == name for task, name in METRIC.items())


def test_a_constant_target_has_no_share_to_explain():
    y = torch.ones(3)
    assert metric("regression", torch.ones(3, 1), y) == 1.0
    assert metric("regression", torch.zeros(3, 1), y) == 0.0


def test_batches_of_prediction_do_not_matter():
    network, X = nn.Linear(3, 2), torch.randn(10, 3)
    torch.testing.assert_close(predict_logits(network, X, batch=3), network(X))


def test_predicting_neither_trains_nor_keeps_gradients():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)).train()
    before = network[1].running_mean.clone()
    assert not predict_logits(network, torch.randn(10, 3)).requires_grad
    assert torch.equal(network[1].running_mean, before)
    assert network.training


def test_rows_that_need_preparing_are_prepared():
    rows = Tensors(torch.eye(2) - 1, torch.tensor([0, 1]), prepare=lambda X: X + 1)
    assert score(nn.Identity(), rows, "classification") == 1.0
    assert torch.equal(network_inputs(rows, batch=1), torch.eye(2))
