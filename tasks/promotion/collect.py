"""Evidence for the gate: both versions asked about the same raw test rows, and what was looked up."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.artifacts import Layout, load_cleaner, load_rows, read_json
from tasks.config import load_params
from tasks.errors import EspalierError
from tasks.gate.evidence import Answers, Evidence, Fact, Subject
from tasks.metrics.classification import decide
from tasks.promotion.subjects import Rows, Stored, asked, stored, timed
from tasks.promotion.versions import Aliases, Origin, origin
from tasks.tracking.fetch import download

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tasks.config import Params
    from tasks.gate.config import PromoteConfig

__all__ = ["collect"]

Array = npt.NDArray[Any]
RAW, EXPORT = "data/raw.parquet", "models/export/compressed"
KEPT = "repeated rows kept"


def collect(
    root: Path,
    policy: PromoteConfig,
    name: str,
    client: MlflowClient,
    uri: str,
    held: Aliases,
    lock: Mapping[str, str],
    absent: int,
) -> Evidence:
    """Ask challenger and champion about the workspace's test rows.

    Parameters
    ----------
    root
        The workspace that the challenger was made in, as it was then.
    policy
        Section `promote` as it is now.
    name
        Registered model.
    client, uri
        MLflow.
    held
        Who stands where; there is a challenger.
    lock
        DVC's hashes of the workspace's outputs.
    absent
        How many of their files the DVC remote lacks.

    Raises
    ------
    EspalierError
        When the workspace's state is not the one that the challenger was made from.
    """
    challenger = held.challenger
    assert challenger is not None
    made = origin(client, name, challenger)
    _require_same(name, challenger, made, lock)
    layout = Layout(root)
    report, test = read_json(layout.report("evaluate")), load_rows(layout.rows("test"))
    labels = tuple(report["labels"] or ())
    with tempfile.TemporaryDirectory() as folder:
        files = {v: stored(download(uri, name, v, Path(folder, v))) for v in _versions(held)}
        raw = _raw(layout, test.index, files.values(), policy.slices.columns)
        rows = Rows(Path(folder, "rows.parquet"), labels)
        raw.to_parquet(rows.path)
        data = {v: (made if v == challenger else origin(client, name, v)).hashes.get(RAW, "") for v in files}
        subjects = {v: asked(v, each, rows, data=data[v]) for v, each in files.items()}
        speed, subjects = _timed(subjects, files, raw.iloc[:1])
    return Evidence(
        task=report["task"],
        headline=report["metric"],
        labels=labels,
        y=test.y,
        challenger=subjects[challenger],
        champion=subjects.get(held.champion or ""),
        reference=_reference(layout, report, test.X),
        trivial=_trivial(load_rows(layout.rows("train")).y, len(test), labels),
        speed=speed,
        slices={column: raw[column].astype(str).to_numpy() for column in policy.slices.columns},
        facts={
            "parity with the pipeline": _parity(layout, subjects[challenger], test.X),
            "test rows unseen in training": _unseen(layout, load_params(root)),
            "lineage": _lineage(made, absent),
        },
    )


def _versions(held: Aliases) -> tuple[str, ...]:
    return tuple(v for v in (held.challenger, held.champion) if v is not None)


def _require_same(name: str, version: str, made: Origin, lock: Mapping[str, str]) -> None:
    differing = [path for path, value in made.hashes.items() if lock.get(path) != value]
    if not made.hashes:
        raise EspalierError(
            f"{name} version {version}: its run in MLflow is gone; `espalier run` records one"
        )
    if differing:
        raise EspalierError(
            f"{name} version {version} was made from another state of this workspace ({differing[0]} "
            "differs); `espalier run` makes a challenger from this one"
        )


def _raw(layout: Layout, index: Array, files: Any, slices: tuple[str, ...]) -> pd.DataFrame:
    """Raw test rows, of the columns that are asked for."""
    wanted = dict.fromkeys([*(name for each in files for name in each.columns), *slices])
    whole = pd.read_parquet(layout.raw)
    missing = [column for column in slices if column not in whole]
    if missing:
        raise EspalierError(f"promote.slices.columns: no column {missing[0]!r} in the raw rows")
    known = [column for column in wanted if column in whole]  # a champion's column may have left the source
    return whole[known].iloc[index].reset_index(drop=True)


def _timed(
    subjects: dict[str, Subject], files: Mapping[str, Stored], row: pd.DataFrame
) -> tuple[Any, dict[str, Subject]]:
    from dataclasses import replace

    asked_well = {v: files[v] for v, subject in subjects.items() if subject.answers is not None}
    if not asked_well:
        return None, subjects
    seconds, ratios = timed(asked_well, row)
    told = {v: replace(s, latency_us=1e6 * seconds[v]) if v in seconds else s for v, s in subjects.items()}
    both = len(asked_well) == len(subjects) > 1
    return (next(iter(ratios.values())) if both else None), told


def _reference(layout: Layout, report: Mapping[str, Any], X: Array) -> Answers:
    """Answers of the dense network's file to the numeric test rows."""
    from tasks.export.onnx import run_onnx, session

    scores = run_onnx(session(layout.onnx("reference")), X)
    if report["task"] == "regression":
        return Answers(scores.reshape(-1), scores.reshape(-1))
    return Answers(scores, decide(scores, report["models"]["reference"]["threshold"]))


