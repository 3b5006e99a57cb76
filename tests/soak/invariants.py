"""What must hold of a workspace whatever was killed in it; each returns what does not, in words."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Batch", "Told", "batches", "clean", "ledger", "versions"]


@dataclass(frozen=True)
class Batch:
    """A batch that was scored: rows of its input, the input, and its Parquet file or its database."""

    rows: int
    source: str
    file: Path


@dataclass
class Told:
    """What commands that ended well said they had done.

    Attributes
    ----------
    results : int
        Results that were recorded and registered.
    entries : list of str
        Entries of the ledger.
    begun : int
        Commands that may have written an entry, the killed ones too.
    batches : list of Batch
    """

    results: int
    entries: list[str]
    begun: int
    batches: list[Batch]


def versions(root: Path, name: str, told: Told) -> Iterator[str]:
    """One version for each result; no number twice, none missing; the aliases apart."""
    from tasks.promotion.versions import aliases
    from tasks.tracking.store import open_client

    client = open_client(root)
    found = client.search_model_versions(f"name = '{name}'")
    numbers = sorted(int(version.version) for version in found)
    if numbers != list(range(1, told.results + 1)):
        yield f"versions {numbers}, {told.results} results"
    runs = [version.run_id for version in found]
    if len(set(runs)) < len(runs):
        yield f"two versions of one run: {runs}"
    if broken := [v.version for v in found if client.get_run(v.run_id).info.status != "FINISHED"]:
        yield f"versions of runs that are not finished: {broken}"
    held = aliases(client, name)
    if held.champion is None:
        yield "there is no champion"
    if held.champion in (held.previous, held.challenger):
        yield f"the champion stands elsewhere too: {held}"
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    results = client.search_runs(
        [experiment.experiment_id], "tags.`espalier.identity` != ''", max_results=5000
    )
    finished = [run for run in results if "mlflow.parentRunId" not in run.data.tags]
    marks = [run.data.tags["espalier.identity"] for run in finished if run.info.status == "FINISHED"]
    doubled = Counter(marks)
    if sum(doubled.values()) != told.results or max(doubled.values()) > 1:
        yield f"{sum(doubled.values())} runs of {told.results} results, up to {max(doubled.values())} of one"


def ledger(root: Path, name: str, told: Told) -> Iterator[str]:
    """Every entry that was told once, nothing left open, and a chain of moves that ends in the registry."""
    from tasks.promotion.act import settle
    from tasks.promotion.audit import contradictions
    from tasks.promotion.ledger import FINAL, Ledger
    from tasks.promotion.versions import aliases
    from tasks.tracking.store import open_client

    client = open_client(root)
    kept = Ledger(client, root, name)
    settle(kept)  # as the next command does
    entries = kept.entries()
    ids = Counter(entry.id for entry in entries)
    if lost := [entry for entry in told.entries if ids[entry] != 1]:
        yield f"entries that were told and are not there: {lost}"
    if len(set(told.entries)) < len(told.entries):
        yield "an entry was told twice"
    if not len(told.entries) <= len(entries) <= told.begun:
        yield f"{len(entries)} entries; {told.begun} commands begun, {len(told.entries)} told of theirs"
    if open_ := [entry.state for entry in entries if entry.state not in FINAL]:
        yield f"entries left {open_}"
    if strange := [entry.action for entry in entries if entry.action == "by hand"]:
        yield f"{len(strange)} moves by hand, and nobody's hand moved"
    yield from contradictions(entries, kept.moved(), kept.interrupted(), aliases(client, name), kept.last())


def batches(root: Path, told: Told) -> Iterator[str]:
    """Each row of each batch once: answered or in quarantine."""
    for batch in told.batches:
        counts = Counter(_numbers(batch))
        if sorted(counts) != list(range(1, batch.rows + 1)) or max(counts.values()) > 1:
            yield f"{batch.source}: {sum(counts.values())} rows of {batch.rows}, {len(counts)} different"
    if left := [path.name for path in (root / "scored").glob(".*")]:
        yield f"left behind: {left}"


def _numbers(batch: Batch) -> Iterator[int]:
    import pyarrow.parquet as pq

    if batch.file.suffix == ".parquet":
        aside = batch.file.with_name(f"{batch.file.stem}.quarantine.parquet")
        yield from pq.read_table(batch.file, columns=["row_number"])["row_number"].to_pylist()
    else:
        with closing(sqlite3.connect(batch.file)) as database:
            finished = "select batch from espalier_batches where input = ? and finished_at is not null"
            ((key,),) = database.execute(finished, [batch.source]).fetchall()
            rows = database.execute("select row_number from scores where batch = ?", [key]).fetchall()
        yield from (row for (row,) in rows)
        aside = batch.file.parent.parent / f"scores.{key}.quarantine.parquet"
    if aside.exists():
        yield from pq.read_table(aside, columns=["row_number"])["row_number"].to_pylist()


def clean(root: Path) -> Iterator[str]:
    """`dvc status` has nothing to say, and the remote lacks nothing."""
    from dvc.repo import Repo

    from tasks import versioning

    with Repo(str(root)) as repo:
        if status := repo.status():
            yield f"dvc status: {status}"
    if lacking := versioning.absent(root):
        yield f"the remote lacks {lacking} files"
