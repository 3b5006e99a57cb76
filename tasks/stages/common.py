"""What every stage shares: its stopwatch and its way to end when run as a module."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tasks.artifacts import Layout, write_json
from tasks.errors import EspalierError

__all__ = ["Watch", "declared_deps", "stage_main", "timed"]


@dataclass
class Watch:
    """A stage's stopwatch; earlier: seconds an interrupted attempt spent on what this one went on from."""

    earlier: float = 0.0


@contextmanager
def timed(layout: Layout, stage: str) -> Iterator[Watch]:
    """Write the seconds of the block to `layout.timing(stage)` when it ends well."""
    started, watch = time.perf_counter(), Watch()
    yield watch
    seconds = watch.earlier + time.perf_counter() - started
    write_json(layout.timing(stage), {"stage": stage, "seconds": round(seconds, 3)})


def declared_deps(root: Path, stage: str) -> list[str] | None:
    """Dependencies of a stage in the workspace's dvc.yaml; None without one."""
    path = root / "dvc.yaml"
    if not path.exists():
        return None
    declared = (
        YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"].get(stage, {}).get("deps", [])
    )
    return [dep if isinstance(dep, str) else next(iter(dep)) for dep in declared]


def stage_main(run: Callable[..., None], *arguments: str) -> None:
    """Call `run(current folder, *arguments)` as `dvc repro` does; an expected failure is one line."""
    # onnxruntime, imported by the stage, keeps a device id in ~/.cache otherwise.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        run(Path.cwd(), *arguments)
    except EspalierError as error:
        logging.getLogger("espalier").error("%s", error)
        sys.exit(error.exit_code)
