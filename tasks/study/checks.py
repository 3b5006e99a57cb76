"""What section `study` can be refused for, where no parameter alone is wrong."""

from __future__ import annotations

from tasks.config import Params
from tasks.data.meta import Task
from tasks.errors import ConfigError, Problem
from tasks.metrics.table import METRICS, metrics_of
from tasks.study.objectives import HEADLINE
from tasks.study.space import Space

__all__ = ["check_metrics", "check_study"]


def check_study(params: Params) -> None:
    """Check what needs no data: the space, and metrics where params.yaml says what the task is.

    Raises
    ------
    ConfigError
        With every problem of the space, or of the metrics.
    """
    space = Space(params, params.study.space)
    if params.study.sampler in ("ablation", "grid"):
        space.size()
    if task := _task(params):
        check_metrics(params, task)


def _task(params: Params) -> Task | None:
    """Return the task as params.yaml tells it; None where that is up to the data."""
    if params.source.task != "auto":
        return params.source.task
    metric = params.evaluate.metric
    return None if metric == "auto" else METRICS[metric].task


def check_metrics(params: Params, task: Task) -> None:
    """Refuse objectives and constraints by a metric of the other task.

    Raises
    ------
    ConfigError
        With every one of them.
    """
    known = [metric.name for metric in metrics_of(task)]
    places = [(f"study.objectives.{place}", name) for place, name in enumerate(params.study.objectives)]
    places += [(f"study.constraints.{name}", name) for name in params.study.constraints]
    problems = [
        Problem(path, name, f"is no metric for {task}", f"valid here: {HEADLINE}, {', '.join(known)}")
        for path, name in places
        if name in METRICS and name not in known
    ]
    if problems:
        raise ConfigError(problems)
