"""Memory is bounded by the chunk, not by the file; and torch is not needed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.scoring.conftest import PLAN, stored

PROJECT = Path(__file__).resolve().parents[2]
COLUMNS = [f"x{i}" for i in range(40)]
CHUNK = 2_000
SCORE = """
import json, sys
from pathlib import Path
from tasks.scoring.batch import score_batch
from tasks.scoring.request import Request
from tasks.scoring.served import Served

folder, source, chunk = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
model = Served("people", "3", folder / "version")
request = Request(source, f"{source}.out.parquet", chunk=chunk, folder=folder)
scored = score_batch(request, model, lambda _: None)
status = Path("/proc/self/status").read_text()  # getrusage counts whoever started this process too
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"rows": scored.scored, "peak": peak, "torch": "torch" in sys.modules}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("memory")
    entries = [{"source": name, "kind": "number", "outputs": [name]} for name in COLUMNS]
    stored(made / "version", PLAN | {"encoding": {"version": 1, "missing": [], "columns": entries}})
    return made


def scored(folder, source):
    ended = subprocess.run(
        [sys.executable, "-c", SCORE, str(folder), source, str(CHUNK)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def cells(rows):
    return np.random.default_rng(0).normal(size=(rows, len(COLUMNS)))


def write_parquet(path, times, row_groups):
    """Write a file of `times` chunks that nothing makes smaller; return its MiB."""
    whole = pa.table(dict(zip(COLUMNS, cells(times * CHUNK).T, strict=True)))
    size = CHUNK if row_groups else len(whole)
    pq.write_table(whole, path, row_group_size=size, compression="none", use_dictionary=False)
    return path.stat().st_size / 2**20


@pytest.mark.parametrize("row_groups", [True, False], ids=["many row groups", "one row group"])
def test_a_file_many_times_a_chunk_takes_no_more_memory_than_a_small_one(folder, row_groups):
    names = {times: f"{times}-{row_groups}.parquet" for times in (60, 360)}  # 60: allocators are warm by then
    sizes = [write_parquet(folder / name, times, row_groups) for times, name in names.items()]
    small, large = (scored(folder, name) for name in names.values())
    assert (small["rows"], large["rows"]) == (60 * CHUNK, 360 * CHUNK)
    more = sizes[1] - sizes[0]
    assert more > 170
    assert large["peak"] - small["peak"] < more / 2
    assert not large["torch"]


@pytest.mark.slow
def test_the_same_of_a_delimited_file(folder):
    frame = pd.DataFrame(cells(CHUNK).round(3), columns=COLUMNS)
    text = frame.to_csv(index=False, header=False)
    for name, times in (("small.csv", 40), ("large.csv", 320)):  # the first is longer than a block
        (folder / name).write_text(",".join(COLUMNS) + "\n" + text * times)
    small, large = scored(folder, "small.csv"), scored(folder, "large.csv")
    assert large["rows"] == 320 * CHUNK
    assert large["peak"] - small["peak"] < len(text) * 280 / 2**20 / 2
