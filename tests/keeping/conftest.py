"""A workspace whose records are small: a database and files as MLflow keeps them, a repository, a remote."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

CONFIG = (
    "[core]\n    analytics = false\n    remote = storage\n"
    "['remote \"storage\"']\n    url = ../.espalier/remote\n"
)
TABLES = """
CREATE TABLE experiments (artifact_location VARCHAR(256));
CREATE TABLE runs (run_uuid VARCHAR(32), artifact_uri VARCHAR(200));
CREATE TABLE model_versions (version INTEGER, current_stage VARCHAR(20), storage_location VARCHAR(500));
INSERT INTO model_versions VALUES (1, 'None', ''), (2, 'Deleted_Internal', '');
CREATE TABLE pairs (number INTEGER);
"""


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Records:
    """A workspace, and what is recorded in it."""

    root: Path

    @property
    def state(self):
        return self.root / ".espalier"

    @property
    def database(self):
        return self.state / "mlflow" / "mlflow.db"

    def record(self, name, text="a result"):
        """Record a run as MLflow does: its file, then what names it."""
        folder = self.state / "mlflow" / "artifacts" / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_text(text)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("INSERT INTO runs VALUES (?, ?)", (name, folder.as_uri()))

    def recorded(self):
        with closing(sqlite3.connect(self.database)) as connection:
            return dict(connection.execute("SELECT run_uuid, artifact_uri FROM runs").fetchall())

    def files(self):
        """What is recorded, with what its file holds; a file that is not there fails the test."""
        return {
            name: (Path(unquote(address.removeprefix("file://"))) / "model.onnx").read_text()
            for name, address in self.recorded().items()
        }


def made(root):
    root.mkdir(parents=True)
    git(root, "init", "-q")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text(CONFIG)
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".gitignore").write_text(".espalier/\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return Records(root)


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A workspace without records; tests work on copies."""
    return made(tmp_path_factory.mktemp("empty") / "workspace").root


@pytest.fixture
def records(empty, tmp_path):
    """A workspace with a recorded run."""
    held = Records(shutil.copytree(empty, tmp_path / "workspace"))
    held.database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(held.database)) as connection, connection:
        connection.executescript(TABLES)
        place = (held.state / "mlflow" / "artifacts").as_uri()
        connection.execute("INSERT INTO experiments VALUES (?)", (place,))
    held.record("first")
    git(held.root, "update-ref", "refs/espalier/runs/1", "HEAD")
    (held.state / "remote" / "files").mkdir(parents=True)
    (held.state / "remote" / "files" / "ab").write_text("an object")
    return held


@pytest.fixture
def other(empty, tmp_path):
    """Another workspace without records."""
    return Records(shutil.copytree(empty, tmp_path / "elsewhere" / "with space" / "workspace"))
