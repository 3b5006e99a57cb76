"""What a model's life costs in seconds: `python -m benchmarks.life`, docs/life-speed.md.

In a temporary clone with its stack up (`espalier up`): a scheduled run that finds nothing changed, from its
order to its end as a client of Prefect sees it; the gate without a person, all its checks made; a rollback.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.foundation import ESPALIER, ROOT, clone
from benchmarks.page import table, verdict
from flows.asking import asked
from flows.promote_command import NOT_PROMOTED
from tasks.evaluation.speed import machine

PAGE = ROOT / "docs" / "life-speed.md"
FIGURES = Path(__file__).resolve().parent / "figures" / "life.json"
SOAK = FIGURES.with_name("soak.json")
TARGETS = {"nothing changed": 8.0, "gate": 30.0, "rollback": 10.0}
ABOUT = {
    "nothing changed": "a scheduled `compress` without a reason to run, ordered through Prefect's API",
    "gate": "`espalier promote` of a challenger that one check refuses, so that it stays for the next round",
    "rollback": '`espalier rollback --why "..."`, the version loaded and asked before the alias moves',
}
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_OWN = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "PREFECT_HOME", "ESPALIER_WEBHOOK_URL")
# Nothing is too bad to be the first champion, and the third version is too large to be the next.
WIDE = ("promote.margin=0.9", "promote.classes.loss=null", "promote.max_calibration_error=null")
NARROW = "promote.limits.max_bytes=1"


def espalier(work: Path, *words: str, codes: Sequence[int] = (0,)) -> float:
    """Return the seconds that a command took.

    Raises
    ------
    RuntimeError
        When it ends with another exit code.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _OWN}
    began = time.perf_counter()
    ended = subprocess.run(
        [*ESPALIER, *words],
        cwd=work,
        env={**kept, "PYTHONPATH": str(work)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if ended.returncode not in codes:
        raise RuntimeError(
            f"espalier {' '.join(words)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}"
        )
    return seconds


def commit(work: Path) -> None:
    """Commit the clone as it stands: the gate asks for what a version was made from."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for words in (["add", "-A"], [*identity, "commit", "-qm", "bench", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=work, check=True)


def version(work: Path, *settings: str) -> None:
    """Make a version of what is committed."""
    sets = [f"--set={setting}" for setting in settings]
    espalier(work, "run", *sets)
    commit(work)
    espalier(work, "run")


@contextmanager
def lived(work: Path) -> Iterator[str]:
    """A clone with a champion, a previous one, a challenger, and its stack up; yields Prefect's API."""
    for amount in (0.5, 0.6):
        version(work, *WIDE, "promote.ties=newer", f"prune.amount={amount}")
        espalier(work, "promote")
    version(work, NARROW, "prune.amount=0.7")
    espalier(work, "up")
    try:
        note = json.loads((work / ".espalier" / "stack.json").read_text("utf-8"))
        ordered(note["prefect"], because="the first")
        judged(note["prefect"])
        yield note["prefect"]
    finally:
        espalier(work, "down")


def ordered(api: str, **parameters: str) -> str:
    """Order a scheduled run, wait for its end, and return what its state is called."""
    deployment = asked(f"{api}/deployments/name/scheduled%20compress/compress", seconds=30)
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    run = asked(f"{api}/deployments/{deployment['id']}/create_flow_run", body, 30)
    while (run := asked(f"{api}/flow_runs/{run['id']}", seconds=30))["state_type"] not in _ENDED:
        time.sleep(0.05)
    return str(run["state_name"])


def judged(api: str) -> None:
    """Wait until the gate that the first run's challenger set off is done: one promotion at a time.

    Raises
    ------
    RuntimeError
        When that takes more than five minutes.
    """
    wanted = {"deployments": {"name": {"any_": ["promote"]}}}
    until = time.monotonic() + 300
    while time.monotonic() < until:
        states = [run["state_type"] for run in asked(f"{api}/flow_runs/filter", wanted, 30)]
        if states and set(states) <= _ENDED:
            return
        time.sleep(0.2)
    raise RuntimeError("the gate that a new challenger sets off has not ended")


def unchanged(api: str) -> float:
    """Return the seconds of a scheduled run that finds nothing changed.

    Raises
    ------
    RuntimeError
        When it finds something.
    """
    began = time.perf_counter()
    state = ordered(api)
    if state != "Nothing changed":
        raise RuntimeError(f"the scheduled run ended as {state!r}")
    return time.perf_counter() - began


def measured(rounds: int) -> dict[str, list[float]]:
    """Measure the three in turn, round by round."""
    found: dict[str, list[float]] = {name: [] for name in TARGETS}
    with clone() as work, lived(work) as api:
        calls: Mapping[str, Callable[[], float]] = {
            "nothing changed": lambda: unchanged(api),
            "gate": lambda: espalier(work, "promote", codes=[NOT_PROMOTED]),
            "rollback": lambda: espalier(work, "rollback", "--why", "measured"),
        }
        for _ in range(rounds):
            for name, call in calls.items():
                found[name].append(call())
    return found


def page(figures: Mapping[str, Any]) -> str:
    """The whole of docs/life-speed.md."""
    described = ", ".join(f"{key} {value}" for key, value in figures["machine"].items())
    head = ["", "", "seconds", "to be reached", ""]
    rows = [_row(name, figures["seconds"][name]) for name in TARGETS]
    return (
        "\n\n".join(
            [
                "# What a model's life costs in seconds",
                "Written by `make bench` (`python -m benchmarks.life`); nothing here is typed in. "
                f"Machine: {described}. Load before: {figures['load']:.2f}.",
                table(head, rows),
                "MNIST-5k with the default parameters, stack up, the three in turn; medians, with the "
                "smallest and the largest round. Commands from their start to their end, Python's own too.",
                *_under_fire(),
            ]
        )
        + "\n"
    )


def _under_fire() -> Iterator[str]:
    """Say what came of the last long run of kills, and where the other promise about numbers is kept."""
    yield "## Killed, and all at once"
    if SOAK.exists():
        found = json.loads(SOAK.read_text("utf-8"))
        of = ", ".join(f"{count} {name}" for name, count in found["of"].items())
        wrong = "; ".join(found["wrong"]) or "none"
        asked = f"--kills {found['kills']} --seed {found['seed']} --json benchmarks/figures/soak.json"
        left = f"{found['results']} versions, {found['entries']} entries of the ledger"
        yield (
            f"`make soak ARGS='{asked}'`: {found['kills']} times SIGKILL ({of}); {found['missed']} more came "
            f"after the command's end. {left}, {found['batches']} scored batches; lost, doubled, more "
            f"than one champion, or `dvc status` not clean after the next run: {wrong}."
        )
    yield (
        "50 scheduled runs fired at once run one at a time, and each ends as done or as cancelled with its "
        "reason, without 'database is locked': a test that `make test-slow` and CI run "
        "(`tests/e2e/test_schedules.py`), no benchmark."
    )


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    median = statistics.median(seconds)
    reached = f"{median:.1f} ({min(seconds):.1f} to {max(seconds):.1f}, {len(seconds)} rounds)"
    return [name, ABOUT[name], reached, f"under {TARGETS[name]:.0f}", verdict(median < TARGETS[name])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, keep the figures, and write the page."""
    parser = argparse.ArgumentParser(description="What a model's life costs in seconds.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--show", action="store_true", help="print the page instead of writing it")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    figures = {"seconds": measured(options.rounds), "machine": machine(), "load": load}
    if options.show:
        sys.stdout.write(page(figures))
        return
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures), encoding="utf-8")
    sys.stdout.write("written: docs/life-speed.md, benchmarks/figures/life.json\n")


if __name__ == "__main__":
    main()
