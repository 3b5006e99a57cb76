"""A registered version, ready to score chunks with its own code and files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from tasks.errors import EspalierError
from tasks.export.plan import FORMAT
from tasks.scoring.chunks import Cells
from tasks.scoring.faults import faults

__all__ = ["Answered", "Served", "answer_fields"]

Floats = npt.NDArray[np.float32]
TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}
CACHED = 1 << 16
"""Cells that are turned from columns into rows at once, so that they stay in the processor's cache."""
HELD_AGAINST = 256
"""Rows at the beginning that are also put to the model's own code."""


@dataclass(frozen=True, eq=False)
class Answered:
    """Answers to the rows of a chunk.

    Attributes
    ----------
    rows : array of int64 (m,)
        Places of the rows that were scored.
    columns : tuple of Arrow arrays (m,)
        The prediction, then each probability.
    aside : tuple of (int, str)
        Places of the others, and why.
    """

    rows: npt.NDArray[np.int64]
    columns: tuple[pa.Array, ...]
    aside: tuple[tuple[int, str], ...]


class Served:
    """A version of the model as the registry keeps it.

    Parameters
    ----------
    name, version : str
    folder : Path
        Its files: ``serving.py`` and, below ``artifacts``, model.onnx, serving.json and encoding.py.
    """

    def __init__(self, name: str, version: str, folder: Path) -> None:
        self.name, self.version, self.folder = name, version, folder
        files = [folder / "artifacts" / file for file in ("model.onnx", "serving.json", "encoding.py")]
        self.digest = _digest([*files, folder / "serving.py"])
        self._code, self._encoding = _code(folder / "serving.py"), _code(files[2])
        self.predictor: Any = self._code.Predictor.load(files[0], files[1], self._encoding.encode)
        self.plan: Mapping[str, Any] = FORMAT.current(self.predictor.plan)
        self.required: tuple[str, ...] = tuple(entry["source"] for entry in self.plan["encoding"]["columns"])
        self.missing: tuple[str, ...] = tuple(self.plan["encoding"].get("missing", ()))

    @property
    def outputs(self) -> int:
        """Cells of a row as the network takes it."""
        return sum(len(entry["outputs"]) for entry in self.plan["encoding"]["columns"])

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """Columns of the answer."""
        return answer_fields(self.plan)

    def score(self, cells: Cells) -> Answered:
        """Answer the rows that can be, and say why the others cannot."""
        X, refused = _encoded(cells, self.plan["encoding"], self._encoding.encode)
        scores = self._scores(X)
        reasons = dict.fromkeys(_unsure(scores), "the model's answer is not a number") | refused
        if not reasons:
            return Answered(np.arange(len(scores)), self._columns(scores), ())
        rows = np.setdiff1d(np.arange(len(scores)), list(reasons))
        return Answered(rows, self._columns(scores[rows]), tuple(sorted(reasons.items())))

    def hold_against(self, cells: Cells) -> None:
        """Put those of the first rows that were answered to the model's own code too.

        Raises
        ------
        EspalierError
            Where its answers differ by a single bit.
        """
        first = cells.head(HELD_AGAINST)
        answered = self.score(first)
        own = self.predictor.predict(first.frame(self.required).iloc[answered.rows])
        if not _equal(own, answered.columns, self.fields):
            raise EspalierError(
                f"{self.name}/{self.version}: this Espalier does not answer as the code stored with "
                "the model does; score with the Espalier that made it"
            )

    def _scores(self, X: Floats) -> npt.NDArray[Any]:
        size, name = int(self._code.CHUNK), self.plan["input"]
        run = self.predictor.session.run
        parts = [run(None, {name: X[i : i + size]})[0] for i in range(0, max(len(X), 1), size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _columns(self, scores: npt.NDArray[Any]) -> tuple[pa.Array, ...]:
        if self.plan["task"] == "regression":
            return (pa.array(scores.reshape(-1).astype(np.float64)),)
        codes = self._code.chosen(scores, self.plan["threshold"])
        labels = pa.array(self._code.decoded_labels(self.plan).tolist(), self.fields[0].type)
        each = np.ascontiguousarray(scores.T)
        return labels.take(pa.array(codes)), *(pa.array(column) for column in each)


def _unsure(scores: npt.NDArray[Any]) -> list[int]:
    """Return the places of answers that are not numbers; nearly always there are none, and that is quick."""
    known = np.isfinite(scores)
    if known.all():
        return []
    places: list[int] = np.flatnonzero(~known.all(axis=tuple(range(1, scores.ndim)))).tolist()
    return places


def answer_fields(plan: Mapping[str, Any]) -> tuple[pa.Field, ...]:
    """Return the columns of the answer of a model whose serving.json is `plan`."""
    if plan["task"] == "regression":
        return (pa.field("prediction", pa.float64()),)
    prediction = pa.field("prediction", TYPES[plan["label_dtype"]])
    return prediction, *(pa.field(f"probability_{label}", pa.float32()) for label in plan["labels"])


def _encoded(
    cells: Cells, plan: Mapping[str, Any], encode: Callable[..., Floats]
) -> tuple[Floats, dict[int, str]]:
    """Return the numeric rows (n, p), and why some have no meaning, by place."""
    entries = plan["columns"]
    plain = {i: column for i, entry in enumerate(entries) if (column := _plain(cells, entry)) is not None}
    others = [entry for i, entry in enumerate(entries) if i not in plain]
    if not others:
        return _block([plain[i] for i in range(len(entries))], len(cells)), {}
    rest, refused = _encoded_frame(cells, {**plan, "columns": others}, encode)
    if not plain:
        return rest, refused
    ends = np.cumsum([len(entry["outputs"]) for entry in entries])
    places = [np.arange(end - len(entry["outputs"]), end) for end, entry in zip(ends, entries, strict=True)]
    X = np.empty((len(cells), int(ends[-1])), np.float32)
    X[:, np.concatenate([places[i] for i in plain])] = _block(list(plain.values()), len(cells))
    X[:, np.concatenate([places[i] for i in range(len(entries)) if i not in plain])] = rest
    return X, refused


def _plain(cells: Cells, entry: Mapping[str, Any]) -> npt.NDArray[Any] | None:
    if entry["kind"] != "number" or "sentinels" in entry or "offset" in entry:
        return None
    return cells.numeric(entry["source"])


def _block(columns: Sequence[npt.NDArray[Any]], rows: int) -> Floats:
    """Return columns as float32 (n, p); what is infinite there is missing, as in `encoding`."""
    X = np.empty((rows, len(columns)), np.float32)
    size = max(CACHED // max(len(columns), 1), 64)
    real = any(column.dtype.kind == "f" for column in columns)
    with np.errstate(over="ignore"):
        for start in range(0, rows, size):
            part = X[start : start + size]
            for j, column in enumerate(columns):
                part[:, j] = column[start : start + size]
            if real and (infinite := np.isinf(part)).any():
                part[infinite] = np.nan
    return X


def _encoded_frame(
    cells: Cells, plan: Mapping[str, Any], encode: Callable[..., Floats]
) -> tuple[Floats, dict[int, str]]:
    frame = cells.frame([entry["source"] for entry in plan["columns"]])
    try:
        return encode(frame, plan), {}
    except ValueError:
        refused: dict[int, str] = {}
        for name, wrong in _refused(frame, plan):
            refused |= {i: reason for i, reason in wrong.items() if i not in refused}
            frame = frame.assign(**{name: frame[name].mask(np.isin(np.arange(len(frame)), list(wrong)))})
        try:
            return encode(frame, plan), refused
        except ValueError as error:
            raise EspalierError(str(error)) from error


def _refused(frame: pd.DataFrame, plan: Mapping[str, Any]) -> Iterator[tuple[str, dict[int, str]]]:
    for entry in plan["columns"]:
        cells = frame[entry["source"]]
        wrong, wanted = faults(cells, entry, plan.get("missing", ()))
        places = np.flatnonzero(wrong)
        if len(places):
            held = cells.iloc[places]
            yield (
                entry["source"],
                {
                    int(i): f"column {entry['source']!r} holds {cell!r}, which is not {wanted}"
                    for i, cell in zip(places, held, strict=True)
                },
            )


def _equal(own: pd.DataFrame, columns: Sequence[pa.Array], fields: Sequence[pa.Field]) -> bool:
    if list(own) != [field.name for field in fields]:
        return False
    return all(
        pa.array(own[field.name].to_numpy(), field.type).equals(column)
        for field, column in zip(fields, columns, strict=True)
    )


def _code(path: Path) -> ModuleType:
    from tasks.export.serving import load_encoding

    if not path.is_file():
        raise EspalierError(f"{path}: not there; this version was not registered by Espalier")
    return load_encoding(path)


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        if not path.is_file():
            raise EspalierError(
                f"{path.name}: the registered version has no such file; Espalier did not register it"
            )
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
