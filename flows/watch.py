"""Tells when a run is late, lost or missing, when a server is gone, and of aliases moved by hand.

`python -m flows.watch API_URL [NAME ...]`: with names of deployments it is of the `espalier serve` that has
them, and ends when that does, which holds the other end of its standard input.

That cannot be told by a flow, which would be late too, nor by the server when it is what is missing.

- late: nobody has begun it a minute after it was due: no worker, or one that hangs;
- lost: its process was killed, or ended before it began; Prefect hears of it here, and gives its slot free;
- missing: a schedule is on, and no run of it is to come: nothing becomes due, and nothing would be late.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import urllib.error
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.alerts import alert
from flows.aliases import listen
from flows.asking import asked
from flows.unfinished import close, close_killed
from tasks.layout import Layout

__all__ = ["Watch", "main"]

_EVERY_SECONDS = 10.0
_TOLERATED = 3
"""Times in a row that the server may be silent, or a schedule without a run: it may be busy, or starting."""

_PENDING = timedelta(minutes=5)
"""How long a run may take to begin once a worker has it."""

_TO_COME = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"]


@dataclass
class Watch:
    """What has been told already.

    Attributes
    ----------
    api_url : str
    root : Path
        Workspace.
    tell : callable
        Takes the text of an alert and its facts.
    names : collection of str
        Deployments to look after; without any, those that work in the workspace.
    told : set
        Ids of what is late or missing.
    silent : int
        Looks in a row that the server did not answer.
    without : dict
        Looks in a row that a deployment had a schedule and no run to come, by id.
    """

    api_url: str
    root: Path
    tell: Callable[..., object]
    names: Collection[str] = ()
    told: set[str] = field(default_factory=set)
    silent: int = 0
    without: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Look once, and tell what is news."""
        try:
            killed, own = close_killed(self.root, self.api_url), self._own()
            runs = self._runs(own)
        except (urllib.error.URLError, OSError, ValueError):
            self.silent += 1
            if self.silent == _TOLERATED:
                self.tell(f"the Prefect server at {self.api_url} does not answer", kind="server")
            return
        self.silent = 0
        for run in killed:
            self.tell(f"crashed: {run['name']}: its process was killed", kind="crashed", run=run["id"])
        late, missing = [run for run in runs if run["state"]["name"] == "Late"], self._missing(own, runs)
        for run in late:
            self._once(run["id"], _late_text(run), kind="late", run=run["id"])
        for id_ in missing:
            text = f"missing: {own[id_]['name']} has a schedule that is on, and no run is to come"
            self._once(id_, text, kind="missing", deployment=id_)
        self.told &= {*missing, *(run["id"] for run in late)}

    def _once(self, what: str, text: str, **facts: str) -> None:
        if what not in self.told:
            self.told.add(what)
            self.tell(text, **facts)

    def _own(self) -> dict[str, dict[str, Any]]:
        """Return this workspace's deployments by their ids; others may have the same server.

        Away from any workspace, those whose workers fetch it.
        """
        found = self._asked("/deployments/filter", {})
        if self.names:
            return {one["id"]: one for one in found if one["name"] in self.names}
        if _is_workspace(self.root):
            return {one["id"]: one for one in found if _folder(one) == str(self.root)}
        return {one["id"]: one for one in found if not Path(_folder(one)).is_absolute()}

    def _runs(self, own: Collection[str]) -> list[dict[str, Any]]:
        """Return the runs of deployments that have not ended, after closing those that never will."""
        which = {"deployment_id": {"any_": list(own)}, "state": {"type": {"any_": _TO_COME}}}
        found = self._asked("/flow_runs/filter", {"flow_runs": which}) if own else []
        if not _is_workspace(self.root):
            return list(found)  # pending is a run whose worker fetches data, however long that takes
        since = (datetime.now(UTC) - _PENDING).isoformat()
        return [run for run in found if not (_is_stuck(run, since) and close(self.api_url, run["id"]))]

    def _missing(self, own: Mapping[str, Mapping[str, Any]], runs: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return deployments with a schedule that is on, and for several looks no run to come."""
        has_one = {run["deployment_id"] for run in runs}
        without = [id_ for id_, deployment in own.items() if _is_on(deployment) and id_ not in has_one]
        self.without = {id_: self.without.get(id_, 0) + 1 for id_ in without}
        return [id_ for id_, looks in self.without.items() if looks >= _TOLERATED]

    def _asked(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return asked(f"{self.api_url}{path}", body, _EVERY_SECONDS)


def _late_text(run: Mapping[str, Any]) -> str:
    due = str(run["expected_start_time"])[:16].replace("T", " ")
    return (
        f"late: {run['name']} was due at {due} UTC and nobody has begun it; is a worker up "
        "(`espalier status`)?"
    )


def _folder(deployment: Mapping[str, Any]) -> str:
    """Return the folder that a deployment's runs work in."""
    steps = deployment.get("pull_steps") or []
    return next((str(step["directory"]) for one in steps for step in one.values() if "directory" in step), "")


def _is_workspace(root: Path) -> bool:
    return Layout(root).params.exists()


def _is_stuck(run: Mapping[str, Any], since: str) -> bool:
    return bool(run["state"]["type"] == "PENDING" and run["state"]["timestamp"] < since)


def _is_on(deployment: Mapping[str, Any]) -> bool:
    return not deployment["paused"] and any(schedule["active"] for schedule in deployment["schedules"])


def _ticks() -> Iterable[None]:
    while True:
        yield
        time.sleep(_EVERY_SECONDS)


def _listen(root: Path, tell: Callable[..., object]) -> None:
    if trouble := listen(root, tell):
        sys.stderr.write(f"MLflow does not tell of moved aliases, the next command notices: {trouble}\n")


def _end_with_parent(tell: Callable[..., object]) -> None:
    """Wait for the end of an `espalier serve` that ends this process when it is stopped, and tell."""
    sys.stdin.buffer.read()
    tell("`espalier serve` was killed: what its schedules make due is run by nobody", kind="server")
    os._exit(0)


def main() -> None:
    """Look until ended."""
    root = Path(os.environ.get("PWD") or Path.cwd())
    api_url, names = sys.argv[1].rstrip("/"), sys.argv[2:]
    watch = Watch(api_url, root, lambda text, **facts: alert(root, text, **facts), names)
    if names:
        threading.Thread(target=_end_with_parent, args=(watch.tell,), daemon=True).start()
    elif _is_workspace(root):
        threading.Thread(target=_listen, args=(root, watch.tell), daemon=True).start()
    for _ in _ticks():
        watch.look()


if __name__ == "__main__":
    main()
