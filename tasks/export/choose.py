"""Which form of a model is kept: float32 or int8, by bytes and by the validation metric, never by a clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from tasks.errors import EspalierError
from tasks.export.config import AutoQuantisation, NoQuantisation, QuantiseConfig, StaticQuantisation
from tasks.export.onnx import run_onnx, serialised, session
from tasks.export.quantise import QUANTISERS, calibration_rows

__all__ = ["NEAR", "Candidate", "Kept", "Yardstick", "agreement", "choose"]

Array = npt.NDArray[Any]
NEAR = 1.05  # files within 5 % of the smallest count as equally small; the faster form goes first


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What forms are held against: validation rows (n, p), and the headline metric of answers to them."""

    rows: Array
    metric: Callable[[Array], float]
    higher_is_better: bool = True

    def loss(self, fp32: float, int8: float) -> float:
        """Return what is lost from one figure to the other, positive when it is worse."""
        return fp32 - int8 if self.higher_is_better else int8 - fp32


@dataclass(frozen=True)
class Candidate:
    """An int8 form: bytes, agreement with float32 on validation rows, the metric there and its loss.

    ``form`` names the float32 model that it was made of, ``per_channel`` whether each unit has a scale.
    ``why`` says why it cannot be kept; None when it can. Figures that are unknown are None.
    """

    method: str
    form: str
    per_channel: bool = True
    bytes: int | None = None
    agreement: float | None = None
    metric: float | None = None
    loss: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class Kept:
    """The model that is kept, as bytes, its form, the report of the choice, and the metric lost by int8."""

    model: bytes
    form: str
    report: dict[str, Any] | None = None
    loss: float = 0.0


def agreement(wanted: Array, got: Array) -> float:
    """Share of rows with the same likeliest class; for a regression, R² of one prediction for the other."""
    if wanted.ndim == 2:
        return float(np.mean(wanted.argmax(axis=1) == got.argmax(axis=1)))
    spread = float(np.var(wanted))
    return (
        1.0 - float(np.mean((got - wanted) ** 2)) / spread if spread else float(np.array_equal(wanted, got))
    )


Made: TypeAlias = tuple[Candidate, bytes]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _objection(found: Candidate, fp32: int, loss: float, config: Any) -> str | None:
    """Say why a form cannot be kept; None when it can."""
    size, agreed = found.bytes or 0, found.agreement or 0.0
    if size >= fp32:
        return f"int8 would be {'as large' if size == fp32 else 'larger'}: {size:,} bytes, float32 {fp32:,}"
    if not agreed >= config.agreement:
        wanted = f"export.quantise.agreement {config.agreement:g}"
        return f"it would agree with float32 by {agreed:.4g}, under {wanted}"
    if not loss <= config.tolerance:
        allowed = f"export.quantise.tolerance {config.tolerance:g}"
        return f"the validation metric would lose {loss:.4g}, over {allowed}"
    return None


def _weighed(found: Candidate, model: bytes, fp32: bytes, by: Yardstick, config: Any) -> Candidate:
    """Hold one int8 form against float32."""
    wanted, got = (run_onnx(session(form), by.rows) for form in (fp32, model))
    if not np.isfinite(got).all():
        return replace(found, bytes=len(model), why="its answers are not finite")
    metric = by.metric(got)
    loss = by.loss(by.metric(wanted), metric)
    known = replace(found, bytes=len(model), agreement=agreement(wanted, got), metric=_known(metric))
    return replace(known, loss=_known(loss), why=_objection(known, len(fp32), loss, config))


@dataclass(frozen=True, eq=False)
class _Bench:
    """What int8 models are made of and held against: float32 models by form, calibration rows, validation."""

    models: Mapping[str, onnx.ModelProto]
    config: Any
    rows: Array
    by: Yardstick


