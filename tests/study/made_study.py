"""A made-up study, and what comes of it."""

from __future__ import annotations

from typing import Any

from tasks.config import Params
from tasks.study.summary import Summary, summarise
from tests.study.made import failed, recipe, scored

OFF, UNPRUNED = {"reduce.columns.method": "none"}, {"prune.method": "none"}


def study_results(seeds: int = 3) -> list[dict[str, Any]]:
    """Trials of an ablation with int8, rows, rivals, and a candidate that fails with one seed."""
    many = []
    for seed in range(seeds):
        luck = 0.001 * (seed % 3)

        def one(name: str, arm: str, accuracy: float, size: int, seed: int = seed, **more: Any) -> None:
            made = scored(name, seed, accuracy, arm=arm, bytes=size, **more)
            many.append({**made, "name": f"{name} <b>"})

        one("n", "nothing", 0.95 + luck, 9000, overrides={**OFF, **UNPRUNED}, recipe=recipe())
        one("c", "columns", 0.94, 4000, overrides=UNPRUNED, recipe=recipe(16))
        one("p", "pruning", 0.93, 3000, overrides=OFF, recipe=recipe(amount=0.5))
        one("b", "columns+pruning", 0.935 + luck, 1000, recipe=recipe(16, amount=0.5))
        half = {"reduce.rows.factor": 0.5}
        one("a", "all", 0.90, 1000, overrides=half, recipe=recipe(16, 50, 0.5), train_seconds=1.0)
        lr = {"train.lr": 0.1, "export.quantise.method": "static"}
        one("q", "columns+pruning", 0.91 + luck, 500, overrides=lr, recipe=recipe(16, 100, 0.5, "static"))
        drawn = {"prune.importance": "random"}
        one("r", "random units", 0.90, 1000, overrides=drawn, recipe=recipe(16, amount=0.5))
        one("l", "linear", 0.80, 900, overrides={"model.method": "linear"}, recipe=recipe())
    return [*many, failed("f", 0, "NaN in </script> epoch 2")]


def summary(results: list[dict[str, Any]] | None = None, **study: Any) -> Summary:
    """Summarise made-up trials; they, and section study, can be replaced."""
    facts = {"runner": "threads", "seconds": 130.0, "stopped": "", "notes": ["a note"]}
    params = Params.model_validate({"study": study})
    return summarise(study_results() if results is None else results, params, facts)
