"""The whole path through `torch.onnx.export`, metadata and all, as it comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.rivals import quiet
from tasks.export.onnx import run_onnx, serialised, session, to_model
from tasks.models.graph import Graph

__all__ = ["as_it_comes"]

_PROGRAMS: dict[tuple[Any, ...], Any] = {}
"""Exported programs by type and shape of everything in them; other weights are put into them."""


class _Answers(nn.Module):
    """A graph that gives what its file gives."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.whole = graph  # torch.export keeps the name `graph` to itself

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.whole.predict(rows)


def as_it_comes(graph: Graph) -> tuple[bytes, str]:
    """Return the file, and a note where torch could not make it and this project's exporter did."""
    answers = _Answers(graph).eval()
    shapes = tuple((name, tuple(tensor.shape)) for name, tensor in answers.state_dict().items())
    key = (str(answers), shapes)
    if key in _PROGRAMS:
        with quiet():
            _PROGRAMS[key].apply_weights(answers.state_dict())
        model = serialised(_PROGRAMS[key].model_proto)
        if _equal(graph, model):
            return model, ""
    try:
        _PROGRAMS[key] = _exported(answers, len(graph.columns))
    except torch.onnx.OnnxExporterError:
        return serialised(to_model(graph)), "torch.onnx failed; this project's exporter, nothing folded"
    return serialised(_PROGRAMS[key].model_proto), ""


def _exported(answers: _Answers, columns: int) -> Any:
    rows = torch.export.Dim("N", min=1, max=1 << 24)
    with quiet():
        return torch.onnx.export(
            answers,
            (torch.zeros(2, columns),),
            dynamo=True,
            input_names=["rows"],
            dynamic_shapes=({0: rows},),
            verbose=False,
        )


def _equal(graph: Graph, model: bytes) -> bool:
    """Whether a file answers as its graph does, missing cells too."""
    rows = torch.randn(64, len(graph.columns), generator=torch.Generator().manual_seed(0))
    rows[:8, ::3] = torch.nan
    with torch.no_grad():
        wanted = graph.predict(rows).numpy()
    return np.allclose(run_onnx(session(model), rows.numpy()), wanted, rtol=1e-3, atol=1e-4)
