"""What the foundation must reach, measured: writes docs/benchmarks.md and the README's table (`make bench`).

Everything happens in a temporary clone with state of its own. Ratios come from runs side by side: the flow
against a plain script that calls the same stage functions, interleaved; the compressed model against its
reference, timed round by round by stage `measure`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.page import README_TABLE, page, replace_between, table
from benchmarks.processes import Finished, prefect_server, run

ROOT = Path(__file__).resolve().parent.parent
ESPALIER = [sys.executable, "-m", "flows.cli"]
PLAIN = [sys.executable, "-m", "benchmarks.plain"]


@dataclass(frozen=True)
class Cold:
    """The main job on a fresh clone, embedded servers: wall seconds, each stage's, peak memory."""

    seconds: float
    stages: dict[str, float]
    peak_mib: float

    @property
    def outside(self) -> float:
        """Seconds outside the stages' own computing."""
        return self.seconds - sum(self.stages.values())


@dataclass(frozen=True)
class Orchestration:
    """With a Prefect server up: everything cached, and flow against plain script, seconds each."""

    cached: list[float]
    flow: list[float]
    plain: list[float]


@contextmanager
def clone() -> Iterator[Path]:
    """The tree as it stands, uncommitted changes too, as a fresh repository in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="espalier-bench-"))
    work = folder / "work"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, work / name)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "bench"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    try:
        yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(work: Path, name: str) -> dict[str, Any]:
    """One of the clone's reports."""
    loaded: dict[str, Any] = json.loads((work / "reports" / f"{name}.json").read_text("utf-8"))
    return loaded


def compress(work: Path, env: Mapping[str, str], **settings: object) -> Finished:
    """Run `espalier run` in the clone with settings such as `train__seed=1`."""
    sets = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items()]
    return run([*ESPALIER, "run", *sets], work, env)


def cold(work: Path) -> Cold:
    """The very first run: databases are made, every stage runs."""
    finished = compress(work, {})
    timings = sorted((work / ".espalier" / "timings").glob("*.json"), key=lambda path: path.stat().st_mtime)
    taken = [json.loads(path.read_text("utf-8")) for path in timings]
    stages = {stage["stage"]: stage["seconds"] for stage in taken}
    return Cold(finished.seconds, stages, finished.peak_mib)


def compression(work: Path, seeds: int, env: Mapping[str, str]) -> list[dict[str, float]]:
    """Per seed (of split and training alike): metric, difference, bytes and latency factors."""
    rows = []
    for seed in range(seeds):
        compress(work, env, train__seed=seed, clean__split__seed=seed)
        judged, timed = report(work, "evaluate"), report(work, "measure")
        models, metric = judged["models"], judged["metric"]
        rows.append(
            {
                "seed": seed,
                "reference": models["reference"]["metrics"][metric],
                "compressed": models["compressed"]["metrics"][metric],
                "difference": judged["comparisons"]["compressed"]["difference"],
                "low": judged["comparisons"]["compressed"]["low"],
                "high": judged["comparisons"]["compressed"]["high"],
                "smaller": models["reference"]["size"]["bytes"] / models["compressed"]["size"]["bytes"],
                "faster": timed["ratios"]["compressed"]["batch1"]["ratio"],
                "batch_faster": timed["ratios"]["compressed"]["batch"]["ratio"],
            }
        )
    return rows


def orchestration(work: Path, repeats: int, env: Mapping[str, str]) -> Orchestration:
    """Flow and plain script in turn, a new split each time so that every stage after fetch must run."""
    cached, flow, plain = [], [], []
    for repeat in range(repeats):
        flow.append(compress(work, env, clean__split__seed=100 + repeat).seconds)
        cached.append(compress(work, env).seconds)
        plain.append(run(PLAIN, work).seconds)
    return Orchestration(cached, flow, plain)


def readme_table(work: Path) -> str:
    """The result table of the run just made, as Markdown."""
    from tasks.result import result_rows

    head, *rows = result_rows(work)
    return "`make run`, MNIST-5k, default parameters; factors are against the reference:\n\n" + table(
        head, rows
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with clone() as work:
        os.environ["PYTHONPATH"] = str(work)
        first = cold(work)
        result = readme_table(work)
        machine = report(work, "measure")["machine"]
        with prefect_server(work / ".espalier" / "bench-prefect") as env:
            seeds = compression(work, options.seeds, env)
            against = orchestration(work, options.repeats, env)
    text = page(first, seeds, against, machine)
    (ROOT / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")
    replace_between(ROOT / "README.md", README_TABLE, result)
    median = statistics.median(row["smaller"] for row in seeds)
    sys.stdout.write(f"written: docs/benchmarks.md, README.md (median {median:.1f}x smaller)\n")


if __name__ == "__main__":
    main()
