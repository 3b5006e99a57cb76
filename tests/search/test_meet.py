"""The search on a made-up world where cost and metric follow simple laws."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasks.errors import EspalierError
from tasks.search.budget import Figures, Setting
from tasks.search.candidates import Made
from tasks.search.config import BudgetConfig
from tasks.search.meet import MOST_RECOVERIES, meet
from tasks.search.trial import COLUMNS, UNITS, Ranked


def columns(setting: Setting) -> tuple[int, ...]:
    """Positions of a hundred columns: the criteria disagree on all but the whole."""
    first = 50 if setting.criterion == "weight" and setting.columns < 1 else 0
    return tuple(range(first, first + round(100 * setting.columns)))


class World:
    """Bytes are 10,000 c u^2 + 100 u; recovered, a graph loses 0.1 (1 - c) and 0.01 each time units halve."""

    reference = Figures(10_100, 10_100, 20.0, 0.95)
    criteria = ("decomposition",)
    uncounted = ()
    noise = 0.004

    def __init__(self) -> None:
        self.recoveries: list[Setting] = []
        self.ends: list[float] = []
        self.seconds = 0.0

    def figures(self, setting: Setting, lost: float) -> Figures:
        size = 20 + round(10_000 * setting.columns * setting.units**2 + 100 * setting.units)
        return Figures(size, size, 5 + size / 700, 0.95 - lost)

    def lost(self, setting: Setting) -> float:
        return 0.1 * (1 - setting.columns) - 0.01 * math.log2(setting.units)

    def probe(self, setting: Setting) -> Made:
        self.seconds += 1
        return Made(
            setting, SimpleNamespace(), self.figures(setting, 4 * self.lost(setting)), keep=columns(setting)
        )

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        self.ends.append(self.seconds + seconds)
        self.seconds += 1 if (setting.columns, setting.units) == (1, 1) else min(10, seconds)
        self.recoveries.append(setting)
        return Made(
            setting, SimpleNamespace(), self.figures(setting, self.lost(setting)), keep=columns(setting)
        )


def search(world: World, **budget: object):
    return meet(world, BudgetConfig(**{"max_seconds": 1e6, **budget}), clock=lambda: world.seconds)


@pytest.mark.parametrize("drop", [0.0, 0.005, 0.02, 0.05])
def test_the_smallest_within_the_drop_is_smaller_than_any_of_the_coarse_grid(drop):
    world = World()
    found = search(world, max_metric_drop=drop)
    allowed = [
        world.figures(made, world.lost(made)).bytes
        for made in (EVERY.setting(c, u) for c in COLUMNS[::2] for u in UNITS[::2])
        if world.lost(made) <= 0.8 * drop
    ]
    assert found.met
    assert found.best.figures.metric >= 0.95 - drop
    assert found.best.figures.bytes <= min(allowed)


def test_nothing_is_recovered_twice_and_few_are():
    world = World()
    search(world, max_metric_drop=0.05)
    assert len(world.recoveries) == len(set(world.recoveries)) <= 12


def test_the_fastest_and_the_best_keep_their_limits():
    fastest = search(World(), objective="fastest", max_metric_drop=0.03, max_bytes=5_000)
    assert fastest.met
    assert fastest.best.figures.bytes <= 5_000
    best = search(World(), objective="best", max_metric_drop=None, max_bytes=3_000)
    assert best.met
    assert best.best.figures.bytes <= 3_000
    tighter = search(World(), objective="best", max_metric_drop=None, max_bytes=300)
    assert tighter.best.figures.metric <= best.best.figures.metric


def test_a_budget_that_cannot_be_met_names_the_nearest():
    found = search(World(), max_metric_drop=0.001, max_bytes=500)
    assert not found.met
    assert any("cannot be met; nearest is" in note and "(allowed 500)" in note for note in found.notes)


def test_a_limit_below_every_candidate_still_gives_the_nearest():
    found = search(World(), max_bytes=1)
    assert not found.met
    assert found.best.figures.bytes == min(probe["bytes"] for probe in found.probes if not probe["recovered"])


def test_the_time_box_ends_the_search_with_what_there_is():
    world = World()
    found = search(world, max_metric_drop=0.05, max_seconds=30)
    assert world.seconds <= 30 + 10
    assert any("time box of 30 s" in note for note in found.notes)


def test_every_probe_is_recorded_with_its_figures():
    found = search(World())
    assert {"columns", "units", "criterion", "bytes", "macs", "latency_us", "metric", "recovered"} == set(
        found.probes[0]
    )
    probed = {(probe["columns"], probe["units"]) for probe in found.probes if not probe["recovered"]}
    assert {(0.5 ** (c / 2), 0.5 ** (u / 2)) for c in COLUMNS[::2] for u in UNITS[::2]} <= probed


EVERY = Ranked(dict.fromkeys((1, 3), "decomposition"))
LUCKY = Setting(1.0, 0.125)


class Lucky(World):
    """One small candidate does better on these rows than it should."""

    noise = 0.01

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        made = super().recover(setting, seconds)
        luck = 2 * self.noise if setting == LUCKY else 0.0
        return replace(made, figures=replace(made.figures, metric=made.figures.metric + luck))


def test_a_candidate_that_was_lucky_is_not_taken():
    world = Lucky()
    found = search(world, max_metric_drop=0.03)
    assert LUCKY in world.recoveries
    assert world.figures(found.best.setting, 0.0).bytes > world.figures(LUCKY, 0.0).bytes


def test_without_any_time_there_is_still_the_network_as_it_came():
    found = search(World(), max_seconds=1e-9)
    assert sum(probe["recovered"] for probe in found.probes) <= 2
    assert any("time box" in note for note in found.notes)
    assert found.met
    assert found.best.setting == Setting(1.0, 1.0)
    assert not any("luck" in note for note in found.notes)


def test_without_any_time_limits_that_it_misses_are_not_met():
    found = search(World(), max_seconds=1e-9, max_bytes=500)
    assert not found.met
    assert any("not met within the time box of 1e-09 s: raise max_seconds" in note for note in found.notes)
    assert not any("cannot be met" in note for note in found.notes)


@pytest.mark.parametrize("seconds", [30, 95])
def test_what_a_time_box_left_untried_may_still_meet_the_budget(seconds):
    found = search(World(), max_metric_drop=0.001, max_bytes=500, max_seconds=seconds)
    assert not found.met
    told = f"not met within the time box of {seconds} s: raise max_seconds to search on; nearest is"
    assert [told in note for note in found.notes] == [True]


class Clear(World):
    """Whatever is taken away costs half the metric: a search soon knows."""

    def figures(self, setting: Setting, lost: float) -> Figures:
        size = 10_000 if setting.units > 0.6 else 500
        return Figures(size, size, 5.0, 0.95 - lost)

    def lost(self, setting: Setting) -> float:
        return 0.0 if (setting.columns, setting.units) == (1, 1) else 0.5


def test_a_search_that_ended_by_itself_is_not_said_to_be_ended_by_the_time():
    world = Clear()
    meet(world, BudgetConfig(max_metric_drop=0.0, max_seconds=1e6), clock=lambda: world.seconds)
    needed, again = world.seconds, Clear()
    found = search(again, max_metric_drop=0.0, max_seconds=needed)
    assert again.seconds == needed  # not a second is left
    assert found.met
    assert not any("time box" in note for note in found.notes)


def test_a_recovery_is_given_what_is_left_of_the_time():
    world = World()
    search(world, max_metric_drop=0.05, max_seconds=60)
    assert len(world.ends) > 2
    assert set(world.ends) == {60.0}


def test_no_recovery_outlasts_the_time():
    world = World()
    search(world, max_metric_drop=0.05, max_seconds=4)
    assert world.seconds <= 4 + 2  # the network as it came takes no training


class TwoForms(World):
    """In int8 a file has a third of the bytes, takes twice as long and loses a little."""

    loses = 0.001

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        plain = super().recover(setting, seconds)
        was = plain.figures
        figures = Figures(was.bytes // 3, was.macs, 2 * was.latency_us, was.metric - self.loses)
        return replace(plain, figures=figures, float32=plain)


@pytest.mark.parametrize(
    ("limits", "int8"),
    [
        ({}, True),
        ({"objective": "fastest"}, False),
        ({"max_latency_p50_us": 8.0}, False),
        ({"max_latency_p50_us": 100.0}, True),
        ({"objective": "fastest", "max_bytes": 20}, True),
    ],
)
def test_where_time_counts_the_limits_choose_between_the_forms(limits, int8):
    found = search(TwoForms(), max_metric_drop=0.05, **limits)
    assert found.met
    assert (found.best.float32 is not None) == int8


class Lossy(TwoForms):
    loses = 0.02


def test_the_network_as_it_came_keeps_its_form_where_int8_costs_too_much():
    found = search(Lossy(), max_metric_drop=0.0)
    assert found.met
    assert found.best.setting == Setting(1.0, 1.0)
    assert found.best.float32 is None


class TwoCriteria(World):
    """After recovery the second criterion's columns are the better ones."""

    criteria = ("decomposition", "weight")

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        made = super().recover(setting, seconds)
        better = 0.02 if setting.criterion == "weight" else 0.0
        return Made(setting, made.graph, replace(made.figures, metric=made.figures.metric + better))


