"""Stage prune: remove weights or units from the reduced network and let it recover."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from tasks import artifacts
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.data.plan import NumericPlan
from tasks.data.rows import Rows
from tasks.data.target import TargetPlan
from tasks.errors import EspalierError
from tasks.models.graph import Graph
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.user import UserNetwork, check_declared
from tasks.pruning.config import NoPruneConfig, StepConfig, StepsConfig, StructuredConfig, steps_of
from tasks.pruning.inputs import narrow, unread
from tasks.pruning.lessons import Lessons
from tasks.pruning.recipe import Pruned, prune, sensitivity
from tasks.pruning.recovery import Front
from tasks.pruning.sensitivity import Curves, rows_of
from tasks.pruning.steps import NEED_FRONT
from tasks.reduction.reduction import Reduction
from tasks.reduction.rows import round_sampler
from tasks.search.budgeted import prune_to_budget
from tasks.search.candidates import PREDICTOR
from tasks.search.config import BudgetedConfig, PruneSection
from tasks.search.luck import settled
from tasks.search.problem import Problem
from tasks.search.steps import PruneStep, prune_in_steps, prune_one
from tasks.search.told import COLUMNS
from tasks.stages.common import declared_deps, stage_main, timed
from tasks.stages.prune_told import say, tell
from tasks.training.batching import Tensors
from tasks.training.checkpoint import Checkpoint
from tasks.training.device import runtime
from tasks.training.fit import EpochRecord, Rounds, fit
from tasks.training.mixing import Teacher
from tasks.training.progress import progress
from tasks.training.scoring import score
from tasks.training.tensors import split_tensors

__all__ = ["run"]

log = logging.getLogger("espalier.prune")


@dataclass(frozen=True)
class _Inputs:
    """What the stage reads; the network's rows, and the same rows as the reference sees them.

    `front` is there for a recipe that takes columns away, `plan` holds the columns of `graph`.
    """

    graph: Graph
    reference: Graph
    target: TargetPlan
    reduction: Reduction
    rows: dict[str, Tensors]
    full: dict[str, Tensors]
    plan: NumericPlan
    front: Front | None


def run(root: Path) -> None:
    """Prune by section `prune`; write models/compressed/, reports/prune.json and its plot data."""
    layout, params = Layout(root), load_params(root)
    with timed(layout, "prune"), runtime(params.train):
        inputs = _load(layout, params)
        _check_source(inputs.graph, root)
        folder = layout.checkpoints(_key(layout, params))
        curves = rows_of(_sensitivity(inputs, params))
        pruned = _prune(inputs, params, root, folder)
        graph, notes = _stripped(inputs, pruned)
        artifacts.save_graph(layout.model("compressed"), graph)
        removed = [name for name in inputs.graph.columns if name not in set(graph.columns)]
        said = {"columns_removed": removed, "sensitivity": curves, "notes": [*pruned.report["notes"], *notes]}
        report = {**pruned.report, **said}
        artifacts.write_json(layout.report("prune"), report)
        columns = [field.name for field in fields(EpochRecord)]
        artifacts.write_csv(layout.plot("prune"), pd.DataFrame(report["history"], columns=columns))
        layers = pd.DataFrame(curves, columns=["layer", "share", "metric"])
        artifacts.write_csv(layout.plot("sensitivity"), layers)
        tried = pd.DataFrame(report.get("candidates", []), columns=list(COLUMNS))
        artifacts.write_csv(layout.plot("candidates"), tried)
        shutil.rmtree(folder, ignore_errors=True)
    tell(report)


def _load(layout: Layout, params: Params) -> _Inputs:
    streamed = params.train.loader == "stream"
    load = artifacts.map_rows if streamed else artifacts.load_rows
    splits = {name: load(layout.rows(name)) for name in ("train", "valid")}
    cleaner, reduction = artifacts.load_cleaner(layout.cleaner), artifacts.load_reduction(layout.reduction)
    target = cleaner.target
    graph, reference = (
        artifacts.load_graph(layout.model(name), layout.root) for name in ("reduced", "reference")
    )
    rows, full = (
        {name: split_tensors(net, target, kept, split, cached=not streamed) for name, split in splits.items()}
        for net, kept in ((graph, reduction), (reference, None))
    )
    kept = range(len(cleaner.plan.names)) if reduction.kept is None else reduction.kept
    methods = {params.prune.method, *(step.method for step in _removals(params))}
    plan, needed = cleaner.plan.select(kept), NEED_FRONT & methods
    front = _front(graph, plan, kept, splits) if needed else None
    return _Inputs(graph, reference, target, reduction, rows, full, plan, front)


def _floor(layout: Layout, task: str, rows: int) -> float:
    """Return the reference's validation metric, on so many rows, without the luck of the epoch picked."""
    report = artifacts.read_json(layout.report("reference"))
    history = [epoch["valid_metric"] for epoch in report["history"]]  # empty: weights that were given
    return settled(history, report["best_epoch"], task, rows) if history else float(report["valid_metric"])


