"""`espalier serve-model`: MLflow's scoring app on the champion, which it follows."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import EspalierError

if TYPE_CHECKING:
    from tasks.serving.asgi import App
    from tasks.serving.beside import Beside

__all__ = ["Options", "serve_model"]

MEGABYTE = 1_000_000
GRACE_SECONDS = 30
KEEP_SECONDS = 75
"""An idle connection is kept for longer than proxies keep theirs, so that they end it."""


@dataclass(frozen=True)
class Options:
    """How a model is served.

    Attributes
    ----------
    model : str
        The alias to follow, or a version's number.
    host : str
    port : int
        0: a free one.
    every : float
        Seconds between two looks at the registry.
    largest : float
        Megabytes of the largest body.
    shadow : str or None
        An alias, or a version's number: it answers the same requests, and what it answers is logged.
    """

    model: str
    host: str
    port: int
    every: float
    largest: float
    shadow: str | None = None


def serve_model(root: Path, options: Options, say: Callable[[str], object]) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered first.

    Raises
    ------
    EspalierError
        When there is no such version, it does not answer, or the address is taken.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        _serve(root, options, say)
    say("stopped")


def _serve(root: Path, options: Options, say: Callable[[str], object]) -> None:
    from tasks.config import load_params
    from tasks.serving.follow import Follower
    from tasks.serving.gateway import Gateway
    from tasks.serving.notes import noted
    from tasks.serving.source import Source

    name = load_params(root).registry.name
    with _listening(options.host, options.port) as listener, _shadowed(root, name, options.shadow) as beside:
        url = _url(options.host, listener)
        source = Source(root, name, options.model)

        def state() -> dict[str, Any]:
            return {**follower.state(), "shadow": beside.state() if beside else None}

        gateway = Gateway(
            source.first(),
            int(options.largest * MEGABYTE),
            state,
            lambda: follower.wake(),
            beside.offer if beside else None,
        )
        follower = Follower(gateway, source.wanted, source.load, options.every)
        _log_to_terminal()
        with noted(root, url, name, options.model):
            say(f"{gateway.current.label} ({options.model}) answers at {url}/invocations")
            say("Ctrl-C stops.")
            follower.start()
            try:
                _run(gateway, listener)
            finally:
                follower.end()


@contextmanager
def _shadowed(root: Path, name: str, alias: str | None) -> Iterator[Beside | None]:
    """Have a version answer in the shadow for a block, in a process of its own that goes with this one.

    Raises
    ------
    EspalierError
        When there is no such version.
    """
    from tasks.serving.beside import Beside
    from tasks.serving.source import Source

    if alias is None:
        yield None
        return
    Source(root, name, alias).require()
    command = [sys.executable, "-m", "tasks.serving.shadowing", str(root), name, alias]
    beside = Beside(
        lambda: subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, start_new_session=True)
    )
    beside.start()
    try:
        yield beside
    finally:
        beside.end()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take the address before anything else, for a block.

    Raises
    ------
    EspalierError
        When it is not to be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise EspalierError(
            f"{host}:{port} cannot be served at ({why}); `--port 0` takes a free port"
        ) from error
    # asyncio sends answers without Nagle's delay (40 ms) only from sockets that are told to be TCP
    with socket.socket(listener.family, listener.type, socket.IPPROTO_TCP, listener.detach()) as told:
        yield told


def _url(host: str, listener: socket.socket) -> str:
    """Return where this machine reaches the listener."""
    any_of_them = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    own = any_of_them.get(host, host)
    return f"http://{f'[{own}]' if ':' in own else own}:{listener.getsockname()[1]}"


def _run(app: App, listener: socket.socket) -> None:
    """Serve until a signal; the second Ctrl-C does not wait for requests under way."""
    import uvicorn

    config = uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])  # raises the signal again when it has ended


def _log_to_terminal() -> None:
    """Print what happens to the versions, with the time."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    for name in ("espalier", "uvicorn.error"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).propagate = False
    logging.getLogger("espalier").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
