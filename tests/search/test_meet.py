"""The search on a made-up world where cost and metric follow simple laws."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasks.search.budget import Figures, Setting
from tasks.search.candidates import Made
from tasks.search.config import BudgetConfig
from tasks.search.meet import COLUMNS, UNITS, meet, setting


class World:
    """Bytes are 10,000 c u^2 + 100 u; recovered, a graph loses 0.1 (1 - c) and 0.01 each time units halve."""

    reference = Figures(10_100, 10_100, 20.0, 0.95)
    criteria = ("decomposition",)
    noise = 0.004

    def __init__(self) -> None:
        self.recoveries: list[Setting] = []
        self.seconds = 0.0

    def figures(self, setting: Setting, lost: float) -> Figures:
        size = 20 + round(10_000 * setting.columns * setting.units**2 + 100 * setting.units)
        return Figures(size, size, 5 + size / 700, 0.95 - lost)

    def lost(self, setting: Setting) -> float:
        return 0.1 * (1 - setting.columns) - 0.01 * math.log2(setting.units)

    def probe(self, setting: Setting) -> Made:
        self.seconds += 1
        return Made(setting, SimpleNamespace(), self.figures(setting, 4 * self.lost(setting)))

    def recover(self, setting: Setting) -> Made:
        self.seconds += 10
        self.recoveries.append(setting)
        return Made(setting, SimpleNamespace(), self.figures(setting, self.lost(setting)))


def search(world: World, **budget: object):
    return meet(world, BudgetConfig(**{"max_seconds": 1e6, **budget}), clock=lambda: world.seconds)


@pytest.mark.parametrize("drop", [0.0, 0.005, 0.02, 0.05])
def test_the_smallest_within_the_drop_is_smaller_than_any_of_the_coarse_grid(drop):
    world = World()
    found = search(world, max_metric_drop=drop)
    allowed = [
        world.figures(made, world.lost(made)).bytes
        for made in (setting(c, u, "decomposition") for c in COLUMNS[::2] for u in UNITS[::2])
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


class Lucky(World):
    """One small candidate does far better on these rows than larger ones of its kind."""

    def recover(self, setting: Setting) -> Made:
        made = super().recover(setting)
        if setting != Setting(1.0, 0.12):
            return made
        return Made(setting, made.graph, replace(made.figures, metric=0.95))


def test_a_candidate_that_was_lucky_is_not_taken():
    found = search(Lucky(), max_metric_drop=0.01)
    assert found.best.setting != Setting(1.0, 0.12)
    assert found.best.figures.metric >= 0.94


def test_without_any_time_there_is_still_a_nearest():
    found = search(World(), max_seconds=1e-9)
    assert sum(probe["recovered"] for probe in found.probes) == 1
    assert any("time box" in note for note in found.notes)
