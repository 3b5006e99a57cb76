"""The ledger: every decision and every move of an alias is a run of MLflow's experiment `promotions`.

A run is written before anything moves (its plan) and completed after, so that what was interrupted can be
finished. It is also the lock: MLflow's aliases know no compare-and-swap, so whoever wants to move one takes a
number, as in a bakery (Lamport, 1974), and gives way to whoever has a smaller one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.errors import EspalierError
from tasks.promotion.holder import LONG, gone, holder
from tasks.tracking.entries import origin_tags
from tasks.tracking.store import experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["EXPERIMENT", "Entry", "Ledger", "Moves"]

EXPERIMENT = "promotions"
PAGE = 1000
FINAL = {"done": "FINISHED", "gave way": "KILLED", "abandoned": "KILLED", "failed": "FAILED"}
"""States that nothing follows, and what MLflow calls a run of theirs."""

_TAG = "espalier.ledger."
_LAST = f"{_TAG}last"
_PAUSE = 0.2
_CHOOSING = 50
_AGAIN = 1.0


@dataclass(frozen=True)
class Moves:
    """Where the aliases stood and shall stand; None: nowhere."""

    champion: tuple[str | None, str | None]
    previous: tuple[str | None, str | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"champion": list(self.champion), "previous": list(self.previous)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Moves:
        """Read `to_dict`'s form."""
        return cls(tuple(raw["champion"]), tuple(raw["previous"]))


@dataclass(frozen=True)
class Entry:
    """A line of the ledger.

    Attributes
    ----------
    id : str
        MLflow run.
    action : str
        `promote`, `reject`, `not shown`, `declined`, `rollback`, or `by hand`: found moved.
    state : str
        `open` (nothing moved yet), `waiting` (for a person, and without a number), `moving`, `done`,
        `gave way`, `abandoned` or `failed`.
    when, ended : int
        Milliseconds since 1970; 0 where it has not ended.
    who, why, version : str
    moves : Moves or None
        None where nothing was to move.
    after : str
        The entry that was done before this one; '' where there was none, or none was noted.
    confirmed : bool
        Whether a rollback was told to whoever asked for it: that one may have been killed before.
    """

    id: str
    action: str
    state: str
    when: int
    who: str
    why: str
    version: str
    moves: Moves | None
    ended: int = 0
    after: str = ""
    confirmed: bool = True


