"""Run a command and watch its process tree: wall seconds and peak memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Finished", "free_port", "prefect_server", "run"]


@dataclass(frozen=True)
class Finished:
    """A command that ended well: wall seconds, peak resident MiB of its process tree, what it printed."""

    seconds: float
    peak_mib: float
    output: str


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident(root: psutil.Process) -> int:
    """Resident bytes of a process tree; shared pages count once a process, so this is an upper bound."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run `command` to its end, sampling memory every 50 ms.

    Raises
    ------
    RuntimeError
        When the command fails, with the end of what it printed.
    """
    log = cwd / ".espalier" / "bench.log"
    log.parent.mkdir(exist_ok=True)
    began, peak = time.perf_counter(), 0
    with log.open("w+", encoding="utf-8") as out:
        child = subprocess.Popen(
            list(command), cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.STDOUT
        )
        watched = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                peak = max(peak, resident(watched))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        child.wait()
        seconds = time.perf_counter() - began
        out.seek(0)
        output = out.read()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{output[-3000:]}")
    return Finished(seconds, peak / 2**20, output)


def answers(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def prefect_server(home: Path) -> Iterator[dict[str, str]]:
    """A Prefect server on a free loopback port, state in `home`; yields its clients' environment."""
    port = free_port()
    env = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the Prefect server did not start")
            time.sleep(0.2)
        time.sleep(3)  # it answers before its services have settled
        yield env
    finally:
        server.terminate()
        server.wait(timeout=30)
