from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig
from tasks.data.meta import RawMeta
from tasks.export.plan import serving_plan


def test_the_plan_is_json_and_narrow_to_the_graphs_columns():
    n = 60
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=n) for name in "abc"})
    frame["y"] = np.where(rng.uniform(size=n) < 0.5, "no", "yes")
    types = dict.fromkeys("abc", "number")
    meta = RawMeta("y", "classification", None, None, None, None, n, tuple("abc"), types)
    cleaner = fit_clean(frame, meta, CleanConfig()).cleaner
    plan = json.loads(json.dumps(serving_plan(cleaner, SimpleNamespace(columns=("a", "c")), 0.4)))
    assert [entry["source"] for entry in plan["encoding"]["columns"]] == ["a", "c"]
    assert (plan["columns"], plan["labels"], plan["threshold"]) == (["a", "c"], ["no", "yes"], 0.4)
    assert (plan["version"], plan["task"], plan["target"], plan["input"]) == (
        1,
        "classification",
        "y",
        "rows",
    )
