"""The served model against the dense one in PyTorch, and `espalier serve-model` under load.

`python -m benchmarks.serving` writes docs/serving-speed.md, after `espalier run`. Its pieces can be
measured alone (`--only sizes`); the figures of the others are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.page import beyond, spread, table, verdict
from benchmarks.serving_load import body_of, loaded, running, timed_change
from benchmarks.serving_starts import sizes, starts
from flows.embedded import free_port
from tasks.artifacts import Layout, read_json, write_json
from tasks.evaluation.speed import machine

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "serving-speed.md"
FIGURES = Path(__file__).parent / "figures" / "serving.json"
NAME = "bench"
ROLLBACK = 10.0
LOADS = ((1, 1), (1, 8), (1, 32), (100, 8))
"""Rows of a request, clients at once."""

Figures = dict[str, Any]


def raw_rows(count: int) -> list[dict[str, Any]]:
    """Return raw rows of the workspace."""
    import pandas as pd

    frame = pd.read_parquet(Layout(ROOT).raw).head(count)
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return rows


def stored(folder: Path) -> Path:
    """Write the workspace's compressed export as the registry keeps it."""
    from tasks.tracking.model import package

    package(Layout(ROOT), folder)
    return folder


def registered(root: Path) -> None:
    """Make a workspace whose champion, and previous champion, are the compressed model of this one."""
    from tasks.promotion.act import move, moves_to
    from tasks.promotion.ledger import Ledger
    from tasks.promotion.versions import aliases
    from tasks.tracking.store import open_client

    Layout(root).params.write_text(f"registry: {{name: {NAME}}}\n", encoding="utf-8")
    model, client = stored(root / "stored"), open_client(root)
    client.create_registered_model(NAME)
    ledger = Ledger(client, root, NAME)
    for _ in ("previous", "champion"):
        version = str(client.create_model_version(NAME, model.as_uri()).version)
        entry = ledger.begin("promote", version, "to be measured")
        move(ledger, entry, moves_to(aliases(client, NAME), version))


def measured_sizes(_: argparse.Namespace) -> Figures:
    """Packages that each way to serve needs."""
    with tempfile.TemporaryDirectory() as folder:
        return sizes(stored(Path(folder, "model")), Layout(ROOT).model("reference"))


def measured_starts(options: argparse.Namespace) -> Figures:
    """Process start to first answer."""
    with tempfile.TemporaryDirectory() as folder:
        return starts(stored(Path(folder, "model")), ROOT, raw_rows(1)[0], options.rounds)


def commands(port: int, other: int) -> dict[str, tuple[list[str], int]]:
    """Return how each server is started, and its port."""
    own = [sys.executable, "-c", "from flows.cli import main; main()", "serve-model"]
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@champion"]
    return {
        "espalier serve-model": ([*own, "--port", str(port)], port),
        "mlflow models serve": ([*mlflow, "--env-manager", "local", "-p", str(other)], other),
    }


def measured_requests(options: argparse.Namespace) -> Figures:
    """Both servers under load, in turn."""
    from tasks.tracking.store import tracking_uri

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        registered(root)
        bodies = {count: body_of(raw_rows(count)) for count, _ in LOADS}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        set_for_both = {"MLFLOW_TRACKING_URI": tracking_uri(root), "PYTHONPATH": str(ROOT), "PATH": path}
        found: Figures = {"first": {}, "loads": []}
        with ExitStack() as both:
            ports = {}
            for name, (command, port) in commands(free_port(), free_port()).items():
                server = both.enter_context(running(command, port, bodies[1], root, **set_for_both))
                ports[name], found["first"][name] = port, server.first
            for rows, clients in LOADS:
                found["loads"].append(_in_turn(ports, bodies[rows], rows, clients, options))
        return found


def measured_rollback(options: argparse.Namespace) -> Figures:
    """`espalier rollback` while a process serves the champion: the command, and until another answers."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        registered(root)
        port, body = free_port(), body_of(raw_rows(1))
        command, _ = commands(port, 0)["espalier serve-model"]
        rollback = [*command[:3], "rollback", "--why", "measured"]
        here = {"PYTHONPATH": str(ROOT)}
        with running(command, port, body, root, **here):
            times = [timed_change(rollback, port, body, root, **here) for _ in range(options.rounds)]
    return {"command": [whole for whole, _ in times], "answering": [changed for _, changed in times]}


def _in_turn(
    ports: Mapping[str, int], body: bytes, rows: int, clients: int, options: argparse.Namespace
) -> Figures:
    requests = max(options.requests // rows, clients)
    each: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
    for turn in range(options.rounds + 1):
        for name in list(ports)[:: 1 if turn % 2 else -1]:
            told = loaded(ports[name], body, clients, requests)
            if turn:
                each[name].append(told)
    return {"rows": rows, "clients": clients, "rounds": each}


PIECES: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "sizes": measured_sizes,
    "starts": measured_starts,
    "requests": measured_requests,
    "rollback": measured_rollback,
}


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole of docs/serving-speed.md."""
    parts = [
        "# Size and speed of the served model",
        "Written by `make bench` (`python -m benchmarks.serving`); nothing here is typed in.",
    ]
    for name, make in TABLES.items():
        if name in found:
            parts += [*make(found[name]["figures"]), f"Machine: {found[name]['machine']}."]
    return "\n\n".join(parts) + "\n"


