"""Write what the contest measured as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.contest import DENSE, DROP, OURS, SIZED, SPARSE, UNITS, Judged
from benchmarks.int8 import NAMES as INT8
from benchmarks.rivals import PEERS
from tasks.study.deployed import Point, hypervolume

__all__ = ["Run", "page", "volumes"]

BELOW = 0.05
"""The floor of the hypervolume: metric of the dense network less this."""

_TABLES = {
    "A": "A. Each library as its own documentation uses it",
    "B": "B. Each library given our folding, stripping and int8",
}
_RIVALS = (*(name for name, peer in PEERS.items() if not peer.baseline), *INT8.values())


@dataclass(frozen=True)
class Run:
    """All figures, and how they came about."""

    found: Sequence[Judged]
    epochs: int
    amounts: tuple[float, ...]
    missing: tuple[str, ...] = ()

    def sets(self) -> list[str]:
        """Sets in the order they were measured."""
        return list(dict.fromkeys(each.set for each in self.found))


@dataclass(frozen=True)
class Row:
    """A method on a set: over the seeds, what it would deploy, the dense network, and hypervolumes."""

    method: str
    picked: tuple[Judged, ...]
    dense: tuple[Judged, ...]
    held: int
    volumes: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def volume(self) -> float:
        """Mean over the seeds."""
        return statistics.mean(self.volumes)


def picked(candidates: Sequence[Judged], floor: float) -> tuple[Judged, bool]:
    """Return the smallest file that reaches the floor on validation rows; else the best one there."""
    fit = [each for each in candidates if each.valid >= floor]
    if fit:
        return min(fit, key=lambda each: each.bytes), True
    return max(candidates, key=lambda each: (each.valid, -each.bytes)), False


def rows(found: Sequence[Judged], table: str) -> list[Row]:
    """Return a row per method of one set, in the order they were measured; the dense network first."""
    here = [each for each in found if table in each.tables]
    dense = {each.seed: each for each in here if each.method == DENSE}
    return [_row(method, here, dense) for method in dict.fromkeys(each.method for each in here)]


def _row(method: str, here: Sequence[Judged], dense: Mapping[int, Judged]) -> Row:
    chosen, references, volumes = [], [], []
    own = [each for each in here if each.method == method]
    for seed, shown in dense.items():
        candidates = [each for each in own if each.seed == seed]
        reference = _met(candidates[0], shown)
        references.append(reference)
        chosen.append(picked(candidates, reference.valid - DROP))
        points = [Point(each.bytes, each.valid, each.test) for each in candidates]
        volumes.append(hypervolume(points, reference.test - BELOW, reference.bytes))
    files, held = zip(*chosen, strict=True)
    notes = tuple(dict.fromkeys(each.note for each in own if each.note))
    return Row(method, files, tuple(references), sum(held), tuple(volumes), notes)


def _met(candidate: Judged, shown: Judged) -> Judged:
    """Return the dense network of a candidate's own run, where that is not the one in the table."""
    if candidate.dense_valid is None or candidate.dense_test is None or candidate.dense_us is None:
        return shown
    return replace(
        shown, valid=candidate.dense_valid, test=candidate.dense_test, latency_us=candidate.dense_us
    )


def _cells(row: Row) -> tuple[str, ...]:
    pairs = list(zip(row.picked, row.dense, strict=True))
    test = [each.test for each in row.picked]
    lost = [each.test - reference.test for each, reference in pairs]
    held = "" if row.held == len(pairs) else f" ({row.held} of {len(pairs)} seeds within)"

    def median(values: Sequence[float], form: str = ",.0f") -> str:
        return format(statistics.median(values), form)

    return (
        row.method + held,
        f"{100 * statistics.mean(test):.1f}",
        f"{100 * statistics.mean(lost):+.1f} ({100 * min(lost):+.1f} to {100 * max(lost):+.1f})",
        median([each.bytes for each in row.picked]),
        median([reference.bytes / each.bytes for each, reference in pairs], ".1f") + "x",
        median([each.gzip for each in row.picked]),
        median([each.macs for each in row.picked]),
        median([reference.latency_us / each.latency_us for each, reference in pairs], ".2f") + "x",
        f"{row.volume:.4f} ({min(row.volumes):.4f} to {max(row.volumes):.4f})",
    )


_HEADER = (
    "method",
    "test",
    "points against dense",
    "bytes",
    "smaller",
    "gzip bytes",
    "multiply-adds",
    "batch 1, faster",
    "hypervolume",
)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines))


def _summary(run: Run, table: str) -> str:
    """Hypervolumes of all sets: ours, and the best library's."""
    lines = []
    for name in run.sets():
        own = [each for each in run.found if each.set == name]
        by = {row.method: row.volume for row in rows(own, table)}
        rival = max(_libraries(by), key=lambda each: by[each])
        winner = "ours" if by[SIZED] > by[rival] else f"**{rival}**"
        ours = (f"{by[each]:.4f}" for each in (SIZED, OURS, UNITS))
        seeds = str(len({each.seed for each in own}))
        lines.append([name, seeds, *ours, f"{by[rival]:.4f} ({rival})", winner])
    return _table(
        ["set", "seeds", SIZED, OURS, UNITS, "best library", "larger: at given sizes or library"], lines
    )


def volumes(found: Sequence[Judged], table: str) -> dict[str, float]:
    """Return the hypervolumes of one set: of what is best at given sizes, and of the libraries."""
    by = {row.method: row.volume for row in rows(found, table)}
    return {method: by[method] for method in (SIZED, *_libraries(by))}


