"""What `espalier ui` serves: the MLflow and the Prefect pages, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from flows.embedded import free_port

__all__ = ["MLFLOW_PORT", "PREFECT_PORT", "serve", "start_server", "stop_server"]

MLFLOW_PORT = 5000
PREFECT_PORT = 4200
_GRACE_SECONDS = 10.0
# MLflow opens on its pages for language models otherwise.
_LANDING = "/#/experiments?workflowType=machine_learning"


def serve(root: Path, say: Callable[[str], object]) -> None:
    """Serve both until interrupted, or until one of them ends; name the servers that are set already.

    Parameters
    ----------
    root : Path
        Workspace whose records are shown.
    say : callable
        Takes each line for the user.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as noted:
        servers = [*_mlflow(root, say, noted), *_prefect(say)]
        if servers:
            _until_interrupted(servers, say)


def _until_interrupted(servers: Sequence[subprocess.Popen[bytes]], say: Callable[[str], object]) -> None:
    try:
        say("Ctrl-C stops them.")
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        say("A server ended; stopping the other. Its own messages stand above.")
    except KeyboardInterrupt:
        say("")
    finally:
        for server in servers:
            stop_server(server)


def start_server(module: str, *words: str, quiet: bool = False) -> subprocess.Popen[bytes]:
    """Start a server that leads a process group: MLflow's has children of its own."""
    out = subprocess.DEVNULL if quiet else None
    return subprocess.Popen([sys.executable, "-m", module, *words], stdout=out, start_new_session=True)


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """End a server's process group, gently first."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, request)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=_GRACE_SECONDS)


def _mlflow(root: Path, say: Callable[[str], object], noted: ExitStack) -> list[subprocess.Popen[bytes]]:
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        say(f"MLflow   {uri.rstrip('/')}{_LANDING} (MLFLOW_TRACKING_URI)")
        return []
    from tasks import tracking
    from tasks.tracking import links

    tracking.prepare(root)
    noted.enter_context(tracking.shared(root))
    port = free_port(MLFLOW_PORT)
    say(f"MLflow   http://127.0.0.1:{port}{_LANDING}")
    noted.enter_context(links.served(root, f"http://127.0.0.1:{port}"))
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [start_server("mlflow", "server", *place, "--backend-store-uri", tracking.tracking_uri(root))]


def _prefect(say: Callable[[str], object]) -> list[subprocess.Popen[bytes]]:
    url = os.environ.get("PREFECT_API_URL")
    if url:
        say(f"Prefect  {url.removesuffix('/api')} (PREFECT_API_URL)")
        return []
    port = free_port(PREFECT_PORT)
    say(f"Prefect  http://127.0.0.1:{port}")
    say(f"         runs use it, and start faster, with PREFECT_API_URL=http://127.0.0.1:{port}/api")
    os.environ["PREFECT_UI_API_URL"] = f"http://127.0.0.1:{port}/api"  # its page asks port 4200 otherwise
    return [start_server("flows.prefect_server", "--host", "127.0.0.1", "--port", str(port), quiet=True)]
