"""The smallest network from scratch that does as well as the dense one, shipped as compressed ones are."""

from __future__ import annotations

import copy

from benchmarks.problems import Dense, Model, halved
from tasks.export.choose import Kept, Yardstick, choose
from tasks.export.config import AutoQuantisation
from tasks.export.fold import forms
from tasks.export.onnx import to_model
from tasks.metrics.table import headline
from tasks.models.graph import Graph
from tasks.training.config import TrainConfig
from tasks.training.fit import fit

__all__ = ["shipped", "smallest"]


def shipped(given: Dense, graph: Graph) -> Kept:
    """Export as this project does: folded, stripped, int8 where smaller and as good on validation rows."""
    metric, y = headline("auto", given.cleaned.cleaner.target.kind), given.cleaned.valid.y
    by = Yardstick(given.rows("valid"), lambda answers: metric(y, answers), metric.higher_is_better)
    form = AutoQuantisation(method="auto")
    models = {form: to_model(made) for form, made in forms(graph).items()}
    return choose(models, form, given.rows("train"), by)


def smallest(given: Dense, epochs: int, drop: float) -> bytes:
    """Halve the widths and train from scratch, until the metric on validation rows is too low.

    Parameters
    ----------
    epochs : int
        Of training, beside those of the dense network.
    drop : float
        Allowed below the dense network's metric, which counts as in a search: without a picked epoch's luck.

    Returns
    -------
    bytes
        The last file that did as well; the dense network's own where half of it does not.
    """
    best = shipped(given, given.graph).model
    for model in halved(given.problem):
        graph, reached = _trained(given, model, given.problem.epochs + epochs)
        file = shipped(given, graph)
        if reached - max(file.loss, 0.0) < given.steady - drop:
            break
        best = file.model
    return best


def _trained(given: Dense, model: Model, epochs: int) -> tuple[Graph, float]:
    """Train as the dense network was; return the graph and its best epoch's metric on validation rows."""
    target = given.cleaned.cleaner.target
    train, valid, _ = given.splits
    fitted = fit(
        given.untrained(model),
        train,
        valid,
        TrainConfig(seed=given.seed),
        task=target.kind,
        outputs=target.outputs,
        seed=given.seed,
        epochs=epochs,
    )
    graph = copy.deepcopy(given.graph)
    graph.network = fitted.network
    return graph.eval(), fitted.history[fitted.best_epoch - 1].valid_metric
