"""Killed at any point, or two at once: every node whole, computed once, and the same bits in the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tasks.files import read_json
from tasks.study.store import Store
from tasks.study.trial import run_trial

SCRIPT = Path(__file__).with_name("interrupted.py")
HALF, MORE = {"prune.amount": 0.5}, {"prune.amount": 0.75}


def started(root, steps, *trials):
    words = [*map(str, steps), "--", *map(json.dumps, trials)]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(root), *words], stdout=subprocess.PIPE, text=True
    )


def ended(process):
    """What each child computed, and what was there after it."""
    lines = [json.loads(line) for line in process.communicate(timeout=280)[0].splitlines()]
    assert process.returncode == 0
    computed = [line["computed"] for line in lines if "computed" in line]
    return computed, [line for line in lines if "killed" in line]


def untimed(result):
    return {key: value for key, value in result.items() if key != "train_seconds"}


def files(root):
    """Content of every file of every node but what says how long it took."""
    nodes = Store(root).folder / "nodes"
    return {
        file.relative_to(nodes).as_posix(): file.read_bytes()
        for file in nodes.rglob("*")
        if file.is_file() and file.name != "node.json"
    }


def check_killed(root, steps, tried):
    """Kill one attempt after the other, then let one end; compare with the trial that was left alone."""
    other, wanted = tried
    computed, attempts = ended(started(root, steps, HALF))
    assert [attempt["killed"] for attempt in attempts] == [True] * len(steps) + [False]
    for before, after in pairwise(attempts):
        assert set(before["nodes"]) <= set(after["nodes"])
        assert set(before["trials"]) <= set(after["trials"])
    assert max(Counter(computed).values()) == 1
    result = run_trial(root, HALF, 0)
    labels = {"arm": "", "name": ""}
    assert untimed(result) == untimed({**wanted, **labels})
    assert files(root) == files(other)
    assert Store(root).trials() == [result]
    Store(root).prune()
    assert not list((Store(root).folder / "work").glob("*"))
    assert all(read_json(path / "node.json")["failed"] is None for path in Store(root).folder.glob("nodes/*"))


def test_a_trial_killed_again_and_again_ends_as_one_left_alone(fresh, tried):
    check_killed(fresh, [3, 40, 21, 34, 27, 25], tried)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4))
def test_a_trial_killed_at_many_points_ends_as_one_left_alone(fresh, tried, first):
    check_killed(fresh, [*range(first + 1, 20, 4), *range(20 + first, 32, 4)], tried)


def test_two_processes_at_once_compute_every_node_once(fresh, tried):
    running = [started(fresh, [], *trials) for trials in ((HALF, MORE), (MORE, HALF))]
    computed = [key for process in running for key in ended(process)[0]]
    results = [run_trial(fresh, overrides, 0) for overrides in (HALF, MORE)]
    assert Counter(computed) == Counter({key for result in results for key in result["nodes"].values()})
    assert len(computed) == 8
    assert len(Store(fresh).trials()) == 2
    assert results[0]["valid"] == tried[1]["valid"]
