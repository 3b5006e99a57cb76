import pytest
import torch
from torch.nn import functional

from tasks.training.config import TrainConfig
from tasks.training.losses import Distil, balanced_weights, build_loss, label_loss

OUT = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 0.0]])
Y = torch.tensor([0, 2])


def test_labels_alone_are_cross_entropy():
    loss = build_loss("classification", TrainConfig(), None, None)
    torch.testing.assert_close(loss(OUT, Y, None), functional.cross_entropy(OUT, Y))


def test_regression_is_the_squared_distance():
    loss = build_loss("regression", TrainConfig(), None, None)
    assert loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]), None) == 2.0


def test_a_student_that_answers_like_the_teacher_pays_nothing():
    loss = build_loss("classification", TrainConfig(), Distil(1.0, 4.0), None)
    assert loss(OUT, Y, OUT.clone()) == pytest.approx(0.0, abs=1e-6)


def test_distillation_is_the_divergence_of_softened_answers_times_the_squared_temperature():
    teacher = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    loss = build_loss("classification", TrainConfig(), Distil(0.7, 3.0), None)(OUT, Y, teacher)
    p, q = (teacher / 3).softmax(1), (OUT / 3).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean() * 9
    torch.testing.assert_close(loss, 0.3 * functional.cross_entropy(OUT, Y) + 0.7 * divergence)


def test_a_regression_teacher_counts_by_squared_distance():
    loss = build_loss("regression", TrainConfig(), Distil(0.5), None)
    assert loss(torch.tensor([[1.0]]), torch.tensor([2.0]), torch.tensor([[4.0]])) == 0.5 * 1 + 0.5 * 9


def test_smoothing_spreads_the_label():
    loss = build_loss("classification", TrainConfig(label_smoothing=0.3), None, None)(OUT, Y, None)
    target = 0.7 * functional.one_hot(Y, 3) + 0.1
    torch.testing.assert_close(loss, -(target * OUT.log_softmax(1)).sum(1).mean())


def test_balanced_weights_make_every_class_count_the_same():
    y = torch.tensor([0, 0, 0, 1])
    weights = balanced_weights(y, 2)
    assert weights[0] * 3 == pytest.approx(float(weights[1]))
    assert float(weights[y].sum()) == pytest.approx(4.0)


def test_a_class_without_rows_has_no_weight():
    assert balanced_weights(torch.tensor([0, 2]), 3)[1] == 0


def test_the_validation_loss_ignores_smoothing_and_weights():
    assert label_loss("classification", OUT, Y) == functional.cross_entropy(OUT, Y)
