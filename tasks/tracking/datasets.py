"""The data of a result as MLflow data sets, told apart by DVC's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tasks.data.meta import RawMeta
from tasks.tracking.identity import output_hash

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

__all__ = ["again", "dataset_inputs", "raw_input"]

CONTEXTS = {"train": "training", "valid": "validation", "test": "evaluation"}
TYPES = {"number": "double", "category": "string", "text": "string", "date": "string"}
DIGEST_LENGTH = 36


def dataset_inputs(
    uri: str, rows: Mapping[str, int], meta: RawMeta, lock: Mapping[str, str]
) -> dict[str, DatasetInput]:
    """Return the splits whose hash DVC knows; rows are counted, never loaded.

    Parameters
    ----------
    uri
        Of the source, whose own name the data sets carry.
    rows
        Number of rows of each split.
    meta
        What is known of the raw table.
    lock
        DVC's hash of each stage output, by path.
    """
    found = {}
    for split, context in CONTEXTS.items():
        path = f"data/clean/{split}.npz"
        digest = output_hash(lock, path)
        if digest is not None:
            counts = {"num_rows": rows[split], "features": len(meta.columns)}
            found[split] = _input(f"{_name(uri)}-{split}", digest, path, context, counts, meta)
    return found


def raw_input(uri: str, meta: RawMeta, lock: Mapping[str, str]) -> dict[str, DatasetInput]:
    """Return the uncleaned rows as a data set, for what cleans them in a way of its own."""
    path = "data/raw.parquet"
    digest = output_hash(lock, path)
    if digest is None:
        return {}
    counts = {"num_rows": meta.rows, "features": len(meta.columns)}
    return {"raw": _input(f"{_name(uri)}-raw", digest, path, "raw", counts, meta)}


def again(inputs: Sequence[DatasetInput]) -> list[DatasetInput]:
    """Return data sets that another run of the experiment has brought, to be sent by name and digest alone.

    MLflow keeps schema and profile of the first; of hundreds of columns they outweigh all else of a run.
    """
    from mlflow.entities import Dataset, DatasetInput

    found = []
    for one in inputs:
        data = one.dataset
        short = Dataset(data.name, data.digest, data.source_type, data.source)
        found.append(DatasetInput(short, one.tags))
    return found


def _name(uri: str) -> str:
    place = uri.partition("?")[0].rstrip("/").replace(":", "/")
    return PurePosixPath(place).name.partition(".")[0] or "data"


def _input(
    name: str, digest: str, path: str, context: str, counts: Mapping[str, Any], meta: RawMeta
) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = Dataset(
        name=name,
        digest=digest[:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": path}),
        schema=_schema(meta),
        profile=json.dumps(counts),
    )
    return DatasetInput(data, [InputTag("mlflow.data.context", context)])


def _schema(meta: RawMeta) -> str:
    columns = [{"type": TYPES[meta.dtypes[name]], "name": name, "required": True} for name in meta.columns]
    return json.dumps({"mlflow_colspec": columns})
