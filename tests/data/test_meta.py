from __future__ import annotations

import json

import pandas as pd

from tasks.data.meta import RawMeta


def test_meta_survives_json(meta_of) -> None:
    frame = pd.DataFrame({"a": [1.0], "b": [2.0], "y": [0], "g": ["u"]})
    meta = meta_of(frame, group="g", shape=(1, 2), missing=("?",))
    assert RawMeta.from_dict(json.loads(json.dumps(meta.to_dict()))) == meta