def _made(bench: _Bench, method: str, form: str) -> Made:
    """Make one int8 model; under ``auto`` with one scale a layer where that is smaller and no worse."""
    fine = _scaled(bench, method, form, bench.config.per_channel)
    if bench.config.method != "auto" or not bench.config.per_channel or fine[0].bytes is None:
        return fine
    coarse = _scaled(bench, method, form, False)
    return coarse if _beats(coarse[0], fine[0]) else fine


def _beats(coarse: Candidate, fine: Candidate) -> bool:
    """Whether one scale a layer can be kept and is worth it."""
    if coarse.why is not None or fine.why is not None:
        return coarse.why is None
    return (coarse.loss or 0.0) <= (fine.loss or 0.0) and NEAR * (coarse.bytes or 0) < (fine.bytes or 0)


def _scaled(bench: _Bench, method: str, form: str, per_channel: bool) -> Made:
    """Make one int8 model; under ``auto`` one that cannot be made says why."""
    config, models = bench.config, bench.models
    fp32, found = serialised(next(iter(models.values()))), Candidate(method, form, per_channel)
    try:
        int8 = serialised(QUANTISERS[method](models[form], bench.rows, per_channel))
    except EspalierError as error:
        if config.method != "auto":
            raise
        return replace(found, why=str(error)), fp32
    return _weighed(found, int8, fp32, bench.by, config), int8


def _best(forms: Sequence[Made]) -> Made | None:
    """Return the first of those whose file is within 5 % of the smallest that can be kept."""
    fit = [pair for pair in forms if pair[0].why is None]
    smallest = min((len(model) for _, model in fit), default=0)
    return next((pair for pair in fit if len(pair[1]) <= NEAR * smallest), None)


def _distinct(models: Mapping[str, onnx.ModelProto]) -> dict[str, onnx.ModelProto]:
    """Leave out forms that are no other than one before them."""
    first: dict[bytes, str] = {}
    for form, model in models.items():
        first.setdefault(serialised(model), form)
    return {form: models[form] for form in first.values()}


def choose(
    models: Mapping[str, onnx.ModelProto], config: QuantiseConfig, train: Array, by: Yardstick
) -> Kept:
    """Make the int8 models that ``config`` asks for and keep one of them, or float32.

    Parameters
    ----------
    models
        Equivalent float32 models by form; the first is the one that is kept when no int8 model is.
    config
        Section `export.quantise`.
    train
        Numeric training rows (n, p) of the model's columns; calibration rows are drawn from them.
    by
        Validation rows and the metric that the choice is made on.

    Returns
    -------
    Kept
        The smallest int8 model that agrees with float32 and whose metric is within the tolerance. Of those
        within 5 % of it, in this order: static, dynamic, weights; at equal size that is their order in speed.
        Under ``auto`` one scale stands for a whole layer where that is over 5 % smaller and no worse.

    Raises
    ------
    EspalierError
        When a method that was asked for by name cannot be applied.
    """
    first = next(iter(models))
    fp32 = serialised(models[first])
    if isinstance(config, NoQuantisation):
        return Kept(fp32, first)
    count, seed = 0, 0
    if isinstance(config, StaticQuantisation | AutoQuantisation):
        count, seed = config.calibration, config.seed
    rows, forms = calibration_rows(train, count, seed), _distinct(models)
    methods = tuple(QUANTISERS) if config.method == "auto" else (config.method,)
    bench = _Bench(forms, config, rows, by)
    made = [_made(bench, method, form) for method in methods for form in forms]
    best = _best(made)
    report = {
        "method": config.method,
        "chosen": best[0].method if best else "none",
        "form": best[0].form if best else first,
        "tolerance": config.tolerance,
        "calibration_rows": len(rows),
        "rows": len(by.rows),
        "fp32": {"bytes": len(fp32), "metric": _known(by.metric(run_onnx(session(fp32), by.rows)))},
        "candidates": [asdict(candidate) for candidate, _ in made],
    }
    if best is None:
        return Kept(fp32, first, report)
    return Kept(best[1], best[0].form, report, best[0].loss or 0.0)
