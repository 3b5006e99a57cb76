"""Ask a stored model in a process of its own, where neither torch nor this project can be imported.

Run as a script: MODEL_FOLDER ROWS.parquet ANSWERS.parquet; prints what it found as JSON. It needs what the
model declares: mlflow, numpy, onnxruntime and pandas.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ABSENT = ("flows", "tasks", "torch")


class _Absent(MetaPathFinder):
    """Makes packages look as if they were not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def ask(model: str, rows: str, answers: str) -> dict[str, object]:
    """Load the model, answer the rows, and say what it took."""
    import pandas as pd
    from mlflow import pyfunc

    served = pyfunc.load_model(model)
    frame = pd.read_parquet(rows)
    answer = served.predict(frame)
    if len(answer) != len(frame):
        raise ValueError(f"{len(answer)} answers to {len(frame)} rows")
    answer.to_parquet(answers)
    return {"memory_mb": _peak()}


def _peak() -> float:
    """Return the peak of this process's memory, in MB.

    Linux counts what the process was before it began this program too: the one that started it, whole.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - no more imports than it needs
            return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))
    except (FileNotFoundError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Print what was found, or why it could not be asked."""
    os.environ |= {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "ORT_DISABLE_TELEMETRY": "1"}
    sys.meta_path.insert(0, _Absent())
    try:
        found = ask(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - whatever a stored model does is evidence, not a failure of this script
        found = {"trouble": f"{type(error).__name__}: {error}".splitlines()[0]}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
