from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts import Layout, load_cleaner, load_rows, read_frame, read_json
from tasks.stages import clean, fetch

PARTS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    (root / "params.yaml").write_text("source: {uri: 'package:digits'}\n")
    fetch.run(root)
    clean.run(root)
    return root


def test_parts_are_written_with_the_cleaner_that_made_them(workspace) -> None:
    layout = Layout(workspace)
    cleaner, raw = load_cleaner(layout.cleaner), read_frame(layout.raw)
    for part in PARTS:
        rows = load_rows(layout.rows(part))
        assert np.array_equal(cleaner.encode(raw.iloc[rows.index]), rows.X)
        assert np.array_equal(cleaner.encode_target(raw["y"].iloc[rows.index]), rows.y)


def test_the_report_counts_what_was_written(workspace) -> None:
    layout = Layout(workspace)
    report = read_json(layout.report("clean"))
    assert {part: len(load_rows(layout.rows(part))) for part in PARTS} == {
        part: report["rows"][part] for part in PARTS
    }
    assert report["decisions"][0]["what"] == "column dropped"


def test_cleaning_again_gives_the_same_bytes(workspace) -> None:
    layout = Layout(workspace)
    files = [layout.cleaner, layout.report("clean"), *map(layout.rows, PARTS)]
    before = [file.read_bytes() for file in files]
    clean.run(workspace)
    assert [file.read_bytes() for file in files] == before
