"""Stages reference and train: the network on the unreduced, then on the reduced data, settings shared."""

from __future__ import annotations

import logging
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import artifacts
from tasks.artifacts import Layout
from tasks.config import Params, load_params
from tasks.data.cleaner import Cleaner
from tasks.data.plan import NumericPlan
from tasks.models.config import UserConfig
from tasks.models.graph import Graph, build_graph, build_reducer, input_shape
from tasks.models.user import check_covered, check_declared, source_file
from tasks.models.zoo import build_network
from tasks.reduction.reduction import Reduction
from tasks.reduction.rows import random_rival, round_sampler
from tasks.stages.common import declared_deps, stage_main, timed
from tasks.training.batching import Tensors
from tasks.training.checkpoint import Checkpoint
from tasks.training.device import runtime
from tasks.training.fit import EpochRecord, Fit, fit
from tasks.training.joint import frozen, moved, unfrozen
from tasks.training.progress import progress
from tasks.training.scoring import METRIC, score
from tasks.training.tensors import split_tensors
from tasks.training.weights import load_weights

__all__ = ["run"]

log = logging.getLogger("espalier.train")

MODEL = {"reference": "reference", "train": "reduced"}
"""Name of the model that each of the two stages writes."""


def run(root: Path, stage: str) -> None:
    """Train (or load) the network of `stage`, 'reference' or 'train'; write model, report and plot."""
    layout, params = Layout(root), load_params(root)
    _check_sources(params, root, stage)
    with timed(layout, stage) as watch, runtime(params.train):
        cleaner = artifacts.load_cleaner(layout.cleaner)
        reduction = artifacts.load_reduction(layout.reduction) if stage == "train" else None
        graph = _untrained(params, cleaner, reduction, root)
        train, valid = (
            _split(layout, params, graph, cleaner, reduction, name) for name in ("train", "valid")
        )
        checkpoint = Checkpoint(layout.checkpoints(_key(layout, params, stage)))
        weights = params.reference.weights if stage == "reference" else None
        if weights:
            load_weights(graph.network, root / weights)
            done = Fit(graph.network.eval(), (), 0, 0.0)
        else:
            done = _train(stage, params, cleaner, reduction, graph, train, valid, checkpoint)
        beside = _beside(layout, params, cleaner, reduction, train, valid)
        graph.network, watch.earlier = done.network, done.earlier
        graph = frozen(graph)
        report = {"stage": stage, **_facts(graph, cleaner, reduction, train, valid, done), "weights": weights}
        if stage == "train":
            report["random"] = None if beside is None else _beside_facts(cleaner, valid, beside)
            watch.earlier -= _tell_beside(layout, report, done, beside)
        artifacts.save_graph(layout.model(MODEL[stage]), graph)
        artifacts.write_json(layout.report(stage), report)
        columns = [field.name for field in fields(EpochRecord)]
        artifacts.write_csv(layout.plot(stage), pd.DataFrame(report["history"], columns=columns))
        checkpoint.clear()
    logging.getLogger(f"espalier.{stage}").info(
        "validation %s %.4f, %d parameters%s",
        report["metric"],
        report["valid_metric"],
        report["parameters"],
        f", weights of {weights}"
        if weights
        else f", best of {report['epochs']} epochs: {report['best_epoch']}",
    )


def _check_sources(params: Params, root: Path, stage: str) -> None:
    """Refuse code and weights that the stage does not depend on."""
    deps = declared_deps(root, stage)
    if deps is None:
        return
    if isinstance(params.model, UserConfig):
        check_declared(params.model.builder, deps, root)
    if stage == "reference" and params.reference.weights:
        check_covered("reference.weights", Path(params.reference.weights), deps, root)


def _untrained(params: Params, cleaner: Cleaner, reduction: Reduction | None, root: Path) -> Graph:
    shape = input_shape(params.model, cleaner.plan, reduction)
    network = build_network(params.model, shape, cleaner.target.outputs, seed=params.train.seed, root=root)
    graph = build_graph(cleaner, reduction, network)
    return unfrozen(graph) if reduction is not None and reduction.unfreeze else graph


def _split(
    layout: Layout, params: Params, graph: Graph, cleaner: Cleaner, reduction: Reduction | None, name: str
) -> Tensors:
    streamed = params.train.loader == "stream"
    rows = (artifacts.map_rows if streamed else artifacts.load_rows)(layout.rows(name))
    return split_tensors(graph, cleaner.target, reduction, rows, cached=not streamed)


