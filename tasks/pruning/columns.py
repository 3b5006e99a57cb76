"""Step `inputs`: raw columns leave the whole path, or components the projection, and the network recovers."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from tasks.models.graph import Graph
from tasks.pruning.column_criteria import Evidence, column_scores
from tasks.pruning.components import behind_projection, with_fewer_outputs
from tasks.pruning.config import InputsConfig
from tasks.pruning.inputs import narrow
from tasks.pruning.masks import keep_largest
from tasks.pruning.recovery import CALIBRATION, Front, Outcome, Recovery
from tasks.pruning.schedule import round_amounts
from tasks.pruning.sensitivity import Curves, measure
from tasks.training.batching import Tensors
from tasks.training.scoring import score
from tasks.training.seeds import drawn_rows

__all__ = ["column_sensitivity", "prune_inputs"]

_ROWS = 2048


def prune_inputs(start: Outcome, config: InputsConfig, amount: float | None, recovery: Recovery) -> Outcome:
    """Take a share of the numeric columns, or components, from the path and recover, in one round or several.

    Parameters
    ----------
    start : Outcome
        With a `front`; neither it nor the network is changed.
    amount : float
        Share of the columns or components; one always stays.

    Raises
    ------
    EspalierError
        When the criterion does not apply to this network, or its inputs cannot be taken away.
    """
    outcome, columns = start, len(_path(start, config).plan.names)
    for number, share in enumerate(round_amounts(amount or 0.0, config.rounds), 1):
        cut = _without_least(outcome, config, round(share * columns), columns, recovery)
        outcome = recovery.behind(cut.front).run(cut, f"round-{number}")
    return outcome


def column_sensitivity(start: Outcome, config: InputsConfig, recovery: Recovery) -> Curves:
    """Validation metric with a share of the columns taken away, the others making up for them, not trained.

    One curve, named `inputs`: columns belong to no layer.
    """
    front = _path(start, config)
    graph, names = front.graph.with_parts(network=start.network), front.plan.names
    scores = column_scores(graph, front.plan, config.importance, _evidence(front, recovery))

    def without(name: str, share: float) -> nn.Module:
        choice = keep_largest({name: scores}, round(share * len(names)))
        return narrow(graph, front.plan, _kept(choice.keep[name]), front.train)

    def judge(path: nn.Module) -> float:
        assert isinstance(path, Graph)
        X = front.valid[:, [names.index(name) for name in path.columns]]
        return score(path, Tensors(X, recovery.valid.y), recovery.task)

    return measure(["inputs"], without, judge, graph)


def _without_least(
    outcome: Outcome, config: InputsConfig, removed: int, columns: int, recovery: Recovery
) -> Outcome:
    front, whole = _path(outcome, config), outcome.front
    assert whole is not None
    count = removed - columns + len(front.plan.names)
    if count <= 0:
        return outcome
    graph = front.graph.with_parts(network=outcome.network)
    scores = column_scores(graph, front.plan, config.importance, _evidence(front, recovery))
    choice = keep_largest({"inputs": scores}, count)
    keep = _kept(choice.keep["inputs"])
    smaller = narrow(graph, front.plan, keep, front.train)
    notes = (f"one {config.of[:-1]} stays, the amount would have taken all",) if choice.bound else ()
    cut = outcome.then(smaller.network, *notes)
    if config.of == "components":
        return replace(cut, front=with_fewer_outputs(whole, keep))
    return replace(
        cut, front=Front(smaller, front.plan.select(keep), front.train[:, keep], front.valid[:, keep])
    )


def _path(outcome: Outcome, config: InputsConfig) -> Front:
    """Return the path whose columns leave: the whole one, or what is behind the projection."""
    front = outcome.front
    assert front is not None
    return behind_projection(front) if config.of == "components" else front


def _kept(mask: Tensor) -> list[int]:
    positions: list[int] = mask.nonzero().flatten().tolist()
    return positions


def _evidence(front: Front, recovery: Recovery) -> Evidence:
    order = drawn_rows(len(front.train), _ROWS, recovery.seed, CALIBRATION)
    return Evidence(
        front.train[order],
        recovery.train.y[order],
        front.valid,
        recovery.valid.y,
        recovery.task,
        recovery.seed,
    )
