"""`espalier serve`: the deployments that prefect.yaml states, run by this one process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.asking import answers, require_welcome
from flows.embedded import free_port
from flows.services import SETTINGS, Service, prefect_server, project
from flows.stack import read
from flows.stated import stated
from flows.ui import PREFECT_PORT, stop_server
from tasks.errors import EspalierError

__all__ = ["serve"]

_PATIENCE = 180.0


def serve(root: Path, say: Callable[[str], object]) -> None:
    """Serve all deployments until stopped; their schedules are paused then.

    Raises
    ------
    EspalierError
        When prefect.yaml states what cannot be served.
    """
    if read(root):
        raise EspalierError(
            f"{root.name}: the worker of `espalier up` runs these schedules already; `espalier down` stops it"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ |= {**SETTINGS, **os.environ}
    os.environ["PWD"] = str(root)  # where a run works, as of a worker started in the workspace's folder
    deployments = list(stated(project(root) / "prefect.yaml"))
    with _server(root, say):
        for deployment in deployments:
            say(f"{deployment.name:12} {_due(deployment)}")
        with _watch(root, [deployment.name for deployment in deployments]):
            _run(deployments, say)
        say("stopped; the schedules are paused, and `espalier serve` or `espalier up` resumes them")


class _Runner(Runner):
    """Prefect's, which would leave its loop at SIGTERM without ending what is in it."""

    def __init__(self, ready: Callable[[], object]) -> None:
        super().__init__(pause_on_shutdown=True)
        self._ready = ready

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._ready()  # from here on the schedules are paused at the end, however early it comes
        return self

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Stop as at Ctrl-C."""
        signal.raise_signal(signal.SIGINT)


def _run(deployments: Sequence[RunnerDeployment], say: Callable[[str], object]) -> None:
    """Run what becomes due until SIGINT or SIGTERM."""
    told = "Ctrl-C stops, and pauses the schedules: nothing becomes due until the next `espalier serve`."
    runner = _Runner(partial(say, told))
    for deployment in deployments:
        runner.add_deployment(deployment)
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


@contextmanager
def _server(root: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Use the Prefect server that is set, else have one for the block; it keeps what is due, and its UI.

    Raises
    ------
    EspalierError
        When none answers.
    """
    url = os.environ.get("PREFECT_API_URL")
    service = prefect_server(url or f"http://127.0.0.1:{free_port(PREFECT_PORT)}/api")
    process = None if url else _started(service)
    api_url = os.environ.setdefault("PREFECT_API_URL", url or f"{service.shown}/api")
    try:
        until = time.monotonic() + _PATIENCE
        while not answers(api_url):
            if url or (process and process.poll() is not None) or time.monotonic() > until:
                raise EspalierError(
                    f"no Prefect server answers at {api_url}; `espalier doctor` looks further"
                )
            time.sleep(0.1)
        require_welcome(api_url)
        say(f"Prefect      {service.shown}")
        with temporary_settings({PREFECT_API_URL: api_url}):
            yield
    finally:
        if process:
            stop_server(process)


def _started(service: Service) -> subprocess.Popen[bytes]:
    """Start a server that ends with this process, however that ends; Ctrl-C is for this process alone."""
    module, *words = service.command
    return subprocess.Popen(
        [sys.executable, "-m", module, "--with-parent", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def _watch(root: Path, names: Sequence[str]) -> Iterator[None]:
    """Have a process tell of late, lost and missing runs for the block, and when this process is killed."""
    words = [sys.executable, "-m", "flows.watch", os.environ["PREFECT_API_URL"], *names]
    # In a session of its own: Ctrl-C is for this process, which ends the other.
    process = subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _due(deployment: RunnerDeployment) -> str:
    times: Sequence[Any] = deployment.schedules or []
    when = [_when(one.schedule) for one in times]
    events = [sorted(getattr(trigger, "expect", ())) for trigger in deployment.triggers]
    when += [f"on {', '.join(names)}" for names in events if names]
    return "; ".join(when) or "on demand"


def _when(schedule: Any) -> str:
    words = getattr(schedule, "cron", None) or getattr(schedule, "rrule", None)
    zone = getattr(schedule, "timezone", None)
    return f"{words or f'every {schedule.interval}'}{f' {zone}' if zone else ''}"
