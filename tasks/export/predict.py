"""Score raw rows: python predict.py ROWS.csv ANSWERS.csv [COLUMN_TO_KEEP ...]; card.md says what by."""

import csv
import gzip
import hashlib
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd

sys.dont_write_bytecode = True  # the folder stays as it was handed over
HERE, CHUNK = Path(__file__).resolve().parent, 16_384
LABELS: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda label: label in ("True", "true", "1"),
}


def own(name: str) -> bytes:
    """Return a file of this folder, if it is the one that was handed over."""
    sums, found = (HERE / "SHA256SUMS").read_text("utf-8").split(), (HERE / name).read_bytes()
    if hashlib.sha256(found).hexdigest() != sums[sums.index(name) - 1]:
        sys.exit(f"{name} is not the file that was handed over, see SHA256SUMS")
    return found


def read(path: Path, missing: list[str]) -> pd.DataFrame:
    """Read a CSV or TSV file, gzipped or not, with one line of names."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
        header, sample = file.readline(), file.read(4096)
        sep = max((",", ";", "\t", "|"), key=re.sub(r'"[^"]*"', "", header).count)
        file.seek(0)
        if len({len(row) for row in csv.reader(file, delimiter=sep) if row}) > 1:
            raise ValueError("rows differ in their number of fields")
    comma = sep == ";" and re.search(r"(?:^|;)\s*-?\d+,\d+\s*(?:;|$)", sample, re.MULTILINE)
    frame: pd.DataFrame = pd.read_csv(
        path,
        sep=sep,
        decimal="," if comma else ".",
        na_values=missing,
        skipinitialspace=True,
        encoding="utf-8-sig",
        index_col=False,
        low_memory=False,
    )
    return frame


def predict(frame: pd.DataFrame, plan: Any) -> pd.DataFrame:
    """Return the prediction and, for classes, the probability of each, for every row of a frame."""
    own("encoding.py")
    sys.path.insert(0, str(HERE))
    X, name = importlib.import_module("encoding").encode(frame, plan["encoding"]), plan["input"]
    run = ort.InferenceSession(own("model.onnx"), providers=["CPUExecutionProvider"]).run
    parts = [run(None, {name: X[i : i + CHUNK]})[0] for i in range(0, max(len(X), 1), CHUNK)]
    scores: Any = np.concatenate(parts)
    if plan["task"] == "regression":
        return pd.DataFrame({"prediction": scores.reshape(-1).astype(np.float64)}, index=frame.index)
    codes, limit = scores.argmax(axis=1), plan["threshold"]
    if limit is not None and scores.shape[1] == 2:
        codes = (scores[:, 1].astype(np.float64) >= limit).astype(int)
    labels = [LABELS[plan["label_dtype"]](label) for label in plan["labels"]]
    each = {f"probability_{label}": scores[:, k] for k, label in enumerate(plan["labels"])}
    return pd.DataFrame({"prediction": [labels[code] for code in codes], **each}, index=frame.index)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        known = json.loads(own("serving.json"))
        rows = read(Path(sys.argv[1]), known["encoding"].get("missing", []))
        rows[sys.argv[3:]].join(predict(rows, known)).to_csv(sys.argv[2], index=False)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
