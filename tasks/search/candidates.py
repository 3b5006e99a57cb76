"""A candidate made and measured: fewer columns, fewer units, before and after it recovers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from tasks.errors import EspalierError
from tasks.evaluation.efficiency import multiply_adds, uncounted
from tasks.export.choose import Kept, Yardstick, choose
from tasks.export.config import NoQuantisation, QuantiseConfig
from tasks.export.fold import fold, forms
from tasks.export.onnx import check_parity, serialised, session, to_model
from tasks.models.graph import Graph
from tasks.pruning.column_criteria import column_scores
from tasks.pruning.config import StructuredConfig
from tasks.pruning.inputs import column_weights, narrow
from tasks.pruning.recipe import Pruned, prune
from tasks.search.budget import Figures, Setting
from tasks.search.config import candidate_epochs
from tasks.search.fixed import fixed_columns
from tasks.search.luck import resampled, spread
from tasks.search.made import Made, noted
from tasks.search.pace import Pace
from tasks.search.problem import Problem
from tasks.search.sound import check_sound, unanswered
from tasks.training.batching import Tensors
from tasks.training.scoring import metric

__all__ = ["PREDICTOR", "Bench", "Made", "latency_us"]

PREDICTOR: Final = "decomposition"
"""How columns and units are chosen: what is left answers well before any recovery."""

_CRITERIA = (PREDICTOR, "weight")
_WORSE = "recovery made it worse on validation rows; kept as it was before"
_SHORT = "recovered for {} epochs instead of {}: no more fit into the time box"
_FLOAT32 = "in float32, which suits the budget better than int8 does"
_UNFOLDED = "its layers are not merged in the file: merged, it answered otherwise than the network"
_CHECKED = 1024  # validation rows on which a file is held against its network
_WARM, _CALLS = 20, 300
_INT8_PRICE = 200  # bytes of scales, zero points and nodes beside a matrix in int8


def latency_us(model: bytes, columns: int) -> float:
    """Median microseconds that ONNX Runtime takes for one row, on one thread."""
    opened, row = session(model), {"rows": np.zeros((1, columns), np.float32)}
    marks = np.empty(_WARM + _CALLS + 1)
    for call in range(len(marks)):
        marks[call] = time.perf_counter()
        opened.run(None, row)
    return float(np.median(np.diff(marks)[_WARM:]) * 1e6)


@dataclass(frozen=True, eq=False)
class _Narrowed:
    """The problem's graph from fewer columns, their positions, and the inputs of its network."""

    graph: Graph
    keep: tuple[int, ...]
    train: Tensors
    valid: Tensors


