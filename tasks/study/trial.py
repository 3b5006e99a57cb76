"""One trial of a study: a candidate's stages with one seed, and what came of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.config import Params, overridden
from tasks.errors import ConfigError, EspalierError
from tasks.files import fingerprint, present
from tasks.layout import Layout
from tasks.process import computes_alone
from tasks.study import worker
from tasks.study.figures import with_figures, without_figures
from tasks.study.latency import latencies
from tasks.study.nodes import LAST, code_hash, content, steps
from tasks.study.overrides import Overrides, canonical, identity, settings
from tasks.study.store import Store
from tasks.study.workshop import FailedNodeError, Workshop, out_of_memory

__all__ = [
    "current_hashes",
    "known_trial",
    "latencies",
    "run_trial",
    "run_trials",
    "trial_settings",
]


def trial_settings(params: Params, overrides: Overrides, seed: int) -> list[str]:
    """Return what `espalier run --set` takes to make the trial's numbers, in the order it takes them.

    Raises
    ------
    ConfigError
        With every problem at once, when these parameters cannot be.
    """
    return [*settings(canonical(params, overrides)), f"train.seed={seed}"]


def run_trial(
    root: str | Path,
    overrides: Overrides,
    seed: int,
    *,
    arm: str = "",
    name: str = "",
    base: str | None = None,
) -> dict[str, Any]:
    """Compute a trial, or read it where it has been computed; its stages are those of `espalier run`.

    To be called in the main thread of a process, or in the one that a worker of Dask has, where it computes;
    or in any other, where it waits for another process (see `tasks.study.worker`). Arguments and result can
    be written as JSON.

    Parameters
    ----------
    root
        Workspace whose stage fetch is up to date; its stage clean is used where it is.
    overrides
        What the candidate changes in params.yaml, by path.
    seed
        `train.seed` of the trial.
    arm, name
        The candidate's, passed through.
    base
        Text of the params.yaml that the overrides change; the workspace's by default.

    Returns
    -------
    dict
        `status` is "done" or "failed", then with a `reason`: parameters that cannot be, training that
        diverged, no memory left. `valid` and `test` hold the compressed model's metrics.

    Raises
    ------
    EspalierError
        When the machine is to blame: a full disk, no raw rows.
    """
    if computes_alone():
        return _trial(Path(root), overrides, seed, {"arm": arm, "name": name}, base)
    call = {"root": str(root), "overrides": dict(overrides), "seed": seed, "arm": arm, "name": name}
    return worker.trial({**call, "base": base})


def run_trials(
    root: str | Path, overrides: Overrides, seeds: Iterable[int], stopped: Callable[[], bool], **given: Any
) -> list[dict[str, Any]]:
    """Compute the trials of a candidate; none begins any more once `stopped` says so.

    A seed's dense network is trained once, for all candidates, so whoever came second to it would wait. Of
    the seeds left, the first is taken that no other worker on this disk is at.

    Parameters
    ----------
    root, overrides
        As `run_trial` takes them.
    seeds
        `train.seed` of each trial.
    stopped
        Asked before each trial.
    **given
        What else `run_trial` takes.

    Returns
    -------
    list of dict
        In the order computed.
    """
    store, left, found = Store(Path(root)), {f"seed-{seed}": seed for seed in seeds}, []
    while left and not stopped():
        with store.first_free(list(left)) as name:
            found.append(run_trial(root, overrides, left.pop(name), **given))
    return found


@dataclass(frozen=True)
class _Asked:
    """A trial before it is computed: what names it, and what would compute it, or why nothing can."""

    head: Mapping[str, Any]
    key: str
    workshop: Workshop | None
    refusal: str = ""


def known_trial(
    root: str | Path,
    overrides: Overrides,
    seed: int,
    *,
    arm: str = "",
    name: str = "",
    base: str | None = None,
) -> tuple[str, dict[str, Any] | None]:
    """Return the key of a trial, and the trial where it has been computed.

    Parameters
    ----------
    root, overrides, seed, arm, name, base
        As `run_trial` takes them.
    """
    asked = _asked(Path(root), overrides, seed, {"arm": arm, "name": name}, base)
    return asked.key, _known(Store(Path(root)), asked)


def _known(store: Store, asked: _Asked) -> dict[str, Any] | None:
    found = store.trial(asked.key)
    return None if found is None else {**found, **asked.head}


def _trial(
    root: Path, overrides: Overrides, seed: int, labels: Mapping[str, str], base: str | None
) -> dict[str, Any]:
    store = Store(root)
    with store.in_use(), _without_bars():
        asked = _asked(root, overrides, seed, labels, base)
        return _known(store, asked) or _computed(store, asked)


def _asked(
    root: Path, overrides: Overrides, seed: int, labels: Mapping[str, str], base: str | None
) -> _Asked:
    text = Layout(root).params.read_text(encoding="utf-8") if base is None else base
    _, params = overridden(text, ())
    head = {
        "id": identity(params, overrides),
        "seed": seed,
        **labels,
        "overrides": dict(overrides),
        "hashes": current_hashes(root),
    }
    try:
        changed, own = overridden(text, trial_settings(params, overrides, seed))
    except ConfigError as error:
        facts = [head["hashes"], params.model_dump(mode="json"), sorted(overrides.items()), seed]
        key = fingerprint(settings=["refused", facts])[:32]
        return _Asked(head, key, None, _in_one_line(error))
    workshop = Workshop(root, changed, own)
    key = fingerprint(settings=[workshop.keys[LAST], head["id"], seed])[:32]
    return _Asked(head, key, workshop)


def current_hashes(root: Path) -> dict[str, str]:
    """Return hashes of the raw rows and of the code that a trial made now would rest on."""
    layout = Layout(root)
    raw = {path.name: content(present(path)) for path in (layout.raw, layout.raw_meta)}
    return {"data": fingerprint(settings=raw)[:32], "code": code_hash(_modules(root))[:32]}


def _modules(root: Path) -> tuple[str, ...]:
    """Return every module that a trial's stages reach."""
    return tuple(sorted({file for step in steps(root).values() for file in step.code}))


def _computed(store: Store, asked: _Asked) -> dict[str, Any]:
    head, key, workshop = asked.head, asked.key, asked.workshop
    if workshop is None:
        return _kept(store, without_figures(head, key, asked.refusal))
    try:
        workshop.make(LAST)
    except FailedNodeError as error:
        return _kept(store, without_figures(head, key, str(error), workshop.ended))
    except (EspalierError, MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        reason = f"out of memory: {error}"  # not kept: there may be more the next time
        return without_figures(head, key, reason, workshop.ended)
    return _kept(store, with_figures(head, key, workshop))


def _kept(store: Store, result: dict[str, Any]) -> dict[str, Any]:
    store.record(result["key"], result)
    return result


def _in_one_line(error: ConfigError) -> str:
    return "; ".join(str(problem) for problem in error.problems)


class _NoTerminal(io.TextIOBase):
    """Standard error for one who asks whether it is a terminal: many trials would share its one bar."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return int(self._stream.write(text))

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def _without_bars() -> Iterator[None]:
    with redirect_stderr(_NoTerminal(sys.stderr)):
        yield
