"""`espalier up`, `down` and `status`: both servers, a worker and a watch, in the background on loopback.

What runs stands in `.espalier/stack.json`; a process is known by its id and the time it began, so a note
that a crash of the machine left behind names nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from flows import services
from flows.asking import require_welcome
from flows.embedded import free_port
from flows.services import Service, Started
from flows.ui import MLFLOW_PORT, PREFECT_PORT
from flows.unfinished import close_killed
from tasks.alive import end_family, running
from tasks.errors import EspalierError
from tasks.files import write_text
from tasks.layout import Layout

__all__ = ["Stack", "down", "foreign_tracking", "read", "status", "stopped", "up"]

_NAMED = {"prefect": "PREFECT_API_URL", "mlflow": "MLFLOW_TRACKING_URI"}
_PATIENCE = 180.0


@dataclass(frozen=True)
class Stack:
    """What runs in the background of a workspace.

    Attributes
    ----------
    prefect, mlflow : str
        Addresses of the Prefect API and of the MLflow server.
    processes : dict
        By the service's name.
    deployed : str
        Hash of the prefect.yaml whose deployments the server has.
    foreign : tuple of str
        Servers that the environment named, and that are not this stack's to start or stop.
    """

    prefect: str
    mlflow: str
    processes: Mapping[str, Started] = field(default_factory=dict)
    deployed: str = ""
    foreign: tuple[str, ...] = ()


def read(root: Path) -> Stack | None:
    """Return what `espalier up` noted, None where nothing is up."""
    path = _note(root)
    if not path.exists():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    processes = {name: Started(**started) for name, started in held["processes"].items()}
    return Stack(**held | {"processes": processes, "foreign": tuple(held["foreign"])})


def up(root: Path, say: Callable[[str], object]) -> None:
    """Start what is not there yet, wait until all is well, and register the deployments of prefect.yaml.

    Raises
    ------
    EspalierError
        When a service ends at once, or does not answer in time; what did start is left to `down`.
    """
    settings = services.project(root) / "prefect.yaml"
    with _held(root):
        stack = _addressed(read(root))
        stack = _ensured(root, stack, _servers(root, stack))
        require_welcome(stack.prefect)  # else the worker is never heard of
        stack = _ensured(root, stack, services.attendants(root, stack.prefect))  # the worker makes its pool
        mark = hashlib.sha256(settings.read_bytes()).hexdigest()
        if stack.deployed != mark:
            services.deploy(settings, _environment(root, stack))
            stack = _kept(root, replace(stack, deployed=mark))
    for line in status(root)[1]:
        say(line)


def down(root: Path, say: Callable[[str], object]) -> None:
    """End what `up` started, the worker first; a run under way ends too, and goes on in the next run."""
    from tasks import tracking

    with _held(root):
        stack = read(root)
        if stack is None:
            say("nothing is up")
            return
        for name in reversed(list(stack.processes)):
            process = _process(stack, name)
            if name == "prefect":
                _close_runs(root, stack)  # the worker has ended by now
            if process is not None:
                end_family(process)
            say(f"{name:8} {'stopped' if process else 'was not running'}")
        tracking.end_server(root)
        _note(root).unlink()
    say("Schedules wait: what becomes due until `espalier up` runs then, once each.")


def _close_runs(root: Path, stack: Stack) -> None:
    """Have Prefect know that the runs under way have ended."""
    with suppress(OSError):  # the server is gone, or too busy: the next run says it
        close_killed(root, stack.prefect)


def status(root: Path) -> tuple[bool, list[str]]:
    """Say of every service whether it is well, and where it is; True when all are."""
    stack = read(root)
    if stack is None:
        return False, ["nothing is up; `espalier up` starts the servers and a worker"]
    known = [*_servers(root, stack), *services.attendants(root, stack.prefect)]
    states = {service.name: _state(stack, service) for service in known}
    lines = [
        f"{service.name:8} {states[service.name]:14} {_pid(stack, service.name):12} {service.shown}"
        for service in known
    ]
    return all(state == "well" for state in states.values()), lines


@contextmanager
def stopped(root: Path, purpose: str) -> Iterator[None]:
    """Keep the stack down for a block.

    Raises
    ------
    EspalierError
        When something of it is up, or `espalier ui` serves.
    """
    from tasks.tracking.links import reached

    with _held(root):
        stack = read(root)
        alive = [name for name in (stack.processes if stack else ()) if _lives(stack or Stack("", ""), name)]
        if alive:
            raise EspalierError(f"{purpose}: still up: {', '.join(alive)}; `espalier down`, then run again")
        if "MLFLOW_TRACKING_URI" not in os.environ and (url := reached(root)):
            raise EspalierError(f"{purpose}: {url} serves the records; end `espalier ui`, then run again")
        yield


def foreign_tracking(root: Path) -> str | None:
    """Return the address of runs where it is neither the workspace's own database nor the stack's server."""
    from tasks import tracking

    uri, stack = tracking.tracking_uri(root), read(root)
    own = {tracking.own_database(root)} | (
        {stack.mlflow} if stack and "mlflow" not in stack.foreign else set()
    )
    return None if uri in own else uri


def _addressed(stack: Stack | None) -> Stack:
    """Give each server an address: the one it has or the environment names, the usual port, or a free one."""
    held = stack or Stack("", "")
    named = {name: os.environ.get(key, "") for name, key in _NAMED.items()}
    strange = [name for name, url in named.items() if url.startswith("http") and url != getattr(held, name)]
    foreign = tuple({*strange, *held.foreign} & {name for name, url in named.items() if url})
    prefect, mlflow = (named[name] if name in foreign else getattr(held, name) for name in _NAMED)
    if "prefect" not in foreign and not _lives(held, "prefect"):
        prefect = f"http://127.0.0.1:{free_port(PREFECT_PORT)}/api"
    if "mlflow" not in foreign and not _lives(held, "mlflow"):
        mlflow = f"http://127.0.0.1:{free_port(MLFLOW_PORT)}"
    if (prefect, mlflow) == (held.prefect, held.mlflow):
        return held
    for name in ("watch", "worker"):
        process = _process(held, name)
        if process is not None:
            end_family(process)  # it asks servers that are gone
    return replace(held, prefect=prefect, mlflow=mlflow, foreign=foreign)


def _servers(root: Path, stack: Stack) -> list[Service]:
    from tasks import tracking

    found = [] if "prefect" in stack.foreign else [services.prefect_server(stack.prefect)]
    if "mlflow" not in stack.foreign:
        found.append(services.mlflow_server(stack.mlflow, *tracking.server_stores(root)))
    return found


def _state(stack: Stack, service: Service) -> str:
    process = _process(stack, service.name)
    if process is None:
        return "not running"
    return "well" if service.well(stack.processes[service.name].created) else "does not answer"


def _pid(stack: Stack, name: str) -> str:
    started = stack.processes.get(name)
    return f"process {started.pid}" if started else ""


def _ensured(root: Path, stack: Stack, wanted: Iterable[Service]) -> Stack:
    """Start the services whose processes are not there, and wait until all are well.

    Raises
    ------
    EspalierError
        When one ends, or stays deaf.
    """
    wanted = tuple(wanted)
    for service in wanted:
        if _process(stack, service.name) is None:
            process = _start(root, service, _environment(root, stack))
            begun = Started(process.pid, process.create_time())
            stack = _kept(root, replace(stack, processes={**stack.processes, service.name: begun}))
    for service in wanted:
        if not _comes_up(stack, service):
            raise EspalierError(
                f"{service.name} does not come up; its log is {_log(root, service.name)}. "
                "`espalier down` ends what did"
            )
    return stack


def _comes_up(stack: Stack, service: Service) -> bool:
    until = time.monotonic() + _PATIENCE
    while not service.well(stack.processes[service.name].created):
        if _process(stack, service.name) is None or time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _start(root: Path, service: Service, environment: Mapping[str, str]) -> psutil.Process:
    """Start a service that outlives this process and its terminal; what it says is added to its log."""
    log = _log(root, service.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        begun = subprocess.Popen(
            [sys.executable, "-m", *service.command],
            cwd=root,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return psutil.Process(begun.pid)


def _environment(root: Path, stack: Stack) -> dict[str, str]:
    """What the services' processes see: the addresses, this installation's commands, where to work."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    own = {"PREFECT_API_URL": stack.prefect, "MLFLOW_TRACKING_URI": stack.mlflow, "PATH": path}
    return {**services.SETTINGS, **os.environ, **own, "PWD": str(root)}


def _process(stack: Stack, name: str) -> psutil.Process | None:
    started = stack.processes.get(name)
    return running(started.pid, started.created) if started else None


def _lives(stack: Stack, name: str) -> bool:
    return _process(stack, name) is not None


def _kept(root: Path, stack: Stack) -> Stack:
    write_text(_note(root), json.dumps(asdict(stack), indent=1))
    return stack


def _note(root: Path) -> Path:
    return Layout(root).state / "stack.json"


def _log(root: Path, name: str) -> Path:
    return Layout(root).state / "logs" / f"{name}.log"


@contextmanager
def _held(root: Path) -> Iterator[None]:
    """Let one `up` or `down` at a time change the stack; the second waits."""
    path = Layout(root).state / "stack.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
