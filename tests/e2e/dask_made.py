"""A Dask cluster of separate processes, whose workers can be kept from seeing a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

SOURCE = Path(__file__).resolve().parents[2]
HIDES = """
import os, sys

def refuse(event, given):
    if event == "open" or event.startswith("os."):
        paths = [os.fsdecode(each) for each in given if isinstance(each, (str, bytes, os.PathLike))]
        if any(path.startswith(os.environ["HIDDEN"]) for path in paths):
            raise FileNotFoundError(2, "not on this disk", paths[0])

sys.addaudithook(refuse)
"""


class Cluster:
    """A scheduler on a free port of loopback, and workers as `worker` starts them."""

    def __init__(self, folder: Path, hidden: Path) -> None:
        self.folder, self.hidden = folder, hidden
        self._started: list[subprocess.Popen[bytes]] = []
        self.installed = folder / "installed"
        for name in ("tasks", "flows"):
            shutil.copytree(
                SOURCE / name, self.installed / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        (folder / "hides").mkdir()
        (folder / "hides" / "sitecustomize.py").write_text(HIDES)
        self._file = folder / "scheduler.json"
        loopback = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
        self._start("dask_scheduler", folder, *loopback, "--scheduler-file", self._file)
        self.address = self._address()

    def _start(self, module: str, home: Path, *words: object) -> subprocess.Popen[bytes]:
        home.mkdir(exist_ok=True)
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("XDG_", "DVC_", "PREFECT_"))
        }
        path = os.pathsep.join([str(self.folder / "hides"), str(self.installed)])
        with (home / f"{module}.log").open("wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *map(str, words)],
                cwd=home,
                env={
                    **kept,
                    "HOME": str(home),
                    "HIDDEN": str(self.hidden),
                    "PYTHONPATH": path,
                    "DVC_NO_ANALYTICS": "1",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(started)
        return started

    def _address(self) -> str:
        import json

        (scheduler,) = self._started
        while not self._file.exists() or not self._file.read_text():
            assert scheduler.poll() is None
            time.sleep(0.05)
        return str(json.loads(self._file.read_text())["address"])

    def worker(self, name: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a worker; return its process, and the folder of its private workspaces."""
        home = self.folder / name
        options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        place = ["--scheduler-file", self._file, "--local-directory", home]
        return self._start("dask_worker", home, *options, *place), home / ".cache" / "espalier" / "workspaces"

    def end(self) -> None:
        """End every process, and see that those they started end too."""
        family = [psutil.Process(each.pid) for each in self._started if each.poll() is None]
        family += [child for each in family for child in each.children(recursive=True)]
        for started in self._started:
            kill(started)
        assert not psutil.wait_procs(family, timeout=60)[1]


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a crash would."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
