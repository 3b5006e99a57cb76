"""A Prefect server of this process's own, started early: it comes up while everything else is imported.

`python -m flows.embedded PORT` serves until the other end of its standard input closes: the server is
there for the last event its parent sends, and goes with the parent.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.asking import answers, require_welcome
from tasks.errors import EspalierError

__all__ = ["EmbeddedServer", "end_with_parent", "free_port", "main"]

_GRACE_SECONDS = 10.0


def free_port(preferred: int = 0) -> int:
    """Return `preferred` when it is free on loopback, else one that is."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


class EmbeddedServer:
    """A server on a free loopback port; its log stands beside Prefect's database.

    Parameters
    ----------
    home : Path
        PREFECT_HOME, where the database is.
    """

    def __init__(self, home: Path) -> None:
        self.api_url = f"http://127.0.0.1:{free_port()}/api"
        self.log = home / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        port = self.api_url.removesuffix("/api").rpartition(":")[2]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.embedded", port],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def wait(self, seconds: float = 180.0) -> None:
        """Return as soon as the server answers.

        Raises
        ------
        EspalierError
            When it ended, did not answer in time, or was told to ask for credentials that we lack.
        """
        assert self._process is not None
        until = time.monotonic() + seconds
        while not answers(self.api_url):
            if self._process.poll() is not None or time.monotonic() > until:
                raise EspalierError(
                    f"the embedded Prefect server did not start; its log is {self.log}. "
                    "`espalier doctor` checks the installed versions"
                )
            time.sleep(0.05)
        require_welcome(self.api_url)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the server running: it ends with this process, after the last events were sent."""


def end_with_parent() -> None:
    """End this process when the other end of its standard input closes, as when the parent is killed."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Serve the Prefect API on the port given, until standard input ends."""
    os.environ |= {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    os.environ.pop("PREFECT_API_URL", None)
    import uvicorn

    from flows.prefect_server import migrate_in_turn, take_turns

    take_turns()
    migrate_in_turn()
    end_with_parent()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
