"""Notices aliases that somebody moves in MLflow's page: the server calls, the ledger is looked at.

`listen` is for a process that stays, such as `flows.watch`: it imports little. What needs MLflow runs for a
moment, as `python -m flows.aliases ROOT subscribe URL` and `python -m flows.aliases ROOT look`.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["BUSY", "listen", "main"]

BUSY = 75
"""Exit code of a look while a command is at work, which may be moving the alias itself."""

_PAUSE = 2.0
_LOOKS = 60
_SECONDS = 120.0


def listen(root: Path, tell: Callable[..., object]) -> str:
    """Have MLflow call this process when an alias moves, and enter in the ledger what no command has moved.

    Parameters
    ----------
    root : Path
        Workspace.
    tell : callable
        Takes the text of an alert and its facts.

    Returns
    -------
    '' or why MLflow does not call: then the next command notices.
    """
    moved = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(moved, path := f"/{secrets.token_urlsafe(16)}"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended = _run(root, "subscribe", f"http://127.0.0.1:{server.server_port}{path}")
    if ended.returncode:
        server.shutdown()
        return (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
    threading.Thread(target=_look_when, args=(root, moved, tell), daemon=True).start()
    return ""


def _answering(moved: threading.Event, path: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Takes the calls for one address; what they say is not believed, only looked at."""

        def do_POST(self) -> None:
            """Note that an alias has moved."""
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known = secrets.compare_digest(self.path, path)
            if known:
                moved.set()
            self.send_response(204 if known else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of each call."""

    return Handler


def _look_when(root: Path, moved: threading.Event, tell: Callable[..., object]) -> None:
    while True:
        moved.wait()
        moved.clear()
        if said := _looked(root):
            tell(json.loads(said)["text"], kind="alias", run=json.loads(said)["entry"])


def _looked(root: Path) -> str:
    """Look until it works, so often at most; return what was found."""
    for _ in range(_LOOKS):
        ended = _run(root, "look")
        if ended.returncode == 0:
            return ended.stdout.strip()
        time.sleep(_PAUSE)
    why = "a command is at work" if ended.returncode == BUSY else ended.stderr.strip()
    sys.stderr.write(f"a moved alias is not entered, the next command enters it: {why}\n")
    return ""


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.aliases", str(root), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_SECONDS:.0f} s")


def _look(root: Path) -> int:
    """Enter what was moved by hand, and print what it was."""
    from tasks.config import load_params
    from tasks.promotion.desk import at_desk

    with at_desk(root, load_params(root)) as desk:
        if desk.ledger.unfinished():
            return BUSY
        entry = desk.notice()
    if entry is not None and entry.moves is not None:
        (was, now), (_, previous) = entry.moves.champion, entry.moves.previous
        stand = f"champion {was or '-'} -> {now or '-'}, previous {previous or '-'}"
        text = f"{desk.name}: an alias was moved by hand: {stand}; it stays, and stands in `espalier history`"
        sys.stdout.write(json.dumps({"text": text, "entry": entry.id}) + "\n")
    return 0


def main() -> int:
    """Subscribe, or look once."""
    from flows.environment import enter
    from tasks.errors import EspalierError

    root, action = Path(sys.argv[1]), sys.argv[2]
    enter(root)
    try:
        if action == "look":
            return _look(root)
        from tasks.tracking.webhook import subscribe

        subscribe(root, sys.argv[3])
    except EspalierError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
