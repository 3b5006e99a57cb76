"""What the engine's page says of figures."""

from benchmarks.engine import NO_MLP, SMALLER, bytes_reached, joint_reached, speed_reached
from benchmarks.more_sets import MORE
from benchmarks.problems import SETS

FIGURES = {
    "name": "MNIST-1D, mlp",
    "dense": 0.6,
    "compressed": 0.6,
    "dense_bytes": 1000,
    "bytes": 10,
    "faster_eager_1": 5.0,
    "faster_1": 1.5,
    "identity_1": 1.5,
    "faster_eager_1024": 30.0,
}


def test_every_set_that_has_a_target_is_a_set():
    assert {*SMALLER, *NO_MLP} <= {*SETS, *MORE}


def test_an_accuracy_that_had_to_rise_and_did_not_is_missed():
    (reached, *missing) = bytes_reached([FIGURES])
    assert not reached.reached
    assert next(bytes_reached([FIGURES | {"compressed": 0.61}])).reached
    assert {each.found for each in missing} == {"not measured"}
    assert len(missing) == len(SETS) + len(MORE) - 1


def test_seeds_beyond_a_limit_that_the_median_keeps_are_counted():
    found = [FIGURES, FIGURES, FIGURES | {"identity_1": 2.5, "faster_eager_1024": 10.0}]
    row, batch = speed_reached(found)
    assert row.reached
    assert row.found.endswith("(missed in 1 of 3 seeds)")
    assert batch.found.endswith("(missed in 1 of 3 seeds)")


def test_the_joint_recipe_is_judged_over_all_sizes_not_at_the_best_one():
    pair = {"name": "MNIST-1D, mlp", "seed": 0, "both": 0.6, "units": 0.6, "high": 0.01}
    found = [pair | {"amount": 0.75, "both": 0.63}, pair | {"amount": 0.9, "both": 0.59}]
    judged, _ = joint_reached(found)
    assert judged.found.startswith("+1.0 over 2 sizes")
    assert not judged.reached
