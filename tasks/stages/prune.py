"""Stage prune: remove weights or units from the reduced network and let it recover."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tasks import artifacts
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.data.target import TargetPlan
from tasks.models.graph import Graph
from tasks.models.spec import network_from_spec, network_spec
from tasks.models.user import UserNetwork, check_declared
from tasks.pruning.recipe import Pruned, prune
from tasks.reduction.reduction import Reduction
from tasks.reduction.rows import round_sampler
from tasks.search.amount import prune_most
from tasks.stages.common import declared_deps, stage_main, timed
from tasks.training.batching import Tensors
from tasks.training.device import runtime
from tasks.training.fit import EpochRecord
from tasks.training.progress import progress
from tasks.training.scoring import predict_split, score
from tasks.training.tensors import split_tensors

__all__ = ["run"]

CPU = torch.device("cpu")

log = logging.getLogger("espalier.prune")


@dataclass(frozen=True)
class _Inputs:
    """What the stage reads; the network's rows, and the same rows as the reference sees them."""

    graph: Graph
    reference: Graph
    target: TargetPlan
    reduction: Reduction
    rows: dict[str, Tensors]
    full: dict[str, Tensors]


def run(root: Path) -> None:
    """Prune by section `prune`; write models/compressed/, reports/prune.json and its plot data."""
    layout, params = Layout(root), load_params(root)
    with timed(layout, "prune"), runtime(params.train):
        inputs = _load(layout, params)
        _check_source(inputs.graph, root)
        folder = layout.checkpoints(_key(layout, params))
        pruned = _prune(inputs, params, root, folder)
        inputs.graph.network = pruned.network
        artifacts.save_graph(layout.model("compressed"), inputs.graph)
        artifacts.write_json(layout.report("prune"), pruned.report)
        columns = [field.name for field in fields(EpochRecord)]
        artifacts.write_csv(layout.plot("prune"), pd.DataFrame(pruned.report["history"], columns=columns))
        shutil.rmtree(folder, ignore_errors=True)
    _tell(pruned.report)


def _load(layout: Layout, params: Params) -> _Inputs:
    streamed = params.train.loader == "stream"
    load = artifacts.map_rows if streamed else artifacts.load_rows
    splits = {name: load(layout.rows(name)) for name in ("train", "valid")}
    target, reduction = (
        artifacts.load_cleaner(layout.cleaner).target,
        artifacts.load_reduction(layout.reduction),
    )
    graph, reference = (
        artifacts.load_graph(layout.model(name), layout.root) for name in ("reduced", "reference")
    )
    rows, full = (
        {name: split_tensors(net, target, kept, split, cached=not streamed) for name, split in splits.items()}
        for net, kept in ((graph, reduction), (reference, None))
    )
    return _Inputs(graph, reference, target, reduction, rows, full)


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
    config, target = params.prune, inputs.target
    network, reference = inputs.graph.network, inputs.reference.network
    initial = network_from_spec(network_spec(network), root, params.train.seed)
    rounds = round_sampler(inputs.reduction, inputs.rows["train"].y.numpy(), target.kind)
    distilled = config.method != "none" and config.finetune.distil > 0 and config.finetune.epochs > 0
    teacher = predict_split(reference, inputs.full["train"], 4096, CPU) if distilled else None

    def prune_at(amount: float | None) -> Pruned:
        if config.amount == "auto":
            log.info("auto: trying amount %g", amount)
        with progress("prune", config.finetune.epochs * config.rounds, target.kind) as shown:
            return prune(
                network,
                config.model_copy(update={"amount": amount}),
                inputs.rows["train"],
                inputs.rows["valid"],
                params.train,
                task=target.kind,
                outputs=target.outputs,
                seed=params.train.seed,
                teacher=teacher,
                rounds=rounds,
                initial=initial,
                folder=folder,
                on_epoch=shown,
            )

    if config.method == "none":
        return prune_at(0.0)
    if config.amount != "auto":
        return prune_at(config.amount)
    floor = score(reference, inputs.full["valid"], target.kind) - config.tolerance
    return prune_most(prune_at, floor=floor)


def _tell(report: dict[str, Any]) -> None:
    for probe in report["probes"]:
        log.info("auto: amount %g scores %.4f on validation rows", probe["amount"], probe["score"])
    for note in report["notes"]:
        log.info("%s", note)
    log.info(
        "amount %g: %d parameters to %d (%d not zero), validation %s %.4f",
        *(report[key] for key in ("amount", "parameters_before", "parameters_after", "nonzeros_after")),
        *(report[key] for key in ("metric", "valid_metric")),
    )


if __name__ == "__main__":
    stage_main(run)
