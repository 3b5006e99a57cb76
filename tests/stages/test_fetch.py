from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tasks.artifacts import Layout, load_raw_meta, read_frame
from tasks.errors import EspalierError
from tasks.stages.fetch import run

SOURCE = "source: {uri: rows.csv, target: y, drop: [junk]}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(SOURCE)
    (tmp_path / "rows.csv").write_text("a,junk,y\n" + "".join(f"{i},j,{i % 2}\n" for i in range(20)))
    return tmp_path


def test_the_raw_table_and_its_meta_are_written(workspace) -> None:
    run(workspace)
    layout = Layout(workspace)
    assert read_frame(layout.raw).equals(pd.DataFrame({"a": range(20), "y": [0, 1] * 10}))
    meta = load_raw_meta(layout.raw_meta)
    assert (meta.target, meta.task, meta.columns) == ("y", "classification", ("a",))
    assert layout.timing("fetch").exists()


def test_the_same_source_gives_the_same_bytes(workspace) -> None:
    layout = Layout(workspace)
    run(workspace)
    first = layout.raw.read_bytes(), layout.raw_meta.read_bytes()
    run(workspace)
    assert (layout.raw.read_bytes(), layout.raw_meta.read_bytes()) == first


def test_a_broken_source_writes_nothing(workspace) -> None:
    (workspace / "rows.csv").write_text("a,junk,y\n1,2\n")
    with pytest.raises(EspalierError, match="line 2"):
        run(workspace)
    assert not (workspace / "data").exists()
