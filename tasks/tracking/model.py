"""The exported model as MLflow stores it: code, ONNX, plan and encoding; no torch, nothing inferred."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Layout, read_json
from tasks.tracking.store import environment, quiet

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types import Schema

__all__ = ["input_example", "log_model", "package", "requirements", "signature", "warm_up"]

CODE = Path(__file__).parents[1] / "export" / "serving.py"
ENCODING = Path(__file__).parents[1] / "data" / "encoding.py"
NEEDED = ("mlflow", "numpy", "onnxruntime", "pandas")
LABELS = {"int": "long", "float": "double", "bool": "boolean", "str": "string"}


def log_model(
    client: MlflowClient, layout: Layout, *, experiment: str, run: str, name: str, facts: Mapping[str, str]
) -> str:
    """Store the compressed export as a LoggedModel of `run`, `facts` its parameters; return its id."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    held = client.create_logged_model(
        experiment, name=name, source_run_id=run, params=dict(facts), model_type="espalier"
    )
    with tempfile.TemporaryDirectory() as folder, _silent():
        stored = Path(folder) / "model"
        package(layout, stored, Model(run_id=run, model_id=held.model_id))
        client.log_model_artifacts(held.model_id, str(stored))
    client.finalize_logged_model(held.model_id, LoggedModelStatus.READY)
    client.log_outputs(run, models=[LoggedModelOutput(held.model_id, step=0)])
    return str(held.model_id)


def warm_up() -> None:
    """Do what the first model stored in a process waits for: a second goes into a look at all packages."""
    from mlflow import pyfunc  # noqa: F401
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    warn_dependency_requirement_mismatches(requirements())


@contextmanager
def _silent() -> Iterator[None]:
    with environment(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false"), quiet("mlflow.pyfunc"):
        yield


def package(layout: Layout, folder: Path, model: Any = None) -> None:
    """Write the compressed export to `folder` as a pyfunc; `model` is an mlflow ``Model`` to complete."""
    from mlflow import pyfunc

    plan = read_json(layout.serving("compressed"))
    pyfunc.save_model(
        str(folder),
        python_model=str(CODE),
        artifacts=_artifacts(layout),
        pip_requirements=requirements(),
        signature=signature(plan),
        input_example=input_example(plan),
        metadata={"columns": {entry["source"]: entry["kind"] for entry in plan["encoding"]["columns"]}},
        mlflow_model=model,
    )


def _artifacts(layout: Layout) -> dict[str, str]:
    """Return what the served model loads, and the profile that batches are held against."""
    stored = {
        "model": layout.onnx("compressed"),
        "plan": layout.serving("compressed"),
        "encoding": ENCODING,
        "profile": layout.profile("compressed"),
    }
    return {name: str(path) for name, path in stored.items() if name != "profile" or path.is_dir()}


def requirements() -> list[str]:
    """Return the pinned packages that serving needs; given, because inferring them takes seven seconds."""
    return [f"{name}=={version(name)}" for name in NEEDED]


def signature(plan: Mapping[str, Any]) -> ModelSignature:
    """Return the required raw columns, and the columns of the answer with their types.

    Every column is ``any``. MLflow's ``double`` refuses whole numbers and truth values, its ``string``
    categoricals and columns whose cells are all missing, and a column comes as either from frame to frame.
    The model checks cells itself and names the column; its metadata says what each holds.
    """
    from mlflow.models import ModelSignature

    inputs = [(entry["source"], "any") for entry in plan["encoding"]["columns"]]
    return ModelSignature(_schema(inputs), _schema(_answer(plan)))


def _schema(columns: Iterable[tuple[str, str]]) -> Schema:
    from mlflow.types import Schema

    described = [{"name": name, "type": kind, "required": True} for name, kind in columns]
    schema: Schema = Schema.from_json(json.dumps(described))
    return schema


def input_example(plan: Mapping[str, Any]) -> pd.DataFrame:
    """Return one made-up row of the right columns: never a real one, for MLflow stores it readable."""
    import pandas as pd

    return pd.DataFrame([{entry["source"]: _made_up(entry) for entry in plan["encoding"]["columns"]}])


def _made_up(entry: Mapping[str, Any]) -> Any:
    level = (entry.get("levels") or ["a"])[0]
    return {"number": 0.0, "category": level, "date": "2000-01-01"}.get(entry["kind"], "some words")


def _answer(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    if plan["task"] == "regression":
        return [("prediction", "double")]
    label = LABELS[plan["label_dtype"]]
    return [("prediction", label), *((f"probability_{name}", "double") for name in plan["labels"])]