def _trivial(y: Array, rows: int, labels: tuple[str, ...]) -> Answers:
    """Answers of the rule that knows the training targets alone."""
    if not labels:
        mean = np.full(rows, float(np.mean(y)))
        return Answers(mean, mean)
    counts = np.bincount(y, minlength=len(labels))
    return Answers(np.tile(counts / counts.sum(), (rows, 1)), np.full(rows, int(counts.argmax())))


def _parity(layout: Layout, subject: Subject, X: Array) -> Fact:
    """Whether raw rows through the served model and numeric rows through the pipeline's file agree."""
    from tasks.export.onnx import allowed_apart, run_onnx, session

    if subject.answers is None:
        return Fact(False, "it has no answers")
    names = load_cleaner(layout.cleaner).plan.names
    place = {name: i for i, name in enumerate(names)}
    columns = [place[name] for name in read_json(layout.serving("compressed"))["columns"]]
    wanted = run_onnx(session(layout.onnx("compressed")), X[:, columns])
    got = subject.answers.scores
    wanted = wanted.reshape(got.shape)
    apart = np.abs(got - wanted)
    close = apart <= allowed_apart(wanted, read_json(layout.report("evaluate"))["task"])
    return Fact(bool(close.all()), f"answers differ by up to {float(np.max(apart, initial=0.0)):.2g}")


def _unseen(layout: Layout, params: Params) -> Fact:
    """Whether test rows stand among the training rows too; where cleaning keeps such rows, it says why."""
    hashed = pd.util.hash_pandas_object(pd.read_parquet(layout.raw), index=False).to_numpy()
    train, test = (hashed[load_rows(layout.rows(part)).index] for part in ("train", "test"))
    both = int(np.isin(test, train).sum())
    kept = [d["why"] for d in read_json(layout.report("clean"))["decisions"] if d["what"] == KEPT]
    wanted = params.clean.duplicates == "keep"
    excuse = "clean.duplicates: keep" if wanted else next(iter(kept), "")
    found = f"{both:,} of {len(test):,} stand in training" if both else f"{len(test):,} rows"
    return Fact(not both or bool(excuse), f"{found} ({excuse})" if both and excuse else found)


def _lineage(made: Origin, absent: int) -> Fact:
    """Whether it can be made again: code, data and models are named, and there."""
    if not made.commit:
        return Fact(False, "no git commit is recorded")
    if absent:
        return Fact(False, f"{absent} files are not in the DVC remote; `espalier run` copies them")
    return Fact(True, f"commit {made.commit[:10]}{' with local changes' if made.dirty else ''}")
