"""A small workspace up to stage fetch, and one trial of it, computed once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.config import apply_overrides
from tasks.stages import fetch
from tasks.study.trial import run_trial

PARAMS = Path(__file__).parents[2] / "params.yaml"
SMALL = [
    "source.uri=package:digits",
    "model.hidden=[16, 8]",
    "train.epochs=2",
    "reduce.columns.components=16",
    "prune.finetune.epochs=2",
    "evaluate.bootstrap=100",
    "measure.repeats=3",
]


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw rows alone; copy before use."""
    root = tmp_path_factory.mktemp("study") / "workspace"
    root.mkdir()
    shutil.copy(PARAMS, root / "params.yaml")
    apply_overrides(root, SMALL)
    fetch.run(root)
    return root


@pytest.fixture(scope="session")
def tried(fetched: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A workspace with one finished trial, and the trial; copy before use."""
    root = Path(shutil.copytree(fetched, tmp_path_factory.mktemp("tried") / "workspace"))
    return root, run_trial(root, {"prune.amount": 0.5}, 0, arm="pruning", name="half")


@pytest.fixture
def fresh(fetched: Path, tmp_path: Path) -> Path:
    """A copy of the raw workspace."""
    return Path(shutil.copytree(fetched, tmp_path / "workspace"))


@pytest.fixture
def copied(tried: tuple[Path, dict[str, Any]], tmp_path: Path) -> Callable[[], Path]:
    """Copies of the workspace with the finished trial, its hard links kept."""
    return lambda: _with_links(tried[0], tmp_path / "copied")


def _with_links(source: Path, target: Path) -> Path:
    import os

    first: dict[int, Path] = {}
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        known = first.setdefault(file.stat().st_ino, place)
        shutil.copy2(file, place) if known is place else os.link(known, place)
    return target
