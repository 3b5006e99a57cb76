from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.data.cleaning.text import fit_text
from tasks.data.config import TextConfig
from tasks.data.encoding import encode_column

SAID = pd.Series(
    [
        "Good tea, good cup",
        "bad tea",
        "a cup of good coffee",
        "tea and tea and bad coffee",
        None,
        "nothing else",
    ],
    name="said",
)


def test_tfidf_equals_scikit_learns_on_the_same_vocabulary() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    entry, _ = fit_text(SAID, TextConfig(), ())
    theirs = TfidfVectorizer(vocabulary=entry["terms"]).fit_transform(SAID.fillna("")).toarray()
    assert encode_column(SAID, entry) == pytest.approx(theirs, abs=1e-6)


def test_terms_of_one_row_are_left_out_and_counted() -> None:
    entry, (decision,) = fit_text(SAID, TextConfig(), ())
    assert entry["terms"] == ["bad", "coffee", "cup", "good", "tea"]
    assert decision.count == 4


def test_the_commonest_terms_are_kept_ties_by_name() -> None:
    entry, _ = fit_text(SAID, TextConfig(width=2), ())
    assert entry["terms"] == ["bad", "tea"]


def test_hashing_needs_no_vocabulary_and_gives_unit_rows() -> None:
    entry, _ = fit_text(SAID, TextConfig(method="hashed", width=16), ())
    block = encode_column(SAID, entry)
    assert block.shape == (6, 16)
    length = np.linalg.norm(block, axis=1)
    assert length == pytest.approx([1, 1, 1, 1, 0, 1])


def test_rows_encode_alike_alone_and_together() -> None:
    for method in ("tfidf", "hashed"):
        entry, _ = fit_text(SAID, TextConfig(method=method), ())
        together = encode_column(SAID, entry)
        assert np.array_equal(encode_column(SAID.iloc[2:3], entry)[0], together[2])


def test_unknown_words_are_no_words() -> None:
    entry, _ = fit_text(SAID, TextConfig(), ())
    assert not encode_column(pd.Series(["quite unheard"]), entry).any()