def _libraries(by: Mapping[str, float]) -> list[str]:
    return [each for each in _RIVALS if each in by]


def _losses(run: Run) -> Iterator[str]:
    """Name every other method with a larger hypervolume, or a file no larger and no worse than ours."""
    for name in run.sets():
        own = [each for each in run.found if each.set == name]
        for table in _TABLES:
            found = {row.method: row for row in rows(own, table)}
            for row in found.values():
                if row.method in (OURS, SIZED, UNITS, DENSE):
                    continue
                if row.volume > found[SIZED].volume:
                    yield (
                        f"- {name}, table {table}, hypervolume: {row.method} {row.volume:.4f}, "
                        f"{SIZED} {found[SIZED].volume:.4f}."
                    )
                if _beats(row, found[OURS]):
                    yield (
                        f"- {name}, table {table}, the file it would deploy: {row.method} at "
                        f"{_bytes(row):,.0f} bytes and {100 * _test(row):.1f}, {OURS} at "
                        f"{_bytes(found[OURS]):,.0f} and {100 * _test(found[OURS]):.1f}."
                    )


def _bytes(row: Row) -> float:
    return statistics.median(each.bytes for each in row.picked)


def _test(row: Row) -> float:
    return statistics.mean(each.test for each in row.picked)


def _beats(row: Row, ours: Row) -> bool:
    return row.held >= ours.held and _test(row) >= _test(ours) and _bytes(row) <= _bytes(ours)


def page(run: Run) -> str:
    """Return the page."""
    losses = list(_losses(run)) or ["- nowhere."]
    parts = ["# Against other libraries", _intro(run)]
    for table in _TABLES:
        parts += [f"## Hypervolumes, table {table}", _summary(run, table)]
    parts += ["## Where another method wins", _WINS, "\n".join(losses)]
    for table, title in _TABLES.items():
        parts.append(f"## {title}")
        for name in run.sets():
            found = rows([each for each in run.found if each.set == name], table)
            notes = [f"{row.method}: {note}." for row in found for note in row.notes]
            parts += [f"### {name}, {table}", _table(_HEADER, [_cells(row) for row in found]), *notes]
    return "\n\n".join(parts) + "\n"


_WINS = f"""\
By the hypervolume against `{SIZED}`, or by the file that would be deployed (no larger, and no worse on test
rows, in means and medians over the seeds) against `{OURS}`. The baselines are held against ours too."""


def _intro(run: Run) -> str:
    amounts = ", ".join(f"{amount:g}" for amount in run.amounts)
    last = ", ".join(f"{amount:g}" for amount in SPARSE)
    missing = (
        f" Not installed or not measured for this page, so left out: {'; '.join(run.missing)}."
        if run.missing
        else ""
    )
    return f"""\
Written by `python -m benchmarks.peers`; nothing here is typed in.{missing}

All methods start from the same trained dense network, on the same split, and train on for {run.epochs} epochs
with the same loop (AdamW, one cycle): the libraries and random units on labels, ours with distillation on
mixtures of rows, which is part of its recipe. A seed draws split, initial weights and batches. Structured
libraries remove {amounts} of every layer's units, unstructured ones
{last} of the weights (more or fewer zeros change no byte of the file).

- `{OURS}`: the budget search, columns and units together, for the smallest file that is good enough.
- `{UNITS}`: decomposition pruning at the libraries' amounts, all columns kept.
- `{SIZED}`: columns and units together: what should be best within the bytes of each of the smaller ones of
  those files, one recovery each; before, the criteria of columns compete, beside all columns. Each of the
  three has {len(run.amounts)} recoveries in all, as a structured library has.
- `small net from scratch`: the dense network's widths halved until the validation metric is more than
  {100 * DROP:g} points down, each trained as long as the others in all.

Every choice is made on validation rows; test rows are read once all files are there. A row shows the smallest
file that is within {100 * DROP:g} points of the dense network on validation rows; where no file of a seed is,
the best one there, and in how many seeds one was. Metrics are accuracy, or R\N{SUPERSCRIPT TWO}, times 100,
means over the seeds; bytes, multiply-adds and latency are medians. A file takes raw numeric rows (NaN =
missing) and gives probabilities or predictions; `batch 1` is of one row in ONNX Runtime on one thread, all
files of a seed in turn, against the dense network. Points and speed are against the dense network of the
same run: libraries' own int8 was measured later than the rest of a set, and another processor trains and
answers a little differently.

Hypervolume: for every size allowed, the candidate that is best on validation rows among those that fit; its
test metric above a floor {100 * BELOW:g} points under dense, added up over log10 of the bytes up to the dense
fp32 file. Larger is better; means over seeds (smallest to largest). The baselines (random units, small net)
are exported by this project in both tables; the libraries in table A by `torch.onnx.export` with all its
metadata, in float32. `nncf, int8` and `torchao, int8` in table A are these libraries' own int8 of the dense
network and of each that they have pruned: `nncf.quantize` of the file with 300 training rows; `quantize_`
with `Int8DynamicActivationInt8WeightConfig`, of Linear layers alone, which runs in PyTorch: its bytes are of
the state as `torch.save` writes it, without code, and its latency is PyTorch's; amounts that leave a Linear
layer one input are left out, for torchao 0.18 fails on these. Table B gives every library's
network our int8. torchao prunes Linear and Conv2d alone: where no hidden layer is one, it has no row."""