def test_the_criterion_whose_columns_recover_better_ranks():
    world = TwoCriteria()
    found = search(world, max_metric_drop=0.03)
    assert found.best.setting.criterion == "weight"
    assert {each.criterion for each in world.recoveries[:4]} == {"decomposition", "weight"}
    assert {each.criterion for each in world.recoveries[4:]} == {"weight"}


class Coarse(World):
    """Few units: shares that differ by less than a half are the same network."""

    def figures(self, setting: Setting, lost: float) -> Figures:
        whole = Setting(setting.columns, 2.0 ** math.floor(math.log2(setting.units)))
        return super().figures(whole, lost)


def test_equal_networks_are_trained_once():
    world = Coarse()
    search(world, max_metric_drop=0.05)
    costs = [world.figures(setting, 0.0).macs for setting in world.recoveries]
    assert len(costs) == len(set(costs))


class Overestimated(World):
    """Files turn out to have half the bytes that were estimated before recovery."""

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        made = super().recover(setting, seconds)
        return Made(setting, made.graph, replace(made.figures, bytes=made.figures.bytes // 2))


def test_a_limit_is_held_against_what_files_turn_out_to_have():
    found = search(Overestimated(), objective="best", max_metric_drop=None, max_bytes=5_100)
    assert 4_000 < found.best.figures.bytes <= 5_100


class Rough(World):
    """Neighbours have little in common."""

    def lost(self, setting: Setting) -> float:
        return 0.004 * (1 + math.sin(50 * setting.columns + 90 * setting.units))


def test_no_more_than_twenty_recover_and_the_notes_say_so():
    world = Rough()
    found = search(world, max_metric_drop=0.0)
    assert len(world.recoveries) <= MOST_RECOVERIES
    assert any("recoveries" in note for note in found.notes) == (len(world.recoveries) == MOST_RECOVERIES)


def test_a_budget_met_before_the_grid_is_probed_is_met():
    world = World()
    found = search(world, max_metric_drop=0.2, max_seconds=30)
    assert len(found.probes) < len(COLUMNS[::2]) * len(UNITS[::2])
    assert found.met


def test_no_recovery_begins_that_would_end_after_the_time():
    world = World()
    search(world, max_metric_drop=0.05, max_seconds=95)
    assert world.seconds <= 95


class ByPlace(World):
    """The first criterion ranks few columns better, the second one many."""

    criteria = ("decomposition", "weight")

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        made = super().recover(setting, seconds)
        better = (setting.criterion == "weight") == (setting.columns > 0.49)
        lifted = made.figures.metric + (0.03 if better and setting.columns < 1 else 0.0)
        return replace(made, figures=replace(made.figures, metric=lifted))


def test_few_columns_may_be_ranked_by_another_criterion_than_many():
    found = search(ByPlace(), max_metric_drop=0.06)
    beside_the_trial = [probe for probe in found.probes if probe["columns"] < 1 and probe["units"] != 0.25]
    ranked = {(probe["columns"] > 0.49, probe["criterion"]) for probe in beside_the_trial}
    assert ranked == {(True, "weight"), (False, "decomposition")}


def test_what_is_known_is_not_made_again_and_tells_about_other_limits():
    world = World()
    first = search(world, objective="best", max_metric_drop=None, max_bytes=3_000)
    made = [world.recover(each) for each in dict.fromkeys(world.recoveries)]
    world.recoveries.clear()
    again = meet(
        world,
        BudgetConfig(objective="best", max_metric_drop=None, max_bytes=3_000),
        known=made,
        clock=lambda: world.seconds,
    )
    assert not world.recoveries
    assert again.best.setting == first.best.setting


def test_where_bytes_are_limited_the_criteria_compete_within_the_limit():
    world = TwoCriteria()
    search(world, objective="best", max_metric_drop=None, max_bytes=600)
    trained = [each for each in world.recoveries if each.columns < 1]
    assert trained
    assert all(world.figures(each, 0.0).bytes <= 600 for each in trained)


class Uncounted(World):
    """Some of its layers have no rule for their multiply-adds."""

    uncounted = ("body.0: Mine (W)", "body.2: Mine (W)")


def test_multiply_adds_that_cannot_be_counted_are_no_limit():
    world = Uncounted()
    with pytest.raises(EspalierError, match=r"max_macs: .*body.0: Mine \(W\), body.2: Mine \(W\) cannot be"):
        search(world, max_macs=5_000)
    assert not world.recoveries


def test_multiply_adds_that_leave_layers_out_say_which():
    told, counted = (search(world, max_metric_drop=0.05).notes for world in (Uncounted(), World()))
    assert any("multiply-adds leave out body.0: Mine (W), body.2: Mine (W)" in note for note in told)
    assert not any("multiply-adds" in note for note in counted)


class Unsound(World):
    """What has fewer than all columns answers some rows with NaN."""

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        return replace(super().recover(setting, seconds), sound=setting.columns == 1)


@pytest.mark.parametrize("drop", [0.5, 0.0])
def test_a_candidate_that_does_not_answer_every_row_is_never_taken(drop):
    world = Unsound()
    found = search(world, max_metric_drop=drop, max_bytes=500)
    assert any(setting.columns < 1 for setting in world.recoveries)
    assert found.best.sound
    assert found.met == (drop == 0.5)
