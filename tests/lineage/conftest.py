"""A small workspace with all that a result leaves: repository, cache, remote, a registered version."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tasks import versioning
from tasks.artifacts import Layout, write_json, write_text
from tasks.config import load_params
from tasks.registry import register
from tasks.tracking import record
from tasks.tracking.model import ENCODING
from tests.tracking.conftest import frame, lock, write_workspace  # noqa: F401 - fixtures

GRAPH = """
stages:
  fetch:
    cmd: python make.py data/raw.parquet
    deps: [data/source.json, make.py]
    outs: [data/raw.parquet]
  evaluate:
    cmd: python make.py models/export reports/evaluate.json
    deps: [data/raw.parquet, make.py, nets, tasks/data/encoding.py]
    params: [prune.amount]
    outs: [models/export, reports/evaluate.json]
"""
MAKE = """
import os, pathlib, shutil, sys
if "FAILS" in os.environ:
    sys.exit("no luck")
for name in sys.argv[1:]:
    kept, place = pathlib.Path("kept", name), pathlib.Path(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if kept.is_dir() else shutil.copy)(kept, place)
if "OTHER" in os.environ and "models/export" in sys.argv:
    path = pathlib.Path("reports/evaluate.json")
    path.write_text(path.read_text().replace('"accuracy": 0.94,', '"accuracy": 0.93,'))
"""
CONFIG = "[core]\n    analytics = false\n    remote = storage\n['remote \"storage\"']\n    url = ../store\n"
IGNORED = ".espalier/\nstore/\n/data/\n/models/\n/reports/\n"


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(root, message):
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def made(root, name, *outs):
    """Bring a stage up to date in this process."""

    def restored():
        for out in outs:
            copy = shutil.copytree if (root / "kept" / out).is_dir() else shutil.copy
            (root / out).parent.mkdir(parents=True, exist_ok=True)
            copy(root / "kept" / out, root / out)

    return versioning.run_stage(root, name, restored)


def registered(root):
    """Record and register the result as `espalier run` does."""
    params = load_params(root)
    recorded = record(root, params, [], flow_run_id=None, lock=versioning.lock_hashes(root))
    return register(root, params, recorded)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory, write_workspace):  # noqa: F811
    root = write_workspace(tmp_path_factory.mktemp("lineage") / "project")
    git(root, "init", "-q")
    versioning.init_workspace(root, config=CONFIG, ignored="")
    write_text(root / ".gitignore", IGNORED)
    write_text(root / "make.py", MAKE)
    write_text(root / "dvc.yaml", GRAPH)
    write_text(root / "nets" / "own.py", "width = 3\n")
    write_json(Layout(root).source, {"uri": "package:digits"})
    (root / "tasks" / "data").mkdir(parents=True)
    shutil.copy(ENCODING, root / "tasks" / "data")
    for out in ("data/raw.parquet", "models/export", "reports/evaluate.json"):
        (root / "kept" / out).parent.mkdir(parents=True, exist_ok=True)
        (root / out).rename(root / "kept" / out)
    made(root, "fetch", "data/raw.parquet")
    made(root, "evaluate", "models/export", "reports/evaluate.json")
    versioning.push(root)
    committed(root, "A result")
    registered(root)
    return root


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of a workspace whose one result, version 1, is of a clean commit."""
    root = Path(shutil.copytree(finished_once, tmp_path / "project", symlinks=True))
    # MLflow keeps absolute places.
    return moved(finished_once, root)


def moved(before, root):
    import sqlite3

    with sqlite3.connect(root / ".espalier" / "mlflow" / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
            ("model_versions", "source"),
        ):
            database.execute(
                f"UPDATE {table} SET {column} = REPLACE({column}, ?, ?)", (str(before), str(root))
            )
    return root
