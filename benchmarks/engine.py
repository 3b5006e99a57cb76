"""What the engine had to reach: `python -m benchmarks.engine` writes docs/engine.md.

Figures of the long benchmarks (budget, joint, peers) are read from a folder and measured where they are
missing; the short ones (decomposition, sparse, training speed) are measured anew each time.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import budget, decomposition, joint, peers, sparse, train_speed
from benchmarks.contest import SIZED, Judged
from benchmarks.more_sets import MORE
from benchmarks.page import beyond, spread, table, verdict
from benchmarks.peers_page import volumes
from benchmarks.problems import SETS, dense

FIGURES = Path(__file__).parent / "figures"
PAGE = Path(__file__).parent.parent / "docs" / "engine.md"
DROP = 0.005
SMALLER = {
    "digits": 60,
    "breast_cancer": 200,
    "MNIST-1D, mlp": 50,
    "MNIST-1D, resnet": 12,
    "MNIST-5k": 40,
    "adult": 40,
}
OTHERS = 20
NO_MLP = ("MNIST-1D, cnn", "MNIST-1D, resnet")
CONTESTED = 8
"""Sets that the comparison with other libraries was stated for."""
NO_CHAIN = "cnn"


@dataclass(frozen=True)
class Target:
    """A line of the page."""

    what: str
    wanted: str
    found: str
    reached: bool

    def cells(self) -> list[str]:
        """What stands in the table."""
        return [self.what, self.wanted, self.found, verdict(self.reached)]


def bytes_reached(found: Sequence[dict[str, Any]]) -> Iterator[Target]:
    """Bytes of the whole path against the dense network's, set by set."""
    for name, own in _by_set(found):
        smaller = [each["dense_bytes"] / each["bytes"] for each in own]
        gained = statistics.mean(each["compressed"] - each["dense"] for each in own)
        above = name == "MNIST-1D, mlp"
        target = SMALLER.get(name, OTHERS)
        higher = ", accuracy higher" if above else ", at most 0.5 points lost"
        against = [each["scratch_bytes"] / each["bytes"] for each in own if each.get("scratch_bytes")]
        rival = f"; {spread(against)}x against the smallest net from scratch" if against else ""
        yield Target(
            f"{name}: bytes of the deployed path",
            f"{target}x smaller{higher}",
            f"{spread(smaller)}x, {100 * gained:+.2f} points on test rows ({len(own)} seeds){rival}",
            statistics.median(smaller) >= target and (gained > 0 if above else gained >= -DROP),
        )
    for name in [*SETS, *MORE]:
        if name not in {each["name"] for each in found}:
            yield Target(f"{name}: bytes of the deployed path", "", "not measured", reached=False)


def speed_reached(found: Sequence[dict[str, Any]]) -> Iterator[Target]:
    """Latency at one row, and rows a second at 1,024, set by set."""
    for name, own in _by_set(found):
        eager, ort, identity, batch = (
            [each[key] for each in own]
            for key in ("faster_eager_1", "faster_1", "identity_1", "faster_eager_1024")
        )
        mlp = name not in NO_MLP
        yield Target(
            f"{name}: one row",
            "2.5x faster than eager, not slower than dense in ONNX Runtime"
            + (", within 2x of an identity graph" if mlp else ""),
            f"{spread(eager)}x, {spread(ort, '.2f')}x, {spread(identity, '.2f')}x of identity"
            + beyond((each > 2 for each in identity), "seeds") * mlp,
            min(eager) >= 2.5 and min(ort) >= 1 and (not mlp or statistics.median(identity) <= 2),
        )
        if mlp:
            yield Target(
                f"{name}: 1,024 rows",
                "20x the rows/s of eager",
                f"{spread(batch)}x{beyond((each < 20 for each in batch), 'seeds')}",
                statistics.median(batch) >= 20,
            )


def search_reached(found: Sequence[dict[str, Any]]) -> Iterator[Target]:
    """Time of the search, and whether the budget holds on test rows."""
    own = [each for each in found if each["name"] == "MNIST-5k"]
    if own:
        seconds, holds = [each["seconds"] for each in own], sum(each["holds"] for each in own)
        yield Target(
            "MNIST-5k: budget search",
            "under 3 minutes; holds on test rows in 9 of 10 seeds",
            f"{spread(seconds, '.0f')} s; {holds} of {len(own)}",
            statistics.median(seconds) < 180 and holds >= 0.9 * len(own),
        )


def _gain(pair: dict[str, Any]) -> float:
    return 100 * float(pair["both"] - pair["units"])


def joint_reached(found: Sequence[dict[str, Any]]) -> Iterator[Target]:
    """Columns and units together against units alone at equal bytes."""
    gains: dict[tuple[str, float], list[float]] = {}
    for each in found:
        gains.setdefault((each["name"], each["amount"]), []).append(_gain(each))
    mlp = {amount: gained for (name, amount), gained in gains.items() if name == "MNIST-1D, mlp"}
    if mlp:
        every = [gain for gained in mlp.values() for gain in gained]
        yield Target(
            "MNIST-1D, mlp: columns and units against units alone, equal bytes",
            "2 points above, over all sizes",
            f"{statistics.mean(every):+.1f} over {len(mlp)} sizes; by the share of units removed: "
            + "; ".join(
                f"{amount:g}: {statistics.mean(gained):+.1f} ({_listed(gained)})"
                for amount, gained in mlp.items()
            ),
            statistics.mean(every) >= 2,
        )
    worse = [
        f"{each['name']} at {each['amount']:g}, seed {each['seed']}, {_gain(each):+.1f}"
        for each in found
        if each["high"] < 0
    ]
    yield Target(
        "every set: columns and units against units alone, equal bytes",
        "never below beyond the interval",
        f"below in {len(worse)} of {len(found)} pairs" + (f" ({'; '.join(worse)})" if worse else ""),
        not worse,
    )


