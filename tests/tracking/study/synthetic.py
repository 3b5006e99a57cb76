"""Trials as a study leaves them, computed by nobody."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, cast

from tasks.config import Params
from tasks.errors import ConfigError
from tasks.study.naming import arm_of, recipe
from tasks.study.objectives import objective
from tasks.study.overrides import validated
from tasks.study.rows import aggregate
from tasks.study.standing import stand
from tasks.tracking import Study

COLUMNS = 650
NOTHING = {"reduce.columns.method": "none", "prune.method": "none"}
REFUSED = {"prune.amount": 7.0}


def digest(overrides: Mapping[str, Any]) -> str:
    """An id as candidates have one."""
    return hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest()[:8]


def recipes() -> Iterator[dict[str, Any]]:
    """The ablation's corners, then a grid."""
    yield NOTHING
    yield {"reduce.columns.method": "pca", "reduce.columns.components": 64, "prune.method": "none"}
    yield {"reduce.columns.method": "none", "prune.amount": 0.8}
    sizes, amounts, forms = [256, 128, 64, 32, 16, 8], [0.5, 0.7, 0.8, 0.9, 0.95], ["none", "static"]
    for components, amount, form in product(sizes, amounts, forms):
        yield {
            "reduce.columns.method": "pca",
            "reduce.columns.components": components,
            "prune.amount": amount,
            "export.quantise.method": form,
        }
    for hundredth in range(1, 1000):
        yield {"prune.amount": round(0.2 + hundredth * 7e-4, 6)}


def trial(params: Params, overrides: Mapping[str, Any], seed: int, epochs: int = 60) -> dict[str, Any]:
    """One finished trial: quality falls where little is kept."""
    own = validated(params, overrides)
    amount = float(getattr(own.prune, "amount", 0.0) if own.prune.method != "none" else 0.0)
    method = own.reduce.columns.method
    after = COLUMNS if method == "none" else int(cast(Any, own.reduce.columns).components)
    int8 = own.export.quantise.method
    kept = (1 - amount) * (after + 256) * 512
    size = int(kept * (1.2 if int8 != "none" else 4.2)) + 3000
    luck = int(digest(overrides), 16) % 7 * 0.0006
    quality = 0.955 - luck - 0.02 * math.exp(-kept / 9000) - 0.001 * (int8 != "none") + 0.002 * (seed - 1)
    return {
        "key": f"{digest(overrides)}-{seed}",
        "id": digest(overrides),
        "seed": seed,
        "status": "done",
        "reason": None,
        "arm": arm_of(own),
        "name": recipe(own, params, overrides),
        "overrides": dict(overrides),
        "headline": "accuracy",
        "valid": {"accuracy": quality, "macro_f1": quality - 0.01, "log_loss": 1 - quality, "ece": None},
        "test": {"accuracy": quality - 0.004, "macro_f1": quality - 0.015, "log_loss": 1.1 - quality},
        "bytes": size,
        "macs": int(kept),
        "parameters": int(kept) + 200,
        "train_seconds": 1.0 + after / 200,
        "latency_us": 5.0 + kept / 9000,
        "history": [
            {
                "epoch": e,
                "train_loss": 1 / e,
                "valid_loss": 1.1 / e,
                "valid_metric": quality - 0.3 / e,
                "lr": 0.003,
            }
            for e in range(1, epochs + 1)
        ],
        "recipe": {
            "model": "mlp",
            "columns": {"method": method, "before": COLUMNS, "after": after},
            "rows": {"method": "none", "before": 3000, "after": 3000},
            "inputs": COLUMNS,
            "prune": own.prune.method,
            "amount": amount,
            "int8": None if int8 == "none" else int8,
        },
        "hashes": {"data": "d" * 32, "code": "c" * 32},
        "nodes": {},
    }


def failed(params: Params, overrides: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A trial whose parameters cannot be."""
    try:
        validated(params, overrides)
    except ConfigError as error:
        reason = "; ".join(str(problem) for problem in error.problems)
    empty: dict[str, Any] = {name: {} for name in ("valid", "test", "recipe", "nodes")}
    unknown = dict.fromkeys(("headline", "bytes", "macs", "parameters", "train_seconds", "latency_us"))
    return {
        **empty,
        **unknown,
        "key": f"{digest(overrides)}-{seed}",
        "id": digest(overrides),
        "seed": seed,
        "status": "failed",
        "reason": reason,
        "arm": "grid",
        "name": "prune=structured:7",
        "overrides": dict(overrides),
        "history": [],
    }


def study(
    params: Params,
    candidates: int = 8,
    seeds: int = 3,
    epochs: int = 60,
    extra: Sequence[Mapping[str, Any]] = (),
    slowness: float = 1.0,
    **more: Any,
) -> Study:
    """Make a study of so many candidates and `extra` ones; the last one failed."""
    wanted = [*islice(recipes(), candidates - 1), *extra]
    results = [trial(params, overrides, seed, epochs) for overrides in wanted for seed in range(seeds)]
    timed = [result | {"latency_us": slowness * result["latency_us"]} for result in results]
    timed += [failed(params, REFUSED, seed) for seed in range(seeds)]
    objectives = [objective(name, "accuracy") for name in params.study.objectives]
    return Study(params, stand(aggregate(timed), objectives, {}, margin=0.01), **more)