def _key(layout: Layout, params: Params, stage: str) -> str:
    """Fingerprint of all that the training depends on: an interrupted one of equal inputs goes on."""
    paths = [layout.cleaner, layout.rows("train"), layout.rows("valid")]
    paths += [layout.reduction] if stage != "reference" else []
    paths += _network_code(params, layout.root)
    sections = [params.model.model_dump(), params.train.model_dump()]
    return artifacts.fingerprint(*paths, settings=[stage, *sections])


def _network_code(params: Params, root: Path) -> list[Path]:
    """Files of a user's network: the folder of its module, which also holds what that imports."""
    file = source_file(params.model.builder, root) if isinstance(params.model, UserConfig) else None
    if file is None:
        return []
    return sorted((root / file.parts[0]).rglob("*.py")) if len(file.parts) > 1 else [root / file]


def _train(
    stage: str,
    params: Params,
    cleaner: Cleaner,
    reduction: Reduction | None,
    graph: Graph,
    train: Tensors,
    valid: Tensors,
    checkpoint: Checkpoint,
) -> Fit:
    target = cleaner.target
    rounds = round_sampler(reduction, train.y.numpy(), target.kind) if reduction else None
    with progress(stage, params.train.epochs, target.kind) as shown:
        return fit(
            graph.network,
            train,
            valid,
            params.train,
            task=target.kind,
            outputs=target.outputs,
            seed=params.train.seed,
            rounds=rounds,
            checkpoint=checkpoint,
            on_epoch=shown,
        )


def _beside(
    layout: Layout,
    params: Params,
    cleaner: Cleaner,
    reduction: Reduction | None,
    train: Tensors,
    valid: Tensors,
) -> Fit | None:
    """Train the same network on as many random rows, where the reduction chose them otherwise."""
    task = cleaner.target.kind
    rival = random_rival(reduction, train.y.numpy(), task) if reduction else None
    if rival is None:
        return None
    checkpoint = Checkpoint(layout.checkpoints(_key(layout, params, "random")))
    graph = _untrained(params, cleaner, rival, layout.root)
    done = _train("random", params, cleaner, rival, graph, train, valid, checkpoint)
    checkpoint.clear()
    return done


def _beside_facts(cleaner: Cleaner, valid: Tensors, beside: Fit) -> dict[str, Any]:
    return {
        "valid_metric": score(beside.network, valid, cleaner.target.kind),
        "best_epoch": beside.best_epoch,
        "history": [record.to_dict() for record in beside.history],
    }


def _tell_beside(layout: Layout, report: dict[str, Any], done: Fit, beside: Fit | None) -> float:
    """Note the seconds of both trainings, which no report of this stage may hold.

    Returns
    -------
    Seconds that the second took in this call: they belong to no model.
    """
    path = layout.timing("rows")
    if beside is None:
        path.unlink(missing_ok=True)
        return 0.0
    chosen, random = done.earlier + done.seconds, beside.earlier + beside.seconds
    artifacts.write_json(path, {"chosen": round(chosen, 3), "random": round(random, 3)})
    told = (report["metric"], report["valid_metric"], chosen, report["random"]["valid_metric"], random)
    log.info("validation %s %.4f in %.1f s; on as many random rows %.4f in %.1f s", *told)
    return beside.seconds


def _facts(
    graph: Graph, cleaner: Cleaner, reduction: Reduction | None, train: Tensors, valid: Tensors, done: Fit
) -> dict[str, Any]:
    task = cleaner.target.kind
    plan = (
        cleaner.plan if reduction is None or reduction.kept is None else cleaner.plan.select(reduction.kept)
    )
    sampler = round_sampler(reduction, train.y.numpy(), task) if reduction else None
    network: Any = graph.network
    return {
        "epochs": len(done.history),
        "best_epoch": done.best_epoch,
        "rows": len(train) if sampler is None else len(sampler(0)),
        "features": plan.width,
        "input_shape": list(network.input_shape),
        "projection_moved": _moved(plan, reduction, graph),
        "parameters": sum(parameter.numel() for parameter in graph.network.parameters()),
        "valid_metric": score(done.network, valid, task),
        "metric": METRIC[task],
        "history": [record.to_dict() for record in done.history],
    }


def _moved(plan: NumericPlan, reduction: Reduction | None, graph: Graph) -> float | None:
    """How far training moved the projection from its fit; None where it stayed fixed."""
    if reduction is None or not reduction.unfreeze:
        return None
    return moved(build_reducer(plan, reduction, reduction.shape), graph.reducer)


if __name__ == "__main__":
    stage_main(run, *sys.argv[1:])