@dataclass(frozen=True, eq=False)
class Bench:
    """Makes the candidates of one problem.

    Parameters
    ----------
    problem : Problem
    timed : bool
        Whether candidates are timed before recovery; those that recover always are.
    quantise : QuantiseConfig
        Recovered candidates are measured in the form that this keeps; before recovery their int8 bytes are
        estimated.
    """

    problem: Problem
    timed: bool = False
    quantise: QuantiseConfig = field(default_factory=NoQuantisation)
    _known: dict[tuple[str, int], _Narrowed] = field(default_factory=dict, init=False)
    _probed: dict[Setting, Made] = field(default_factory=dict, init=False)

    @property
    def epochs(self) -> int:
        """Epochs of a recovery."""
        problem = self.problem
        return problem.finetune.length(candidate_epochs(len(problem.X)), trained=problem.train.epochs)

    @cached_property
    def fixed(self) -> tuple[int, ...]:
        """Positions of the columns that every candidate keeps."""
        return fixed_columns(self.problem.graph, self.problem.plan, self.problem.X)

    @property
    def whole(self) -> bool:
        """Whether the graph needs all its columns, because of how it reads them."""
        return len(self.fixed) == len(self.problem.plan.names)

    @cached_property
    def uncounted(self) -> tuple[str, ...]:
        """Layers that the multiply-adds of candidates leave out, see `tasks.evaluation.efficiency`."""
        return uncounted(self.problem.graph)

    @cached_property
    def criteria(self) -> tuple[str, ...]:
        """Criteria that can rank the columns; which is best only recovery tells."""
        return (PREDICTOR,) if self.whole else tuple(self.rankings)

    @cached_property
    def rankings(self) -> dict[str, tuple[int, ...]]:
        """Columns from the most to the least important, by each criterion; those that must stay lead."""
        graph = self.problem.graph
        linear = column_weights(graph, graph.preprocess(self.problem.X[:2])) is not None
        return {each: self._ranking(each) for each in (_CRITERIA if linear else ("taylor",))}

    def _ranking(self, criterion: str) -> tuple[int, ...]:
        scores = column_scores(self.problem.graph, self.problem.plan, criterion, self.problem.evidence)
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        return tuple(sorted(order, key=lambda column: column not in self.fixed))

    @cached_property
    def noise(self) -> float:
        """Standard deviation by which a candidate's metric differs from that on endless rows."""
        problem = self.problem
        formula = spread(problem.task, self.reference.metric, len(problem.y_valid))
        if problem.task == "classification":
            return formula
        with torch.no_grad():
            predicted = problem.graph(problem.valid).reshape(-1)
        return max(formula, resampled(problem.y_valid.double().numpy(), predicted.double().numpy()))

    @cached_property
    def reference(self) -> Figures:
        """What the graph that came in costs, and how it does; refused where an answer is not finite."""
        whole = Setting(1.0, 1.0)
        pruned, given = self._pruned(whole, 0), self._narrowed(whole)
        check_sound(pruned.network, {"training": given.train.X, "validation": given.valid.X})
        figures = self._measured(whole, pruned, deployed=False, timed=True).figures
        return figures if self.problem.floor is None else replace(figures, metric=self.problem.floor)

    def probe(self, setting: Setting) -> Made:
        """Make a candidate without recovery: the cheap prediction of what it could become."""
        possible = self._possible(setting)
        if possible not in self._probed:
            made = self._pruned(possible, 0)
            self._probed[possible] = self._measured(possible, made, deployed=False, timed=self.timed)
        return self._probed[possible]

    def recover(self, setting: Setting, seconds: float = math.inf) -> Made:
        """Make a candidate and let it recover; it stays as it was where that made it worse.

        Where its first epochs say that not all fit into `seconds`, it recovers for as many as do. One that
        answers a validation row with NaN or an infinite number counts as wrong in every row.
        """
        possible = self._possible(setting)
        before, (after, shortened) = self.probe(possible).pruned, self._paced(possible, seconds)
        assert before is not None
        rows = self._narrowed(possible).valid.X
        worse = after.valid_metric < before.valid_metric or len(unanswered(after.network, rows)) > 0
        sound = not worse or not len(unanswered(before.network, rows))
        best = noted(before, _WORSE) if worse else after
        made = self._measured(possible, best, deployed=sound, timed=True)
        made = replace(made, epochs=len(after.history), shortened=shortened)
        return made if sound else replace(made, sound=False, figures=replace(made.figures, metric=0.0))

    def _paced(self, setting: Setting, seconds: float) -> tuple[Pruned, bool]:
        """Recover within so many seconds, about; say whether that took fewer epochs."""
        pace = Pace(seconds, self.epochs)
        made = self._pruned(setting, self.epochs, pace)
        if not pace.ended:
            return made, False
        while pace.fit:
            pace = Pace(pace.left, pace.fit)
            made = self._pruned(setting, pace.epochs, pace)
        return noted(made, _SHORT.format(len(made.history), self.epochs)), True

    def _possible(self, setting: Setting) -> Setting:
        """Return the setting, with at least the columns that must stay."""
        least = len(self.fixed) / len(self.problem.plan.names)
        return replace(setting, columns=max(setting.columns, least))

    def _narrowed(self, setting: Setting) -> _Narrowed:
        """Return the graph of a share of the columns: made once, for candidates differ in their units."""
        problem, columns = self.problem, len(self.problem.plan.names)
        count = max(1, round(setting.columns * columns))
        key = (setting.criterion if count < columns else "", count)
        if key not in self._known:
            keep = sorted(self.rankings[setting.criterion][:count]) if count < columns else range(columns)
            graph = problem.graph
            if count < columns:
                graph = narrow(graph, problem.plan, keep, problem.X)
            self._known[key] = _Narrowed(graph, tuple(keep), *problem.tensors(graph, keep))
        return self._known[key]

    def _pruned(self, setting: Setting, epochs: int, pace: Pace | None = None) -> Pruned:
        """Return the network of a setting after so many epochs of recovery, fewer where a pace ends it."""
        problem, given = self.problem, self._narrowed(setting)
        config = self._config(setting, epochs)
        lessons = self._config(setting, self.epochs if epochs else 0).finetune  # drawn once for any length
        return prune(
            given.graph.network,
            config,
            given.train,
            given.valid,
            problem.train,
            task=problem.task,
            outputs=problem.outputs,
            seed=problem.seed,
            teacher=problem.lessons.answers(lessons),
            mixing=problem.lessons.mixtures(lessons),
            rounds=problem.rounds,
            on_epoch=pace,
            narrowed=len(given.keep) < len(problem.plan.names),
        )

    def _measured(self, setting: Setting, pruned: Pruned, *, deployed: bool, timed: bool) -> Made:
        """Measure a network: its final form where `deployed`, else with int8 estimated."""
        given = self._narrowed(setting)
        made = given.graph.with_parts(network=pruned.network).eval()
        folded = fold(made)
        fp32, tried = to_model(folded), {"folded": folded}
        if deployed and not self._agrees(made, fp32, given.keep):
            fp32, tried, pruned = to_model(made), {"unfolded": made}, noted(pruned, _UNFOLDED)
            self._agrees(made, fp32, given.keep, needed=True)
        elif deployed and not isinstance(self.quantise, NoQuantisation):
            tried = forms(made)
        kept = self._form(fp32, tried, given.keep) if deployed else Kept(serialised(fp32), "folded")
        size = len(kept.model) if deployed or timed else self._estimate(fp32)
        wait = latency_us(kept.model, len(given.keep)) if timed else 0.0
        macs, reached = multiply_adds(tried[kept.form]), pruned.valid_metric - max(kept.loss, 0.0)
        figures = Figures(size, macs, wait, reached if math.isfinite(reached) else 0.0)
        held = tuple(self.problem.plan.names[column] for column in self.fixed)
        done = Made(setting, made, figures, kept.model, given.keep, pruned, self.whole, held)
        asked = self.timed or (setting.columns, setting.units) == (1, 1)
        return replace(done, float32=self._in_float32(done, serialised(fp32))) if deployed and asked else done

    def _in_float32(self, made: Made, model: bytes) -> Made | None:
        """Return a candidate's other form, where its file is in int8."""
        assert made.pruned is not None
        if made.model == model:
            return None
        wait, metric = latency_us(model, len(made.keep)), made.pruned.valid_metric
        figures = replace(made.figures, bytes=len(model), latency_us=wait, metric=metric)
        return replace(made, figures=figures, model=model, pruned=noted(made.pruned, _FLOAT32))

    def _agrees(self, made: Graph, fp32: ModelProto, keep: Sequence[int], *, needed: bool = False) -> bool:
        """Whether a file answers validation rows as its network does; an error where that is `needed`."""
        rows = self.problem.valid[:_CHECKED, list(keep)].numpy()
        try:
            check_parity(made, serialised(fp32), rows)
        except EspalierError as error:  # which is all that `check_parity` says of a file
            if needed:
                told = str(error).partition("; set")[0]
                raise EspalierError(
                    f"{told}; its layers cannot be written as they are. Leave out hooks and code that "
                    "depends on the rows, and build the network of torch.nn layers"
                ) from error
            return False
        return True

    def _form(self, fp32: ModelProto, tried: Mapping[str, Graph], keep: Sequence[int]) -> Kept:
        """Return what is kept of a recovered candidate; of the forms that are tried, `fp32` is the first."""
        first, *others = tried
        models = {first: fp32} | {form: to_model(tried[form]) for form in others}
        rows = self.problem.X[:, list(keep)].numpy()
        return choose(models, self.quantise, rows, self._yardstick(keep))

    def _yardstick(self, keep: Sequence[int]) -> Yardstick:
        problem, task = self.problem, self.problem.task
        truth = problem.y_valid
        if task == "regression":
            truth = problem.graph.head(truth.unsqueeze(1))

        def score(answers: NDArray[Any]) -> float:
            outputs = torch.from_numpy(answers)
            return metric(task, outputs if task == "classification" else outputs.unsqueeze(1), truth)

        return Yardstick(problem.valid[:, list(keep)].numpy(), score)

    def _estimate(self, fp32: ModelProto) -> int:
        """Bytes that a file will have: of its matrices a quarter with int8, where that saves its price."""
        size = len(serialised(fp32))
        if isinstance(self.quantise, NoQuantisation):
            return size
        matrices = [math.prod(tensor.dims) for tensor in fp32.graph.initializer if len(tensor.dims) > 1]
        return int(size - sum(max(3 * cells - _INT8_PRICE, 0) for cells in matrices))

    def _config(self, setting: Setting, epochs: int) -> StructuredConfig:
        finetune = self.problem.finetune.model_copy(update={"epochs": epochs})
        return StructuredConfig(amount=1.0 - setting.units, importance=PREDICTOR, finetune=finetune)
