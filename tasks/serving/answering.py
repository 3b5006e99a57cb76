"""A version that answers: the model behind MLflow's scoring app, and how it is tried before it takes over."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tasks.errors import EspalierError
from tasks.serving.asgi import App, call
from tasks.serving.refusal import Refusal, heard, tell

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.pyfunc import PyFuncModel

    from tasks.tracking.fetch import Fetched

__all__ = ["Answering", "incompatible", "load"]

_log = logging.getLogger("espalier.serving")
FAILED = HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, eq=False)
class Answering:
    """A version that has loaded and answered.

    Attributes
    ----------
    name, version : str
    folder : Path
        Its files.
    required : tuple of str
        Raw columns that it asks for.
    columns : mapping
        Type of each column of its answer.
    app : callable
        MLflow's scoring app.
    model : Guarded or None
        What that app asks; it is let go of with this.
    """

    name: str
    version: str
    folder: Path
    required: tuple[str, ...]
    columns: Mapping[str, str]
    app: App
    model: Guarded | None = None

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name}/{self.version}"


class _Plain:
    """What MLflow's app asks a model's metadata for: without a schema it leaves cells as they come."""

    def get_input_schema(self) -> None:
        """Return no schema: every column is of any type, and the model itself checks its cells."""


class Guarded:
    """A registered model that says in one sentence what it cannot answer.

    Parameters
    ----------
    model : PyFuncModel
    required : sequence of str
        Columns that it is given, and no other.
    """

    def __init__(self, model: PyFuncModel, required: Sequence[str]) -> None:
        # Columns are of any type: MLflow's look at the schema takes longer than the answer and finds nothing.
        self._predict, self._required = cast(Any, model).unwrap_python_model().predict, list(required)

    def predict(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the answers to the rows of `data`, all of them numbers or labels.

        Raises
        ------
        Refusal, ValueError
            Told to the request too.
        """
        try:
            return self._answer(data)
        except Refusal as refusal:
            tell(refusal)
            raise
        except ValueError as error:  # what the model says of a cell that it cannot read
            tell(Refusal(str(error)))
            raise
        except Exception:  # whatever else it is, the request ends with one sentence
            _log.exception("a request was not answered")
            tell(Refusal("the model failed on these rows; the server's log says why", FAILED))
            raise

    def _answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        if absent := [name for name in self._required if name not in frame]:
            raise Refusal(f"missing required column: {absent[0]}")
        answer = cast("pd.DataFrame", self._predict(None, frame[self._required]))
        if len(answer) != len(frame):
            raise RuntimeError(f"{len(answer)} answers to {len(frame)} rows")
        for name, kind in answer.dtypes.items():
            if kind.kind == "f" and len(wrong := np.flatnonzero(~np.isfinite(answer[name].to_numpy()))):
                raise Refusal(f"row {wrong[0] + 1}: the model's answer ({name}) is not a number")
        return answer


class _Passing:
    """What MLflow's app holds of a model: FastAPI remembers functions of apps long after they are gone."""

    metadata = _Plain()

    def __init__(self, model: Guarded) -> None:
        self._model = weakref.ref(model)

    def predict(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the answers of the model, which is there as long as a request is."""
        model = self._model()
        if model is None:
            raise RuntimeError("the version has been exchanged")
        return model.predict(data)


def load(fetched: Fetched) -> Answering:
    """Return a version that has loaded, and has answered its own example row as a request would have it.

    Raises
    ------
    EspalierError
        When it does not.
    """
    from mlflow import pyfunc
    from mlflow.pyfunc import scoring_server

    label = f"{fetched.name} version {fetched.version}"
    try:
        model = pyfunc.load_model(str(fetched.folder))
        asked, told = model.metadata.get_input_schema(), model.metadata.get_output_schema()
        required = tuple(asked.input_names())
        columns = {spec.name: spec.type.name for spec in told.inputs}
        guarded = Guarded(model, required)
        app = scoring_server.init(cast("PyFuncModel", _Passing(guarded)))
        example = model.metadata.load_input_example(str(fetched.folder))
        body = json.dumps({"dataframe_records": json.loads(example.to_json(orient="records"))})
    except Exception as error:  # whatever stored code does, the one before goes on
        raise EspalierError(f"{label} does not load: {_first_line(error)}") from error
    finally:
        _forget(fetched.folder)
    _require_answer(label, app, body.encode())
    return Answering(fetched.name, fetched.version, fetched.folder, required, columns, app, guarded)


def _require_answer(label: str, app: App, body: bytes) -> None:
    with heard() as told:
        status, answer = asyncio.run(call(app, "/invocations", body))
    if status != HTTPStatus.OK:
        why = str(told[0]) if told else f"status {status}: {answer[:200].decode(errors='replace')}"
        raise EspalierError(f"{label} does not answer its example row: {why}")


def _forget(folder: Path) -> None:
    """Let go of the module in which MLflow has run a version's code: it would keep the version for good."""
    for name, module in list(sys.modules.items()):
        code = getattr(module, "__file__", None)
        if name.startswith("code_model_") and code and Path(code).is_relative_to(folder):
            del sys.modules[name]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def incompatible(new: Answering, old: Answering, brought: Collection[str] | None) -> str:
    """Say why requests that one version answers would fail with another; '' where they would not.

    Parameters
    ----------
    new, old : Answering
    brought : collection of str or None
        Columns of the last request; None before the first. A version may ask for what it had anyway.
    """
    if brought is not None:
        more = [name for name in new.required if name not in brought and name not in old.required]
        if more:
            return f"it asks for column {more[0]!r}, which neither version {old.version} nor requests have"
    for name, kind in old.columns.items():
        if new.columns.get(name) != kind:
            given = f"as {new.columns[name]}, not {kind}" if name in new.columns else "no more"
            return f"it answers {name} {given}"
    return ""
