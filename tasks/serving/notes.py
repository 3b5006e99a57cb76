"""Which `espalier serve-model` processes of a workspace run on this machine, and what each answers with."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tasks.alive import running
from tasks.errors import EspalierError
from tasks.files import remove, write_json
from tasks.layout import Layout

__all__ = ["NotServedError", "Server", "answering", "confirm", "noted", "servers"]

SECONDS = 60.0
PAUSE = 0.05
TIMEOUT = 5.0


class NotServedError(EspalierError):
    """The alias has moved, and a process that follows it does not answer with the version. Exit code 5."""

    exit_code = 5


@dataclass(frozen=True)
class Server:
    """A process that serves a model.

    Attributes
    ----------
    url : str
        Where it answers on this machine.
    model, alias : str
        What it follows; the alias may be a version's number.
    host : str
        The machine.
    pid : int
    created : float
        When the process began: ids come again.
    """

    url: str
    model: str
    alias: str
    host: str
    pid: int
    created: float

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return running(self.pid, self.created) is not None

    def ask(self, path: str, method: str = "GET") -> dict[str, Any] | None:
        """Return what it says; None when it does not answer."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=TIMEOUT)
        try:
            connection.request(method, path)
            told: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return told


@contextmanager
def noted(root: Path, url: str, model: str, alias: str) -> Iterator[Server]:
    """Note that this process serves, for a block."""
    own = psutil.Process()
    server = Server(url, model, alias, socket.gethostname(), own.pid, own.create_time())
    path = _folder(root) / f"{server.host}-{own.pid}.json"
    write_json(path, asdict(server))
    try:
        yield server
    finally:
        remove(path)


def servers(root: Path, model: str, alias: str) -> list[Server]:
    """Return this machine's processes that serve what an alias of a model names.

    Notes of processes that were killed are removed.
    """
    found = []
    for path in sorted(_folder(root).glob("*.json")):
        try:
            server = Server(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:  # it has ended just now
            continue
        if server.host != socket.gethostname():
            continue
        if not server.alive:
            remove(path)
        elif (server.model, server.alias) == (model, alias):
            found.append(server)
    return found


def answering(root: Path, model: str, alias: str) -> list[tuple[str, str]]:
    """Return address and version of each process that serves what an alias names."""
    told = [(server.url, server.ask("/model")) for server in servers(root, model, alias)]
    return [(url, str(state["version"])) for url, state in told if state]


def confirm(root: Path, model: str, alias: str, version: str, seconds: float = SECONDS) -> int:
    """Wait until each process that serves what an alias names answers with a version.

    Returns
    -------
    How many do.

    Raises
    ------
    NotServedError
        When one does not: it refuses the version, or is not heard of in time.
    """
    waiting = servers(root, model, alias)
    until, sure = time.monotonic() + seconds, 0
    for server in waiting:
        server.ask("/follow", "POST")
    for server in waiting:
        sure += _follows(server, version, until)
    return sure


def _follows(server: Server, version: str, until: float) -> bool:
    """Wait for one; False where it has ended meanwhile."""
    while server.alive:
        state = server.ask("/model")
        if state and str(state["version"]) == version:
            return True
        if state and state["refused"] == version:
            raise NotServedError(_stays(server, version, state, f": {state['trouble']}"))
        if time.monotonic() > until:
            raise NotServedError(_stays(server, version, state, ""))
        time.sleep(PAUSE)
    return False


def _stays(server: Server, version: str, state: Mapping[str, Any] | None, why: str) -> str:
    does = f"still answers with version {state['version']}" if state else "does not answer"
    return (
        f"{server.model}: version {version} is the {server.alias} now, but {server.url} "
        f"(process {server.pid}) {does}{why}; restart that `espalier serve-model`"
    )


def _folder(root: Path) -> Path:
    return Layout(root).state / "serving"
