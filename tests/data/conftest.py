from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.data.meta import RawMeta
from tasks.data.types import column_type

WORDS = np.asarray(["good", "bad", "fine", "tea", "coffee", "sweet", "bitter", "cold", "hot", "fresh"])


def make_meta(frame: pd.DataFrame, target: str = "y", **known: Any) -> RawMeta:
    """The meta of a frame: every column but the target and the given roles is a feature."""
    roles = {target, known.get("group"), known.get("time"), known.get("split")}
    columns = tuple(name for name in frame.columns if name not in roles)
    settings: dict[str, Any] = {
        "task": "classification",
        "shape": None,
        "group": None,
        "time": None,
        "split": None,
        "dtypes": {name: column_type(frame[name]) for name in columns},
    }
    return RawMeta(target=target, rows=len(frame), columns=columns, **(settings | known))


def make_mixed(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories, dates and text with gaps, and two classes."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, rows),
            "town": rng.choice(["Ulm", "Bonn", "Kiel", "Trier"], rows, p=[0.5, 0.3, 0.19, 0.01]),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "said": [" ".join(rng.choice(WORDS, 6)) for _ in range(rows)],
            "count": rng.integers(0, 9, rows),
            "y": rng.choice(["no", "yes"], rows),
        }
    )
    for name in ("age", "town", "when", "said"):
        frame.loc[rng.choice(rows, rows // 10, replace=False), name] = None
    return frame


@pytest.fixture
def mixed() -> pd.DataFrame:
    return make_mixed()


@pytest.fixture(scope="session")
def meta_of() -> Any:
    return make_meta


@pytest.fixture(scope="session")
def mixed_frame() -> Any:
    return make_mixed