def volume_reached(found: Sequence[Judged]) -> Iterator[Target]:
    """Hypervolumes against the best library; a set that was not measured is not won."""
    sets = list(dict.fromkeys(each.set for each in found))
    for title, wanted, least in (
        ("A", f"larger on 6 of {CONTESTED}, smaller on none", 6),
        ("B", f"at least equal on 5 of {CONTESTED}", 5),
    ):
        ahead = {name: _ahead([each for each in found if each.set == name], title) for name in sets}
        lost = [name for name in sets if ahead[name] < 0]
        yield Target(
            f"hypervolume against the best library, table {title}",
            wanted,
            f"larger on {len(sets) - len(lost)} of {len(sets)} measured"
            + (f"; smaller on {', '.join(lost)}" if lost else ""),
            len(sets) - len(lost) >= least and (title == "B" or not lost),
        )


def _ahead(own: Sequence[Judged], title: str) -> float:
    """Hypervolume of ours, at given sizes, less the best library's."""
    by = volumes(own, title)
    return by.pop(SIZED) - max(by.values())


def decomposed(seeds: int) -> Iterator[Target]:
    """Points lost without recovery."""
    for name, problem in decomposition.PROBLEMS.items():
        if NO_CHAIN in name:
            continue
        found = dict(decomposition.measured(problem, seeds, 0.75))
        before = statistics.mean(found["dense"])
        lost = {
            method: before - statistics.mean(found[method])
            for method in ("magnitude", "taylor", "decomposition")
        }
        allowed = min(lost["magnitude"], lost["taylor"]) / 4
        yield Target(
            f"{name}: decomposition, 75 % of width removed, no recovery",
            "at most a quarter of what magnitude and Taylor lose",
            f"{lost['decomposition']:.1f} points; magnitude {lost['magnitude']:.1f}, "
            f"Taylor {lost['taylor']:.1f}",
            lost["decomposition"] <= allowed,
        )


def sparsified(seeds: int) -> Target:
    """95 % of the weights zero; the recipe is chosen on validation rows."""
    networks = [dense(SETS["MNIST-1D, mlp"], seed) for seed in range(seeds)]
    tried = [[sparse.accuracies(given, recipe, 0.95) for given in networks] for recipe in sparse.RECIPES]
    best = max(tried, key=lambda found: statistics.mean(each.valid for each in found))
    gained = statistics.mean(each.test - each.dense_test for each in best)
    return Target(
        "MNIST-1D, mlp: 95 % of the weights zero",
        "accuracy not below dense",
        f"{gained:+.1f} points on test rows ({seeds} seeds)",
        gained >= 0,
    )


def trained_fast() -> Iterator[Target]:
    """The training loop against a DataLoader loop."""
    rows = train_speed.digits()
    for name, hidden in train_speed.NETWORKS.items():
        taken = train_speed.measure(hidden, rows, 20, 7)
        ratios = [other / own for other, own in zip(taken["DataLoader"], taken["ours"], strict=True)]
        wanted = train_speed.TARGETS[name]
        yield Target(
            f"training loop, {name} on digits",
            f"{wanted:g}x a DataLoader loop",
            f"{spread(ratios, '.2f')}x",
            statistics.median(ratios) >= wanted,
        )


def _by_set(found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in dict.fromkeys(each["name"] for each in found):
        yield name, [each for each in found if each["name"] == name]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:+.1f}" for value in values)


def _figures(folder: Path, name: str, measure: Callable[[Sequence[str]], None]) -> list[dict[str, Any]]:
    """Read a benchmark's figures; measure all of its sets where there are none."""
    path = folder / f"{name}.json"
    if not path.exists():
        measure(["--json", str(path), "--page", str(PAGE.parent / f"{name}.md")])
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def page(parts: Mapping[str, Sequence[Target]]) -> str:
    """Every target beside what was measured."""
    head = ["what", "had to reach", "measured", ""]
    text = "\n\n".join(
        f"## {title}\n\n{table(head, [each.cells() for each in found])}" for title, found in parts.items()
    )
    return (
        "# What the engine had to reach\n\n"
        "Written by `python -m benchmarks.engine` (part of `make bench`); nothing here is typed in. The long "
        "benchmarks' figures are read from `benchmarks/figures` (`make bench FRESH=1` takes them anew), the "
        "others are measured each time. All is "
        "chosen on validation rows; metrics are on test rows, read once. Where several figures were taken: "
        "median (smallest to largest). Details: [budget](budget.md), [joint](joint.md), [peers](peers.md); "
        "why what was missed was missed: [methods](methods.md#what-was-missed-and-why).\n\n"
        f"{text}\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figures", type=Path, default=FIGURES)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    budgets = _figures(options.figures, "budget", budget.main)
    pairs = _figures(options.figures, "joint", joint.main)
    contests = [Judged(**each) for each in _figures(options.figures, "peers", peers.main)]
    parts = {
        "Size": [*bytes_reached(budgets), *joint_reached(pairs)],
        "Speed": [*speed_reached(budgets), *search_reached(budgets), *trained_fast()],
        "Against other libraries": [*volume_reached(contests)],
        "Methods": [*decomposed(options.seeds), sparsified(options.seeds)],
    }
    PAGE.write_text(page(parts), encoding="utf-8")
    print(page(parts))


if __name__ == "__main__":
    main()
