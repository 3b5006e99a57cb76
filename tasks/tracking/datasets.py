"""The data of a result as MLflow data sets, told apart by DVC's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tasks.data.meta import RawMeta
from tasks.tracking.facts import Facts
from tasks.tracking.identity import output_hash

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

__all__ = ["dataset_inputs", "dataset_name"]

CONTEXTS = {"train": "training", "valid": "validation", "test": "evaluation"}
TYPES = {"number": "double", "category": "string", "text": "string", "date": "string"}
DIGEST_LENGTH = 36


def dataset_name(facts: Facts, split: str) -> str:
    """Return the name of a split: the source's own name and the split's."""
    place = facts.params.source.uri.partition("?")[0].rstrip("/").replace(":", "/")
    return f"{PurePosixPath(place).name.partition('.')[0] or 'data'}-{split}"


def dataset_inputs(facts: Facts, meta: RawMeta, lock: Mapping[str, str]) -> dict[str, DatasetInput]:
    """Return the splits whose hash DVC knows; rows are counted, never loaded."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = {}
    for split, context in CONTEXTS.items():
        path = f"data/clean/{split}.npz"
        digest = output_hash(lock, path)
        if digest is not None:
            data = Dataset(
                name=dataset_name(facts, split),
                digest=digest[:DIGEST_LENGTH],
                source_type="local",
                source=json.dumps({"uri": path}),
                schema=_schema(meta),
                profile=json.dumps({"num_rows": facts.clean["rows"][split], "features": len(meta.columns)}),
            )
            found[split] = DatasetInput(data, [InputTag("mlflow.data.context", context)])
    return found


def _schema(meta: RawMeta) -> str:
    columns = [{"type": TYPES[meta.dtypes[name]], "name": name, "required": True} for name in meta.columns]
    return json.dumps({"mlflow_colspec": columns})
