"""The JSON beside the ONNX file: what a server needs to know that ONNX cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.formats import Format

if TYPE_CHECKING:
    from tasks.data.cleaner import Cleaner
    from tasks.models.graph import Graph

__all__ = ["FORMAT", "serving_plan"]

FORMAT = Format("the serving plan", 1)


def serving_plan(cleaner: Cleaner, graph: Graph, threshold: float | None) -> dict[str, Any]:
    """Describe how raw rows become the model's input and its output an answer.

    Parameters
    ----------
    cleaner
        The cleaner of all columns; it is narrowed to those the graph reads.
    graph
        The exported graph.
    threshold
        Decision threshold on the second of two classes; None: the likeliest class.

    Returns
    -------
    dict
        ``version``, ``task``, ``encoding`` (plan of `tasks.data.encoding`), ``columns`` (numeric columns, in
        order), ``labels``, ``label_dtype``, ``threshold``, ``target``, ``input`` (name of the ONNX input).
    """
    names = {name: position for position, name in enumerate(cleaner.plan.names)}
    narrow = cleaner.select([names[name] for name in graph.columns])
    target = cleaner.target
    return {
        "version": FORMAT.version,
        "task": target.kind,
        "encoding": narrow.encoding,
        "columns": list(graph.columns),
        "labels": None if target.labels is None else list(target.labels),
        "label_dtype": target.label_dtype,
        "threshold": threshold,
        "target": target.name,
        "input": "rows",
    }
