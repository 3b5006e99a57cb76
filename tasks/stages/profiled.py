"""What the compressed model was made from, in summary, for later batches to be held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tasks.artifacts import Layout, load_raw_meta, read_frame
from tasks.data.cleaner import Cleaner
from tasks.data.encoding import encode
from tasks.data.rows import Rows
from tasks.drift.answers import Mistakes, mistakes
from tasks.drift.profile import Known, Profile, fit_profile
from tasks.evaluation.judge import Splits
from tasks.models.graph import Graph
from tasks.models.layers import Grid, Project
from tasks.reduction.reduction import Affine
from tasks.training.device import cpu_threads

__all__ = ["maps_of", "profile_of"]

_SAME_SPACE = (nn.Sequential, nn.Identity, nn.Flatten, Grid)


def profile_of(
    layout: Layout,
    cleaner: Cleaner,
    graph: Graph,
    rows: Mapping[str, Rows],
    answers: Splits,
    served: Mapping[str, Any],
    judged: Mapping[str, Any],
    held: np.ndarray,
) -> Profile:
    """Summarise the training rows, and what the exported model answers on the others.

    Parameters
    ----------
    layout, cleaner, graph
        Of the compressed model.
    rows
        Clean rows by split; of `test` those that were judged.
    answers
        The exported model's, by split.
    served
        Its serving plan.
    judged
        What stage evaluate reports of it.
    held
        Places in the source of every validation and test row. All others trained it, those dropped as
        duplicates too: a batch has duplicates.
    """
    raw, meta = read_frame(layout.raw), load_raw_meta(layout.raw_meta)
    frame = raw.loc[~np.isin(np.arange(len(raw)), held)]
    place = {name: i for i, name in enumerate(cleaner.plan.names)}
    positions = [place[name] for name in graph.columns]
    plan = cleaner.plan.select(positions)
    test = mistakes(rows["test"].y, answers.test, served["labels"], served["threshold"])
    known = Known(
        frame=frame,
        X=encode(frame, served["encoding"]),
        valid=rows["valid"].X[:, positions],
        answers=answers.valid,
        mistakes=Mistakes.of(test, judged["metrics"], classes=served["labels"] is not None),
    )
    with cpu_threads(1):
        return fit_profile(known, meta, cleaner.encoding, plan, served, maps_of(graph, plan.width))


@torch.no_grad()
def maps_of(graph: Graph, width: int) -> tuple[Affine, ...]:
    """Return the reducer as affine maps of features, max(0, z) between them; none where it only selects."""
    layers = [layer for layer in graph.reducer.modules() if not isinstance(layer, _SAME_SPACE)]
    if not layers:
        return ()
    if all(isinstance(layer, Project | nn.ReLU) for layer in layers):
        maps = [layer for layer in layers if isinstance(layer, Project)]
        return tuple((layer.W.double().numpy(), layer.b.double().numpy()) for layer in maps)
    # What averages neighbours or keeps low frequencies is affine too: its columns are what it makes of units.
    nothing = graph.reducer(torch.zeros(1, width)).flatten(1)
    units = graph.reducer(torch.eye(width)).flatten(1) - nothing
    return ((units.double().numpy(), nothing[0].double().numpy()),)
