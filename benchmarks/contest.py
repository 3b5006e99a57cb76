"""Every method's candidates on one set and seed, as files, judged alike.

A file is judged on validation rows when it is made, and on test rows once all files of the seed are there.
"""

from __future__ import annotations

import copy
import gzip
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import scratch
from benchmarks.as_it_comes import as_it_comes
from benchmarks.int8 import NAMES as INT8
from benchmarks.int8 import Answers, narrowest, nncf_int8, torchao_int8
from benchmarks.problems import Dense, Problem, dense, halved, widths
from benchmarks.rivals import NothingToPruneError, Peer, Recover, installed, quiet, recover
from tasks.evaluation.efficiency import multiply_adds
from tasks.evaluation.latency import interleave
from tasks.export.config import AutoQuantisation
from tasks.export.fold import fold
from tasks.export.onnx import run_onnx, serialised, session, to_model
from tasks.metrics.table import headline
from tasks.models.graph import Graph
from tasks.search.budget import Setting
from tasks.search.candidates import Bench, Made
from tasks.search.config import BudgetConfig
from tasks.search.meet import meet
from tasks.training.batching import Tensors

__all__ = ["DENSE", "DROP", "OURS", "SCRATCH", "SIZED", "SPARSE", "UNITS", "Judged", "Recording", "contest"]

DROP = 0.005
SPARSE = (0.9, 0.95)
"""Shares of zeros: more or fewer change no byte of a file."""

DENSE, SCRATCH = "dense", "small net from scratch"
OURS, SIZED, UNITS = "ours, smallest", "ours, at given sizes", "ours, units alone"
_BOTH = "AB"


@dataclass(frozen=True)
class Judged:
    """A candidate: its method and setting, the tables it stands in, metrics and costs of its file.

    `dense_valid`, `dense_test` and `dense_us` are of the dense network of the same run: a method measured
    later than others may have met another processor, which trains and answers a little differently.
    """

    set: str
    seed: int
    tables: str
    method: str
    setting: str
    valid: float
    test: float
    bytes: int
    gzip: int
    macs: int
    latency_us: float = float("nan")
    note: str = ""
    dense_valid: float | None = None
    dense_test: float | None = None
    dense_us: float | None = None


@dataclass(frozen=True, eq=False)
class _File:
    """A candidate before it is judged; `answers`: where it is no ONNX file, what answers rows."""

    tables: str
    method: str
    setting: str
    model: bytes
    macs: int
    keep: tuple[int, ...] | None = None
    note: str = ""
    answers: Answers | None = None

    def opened(self) -> Answers:
        """Make ready what answers numeric rows (n, p)."""
        ready = self.answers or partial(run_onnx, session(self.model))
        columns = slice(None) if self.keep is None else list(self.keep)
        return lambda rows: ready(rows[:, columns])


@dataclass(frozen=True, eq=False)
class _Seed:
    """What all methods start from."""

    given: Dense
    amounts: tuple[float, ...]
    epochs: int
    methods: frozenset[str] = frozenset()

    def wanted(self, *names: str) -> bool:
        """Whether a method is asked for, or all are."""
        return not self.methods or not self.methods.isdisjoint(names)

    @cached_property
    def how(self) -> Recover:
        given = self.given
        train, valid = (self._rows(split) for split in ("train", "valid"))
        outputs = given.cleaned.cleaner.target.outputs
        return Recover(train, valid, given.task, outputs, given.seed, self.epochs)

    def _rows(self, split: str) -> Tensors:
        rows = torch.from_numpy(self.given.rows(split))
        return Tensors(self.given.graph.features(rows), self.given.targets[split])

    def graph(self, network: nn.Module) -> Graph:
        graph = copy.deepcopy(self.given.graph)
        graph.network = network
        return graph.eval()

    def metric(self, split: str, file: _File) -> float:
        """Score a candidate on rows of a split."""
        y, answers = getattr(self.given.cleaned, split).y, file.opened()(self.given.rows(split))
        return headline("auto", self.given.cleaned.cleaner.target.kind)(y, answers)


def shipped(seed: _Seed, graph: Graph) -> tuple[bytes, int]:
    """Export as this project does; return the file and the multiply-adds of one row."""
    return scratch.shipped(seed.given, graph).model, multiply_adds(fold(graph))


def _dense(seed: _Seed) -> Iterator[_File]:
    graph = fold(seed.given.graph)
    yield _File(_BOTH, DENSE, "fp32", serialised(to_model(graph)), multiply_adds(graph))


def _peers(seed: _Seed) -> Iterator[_File]:
    """Table A: exported as torch does; table B: as this project does."""
    for name, peer in installed().items():
        if not seed.wanted(name, INT8.get(name, name)):
            continue
        with suppress(NothingToPruneError):
            for amount in seed.amounts if peer.structured else SPARSE:
                yield from _pruned(seed, name, peer, amount)
        yield from _int8(seed, name, "0", seed.given.graph)


def _pruned(seed: _Seed, name: str, peer: Peer, amount: float) -> Iterator[_File]:
    with quiet():
        graph = seed.graph(peer.prune(seed.given.graph.network, amount, seed.how))
    if peer.baseline:
        yield _File(_BOTH, name, f"{amount:g}", *shipped(seed, graph))
        return
    model, note = as_it_comes(graph)
    yield _File("A", name, f"{amount:g}", model, multiply_adds(graph), note=note)
    yield _File("B", name, f"{amount:g}", *shipped(seed, graph))
    yield from _int8(seed, name, f"{amount:g}", graph)


