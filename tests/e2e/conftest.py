"""Whole projects in temporary folders, run through the real command, Prefect, DVC and MLflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.embedded import EmbeddedServer

SOURCE = Path(__file__).resolve().parents[2]
DIGITS = [
    "source.uri=package:digits",
    "model.hidden=[64, 32]",
    "train.epochs=4",
    "reduce.columns.components=32",
    "prune.finetune.epochs=4",
    "measure.repeats=3",
    "measure.batch=64",
    "evaluate.bootstrap=200",
    "registry.name=espalier-digits",
]
STAGES = ["fetch", "clean", "reference", "reduce", "train", "prune", "evaluate", "measure"]


def settings(overrides):
    return [word for override in overrides for word in ("--set", override)]


@dataclass(frozen=True)
class Project:
    """A copy of this project in a Git repository of its own."""

    root: Path
    environment: dict[str, str]

    def command(self, *words, check=True, cwd=None, timeout=280, **environment):
        ended = subprocess.run(
            words,
            cwd=cwd or self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check:
            assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def espalier(self, *words, check=True, **environment):
        start = [sys.executable, "-c", "from flows.cli import main; main()"]
        return self.command(*start, *words, check=check, **environment)

    def run(self, *overrides):
        """`espalier run`, and what became of each stage."""
        return outcomes(self.espalier("run", *settings(overrides)).stdout)

    def dvc(self, *words, check=True):
        return self.command(sys.executable, "-m", "dvc", *words, check=check)

    def git(self, *words):
        return self.command("git", *words)

    def lock(self):
        """Recorded stages without `measure`, which differs from run to run."""
        stages = YAML(typ="safe").load((self.root / "dvc.lock").read_text())["stages"]
        return {name: stage for name, stage in stages.items() if name != "measure"}


def outcomes(text):
    words = [line.split() for line in text.splitlines()]
    return {line[0]: line[-1] for line in words if line and line[0] in STAGES and len(line) == 4}


def copied_source(root):
    root.mkdir(parents=True)
    for name in ("tasks", "flows", "nets"):
        shutil.copytree(SOURCE / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".dvc").mkdir()
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", ".gitignore", ".dvcignore", ".dvc/config"):
        shutil.copy(SOURCE / name, root / name)
    shutil.copy(SOURCE / ".dvc" / ".gitignore", root / ".dvc" / ".gitignore")


def environment_of(root, **more):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(root), "PATH": path, "COLUMNS": "80", **more}


def committed(project, message):
    project.git("add", "-A")
    project.git("commit", "-q", "-m", message)


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory):
    """One Prefect server for every project of the session."""
    with EmbeddedServer(tmp_path_factory.mktemp("prefect")) as server:
        server.wait()
        yield server.api_url
        server._process.stdin.close()
        server._process.wait(timeout=30)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, prefect_url):
    """A project after its first run, committed. Tests work on copies."""
    root = tmp_path_factory.mktemp("finished") / "project"
    copied_source(root)
    project = Project(root, environment_of(root, PREFECT_API_URL=prefect_url))
    project.git("init", "-q")
    assert set(project.run(*DIGITS).values()) == {"ran"}
    committed(project, "First result")
    return project


def copied(project, root, prefect_url):
    """Copy a project with everything versioned and recorded so far."""
    shutil.copytree(project.root, root, symlinks=True)
    return Project(root, environment_of(root, PREFECT_API_URL=prefect_url))


@pytest.fixture
def project(finished, tmp_path, prefect_url):
    """A copy of the finished project."""
    return copied(finished, tmp_path / "project", prefect_url)
