import warnings

import pytest

from tasks.search.sampling import SAMPLERS, Sampler

METHODS = sorted(SAMPLERS)


def suggest(draw):
    """A point with a coordinate that only one method has."""
    method = draw.item("method", 2)
    point = {"method": method, "lr": draw.number("lr", 1e-4, 1.0, log=True, step=None)}
    return point | ({"size": draw.whole("size", 2, 16, log=False, step=2)} if method else {})


def costs(point):
    return [abs(point["lr"] - 0.1) + point["method"], point.get("size", 20) / 20]


def played(method, *, rounds=5, size=6, seed=0, objectives=2, told=costs):
    sampler = Sampler(method, suggest, objectives=objectives, seed=seed, round_size=size)
    points = []
    for _ in range(rounds):
        asked = [sampler.ask() for _ in range(size)]
        for one in asked:
            values = told(one.point)
            sampler.tell(one.number, values and values[:objectives], [one.point["lr"] - 0.5])
        points += [one.point for one in asked]
    return points


@pytest.mark.parametrize("method", METHODS)
def test_points_lie_in_the_space_and_have_the_coordinates_of_their_case(method):
    for point in played(method):
        assert 1e-4 <= point["lr"] <= 1.0
        assert ("size" in point) == (point["method"] == 1)
        assert point.get("size", 2) in range(2, 17, 2)


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_and_answers_give_equal_points(method):
    assert played(method) == played(method)
    assert played(method) != played(method, seed=1)


@pytest.mark.parametrize("method", METHODS)
def test_points_without_a_result_do_not_stop_the_search(method):
    assert len(played(method, told=lambda point: None if point["method"] else costs(point))) == 30


@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_later_points_are_better_than_random_ones(method):
    def distance(points):
        return sum(abs(point["lr"] - 0.1) for point in points) / len(points)

    led, random = (played(name, rounds=12, objectives=1)[-24:] for name in (method, "random"))
    assert distance(led) < distance(random)


@pytest.mark.parametrize("method", METHODS)
def test_the_library_is_silent_and_its_own_settings_stay(method, capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played(method)
    assert "".join(capfd.readouterr()) == ""
    assert optuna.logging.get_verbosity() == before
