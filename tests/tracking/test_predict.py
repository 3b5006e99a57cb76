"""`espalier predict` from the command line, with a real Prefect server and a registered version."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tasks.config import load_params
from tasks.registry import register
from tasks.tracking import record

Lock = dict[str, str]
Make = Callable[..., Path]
PROJECT = Path(__file__).resolve().parents[2]
COMMAND = """
import sys
from flows.cli import _guarded, app
try:
    code = _guarded(app)
except SystemExit as ended:
    code = ended.code
print("torch imported:", "torch" in sys.modules)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_workspace: Make, lock: Lock) -> Path:
    """A workspace with one registered version, the challenger."""
    made = write_workspace(tmp_path_factory.mktemp("scoring"))
    params = load_params(made)
    register(made, params, record(made, params, [], flow_run_id=None, lock=lock))
    (made / "rows.csv").write_text("key,height,children,city\na,1.7,2,Ulm\nb,tall,0,Bonn\nc,1.8,1,\n")
    return made


def espalier(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "predict", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PREFECT_HOME": str(root / "prefect")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.server
def test_the_command_scores_quarantines_and_needs_no_torch(root: Path) -> None:
    ended = espalier(root, "rows.csv", "--to", "out.parquet", "--model", "challenger", "--keep", "key")
    assert ended.returncode == 0, ended.stderr
    assert "Rows        3: 2 scored, 1 quarantined" in ended.stdout
    assert "Model       testbed version 1" in ended.stdout
    assert "Quarantine  out.quarantine.parquet" in ended.stdout
    assert "torch imported: False" in ended.stdout
    answers = pd.read_parquet(root / "out.parquet")
    assert list(answers["key"]) == ["a", "c"]
    aside = pd.read_parquet(root / "out.quarantine.parquet")
    assert list(aside["row_number"]) == [2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv", "--to", "out.parquet"], "espalier: no file absent.csv"),
        (["rows.csv", "--to", "out.csv"], "espalier: --to: out.csv does not end in .parquet"),
        (["rows.csv", "--to", "sqlite:///x.db"], "espalier: --table is needed with an SQLAlchemy URL"),
    ],
)
def test_a_mistake_is_one_line_and_costs_no_server(root: Path, arguments: list[str], said: str) -> None:
    ended = espalier(root, *arguments)
    assert ended.returncode == 1
    assert ended.stderr.startswith(said)
    assert len(ended.stderr.splitlines()) == 1
