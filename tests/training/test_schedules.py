import pytest

from tasks.training.config import TrainConfig
from tasks.training.schedules import SCHEDULES, constant, cosine, onecycle, plateau, step


def test_every_configured_name_is_in_the_table():
    names = TrainConfig.model_fields["schedule"].annotation.__args__
    assert set(names) == set(SCHEDULES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_lie_between_zero_and_one(name):
    assert all(0 <= SCHEDULES[name](done / 50, []) <= 1 for done in range(51))


def test_one_cycle_starts_at_a_25th_peaks_at_30_percent_and_ends_near_zero():
    assert onecycle(0.0) == pytest.approx(1 / 25)
    assert onecycle(0.3) == pytest.approx(1.0)
    assert onecycle(1.0) == pytest.approx(1 / 250_000)


def test_cosine_is_half_way_at_the_middle():
    assert [cosine(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])


def test_steps_fall_by_ten_at_half_and_three_quarters():
    assert [step(done) for done in (0.49, 0.5, 0.75)] == pytest.approx([1.0, 0.1, 0.01])


def test_a_plateau_counts_five_epochs_without_a_better_loss():
    assert plateau(0.0, [1.0] + [2.0] * 4) == 1.0
    assert plateau(0.0, [1.0] + [2.0] * 5) == pytest.approx(0.3)
    assert plateau(0.0, [1.0] + [2.0] * 10) == pytest.approx(0.09)


def test_progress_is_no_plateau():
    assert plateau(0.0, [1 / (i + 1) for i in range(30)]) == constant(0.0)
