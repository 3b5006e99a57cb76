"""Rows that stand twice: noise in the training rows, a leak between the parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.cleaning.decisions import Decision
from tasks.data.splitting import Parts

__all__ = ["drop_duplicates"]

Keys = npt.NDArray[np.uint64]


def drop_duplicates(frame: pd.DataFrame, parts: Parts) -> tuple[Parts, list[Decision]]:
    """Drop repeated training rows, and rows of one part that also stand in a later one.

    `frame` holds the features and the target. Test rows are never touched; validation rows that stand in
    test go, and training rows that stand in either. Where more than half of the training rows, or all
    validation rows, would go, equal rows are a property of the table (few distinct values) and all are kept.
    """
    keys = np.asarray(pd.util.hash_pandas_object(frame, index=False), np.uint64)
    checks = {
        "train": (("test", ("test",)), ("validation", ("valid",)), ("train", ())),
        "valid": (("test", ("test",)),),
    }
    cleaned, decisions = dict(parts), list[Decision]()
    for part in ("valid", "train"):
        for name, others in checks[part]:
            kept, decision = _without(keys, cleaned, part, name, others)
            cleaned[part] = kept
            decisions += decision
    if len(cleaned["train"]) * 2 < len(parts["train"]):
        return parts, [_kept_all(parts, cleaned, "over half of train")]
    if not len(cleaned["valid"]):
        return parts, [_kept_all(parts, cleaned, "all of valid")]
    return cleaned, decisions


def _without(
    keys: Keys, parts: Parts, part: str, name: str, others: tuple[str, ...]
) -> tuple[npt.NDArray[np.int64], list[Decision]]:
    rows = parts[part]
    mine = keys[rows]
    repeated = (
        np.isin(mine, np.concatenate([keys[parts[other]] for other in others]))
        if others
        else pd.Series(mine).duplicated().to_numpy()
    )
    count = int(repeated.sum())
    if not count:
        return rows, []
    why = f"also in {name}" if others else "repeats a training row"
    return rows[~repeated], [Decision(f"rows dropped from {part}", None, count, why)]


def _kept_all(
    parts: Mapping[str, npt.NDArray[np.int64]], cleaned: Mapping[str, npt.NDArray[np.int64]], most: str
) -> Decision:
    count = sum(len(parts[part]) - len(cleaned[part]) for part in ("train", "valid"))
    return Decision("repeated rows kept", None, count, f"{most} would go: few distinct values")
