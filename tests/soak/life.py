"""A model's life, drawn by a seed: which command comes next, when it is killed, and what it must leave."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from tests.e2e.conftest import DIGITS
from tests.soak import invariants
from tests.soak.commands import Commands, Ended, answer_of
from tests.soak.invariants import Batch, Told

__all__ = ["Life"]

NAME = "espalier-digits"
SMALL = [*DIGITS, "train.epochs=2", "evaluate.bootstrap=100"]
WIDE = [
    "prune.method=structured",
    "prune.finetune.epochs=1",
    "promote.margin=0.9",
    "promote.classes.loss=null",
    "promote.max_calibration_error=null",
    "promote.limits.max_slowdown=null",
    "promote.resamples=100",
]
ROWS, CHUNK = 900, 100
ATTEMPTS = 4
HARMLESS = ("there is no challenger", "there is no previous champion")
"""What a command may say when the one that was killed had done its work."""


class Life:
    """What has happened so far in a workspace, and what comes next.

    Parameters
    ----------
    commands : Commands
    root : Path
    seed : int
    """

    def __init__(self, commands: Commands, root: Path, seed: int) -> None:
        self.commands, self.root, self.draw = commands, root, random.Random(seed)
        self.told = Told(0, [], 0, [])
        self.kills: Counter[tuple[str, str]] = Counter()
        self.missed, self.wrong, self.last = 0, [], ""
        self._amounts = (0.3 + 0.03 * (i % 20) + 0.0001 * (i // 20) for i in count())
        self._seconds: dict[str, float] = {}
        self._lines: dict[str, int] = {}
        self._held: dict[str, str | None] = {}

    def begin(self) -> None:
        """Make the first champion, and learn how long each command takes."""
        (self.root / "scored").mkdir(exist_ok=True)
        known = (self.root / "dvc.lock").exists()
        if known:
            self.told.results, self.told.entries = answer_of(partial(_known, self.root))
            self.told.begun = len(self.told.entries)
        self._whole("compress", self._words("compress", WIDE if known else [*SMALL, *WIDE]))
        subprocess.run(["git", "add", "-A"], cwd=self.root, check=True)
        subprocess.run(["git", "commit", "-q", "-m", "First result"], cwd=self.root, check=True)
        for op in ("promote", "compress", "promote", "rollback", "predict"):
            if self.wrong:
                return
            words = self._words(op)
            ended = self.commands.killed_by_line(words, None)
            self._begun(op)
            self._learn(op, ended)
            self._note(op, words, ended)
        self._look("the beginning")

    def round(self) -> None:
        """Begin a command, kill it once or twice, run it again to its end, and look."""
        op = self._next()
        words = self._words(op)
        ended = None
        while ended is None:
            how, ended = self._killed(op, words)
            if ended.code is None:
                self.kills[op, how] += 1
            else:
                self.missed += 1
            if ended.code is not None or self.draw.random() < 0.7:
                break
            ended = None
        if ended.code is None:
            ended = self._whole(op, words)
        else:
            self._note(op, words, ended)
        self.last = f"{op} by {how}, exit {ended.code}"
        self._look(self.last)

    def _next(self) -> str:
        choices = {"compress": 3, "predict": 3}
        if self._held.get("challenger"):
            choices |= {"promote": 6}
        elif self._held.get("previous"):
            choices |= {"rollback": 2}
        return self.draw.choices(list(choices), list(choices.values()))[0]

    def _words(self, op: str, settings: list[str] | None = None) -> list[str]:
        if op == "compress":
            chosen = settings or [f"prune.amount={next(self._amounts):.4f}"]
            return ["run", *chain.from_iterable(("--set", each) for each in chosen)]
        if op == "predict":
            return self._batch(len(self.told.batches))
        return ["promote", "--json"] if op == "promote" else ["rollback", "--why", "soak", "--json"]

    def _batch(self, number: int) -> list[str]:
        """Write a batch of digits, some of them unreadable, and return how it is scored."""
        import pandas as pd

        source = self.root / "scored" / f"batch-{number}.csv"
        if not source.exists():
            raw = pd.read_parquet(self.root / "data" / "raw.parquet")
            cells = raw.sample(ROWS, random_state=number).astype(str)
            cells.iloc[number % 7 :: 97] = "smudge"
            cells.to_csv(source, index=False)
        scored = ["predict", f"scored/{source.name}", "--chunk", str(CHUNK)]
        if number % 2:
            return [*scored, "--to", "sqlite:///scored/scores.db", "--table", "scores"]
        return [*scored, "--to", f"scored/batch-{number}.parquet"]

    def _killed(self, op: str, words: list[str]) -> tuple[str, Ended]:
        self._begun(op)
        if self.draw.random() < 0.5:
            at = self.draw.uniform(0, self._seconds[op])
            return "moment", self.commands.killed_at(words, at)
        line = self.draw.randrange(1, max(2, self._lines[op]))
        return "line", self.commands.killed_by_line(words, line)

    def _whole(self, op: str, words: list[str]) -> Ended:
        """Run a command to its end, as a person would who sees that it was killed."""
        ended = self.commands.run(words)
        self._begun(op)
        self._learn(op, ended)
        self._note(op, words, ended)
        return ended

    def _begun(self, op: str) -> None:
        self.told.begun += op in ("promote", "rollback")

    def _learn(self, op: str, ended: Ended) -> None:
        sys.stdout.write(f"{op}: {ended.seconds:.1f} s, exit {ended.code}\n")
        sys.stdout.flush()
        self._seconds[op] = 0.5 * (self._seconds.get(op, ended.seconds) + ended.seconds)
        if ended.lines:
            self._lines[op] = ended.lines

    def _note(self, op: str, words: list[str], ended: Ended) -> None:
        """Keep what a command that ended says it did."""
        if ended.code not in ((0, 4) if op == "promote" else (0,)):
            if not any(said in ended.err for said in HARMLESS):
                self.wrong.append(f"{' '.join(words)}: exit {ended.code}: {ended.err[-2000:]}")
            return
        if op == "compress":
            self.told.results += 1
            self.wrong += answer_of(lambda: list(invariants.clean(self.root)))
        elif op == "predict":
            source = words[1]
            to = Path(words[5].removeprefix("sqlite:///"))
            self.told.batches.append(Batch(ROWS, source, self.root / to))
        else:
            said = json.loads(ended.out.strip().splitlines()[-1])
            self.told.entries.append(said["entry"]["run"] if op == "promote" else said["run"])

    def _look(self, after: str) -> None:
        """Look whether all that must hold does."""
        if self.wrong:
            return
        found = answer_of(partial(_seen, self.root, self.told))
        self._held = found["held"]
        self.wrong += [f"after {after}: {text}" for text in found["wrong"]]


def _known(root: Path) -> tuple[int, list[str]]:
    """Return how many versions a workspace has already, and its entries of the ledger."""
    from tasks.promotion.ledger import Ledger
    from tasks.tracking.store import open_client

    client = open_client(root)
    versions = client.search_model_versions(f"name = '{NAME}'")
    return len(versions), [entry.id for entry in Ledger(client, root, NAME).entries()]


def _seen(root: Path, told: Told) -> dict[str, Any]:
    from dataclasses import asdict

    from tasks.promotion.versions import aliases
    from tasks.tracking.store import open_client

    looks: tuple[Iterator[str], ...] = (
        invariants.ledger(root, NAME, told),
        invariants.versions(root, NAME, told),
        invariants.batches(root, told),
    )
    return {"wrong": list(chain(*looks)), "held": asdict(aliases(open_client(root), NAME))}
