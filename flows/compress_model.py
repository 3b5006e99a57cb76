"""`espalier compress-model`: the engine on a trained network and a table, nothing else involved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import EspalierError

if TYPE_CHECKING:
    import pandas as pd

    from tasks.engine import Compressed
    from tasks.search.config import BudgetConfig

__all__ = ["Request", "budget_of", "run"]


_TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class Request:
    """What the command was asked.

    Attributes
    ----------
    model : str
        Builder, ``module:function``.
    weights : Path
        The network's trained state.
    data, valid : str
        Tables; without the second a share of the first is held back. Paths start from the current folder.
    target : str
    limits : sequence of str
        ``KEY=VALUE`` of the budget.
    out : Path
    force : bool
        Write into a folder that holds something.
    task : "auto", "classification" or "regression"
        auto: as the target looks.
    seed : int
    """

    model: str
    weights: Path
    data: str
    valid: str | None
    target: str
    limits: Sequence[str]
    out: Path
    force: bool = False
    task: str = "auto"
    seed: int = 0


def budget_of(limits: Sequence[str]) -> BudgetConfig:
    """Read ``KEY=VALUE`` limits.

    Raises
    ------
    ConfigError
        With every problem: unknown key, wrong value, contradiction.
    """
    from tasks.search.stated import stated_budget

    bare = [limit for limit in limits if "=" not in limit]
    if bare:
        raise EspalierError(f"--budget {bare[0]}: give KEY=VALUE, for example max_bytes=20000")
    values: dict[str, Any] = {}
    for limit in limits:
        key, value = (part.strip() for part in limit.split("=", 1))
        if key in values:
            raise EspalierError(f"--budget {limit}: {key} is given twice")
        values[key] = _value(limit, value)
    return stated_budget(values, "--budget")


def _value(limit: str, text: str) -> Any:
    """Read the value of a limit: a whole number may be written 1e4."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not text:
        raise EspalierError(f"--budget {limit}: give a value after =; null for no limit")
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise EspalierError(f"--budget {limit}: {text!r} is neither a number nor a word") from error
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run(request: Request, root: Path, say: Callable[[str], None]) -> Compressed:
    """Compress, save, and tell what came out; the network's code is looked for below `root`.

    Raises
    ------
    EspalierError
        Before anything is read, when `out` holds something and is not to be written into; when network,
        weights and tables do not fit each other.
    """
    from tasks.engine import compress_model
    from tasks.models.user import build_user
    from tasks.training.weights import load_weights

    budget = budget_of(request.limits)
    _check_place(request)
    if request.task not in _TASKS:
        raise EspalierError(f"--task {request.task}: is none of {', '.join(_TASKS)}")
    X, y, task = _table(request.data, request, "--data")
    valid = None if request.valid is None else _table(request.valid, request, "--valid")[:2]
    outputs = 1 if task == "regression" else len(set(y))
    network = build_user(request.model, (X.shape[1],), outputs, root)
    load_weights(network, request.weights, "--weights")
    done = compress_model(network, X, y, budget, valid=valid, task=task, seed=request.seed)
    done.save(request.out)
    for line in _told(done, request):
        say(line)
    return done


def _check_place(request: Request) -> None:
    """Refuse a file, and a folder that holds something."""
    place = request.out
    if place.exists() and not place.is_dir():
        raise EspalierError(f"--out {place}: is a file; name a folder")
    if place.is_dir() and any(place.iterdir()) and not request.force:
        raise EspalierError(
            f"--out {place}: holds files already; name a new folder, or replace them with --force"
        )


def _table(uri: str, request: Request, option: str) -> tuple[pd.DataFrame, Any, str]:
    """Read the columns, the target and the task of a table; a path starts from the current folder."""
    from tasks.data.config import SourceConfig
    from tasks.data.sources import read_source
    from tasks.given import frame_of, targets_of

    config = SourceConfig.model_validate({"uri": uri, "target": request.target, "task": request.task})
    try:
        frame, meta = read_source(Path.cwd(), config)
    except EspalierError as error:
        told = str(error).replace("source.uri", option).replace("source.target", "--target")
        raise EspalierError(told.replace("source.task", "--task")) from error
    y = targets_of(frame[meta.target].to_numpy(), f"{option}: column {meta.target!r}")
    return frame_of(frame[list(meta.columns)], option), y, meta.task


def _told(done: Compressed, request: Request) -> Iterator[str]:
    from tasks.search.told import outcome

    yield from outcome(done.report)
    yield f"Written     {request.out / 'model.onnx'}, with the network and report.json beside it"
