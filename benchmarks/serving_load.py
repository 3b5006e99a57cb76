"""Requests against a server: how many a second, and how long each takes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Server", "body_of", "loaded", "running", "timed_change"]

SECONDS = 180.0
KIND = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A server that answers on loopback, and how long it took to answer first."""

    port: int
    first: float


def body_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as a request."""
    return json.dumps({"dataframe_records": list(rows)}).encode()


@contextmanager
def running(
    command: Sequence[str], port: int, body: bytes, folder: Path, **environment: str
) -> Iterator[Server]:
    """Start a server, wait for its first answer, and end it with the block."""
    began = time.perf_counter()
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not _answers(port, body):
            if process.poll() is not None or time.perf_counter() - began > SECONDS:
                raise RuntimeError(f"no server at {port}: {(folder / f'{port}.log').read_text()[-2000:]}")
            time.sleep(0.01)
        yield Server(port, time.perf_counter() - began)
    finally:
        _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)


def _answers(port: int, body: bytes) -> bool:
    try:
        return _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS), body)
    except OSError:
        return False


def _ask(connection: http.client.HTTPConnection, body: bytes) -> bool:
    connection.request("POST", "/invocations", body, KIND)
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def loaded(port: int, body: bytes, clients: int, requests: int) -> dict[str, float]:
    """Ask `requests` times from some clients at once, each over a connection of its own.

    Returns
    -------
    Requests ``per_second``; ``p50``, ``p95`` and ``p99`` of the milliseconds that one takes.
    """
    each = max(requests // clients, 1)
    times: list[list[float]] = [[] for _ in range(clients)]
    ready = threading.Barrier(clients + 1)

    def client(own: list[float]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.connect()
        ready.wait()
        for _ in range(each):
            began = time.perf_counter()
            if not _ask(connection, body):
                raise RuntimeError("a request was not answered")
            own.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=client, args=(own,)) for own in times]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    taken = 1000 * np.concatenate([np.asarray(own) for own in times])
    if len(taken) != each * clients:
        raise RuntimeError("a client failed")
    shares = {f"p{q}": float(np.percentile(taken, q)) for q in (50, 95, 99)}
    return {"per_second": len(taken) / seconds, **shares}


def timed_change(
    command: Sequence[str], port: int, body: bytes, folder: Path, **environment: str
) -> tuple[float, float]:
    """Return the seconds that a command takes, and those until another version answers."""
    before, began = _label(port, body), time.perf_counter()
    shown = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=folder, env=shown, stdout=subprocess.DEVNULL)
    while _label(port, body) == before:
        if process.poll():
            raise RuntimeError(f"{command[-1]}: ended with {process.returncode}")
        time.sleep(0.1)  # asking more often would take the time that is measured
    changed = time.perf_counter() - began
    if process.wait(SECONDS):
        raise RuntimeError(f"{command[-1]}: ended with {process.returncode}")
    return time.perf_counter() - began, changed


def _label(port: int, body: bytes) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("POST", "/invocations", body, KIND)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["x-espalier-model"]
