"""Other libraries' int8 as their documentation shows it: NNCF of an ONNX file, torchao of a torch module."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.rivals import quiet
from tasks.models.graph import Graph

__all__ = ["NAMES", "Answers", "narrowest", "nncf_int8", "torchao_int8"]

Answers = Callable[[NDArray[np.float32]], NDArray[Any]]

NAMES = {"nncf": "nncf, int8", "torchao SaliencyPruner": "torchao, int8"}
"""What a library's own int8 of the networks it has pruned, and of the dense one, is called."""

_ROWS = 300
"""For calibration: NNCF's default."""


def nncf_int8(model: bytes, rows: NDArray[np.float32]) -> bytes:
    """Quantise a file after training: `nncf.quantize` with training rows (n, p), one at a time."""
    os.environ.setdefault("NNCF_CI", "1")  # it sends usage data otherwise
    import nncf

    data = nncf.Dataset(list(rows[:_ROWS]), lambda row: {"rows": row[None]})
    with quiet(), redirect_stdout(io.StringIO()):
        made = nncf.quantize(onnx.load_model_from_string(model), data, subset_size=min(_ROWS, len(rows)))
    quantised: bytes = made.SerializeToString()
    return quantised


def narrowest(network: nn.Module) -> int:
    """Return the fewest inputs of a Linear layer."""
    return min((layer.in_features for layer in network.modules() if isinstance(layer, nn.Linear)), default=0)


def torchao_int8(graph: Graph) -> tuple[bytes, Answers]:
    """Quantise in memory: `quantize_`, int8 weights, activations as they come; of Linear layers alone.

    Returns
    -------
    tuple
        The state as `torch.save` writes it, without code, and what answers rows (n, p): PyTorch.
    """
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    quantised, state = copy.deepcopy(graph).eval(), io.BytesIO()
    with quiet():
        quantize_(quantised.network, Int8DynamicActivationInt8WeightConfig())
    torch.save(quantised.state_dict(), state)

    @torch.no_grad()
    def answers(rows: NDArray[np.float32]) -> NDArray[Any]:
        found: NDArray[Any] = quantised.predict(torch.from_numpy(rows)).numpy()
        return found

    return state.getvalue(), answers
