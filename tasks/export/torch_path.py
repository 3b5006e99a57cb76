"""The way into ONNX for modules that have no emitter: torch.onnx, spliced into the graph being built."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.export.emitter import Emitter, Value

__all__ = ["splice"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's progress and version notes; failures still raise."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _export(module: nn.Module, sample: torch.Tensor) -> onnx.ModelProto:
    """Export a module with any number of rows."""
    rows = torch.export.Dim("N", min=1, max=1 << 24)
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                (sample,),
                dynamo=True,
                dynamic_shapes=({0: rows},),
                opset_version=18,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise EspalierError(
            f"export: torch.onnx cannot express {type(module).__name__} for any number of rows "
            f"({str(error).splitlines()[0]}); avoid fixed batch sizes and branches on values in forward"
        ) from error
    assert program is not None  # export with dynamo=True returns a program
    return program.model_proto


def splice(e: Emitter, module: nn.Module, x: Value) -> str:
    """Append a module's nodes as torch.onnx writes them, renamed and without metadata; return its output.

    Raises
    ------
    EspalierError
        When the module cannot be exported with a free number of rows.
    """
    body = _export(module, x.sample).graph
    names = {"": "", body.input[0].name: x.name}
    for tensor in body.initializer:
        names[tensor.name] = e.stored(onnx.numpy_helper.to_array(tensor))
    for node in body.node:
        e.copy(node, names)
    return names[body.output[0].name]