def _removals(params: Params) -> tuple[StepConfig, ...]:
    """Return the removals that section `prune` spells out; a budget leaves them to the search."""
    return () if isinstance(params.prune, BudgetedConfig) else steps_of(params.prune)


def _front(graph: Graph, plan: NumericPlan, kept: Sequence[int], splits: Mapping[str, Rows]) -> Front:
    train, valid = (torch.from_numpy(splits[name].X[:, list(kept)]) for name in ("train", "valid"))
    return Front(graph, plan, train, valid)


def _stripped(inputs: _Inputs, pruned: Pruned) -> tuple[Graph, list[str]]:
    """Return the pruned graph without the columns that no weight of it reads, and what is to be said.

    All columns stay where something else than the first linear layers reads them.
    """
    front = pruned.front
    graph, plan = (inputs.graph, inputs.plan) if front is None else (front.graph, front.plan)
    graph.network = pruned.network
    X = torch.from_numpy(np.tile(plan.fill, (2, 1)))
    gone = set(unread(graph, plan, X))
    keep = [column for column in range(len(plan.names)) if column not in gone]
    try:
        return (narrow(graph, plan, keep or [0], X) if gone else graph), []
    except EspalierError as error:
        return graph, [f"{len(gone)} columns that no first layer reads stay: {error}"]


def _check_source(graph: Graph, root: Path) -> None:
    """Refuse a user's network whose code the stage does not depend on."""
    deps = declared_deps(root, "prune")
    if deps is not None and isinstance(graph.network, UserNetwork):
        check_declared(graph.network.builder, deps, root)


def _key(layout: Layout, params: Params) -> str:
    """Fingerprint of all that the recovery depends on: an interrupted one of equal inputs goes on."""
    paths = [layout.cleaner, layout.rows("train"), layout.rows("valid"), layout.reduction]
    paths += [layout.model("reduced"), layout.model("reference")]
    return artifacts.fingerprint(*paths, settings=[params.prune.model_dump(), params.train.model_dump()])


def _prune(inputs: _Inputs, params: Params, root: Path, folder: Path) -> Pruned:
    """Prune by the amount, or by the largest one that stays within the tolerance of the reference."""
    config, network = params.prune, inputs.graph.network
    if params.train.loader == "stream" and _would_mix(config):
        say("rows are mixed in memory (finetune.mixup): streamed ones are used as they are")
    prune_step = _pruner(inputs, params, root, folder)
    if isinstance(config, NoPruneConfig):
        return prune_step(0, config, None)
    if isinstance(config, BudgetedConfig):
        return prune_to_budget(_problem(inputs, params, config, Layout(root)), config)
    reference = score(inputs.reference.network, inputs.full["valid"], inputs.target.kind)
    if isinstance(config, StepsConfig):
        return prune_in_steps(network, config.steps, prune_step, reference=reference)
    return prune_one(0, config, prune_step, None, reference=reference)


