"""A stored version asked in a clean process: its answers, its columns, what it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.encoding import level_key
from tasks.evaluation.latency import Ratio, interleave, per_round, ratio
from tasks.gate.evidence import Answers, Subject

__all__ = ["Rows", "Stored", "asked", "stored", "timed"]

SCRIPT = Path(__file__).with_name("asked.py")
SECONDS = 300
ROUNDS = 20
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Stored:
    """Files of a version.

    Attributes
    ----------
    folder : Path
        The model as MLflow keeps it.
    plan : mapping
        serving.json.
    """

    folder: Path
    plan: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / "artifacts" / "model.onnx"

    @property
    def columns(self) -> tuple[str, ...]:
        """Raw columns it asks for."""
        return tuple(entry["source"] for entry in self.plan["encoding"]["columns"])


@dataclass(frozen=True)
class Rows:
    """Raw rows to be asked about.

    Attributes
    ----------
    path : Path
        Parquet file of the raw columns.
    labels : tuple of str
        Class names in the order of their codes; none for regression.
    """

    path: Path
    labels: tuple[str, ...]


def stored(folder: Path) -> Stored:
    """Read a downloaded version."""
    plan = json.loads((folder / "artifacts" / "serving.json").read_text(encoding="utf-8"))
    return Stored(folder, plan)


def asked(version: str, files: Stored, rows: Rows, *, data: str) -> Subject:
    """Ask a version about raw rows, without torch; what goes wrong there is the subject's `trouble`."""
    told = Subject(version, files.columns, None, bytes=files.model.stat().st_size, data=data)
    answers = rows.path.with_name(f"answers-{version}.parquet")
    command = [sys.executable, "-I", str(SCRIPT), str(files.folder), str(rows.path), str(answers)]
    alone = {name: os.environ[name] for name in KEPT if name in os.environ} | {"HOME": str(rows.path.parent)}
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=alone,
            cwd=rows.path.parent,
        )
    except subprocess.TimeoutExpired:
        return replace(told, trouble=f"no answer within {SECONDS} s")
    found = _reported(ended)
    if "trouble" in found:
        return replace(told, trouble=str(found["trouble"]))
    answer = pd.read_parquet(answers)
    try:
        own = _answers(answer, rows.labels)
    except KeyError as error:
        return replace(told, trouble=f"answers lack column {error}")
    if unsure := int(np.sum(~np.isfinite(own.scores.reshape(len(own.scores), -1)).all(axis=1))):
        return replace(told, trouble=f"{unsure:,} of {len(own.scores):,} answers are not numbers")
    return replace(told, answers=own, memory_mb=float(found["memory_mb"]))


def _reported(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read what the process said last; one that was killed said nothing."""
    lines = ended.stdout.strip().splitlines()
    if ended.returncode or not lines:
        said = ended.stderr.strip().splitlines()
        return {"trouble": said[-1] if said else f"its process ended with {ended.returncode}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _answers(answer: pd.DataFrame, labels: Sequence[str]) -> Answers:
    """Read answers as codes and probabilities by `labels`; a class the model does not know has none."""
    if not labels:
        values = answer["prediction"].to_numpy(np.float64)
        return Answers(values, values)
    known = [f"probability_{label}" for label in labels]
    scores = np.column_stack(
        [answer[name].to_numpy(np.float64) if name in answer else np.zeros(len(answer)) for name in known]
    )
    codes = {label: code for code, label in enumerate(labels)}
    decided = answer["prediction"].map(level_key).map(codes)
    return Answers(scores, decided.fillna(len(labels)).to_numpy(np.int64))


def timed(files: Mapping[str, Stored], row: pd.DataFrame) -> tuple[dict[str, float], dict[str, Ratio]]:
    """Time each version's file on one row, in turn on one thread.

    Parameters
    ----------
    files
        By name, the one to be compared with the others first.
    row
        One raw row.

    Returns
    -------
    Median seconds by name; and of the others, their time over the first one's.
    """
    from tasks.export.onnx import session
    from tasks.export.serving import load_encoding

    calls = {}
    for name, each in files.items():
        encode = load_encoding(each.folder / "artifacts" / "encoding.py").encode
        X: npt.NDArray[np.float32] = encode(row, each.plan["encoding"])
        opened, given = session(each.model), {each.plan["input"]: X}
        calls[name] = lambda opened=opened, given=given: opened.run(None, given)
    times = interleave(calls, rounds=ROUNDS)
    first, *others = files
    medians = {name: float(np.median(per_round(of))) for name, of in times.items()}
    return medians, {name: ratio(times[name], times[first]) for name in others}
