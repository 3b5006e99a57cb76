"""`espalier study`: what it prints, and how one of its candidates becomes the workspace's recipe."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.terminal import addresses, option_c
from tasks.errors import EspalierError
from tasks.files import read_json

if TYPE_CHECKING:
    from flows.study import Studied
    from tasks.study.rows import Row

__all__ = ["applied", "clean", "tell"]

_MOST = 12


def tell(root: Path, found: Studied, started_in: Path, say: Callable[[str], object]) -> None:
    """Print the front, what can be picked, the verdicts and where everything is, MLflow's pages too.

    Parameters
    ----------
    root : Path
        Workspace.
    started_in : Path
        Folder that paths are shown from.
    say : callable
        Takes each line.
    """
    from tasks.tracking.links import how_to_open

    standing, recorded = found.summary.standing, found.recorded
    front = found.summary.front
    say("")
    say(f"{'front, by validation rows':36} {'metric':>8} {'bytes':>9} {'us':>7}  {'id':8}")
    for row in front[:_MOST]:
        say(_line(row))
    if len(front) > _MOST:
        say(f"... and {len(front) - _MOST} more in the report")
    say("")
    for name, id_ in standing.picks.items():
        say(f"{name:10} {id_}  {found.summary.by_id[id_].name[:58]}")
    failed = sum(not row.seeds for row in standing.rows)
    say("")
    for verdict in found.summary.verdicts:
        say(textwrap.fill(verdict, 80, initial_indent="- ", subsequent_indent="  "))
    if failed:
        say(f"{failed} of {len(standing.rows)} candidates failed; the report says why")
    if found.stopped:
        say(f"{found.stopped}; run again to go on")
    say("")
    say(f"Report      {os.path.relpath(found.summary.files[0], started_in)}")
    known = " (already recorded)" if recorded.existing else ""
    say(f"MLflow      run {recorded.run_id}{known}")
    for line in addresses({"page": recorded.url, **recorded.views}, how_to_open(root)):
        say(line)
    where = option_c(os.path.relpath(root, started_in))
    say(f"Next        espalier study{where} --apply {' | '.join(standing.picks)} | ID")


def _line(row: Row) -> str:
    metric = row.valid.get(row.headline)
    reached = "-" if metric is None else f"{metric:.4f}"
    size = "-" if row.bytes is None else f"{row.bytes:,.0f}"
    wait = "-" if row.latency_us is None else f"{row.latency_us:.1f}"
    return f"{row.name[:36]:36} {reached:>8} {size:>9} {wait:>7}  {row.id:8}"


def clean(root: Path, say: Callable[[str], object]) -> None:
    """Remove what studies computed and none will read again: of other data or code, or of killed processes.

    Raises
    ------
    EspalierError
        While a study, or a run, is under way here.
    """
    from tasks import versioning
    from tasks.study.store import Store
    from tasks.study.trial import current_hashes

    store = Store(root)
    with versioning.workspace_lock(root):
        trials, now = store.trials(), current_hashes(root)
        kept = [trial["key"] for trial in trials if trial.get("hashes") == now]
        freed = store.prune(kept)
    say(f"{freed:,} bytes freed; {len(kept)} of {len(trials)} trials kept: those of this data and this code")


def applied(root: Path, choice: str) -> list[str]:
    """Return the settings that make a candidate of the last study the workspace's recipe.

    Parameters
    ----------
    choice : str
        knee, smallest, fastest, best, or a candidate's id.

    Raises
    ------
    EspalierError
        Without a study, or where nothing is called so.
    """
    from tasks.study.apply import recipe_settings

    path = root / "reports" / "study.json"
    if not path.exists():
        raise EspalierError(f"{root.name}: no study here yet; run `espalier study` first")
    return recipe_settings(root, _chosen(read_json(path), choice))


def _chosen(study: dict[str, Any], choice: str) -> dict[str, Any]:
    picks: dict[str, str] = study["picks"]
    rows: Sequence[dict[str, Any]] = study["candidates"]
    wanted = picks.get(choice, choice)
    row = next((row for row in rows if row["id"] == wanted), None)
    if row is None:
        raise EspalierError(
            f"--apply: no candidate {choice!r} in the last study; choose {', '.join(picks)} or an id "
            "of its table"
        )
    if not row["seeds"]:
        raise EspalierError(f"--apply: candidate {choice} failed: {next(iter(row['failures'].values()))}")
    return {"overrides": row["overrides"], "base": study["params"]}