def _would_mix(config: PruneSection) -> bool:
    """Whether any recovery asks for mixtures of rows."""
    recoveries = [config] if isinstance(config, BudgetedConfig) else steps_of(config)
    return any(each.finetune.mixup > 0 and each.finetune.length() > 0 for each in recoveries)


def _problem(inputs: _Inputs, params: Params, config: BudgetedConfig, layout: Layout) -> Problem:
    """Gather what a search works on; the dense reference is what its drop is measured against."""
    front, rows = inputs.front, inputs.rows
    assert front is not None
    return Problem(
        inputs.graph,
        inputs.plan,
        front.train,
        rows["train"].y,
        front.valid,
        rows["valid"].y,
        inputs.target.kind,
        params.train.seed,
        params.train,
        config.finetune,
        rival=_rival(inputs),
        floor=_floor(layout, inputs.target.kind, len(rows["valid"])),
        rounds=round_sampler(inputs.reduction, rows["train"].y.numpy(), inputs.target.kind),
    )


def _pruner(inputs: _Inputs, params: Params, root: Path, folder: Path) -> PruneStep:
    """Bind everything that does not differ from step to step or from amount to amount."""
    target, network = inputs.target, inputs.graph.network
    rounds = round_sampler(inputs.reduction, inputs.rows["train"].y.numpy(), target.kind)
    earlier = cache(partial(_earlier, inputs, params, root, folder, rounds))
    lessons = Lessons(
        _rival(inputs), target.outputs, params.train.seed, rounds, params.train.loader == "stream"
    )

    def prune_step(number: int, config: NoPruneConfig | StepConfig, before: Pruned | None) -> Pruned:
        if number:
            log.info("step %d: %s, amount %s", number, config.method, config.amount)
        learns = not isinstance(config, NoPruneConfig)
        epochs = config.finetune.length(trained=params.train.epochs) * getattr(config, "rounds", 1)
        with progress("prune", epochs, target.kind) as shown:
            return prune(
                network if before is None else before.network,
                config,
                inputs.rows["train"],
                inputs.rows["valid"],
                params.train,
                task=target.kind,
                outputs=target.outputs,
                seed=params.train.seed,
                teacher=lessons.answers(config.finetune) if learns else None,
                mixing=lessons.mixtures(config.finetune) if learns else None,
                rounds=rounds,
                initial=earlier(getattr(config, "rewind", "none")),
                folder=folder / f"step-{number}" if number else folder,
                on_epoch=shown,
                front=inputs.front if before is None else before.front,
                hold_zeros=before is not None and before.has_zeros,
            )

    return prune_step


def _earlier(
    inputs: _Inputs, params: Params, root: Path, folder: Path, rounds: Rounds | None, back: str | int
) -> nn.Module:
    """Return the network before its training, or after `back` epochs of it, trained as stage train does."""
    initial = network_from_spec(network_spec(inputs.graph.network), root, params.train.seed)
    if not isinstance(back, int):
        return initial
    log.info("rewind: training again up to epoch %d", back)
    return fit(
        initial,
        inputs.rows["train"],
        inputs.rows["valid"],
        params.train,
        task=inputs.target.kind,
        outputs=inputs.target.outputs,
        seed=params.train.seed,
        until=back,
        rounds=rounds,
        checkpoint=Checkpoint(folder / f"epoch-{back}"),
    ).network


def _sensitivity(inputs: _Inputs, params: Params) -> Curves:
    config = params.prune
    return sensitivity(
        inputs.graph.network,
        StructuredConfig(importance=PREDICTOR) if isinstance(config, BudgetedConfig) else config,
        inputs.rows["train"],
        inputs.rows["valid"],
        params.train,
        task=inputs.target.kind,
        outputs=inputs.target.outputs,
        seed=params.train.seed,
        front=inputs.front,
    )


def _rival(inputs: _Inputs) -> Teacher:
    return Teacher(inputs.reference.network, inputs.full["train"])


if __name__ == "__main__":
    stage_main(run)
