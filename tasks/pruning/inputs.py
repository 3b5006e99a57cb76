"""Pruning that reaches through the reducer to the raw columns: what no unit needs is no longer asked for.

A column leaves the graph with everything that belongs to it: its cleaning, its one-hot levels and missing
indicator, its rows of the projection or its inputs of the first layers. What the columns that stay tell about
it goes into their weights and the bias: the network answers as if every column that left held its linear
prediction from those (an interpolative decomposition of the rows themselves). On a grid its cell is 0: the
column's mean where columns are scaled, as the pipeline does and the engine does not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError
from tasks.models.calls import on_call
from tasks.models.dependencies import cut, uncuttable
from tasks.models.graph import Graph, regrid
from tasks.models.layers import Grid, Project, preprocess
from tasks.models.user import UserNetwork
from tasks.pruning.decomposition import RIDGE

_TRIED = 64  # rows on which a network with fewer inputs is held against the one before

__all__ = ["by_column", "column_weights", "input_readers", "narrow", "unread"]


def input_readers(network: nn.Module, example: Tensor) -> tuple[str, ...]:
    """Name the linear layers that read the network's input itself, in the order of the forward pass.

    Parameters
    ----------
    example : Tensor, (n, k)
        Rows of the network's flat input.
    """
    found: list[str] = []
    entered = [example]  # a user's module gets rows of its own

    def enter(_: nn.Module, given: Tensor) -> None:
        entered.append(given)

    def note(name: str, _: nn.Module, given: Tensor) -> None:
        if given.data_ptr() == entered[-1].data_ptr() and given.shape == example.shape:
            found.append(name)

    hooks = [on_call(network.body, enter)] if isinstance(network, UserNetwork) else []
    hooks += [
        on_call(module, partial(note, name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        network.train(training)
        for handle in hooks:
            handle.remove()
    return tuple(dict.fromkeys(found))


def _first_weights(graph: Graph, features: Tensor) -> tuple[Tensor, Project | None] | None:
    """Weights of the linear layers that read the flat input, (outputs, k), and what projects onto it.

    None where features are read by something else.
    """
    with torch.no_grad():
        flat = graph.reducer(features[:2]).clone()
    readers = input_readers(graph.network, flat) if flat.ndim == 2 else ()
    project = _projection(graph)
    if not readers or (project is None and not isinstance(graph.reducer, nn.Identity)):
        return None
    return torch.cat([_linear(graph.network, name).weight.detach() for name in readers]), project


def column_weights(graph: Graph, features: Tensor) -> Tensor | None:
    """All first-layer weights on features, (outputs, d), through the projection where there is one.

    None where features are read by something else.
    """
    first = _first_weights(graph, features)
    if first is None:
        return None
    V, project = first
    return V if project is None else V @ project.W.detach().T


def by_column(values: Tensor, owner: Tensor) -> Tensor:
    """Add up values of features, (d,), over the columns that own them, (p,)."""
    return torch.zeros(int(owner.max()) + 1).index_add_(0, owner, values.float())


def narrow(graph: Graph, plan: NumericPlan, keep: Sequence[int], X: Tensor) -> Graph:
    """Return the graph of fewer columns, whose weights make up for the others.

    With features x_S that stay and x_R that leave, ``x_R ~ x_S T + t`` by least squares (a ridge of 1 % for
    columns that depend on each other), so that ``W_S x_S + W_R x_R + b`` becomes
    ``(W_S + W_R T^T) x_S + (b + W_R t)``.

    Parameters
    ----------
    graph : Graph
        Not changed.
    plan : NumericPlan
        Of exactly the graph's columns.
    keep : sequence of int
        Ascending positions of the columns that stay, at least one.
    X : Tensor, (n, p)
        Training rows to fit on.

    Raises
    ------
    EspalierError
        When the network does not let its inputs be removed.
    """
    smaller = plan.select(keep)
    stays = torch.isin(torch.from_numpy(plan.owner), torch.tensor(list(keep)))
    fit = _prediction(graph, X, stays)
    made = copy.deepcopy(graph)
    made.columns, made.preprocess = smaller.names, preprocess(smaller)
    project = _projection(graph)
    if project is not None:
        W, b = project.W[stays] + fit.T @ project.W[~stays], project.b + fit.t @ project.W[~stays]
        made.reducer = nn.Sequential(Project(W, b))
    elif isinstance(graph.reducer, nn.Sequential) and isinstance(graph.reducer[0], Grid):
        made.reducer = regrid(graph.reducer, smaller)
    elif not isinstance(graph.reducer, nn.Identity):
        raise EspalierError(
            "prune: columns can be taken from a linear projection, a grid or the network itself, and this "
            "reducer is another; leave out step inputs, or reduce.columns by selection or pca"
        )
    else:
        made.network = _cut_inputs(graph, stays, fit, graph.preprocess(X[:_TRIED]))
    return made.train(graph.training)


def unread(graph: Graph, plan: NumericPlan, X: Tensor) -> list[int]:
    """Positions of the columns that no surviving weight reads: without them every answer stays the same."""
    first = _first_weights(graph, graph.preprocess(X[:2]))
    if first is None:
        return []
    weights, project = first
    used = (weights != 0).any(dim=0)
    if project is not None:
        used = (project.W[:, used] != 0).any(dim=1)
    return torch.nonzero(by_column(used, torch.from_numpy(plan.owner)) == 0).flatten().tolist()


@dataclass(frozen=True)
class _Prediction:
    """Features that leave from those that stay: ``x_R ~ x_S T + t``; `mean` of all."""

    T: Tensor
    t: Tensor
    mean: Tensor


@torch.no_grad()
def _prediction(graph: Graph, X: Tensor, stays: Tensor) -> _Prediction:
    features = graph.preprocess(X).double()
    mean = features.mean(dim=0)
    kept = features[:, stays] - mean[stays]
    gram = kept.T @ kept
    pull = RIDGE * float(gram.diagonal().mean())
    T = torch.zeros(int(stays.sum()), int((~stays).sum()), dtype=torch.float64)
    if pull > 0:
        gram.diagonal().add_(pull)
        T = torch.linalg.solve(gram, kept.T @ (features[:, ~stays] - mean[~stays]))
    t = mean[~stays] - mean[stays] @ T
    return _Prediction(T.float(), t.float(), mean.float())


def _cut_inputs(graph: Graph, stays: Tensor, fit: _Prediction, rows: Tensor) -> nn.Module:
    """Take inputs from every layer that reads them, and see that nothing else did."""
    before, example = graph.network, fit.mean.expand(2, -1).clone()
    readers = input_readers(before, example)
    if not readers:
        raise EspalierError(_REFUSED)
    fixed = uncuttable(before)
    if held := [name for name in readers if name in fixed]:
        raise EspalierError(
            f"prune: no column can be taken from layer {held[0]}: {fixed[held[0]]}; leave out step inputs "
            "and reduce columns before training (reduce.columns)"
        )
    positions = torch.nonzero(stays).flatten().tolist()
    steps = [{"module": name, "dim": "in", "kept": positions, "input": True} for name in readers]
    network = copy.deepcopy(before)
    cut(network, example, steps)
    for name in readers:
        _absorb(_linear(network, name), _linear(before, name), stays, fit)
    object.__setattr__(network, "input_shape", (len(positions),))
    object.__setattr__(network, "pruned_steps", [*getattr(before, "pruned_steps", []), *steps])
    told = rows.detach().clone()
    told[:, ~stays] = told[:, stays] @ fit.T + fit.t
    _check_equal(before, network, told, stays)
    return network


@torch.no_grad()
def _absorb(layer: nn.Linear, before: nn.Linear, stays: Tensor, fit: _Prediction) -> None:
    """W_S <- W_S + W_R T^T, b <- b + W_R t; without a bias only the former."""
    gone = before.weight[:, ~stays]
    layer.weight.add_(gone @ fit.T.T)
    if layer.bias is not None:
        layer.bias.add_(gone @ fit.t)


@torch.no_grad()
def _check_equal(before: nn.Module, after: nn.Module, rows: Tensor, stays: Tensor) -> None:
    """Hold the smaller network against the larger one where features that leave are what the others tell."""
    try:
        got = after.eval()(rows[:, stays])
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        raise EspalierError(f"{_REFUSED} ({str(error).splitlines()[0][:120]})") from error
    wanted = before.eval()(rows)
    near = 1e-3 * (1 + float(wanted.abs().max()))
    if got.shape != wanted.shape or not torch.allclose(got, wanted, rtol=0.0, atol=near):
        raise EspalierError(_REFUSED)


_REFUSED = (
    "prune: this network reads its input in more places than its linear layers, so no column can be taken "
    "from it; leave out step inputs and reduce columns before training (reduce.columns)"
)


def _linear(network: nn.Module, name: str) -> nn.Linear:
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    return layer


def _projection(graph: Graph) -> Project | None:
    parts = list(graph.reducer) if isinstance(graph.reducer, nn.Sequential) else []
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Project) else None