class Ledger:
    """The ledger of one registered model.

    Parameters
    ----------
    client : MlflowClient
    root : Path
        Workspace.
    name : str
        Registered model.
    """

    def __init__(self, client: MlflowClient, root: Path, name: str) -> None:
        self.client, self.root, self.name = client, root, name
        self.experiment = experiment_id(client, root, EXPERIMENT)

    def entries(self) -> list[Entry]:
        """Return all entries, the newest first."""
        return [self._entry(run) for run in self._runs()]

    def moved(self) -> list[Entry]:
        """Return the completed moves, the last one first: by their ends, for beginnings overlap."""
        done = [entry for entry in self.entries() if entry.state == "done" and entry.moves is not None]
        return sorted(done, key=_end, reverse=True)

    def entry(self, entry: str) -> Entry:
        """Return an entry as it stands now."""
        return self._entry(self.client.get_run(entry))

    def _runs(self, where: str = "") -> list[Run]:
        """Runs of this model's ledger, the newest first; users may have deleted some."""
        scope = f"tags.`{_TAG}model` = '{self.name}'" + (f" and {where}" if where else "")
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                scope,
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found

    def _entry(self, run: Run) -> Entry:
        tags = {key.removeprefix(_TAG): value for key, value in run.data.tags.items() if key.startswith(_TAG)}
        moves = Moves.from_dict(json.loads(tags["moves"])) if "moves" in tags else None
        return Entry(
            run.info.run_id,
            tags.get("action", ""),
            tags.get("state", ""),
            int(run.info.start_time),
            run.data.tags.get("mlflow.user", ""),
            tags.get("why", ""),
            tags.get("version", ""),
            moves,
            int(run.info.end_time or 0),
            tags.get("after", ""),
            tags.get("confirmed") != "no",
        )

    def begin(self, action: str, version: str, why: str, flow_run_id: str | None = None) -> str:
        """Open an entry; it stands in the ledger from now on."""
        now = {"model": self.name, "action": action, "state": "open", "version": version, "why": why}
        own = {_TAG + key: value for key, value in (now | holder()).items()}
        tags = origin_tags(self.root, "espalier", flow_run_id) | own
        run = self.client.create_run(self.experiment, tags=tags, run_name=f"{action} {self.name} {version}")
        return str(run.info.run_id)

    def note(self, entry: str, **facts: str) -> None:
        """Add to an entry, or change what it says."""
        for key, value in facts.items():
            self.client.set_tag(entry, _TAG + key, value)

    def plan(self, entry: str, moves: Moves) -> None:
        """Write down what is about to move: from here on, what is interrupted can be finished.

        Raises
        ------
        EspalierError
            When another command has given this entry up meanwhile: the aliases are no longer its own.
        """
        self.note(entry, **holder())
        if self.client.get_run(entry).info.status != "RUNNING":
            raise EspalierError(
                f"{self.name}: this took so long that another command has taken over; run again"
            )
        self.note(entry, moves=json.dumps(moves.to_dict()))
        self.note(entry, state="moving")

    def close(self, entry: str, state: str) -> None:
        """Complete an entry; of one that is done it is noted which came before, and that it is the last."""
        if state == "done":
            self._chain(entry)
        self.note(entry, state=state)
        self.client.set_terminated(entry, FINAL[state])
        if state == "done":
            self.client.set_registered_model_tag(self.name, _LAST, entry)

    def _chain(self, entry: str) -> None:
        done = [e for e in self.entries() if e.state == "done" and e.id != entry]
        if done:
            self.note(entry, after=max(done, key=_end).id)

    def last(self) -> str:
        """Return the entry that was done last, as the registered model says, whoever has deleted it since."""
        return str(self.client.get_registered_model(self.name).tags.get(_LAST, ""))

    @contextmanager
    def alone(self, entry: str) -> Iterator[None]:
        """Hold the aliases of this model for an entry.

        Raises
        ------
        EspalierError
            When another entry has them; this one is closed as one that gave way.
        """
        first = self._queued(entry)
        if first is not None:
            self._give_way(entry, first)
        yield

    def _give_way(self, entry: str, first: Entry) -> NoReturn:
        self.close(entry, "gave way")
        raise EspalierError(
            f"{self.name}: {first.action} of version {first.version} by {first.who} is under way; "
            "run again when it has ended"
        )

    def wait(self, entry: str, seconds: float) -> None:
        """Give an entry's number up while a person is asked, for so long at most: others may move aliases."""
        self.note(entry, **holder(seconds))
        self.note(entry, state="waiting")
        self._give_number_up(entry)

    def go_on(self, entry: str, patience: float = LONG) -> None:
        """Hold the aliases for an entry again, once those who have them now are through.

        Parameters
        ----------
        patience : float
            Seconds.

        Raises
        ------
        EspalierError
            When another has them for longer; this entry is closed as one that gave way.
        """
        self.note(entry, **holder(patience))
        until = time.monotonic() + patience
        while (first := self._queued(entry)) is not None:
            if time.monotonic() >= until:
                self._give_way(entry, first)
            self._give_number_up(entry)
            time.sleep(_AGAIN)

    def _give_number_up(self, entry: str) -> None:
        self.client.delete_tag(entry, f"{_TAG}number")

    def _queued(self, entry: str) -> Entry | None:
        """Take a number; return who stands before this entry, if anybody."""
        self.note(entry, number="choosing")
        number = 1 + max((int(n) for n in self._numbers().values() if n.isdigit()), default=0)
        self.note(entry, number=str(number))
        for _ in range(_CHOOSING):
            others = {run: n for run, n in self._numbers().items() if run != entry}
            if "choosing" not in others.values():
                break
            time.sleep(_PAUSE)
        # Whoever is choosing for so long may have looked before this entry's number was there.
        before = [run for run, n in others.items() if not n.isdigit() or (int(n), run) < (number, entry)]
        return self._entry(self.client.get_run(before[0])) if before else None

    def _numbers(self) -> dict[str, str]:
        """Numbers of the entries that are neither completed nor abandoned."""
        runs = self._runs("attributes.status = 'RUNNING'")
        return {
            run.info.run_id: run.data.tags.get(f"{_TAG}number", "")
            for run in runs
            if f"{_TAG}number" in run.data.tags and not _abandoned(run)
        }

    def unfinished(self) -> bool:
        """Tell whether a command is at work, and not killed at it, unless it waits for a person."""
        runs = self._runs("attributes.status = 'RUNNING'")
        return any(run.data.tags.get(f"{_TAG}state") != "waiting" and not _abandoned(run) for run in runs)

    def interrupted(self) -> list[Entry]:
        """Return entries whose process is gone before they were completed, the oldest first."""
        runs = self._runs("attributes.status = 'RUNNING'")
        return [self._entry(run) for run in reversed(runs) if _abandoned(run)]


def _end(entry: Entry) -> float:
    """Return when an entry ended; one that is done and was killed before it was closed is the newest."""
    return entry.ended or math.inf


def _abandoned(run: Run) -> bool:
    """Tell whether whoever opened an entry is gone."""
    return gone(
        {key.removeprefix(_TAG): value for key, value in run.data.tags.items() if key.startswith(_TAG)}
    )