def _int8(seed: _Seed, name: str, setting: str, graph: Graph) -> Iterator[_File]:
    """Table A: what a library quantises by itself, of the dense network and of those it has pruned."""
    if name not in INT8:
        return
    macs, note, answers = multiply_adds(graph), "", None
    if name != "nncf" and narrowest(graph.network) == 1:
        return  # torchao 0.18 fails on a Linear layer that reads one number
    if name == "nncf":
        exported, note = as_it_comes(graph)
        model = nncf_int8(exported, seed.given.rows("train"))
    else:
        model, answers = torchao_int8(graph)
    yield _File("A", INT8[name], setting, model, macs, note=note, answers=answers)


def _scratch(seed: _Seed) -> Iterator[_File]:
    """Halve the widths of a dense net, trained as long as the others in all, until it does worse."""
    how, floor = replace(seed.how, epochs=seed.given.problem.epochs + seed.epochs), _floor(seed)
    for narrow in halved(seed.given.problem):
        network = recover(seed.given.untrained(narrow), how)
        file = _File(_BOTH, SCRATCH, widths(narrow), *shipped(seed, seed.graph(network)))
        yield file
        if seed.metric("valid", file) < floor:
            return


def _floor(seed: _Seed) -> float:
    (dense_file,) = _dense(seed)
    return seed.metric("valid", dense_file) - DROP


@dataclass(frozen=True, eq=False)
class Recording(Bench):
    """Lets each candidate recover once."""

    made: dict[Setting, Made] = field(default_factory=dict)

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        """Make it, or recall it; here recoveries are counted, not timed."""
        del seconds
        if setting not in self.made:
            self.made[setting] = super().recover(setting)
        return self.made[setting]


def _bench(seed: _Seed, made: dict[Setting, Made] | None = None) -> Recording:
    form = AutoQuantisation(method="auto")
    return Recording(seed.given.search(seed.epochs), quantise=form, made=dict(made or {}))


def _ours(seed: _Seed) -> Iterator[_File]:
    """Search for the smallest; units alone at the libraries' amounts; columns too, in as many bytes as those.

    Each of the three has as many recoveries as a library has amounts, the trial of column criteria counted.
    """
    bench, count = _bench(seed), len(seed.amounts)
    _search(bench, BudgetConfig(max_metric_drop=DROP, max_seconds=count))
    for made in bench.made.values():
        yield _made(OURS, made)
    units = [bench.recover(Setting(1.0, round(1 - amount, 4))) for amount in seed.amounts]
    for made in units:
        yield _made(UNITS, made)
    for made in _sized(_bench(seed), [len(made.model) for made in units]):
        yield _made(SIZED, made)


def _sized(bench: Recording, sizes: Sequence[int]) -> list[Made]:
    """Make what should be best within each of the smaller sizes: one recovery a size, after the trial.

    What has recovered for one size tells the search for the next.
    """
    trial = 1 + len(bench.criteria)
    for size in sizes[trial:]:
        budget = BudgetConfig(objective="best", max_metric_drop=None, max_bytes=size, max_seconds=1)
        if not bench.made:
            _search(bench, budget.model_copy(update={"max_seconds": trial + 1}))
        else:
            _search(bench, budget)
    return list(bench.made.values())


def _search(bench: Recording, budget: BudgetConfig) -> Made:
    """Search with a clock that counts recoveries, knowing what has recovered before."""
    known = tuple(bench.made.values())
    return meet(bench, budget, known=known, clock=lambda: float(len(bench.made))).best


def _made(method: str, made: Made) -> _File:
    kept = f"columns {made.setting.columns:.3g}, units {made.setting.units:.3g}"
    return _File(_BOTH, method, kept, made.model, made.figures.macs, made.keep)


def contest(
    name: str,
    problem: Problem,
    seed: int,
    amounts: Sequence[float],
    epochs: int,
    methods: Sequence[str] = (),
) -> list[Judged]:
    """Make every method's candidates on one set and seed and judge them; with `methods` those alone."""
    start = _Seed(dense(problem, seed), tuple(amounts), epochs, frozenset(methods))
    makers = [_peers]
    makers += [_scratch] * start.wanted(SCRATCH) + [_ours] * start.wanted(OURS, SIZED, UNITS)
    files = [*_dense(start), *(file for make in makers for file in make(start) if start.wanted(file.method))]
    times = interleave(_calls(start, files), rounds=11, seconds=0.003)
    reached = [(start.metric("valid", file), start.metric("test", file)) for file in files]
    paces = [1e6 * float(np.median(times[str(i)])) for i in range(len(files))]
    return [
        Judged(
            name,
            seed,
            file.tables,
            file.method,
            file.setting,
            *metrics,
            len(file.model),
            len(gzip.compress(file.model, 9, mtime=0)),
            file.macs,
            pace,
            file.note,
            *reached[0],
            paces[0],
        )
        for file, metrics, pace in zip(files, reached, paces, strict=True)
        if start.wanted(file.method)
    ]


def _calls(seed: _Seed, files: Sequence[_File]) -> dict[str, Any]:
    """One row through every candidate; of an ONNX file with nothing beside the call of ONNX Runtime."""
    rows, calls = seed.given.rows("valid"), dict[str, Any]()
    for i, file in enumerate(files):
        row = np.ascontiguousarray(rows[:1] if file.keep is None else rows[:1, list(file.keep)])
        if file.answers is not None:
            calls[str(i)] = partial(file.answers, row)
            continue
        opened = session(file.model)
        calls[str(i)] = lambda opened=opened, row=row: opened.run(None, {"rows": row})
    return calls
