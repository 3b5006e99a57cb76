"""What is kept of the rows that a model was made from, for batches to be held against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.meta import RawMeta, Task
from tasks.data.plan import NumericPlan
from tasks.drift.answers import Mistakes, answer_parts
from tasks.drift.columns import Column, Counted, counted, counted_from_dict
from tasks.drift.counted import Bins
from tasks.drift.space import Space
from tasks.formats import Format
from tasks.reduction.reduction import Affine

__all__ = ["DISTANCE", "ERROR", "Known", "Limit", "Profile", "column_entries", "fit_profile"]

FORMAT = Format("the profile of the training rows", 1)
Array = npt.NDArray[Any]
ERROR, DISTANCE = "reconstruction error", "distance from the centre"
NOT_NEWS = 0.99  # share of rows whose reconstruction error is no news, where there are rows enough to tell
_OF_ENCODING = ("sentinels", "format", "terms")


@dataclass(frozen=True)
class Limit:
    """Reconstruction error beyond which a row is news, and the share of rows beyond it without drift."""

    error: float
    share: float

    @classmethod
    def of(cls, errors: Array) -> Limit:
        """Take the k-th smallest of n errors, k = ceil(0.99 (n + 1)): 1 - k / (n + 1) of new rows exceed it.

        Fewer than 99 errors give their largest.
        """
        n = len(errors)
        k = min(n, math.ceil(NOT_NEWS * (n + 1)))
        return cls(float(np.sort(errors)[k - 1]), 1 - k / (n + 1))


@dataclass(frozen=True, eq=False)
class Profile:
    """The training rows in summary, what the model made of rows it was not fitted on, and its mistakes.

    Attributes
    ----------
    target : str
    labels : tuple of str, or None
        Classes in the order of their codes; None for regression.
    threshold : float or None
        Decision threshold on the second of two classes.
    rows : int
        Training rows: those of the source outside validation and test, duplicates included, for a batch has
        some too.
    missing : tuple of str
        Strings that mean 'missing'.
    apart : tuple of str
        Columns of the source that are no features.
    columns : tuple of Column
        Every feature of the source.
    plan : NumericPlan
        From the model's numeric rows to features.
    space : Space
        The network's input, of the training rows.
    signals : mapping
        Distribution of `ERROR` (where a projection reduces) and `DISTANCE` on validation rows, which the
        reducer was not fitted on.
    limit : Limit or None
        Of the reconstruction error, by the validation rows.
    answers : mapping
        Distribution of what the model answers on validation rows.
    mistakes : Mistakes
        On the test rows: what production was promised.
    """

    target: str
    labels: tuple[str, ...] | None
    threshold: float | None
    rows: int
    missing: tuple[str, ...]
    apart: tuple[str, ...]
    columns: tuple[Column, ...]
    plan: NumericPlan
    space: Space
    signals: Mapping[str, Bins]
    limit: Limit | None
    answers: Mapping[str, Counted]
    mistakes: Mistakes

    @property
    def task(self) -> Task:
        """Say what is predicted: classification or regression."""
        return "regression" if self.labels is None else "classification"

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain JSON."""
        return {
            "version": FORMAT.version,
            "target": self.target,
            "labels": None if self.labels is None else list(self.labels),
            "threshold": self.threshold,
            "rows": self.rows,
            "missing": list(self.missing),
            "apart": list(self.apart),
            "columns": [column.to_dict() for column in self.columns],
            "plan": self.plan.to_dict(),
            "space": self.space.to_dict(),
            "signals": {name: bins.to_dict() for name, bins in self.signals.items()},
            "limit": None if self.limit is None else asdict(self.limit),
            "answers": {name: part.to_dict() for name, part in self.answers.items()},
            "mistakes": self.mistakes.to_dict(),
        }

    def arrays(self) -> dict[str, Array]:
        """Return the reduced space's arrays by name."""
        return self.space.arrays()

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], arrays: Mapping[str, Array]) -> Profile:
        """Rebuild from `to_dict` and `arrays`."""
        document = FORMAT.current(document)
        labels = document["labels"]
        return cls(
            target=document["target"],
            labels=None if labels is None else tuple(labels),
            threshold=document["threshold"],
            rows=document["rows"],
            missing=tuple(document["missing"]),
            apart=tuple(document["apart"]),
            columns=tuple(Column.from_dict(column) for column in document["columns"]),
            plan=NumericPlan.from_dict(document["plan"]),
            space=Space.from_dict(document["space"], arrays),
            signals={name: Bins.from_dict(bins) for name, bins in document["signals"].items()},
            limit=None if document["limit"] is None else Limit(**document["limit"]),
            answers={name: counted_from_dict(part) for name, part in document["answers"].items()},
            mistakes=Mistakes(**document["mistakes"]),
        )


@dataclass(frozen=True, eq=False)
class Known:
    """Rows and answers that a profile is made of.

    Attributes
    ----------
    frame : DataFrame
        Raw training rows.
    X : ndarray of float32, shape (n, p)
        The same rows as the model takes them.
    valid : ndarray of float32, shape (m, p)
        Validation rows as the model takes them.
    answers : ndarray
        What the exported model answers to these.
    mistakes : Mistakes
        Of the exported model on test rows.
    """

    frame: pd.DataFrame
    X: Array
    valid: Array
    answers: Array
    mistakes: Mistakes


def fit_profile(
    known: Known,
    meta: RawMeta,
    encoding: Mapping[str, Any],
    plan: NumericPlan,
    served: Mapping[str, Any],
    maps: Sequence[Affine],
) -> Profile:
    """Summarise what a model was made from.

    Parameters
    ----------
    known
    meta
        What is known of the source.
    encoding
        Raw columns to numeric ones, of every column.
    plan
        From the model's numeric columns to features.
    served
        The model's serving plan.
    maps
        Its reducer, as affine maps of features; empty where it only selects.
    """
    reads = {entry["source"] for entry in served["encoding"]["columns"]}
    labels = None if served["labels"] is None else tuple(served["labels"])
    space = Space.fit(plan.transform(known.X), maps)
    features = plan.transform(known.valid)
    errors = space.errors(features)
    values = {DISTANCE: space.distances(features)} | ({} if errors is None else {ERROR: errors})
    parts = answer_parts(known.answers, labels, served["threshold"])
    roles = (meta.group, meta.time, meta.split)
    return Profile(
        target=meta.target,
        labels=labels,
        threshold=served["threshold"],
        rows=len(known.frame),
        missing=tuple(encoding.get("missing", ())),
        apart=(meta.target, *(name for name in roles if name is not None)),
        columns=tuple(
            Column.fit(known.frame[name], entry, encoding.get("missing", ()), read=name in reads)
            for name, entry in column_entries(meta, encoding).items()
        ),
        plan=plan,
        space=space,
        signals={name: Bins.fit(found) for name, found in values.items()},
        limit=None if errors is None else Limit.of(errors),
        answers={name: counted(part) for name, part in parts.items()},
        mistakes=known.mistakes,
    )


def column_entries(meta: RawMeta, encoding: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return how each feature of the source is read: as encoded, or by its type where cleaning dropped it."""
    encoded = {entry["source"]: entry for entry in encoding["columns"]}
    return {
        name: {
            "kind": encoded.get(name, {}).get("kind", meta.dtypes[name]),
            **{key: encoded[name][key] for key in _OF_ENCODING if key in encoded.get(name, {})},
        }
        for name in meta.columns
    }
