"""The served model: raw rows in, predictions out, with onnxruntime, numpy and pandas only.

MLflow stores this file with the model and runs it at loading ('model from code'); the stored copy of
``tasks/data/encoding.py`` beside it is loaded under a private name, so that neither this project nor torch
has to be installed there, and two versions served by one process keep their own encodings.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

__all__ = ["Predictor", "ServedModel", "load_encoding"]

Encode = Callable[[pd.DataFrame, dict[str, Any]], Any]
CHUNK = 16_384
PLAN = 1
"""Format of serving.json."""

LABEL_TYPES: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda label: label in ("True", "true", "1"),
    "str": str,
}


@dataclass(frozen=True)
class Predictor:
    """An exported model: its ONNX session, its serving plan and the encoding that reads raw frames."""

    session: ort.InferenceSession
    plan: Mapping[str, Any]
    encode: Encode

    @classmethod
    def load(cls, model: Path, plan: Path, encode: Encode) -> Predictor:
        """Read ``model.onnx`` and ``serving.json`` of an export; ValueError: of another format."""
        ort.disable_telemetry_events()
        known = json.loads(plan.read_text(encoding="utf-8"))
        if known["version"] != PLAN:
            raise ValueError(f"{plan}: of format {known['version']}, and the code beside it reads {PLAN}")
        session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        return cls(session, known, encode)

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Return class probabilities (n, K), or the predictions (n,) of a regression.

        Raises
        ------
        ValueError
            Naming the column, when a required one is missing or holds what it cannot.
        """
        X = self.encode(frame, self.plan["encoding"])
        starts = range(0, max(len(X), 1), CHUNK)
        parts = [self.session.run(None, {self.plan["input"]: X[i : i + CHUNK]})[0] for i in starts]
        return np.concatenate(parts)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return column ``prediction`` and, for classes, ``probability_LABEL``; the index is the frame's."""
        scores = self.scores(frame)
        if self.plan["task"] == "regression":
            return pd.DataFrame({"prediction": scores.reshape(-1).astype(np.float64)}, index=frame.index)
        labels = decoded_labels(self.plan)
        columns = {"prediction": labels[chosen(scores, self.plan["threshold"])]}
        columns |= {f"probability_{label}": scores[:, k] for k, label in enumerate(self.plan["labels"])}
        return pd.DataFrame(columns, index=frame.index)


def decoded_labels(plan: Mapping[str, Any]) -> np.ndarray:
    """Return the class labels (K,) in the target's own type."""
    convert = LABEL_TYPES[plan["label_dtype"]]
    values = [convert(label) for label in plan["labels"]]
    return np.asarray(values, dtype=object if plan["label_dtype"] == "str" else None)


def chosen(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return the class code (n,) of each row: the likeliest, or the second of two from `threshold` on."""
    if threshold is None or probabilities.shape[1] != 2:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    # In float64: rounded to the scores' float32, a threshold between two neighbours would become one of them.
    return np.asarray(probabilities[:, 1].astype(np.float64) >= threshold, dtype=np.int64)


def load_encoding(path: Path) -> ModuleType:
    """Load a stored encoding under a name made from its content."""
    name = f"espalier_encoding_{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class ServedModel(PythonModel):
    """What MLflow calls: loads the artifacts once, then predicts frames."""

    def load_context(self, context: Any) -> None:
        """Load the artifacts `model`, `plan` and `encoding`."""
        stored = {name: Path(path) for name, path in context.artifacts.items()}
        encode: Encode = load_encoding(stored["encoding"]).encode
        self.predictor = Predictor.load(stored["model"], stored["plan"], encode)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict a raw frame; see `Predictor.predict`."""
        return self.predictor.predict(model_input)


set_model(ServedModel())