def _sizes_table(figures: Figures) -> list[str]:
    rows = [
        [name, str(each["packages"]), f"{each['bytes'] / 1e6:,.0f} MB", f"{each['model']:,}"]
        for name, each in figures.items()
    ]
    return [
        "## What has to be installed",
        table(["served as", "packages", "installed", "bytes of the model"], rows),
        "All packages that the named ones need on this machine, by their metadata; bytes of their files "
        "without compiled Python. The model: its file, serving plan, encoding and profile; of the dense one, "
        "weights and specification.",
    ]


def _starts_table(figures: Figures) -> list[str]:
    rows = [
        [name, spread(each["seconds"], ".2f"), spread(each["mb"], ".0f")] for name, each in figures.items()
    ]
    return [
        "## From the start of the process to the first answer",
        table(["served as", "seconds", "peak memory, MB"], rows),
        "A Python process each time, all in turn, files in the disk's cache: it imports what it needs, loads "
        "the model and answers one raw row. Median (smallest to largest).",
    ]


def _requests_table(figures: Figures) -> list[str]:
    head = ["rows of a request", "clients", "", "requests/s", "p50, ms", "p95, ms", "p99, ms"]
    rows = [
        [str(load["rows"]), str(load["clients"]), name, *_medians(rounds)]
        for load in figures["loads"]
        for name, rounds in load["rounds"].items()
    ]
    first = ", ".join(f"`{name}` {seconds:.1f} s" for name, seconds in figures["first"].items())
    return [
        "## Requests",
        table(head, rows),
        f"Start of the command to the first answered request, once: {first}.",
        "Both servers run side by side on the same version and take turns; the clients, threads of one "
        "process on the same machine, keep their connections. Medians (requests/s: smallest to largest).",
    ]


def _rollback_table(figures: Figures) -> list[str]:
    command, answering = figures["command"], figures["answering"]
    missed = beyond((each >= ROLLBACK for each in command), "rounds")
    row = [f"under {ROLLBACK:.0f} s", f"{spread(command)} s{missed}", f"{spread(answering)} s"]
    return [
        "## Rollback",
        table(
            ["target", "`espalier rollback`", "until another version answers", ""],
            [[*row, verdict(statistics.median(command) < ROLLBACK)]],
        ),
        "The command from its start to its end, with a Prefect server of its own, while a process serves the "
        "champion; a client asks ten times a second which version answers. Median (smallest to largest).",
    ]


TABLES: dict[str, Callable[[Figures], list[str]]] = {
    "sizes": _sizes_table,
    "starts": _starts_table,
    "requests": _requests_table,
    "rollback": _rollback_table,
}


def _medians(rounds: Sequence[Mapping[str, float]]) -> list[str]:
    pace = spread([each["per_second"] for each in rounds], ",.0f")
    return [pace, *(f"{statistics.median(each[q] for each in rounds):.1f}" for q in ("p50", "p95", "p99"))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description="The served model: size, start, requests.")
    parser.add_argument("--only", nargs="+", choices=list(PIECES), default=list(PIECES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=200, help="rows asked for in a round, about")
    parser.add_argument("--show", action="store_true", help="print the page; write nothing")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = dict(read_json(FIGURES)) if FIGURES.exists() else {}
    for name in options.only:
        described = ", ".join(f"{key} {value}" for key, value in machine().items())
        load = os.getloadavg()[0]
        figures = PIECES[name](options)
        found[name] = {"machine": f"{described}; load before: {load:.2f}", "figures": figures}
        if not options.show:
            write_json(FIGURES, found)
    if options.show:
        sys.stdout.write(page(found))
        return
    PAGE.write_text(page(found), encoding="utf-8")
    sys.stdout.write("written: docs/serving-speed.md\n")


if __name__ == "__main__":
    main()
