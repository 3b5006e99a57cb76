"""Tells when a run is late, when the Prefect server is gone, and of aliases moved by hand.

`python -m flows.watch API_URL`.

A run is late when nobody has begun it a minute after it was due: no worker, or one that hangs. That cannot be
told by a flow, which would be late too, nor by the server when it is what is missing.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.error
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.alerts import alert
from flows.aliases import listen
from flows.asking import asked

__all__ = ["Watch", "main"]

_EVERY_SECONDS = 15.0
_TOLERATED = 3
"""Times in a row that the server may be silent: it may be busy, or restarting."""

_LATE = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}, "sort": "EXPECTED_START_TIME_DESC"}


@dataclass
class Watch:
    """What has been told already.

    Attributes
    ----------
    api_url : str
    tell : callable
        Takes the text of an alert and its facts.
    told : set
        Ids of late runs.
    silent : int
        Looks in a row that the server did not answer.
    """

    api_url: str
    tell: Callable[..., object]
    told: set[str] = field(default_factory=set)
    silent: int = 0

    def look(self) -> None:
        """Look once, and tell what is news."""
        try:
            late = self._late()
        except (urllib.error.URLError, OSError, ValueError):
            self.silent += 1
            if self.silent == _TOLERATED:
                self.tell(f"the Prefect server at {self.api_url} does not answer", kind="server")
            return
        self.silent = 0
        for run in late:
            if run["id"] not in self.told:
                due = str(run["expected_start_time"])[:16].replace("T", " ")
                self.tell(
                    f"late: {run['name']} was due at {due} UTC and nobody has begun it; is a worker up "
                    "(`espalier status`)?",
                    kind="late",
                    run=run["id"],
                )
        self.told = {run["id"] for run in late}

    def _late(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = asked(f"{self.api_url}/flow_runs/filter", _LATE, _EVERY_SECONDS)
        return found


def _ticks() -> Iterable[None]:
    while True:
        yield
        time.sleep(_EVERY_SECONDS)


def main() -> None:
    """Look until ended."""
    root = Path(os.environ.get("PWD") or Path.cwd())
    watch = Watch(sys.argv[1].rstrip("/"), lambda text, **facts: alert(root, text, **facts))
    if trouble := listen(root, watch.tell):
        sys.stderr.write(f"MLflow does not tell of moved aliases, the next command notices: {trouble}\n")
    for _ in _ticks():
        watch.look()


if __name__ == "__main__":
    main()
