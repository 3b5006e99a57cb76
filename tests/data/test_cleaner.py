from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.cleaner import Cleaner
from tasks.data.cleaning.fit import fit_clean
from tasks.data.config import CleanConfig

CONFIG = CleanConfig.model_validate({"impute": {"indicator": True}, "text": {"width": 6}})


@pytest.fixture(scope="module")
def fitted(mixed_frame, meta_of):
    frame = mixed_frame()
    return frame, fit_clean(frame, meta_of(frame), CONFIG).cleaner


def test_cleaner_survives_json_and_encodes_alike(fitted) -> None:
    frame, cleaner = fitted
    again = Cleaner.from_dict(json.loads(json.dumps(cleaner.to_dict(), allow_nan=False)))
    assert again.to_dict() == cleaner.to_dict()
    assert np.array_equal(again.encode(frame), cleaner.encode(frame), equal_nan=True)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_selection_encodes_what_slicing_gives(fitted, data) -> None:
    frame, cleaner = fitted
    count = len(cleaner.plan.names)
    positions = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    kept = cleaner.select(positions)
    assert np.array_equal(kept.encode(frame), cleaner.encode(frame)[:, positions], equal_nan=True)
    assert kept.plan.names == tuple(cleaner.plan.names[i] for i in positions)


def test_a_selection_no_longer_needs_the_other_columns(fitted) -> None:
    frame, cleaner = fitted
    kept = cleaner.select([0])
    assert kept.required == ["age"]
    assert kept.encode(frame[["age"]]).shape == (len(frame), 1)


def test_selecting_twice_narrows_text_twice(fitted) -> None:
    frame, cleaner = fitted
    said = [i for i, name in enumerate(cleaner.plan.names) if name.startswith("said")]
    twice = cleaner.select(said).select([1, 3])
    assert np.array_equal(twice.encode(frame), cleaner.encode(frame)[:, [said[1], said[3]]])
