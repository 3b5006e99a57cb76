"""Score raw rows: python predict.py ROWS.csv ANSWERS.csv [COLUMN_TO_KEEP ...]; card.md says what by."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd

sys.dont_write_bytecode = True  # the folder stays as it was handed over
sys.path.insert(0, str(Path(__file__).resolve().parent))
folder, CHUNK = import_module("folder"), 16_384
OTHER: dict[str, Any] = {"int": int, "float": float, "bool": lambda label: label in ("True", "true", "1")}


def predict(frame: pd.DataFrame, plan: Any) -> pd.DataFrame:
    """Return the prediction and, for classes, the probability of each, for every row of a frame."""
    folder.own("encoding.py")
    X, name = import_module("encoding").encode(frame, plan["encoding"]), plan["input"]
    run = ort.InferenceSession(folder.own("model.onnx"), providers=["CPUExecutionProvider"]).run
    parts = [run(None, {name: X[i : i + CHUNK]})[0] for i in range(0, max(len(X), 1), CHUNK)]
    scores: Any = np.concatenate(parts)
    if plan["task"] == "regression":
        return pd.DataFrame({"prediction": scores.reshape(-1).astype(np.float64)}, index=frame.index)
    codes, limit = scores.argmax(axis=1), plan["threshold"]
    if limit is not None and scores.shape[1] == 2:
        codes = (scores[:, 1].astype(np.float64) >= limit).astype(int)
    labels = [OTHER.get(plan["label_dtype"], str)(label) for label in plan["labels"]]
    each = {f"probability_{label}": scores[:, k] for k, label in enumerate(plan["labels"])}
    return pd.DataFrame({"prediction": [labels[code] for code in codes], **each}, index=frame.index)


if __name__ == "__main__":
    try:
        known = json.loads(folder.own("serving.json")) if len(sys.argv) > 2 else sys.exit(__doc__)
        rows = folder.read(Path(sys.argv[1]), known["encoding"].get("missing", []))
        rows[sys.argv[3:]].join(predict(rows, known)).to_csv(sys.argv[2], index=False)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
