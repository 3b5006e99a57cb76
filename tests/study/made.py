"""Made-up trial results."""

from __future__ import annotations

from typing import Any


def trial(name: str, seed: int = 0, **more: Any) -> dict[str, Any]:
    """One finished trial; figures can be replaced."""
    made: dict[str, Any] = {
        "key": f"{name}-{seed}",
        "id": name,
        "seed": seed,
        "status": "done",
        "reason": None,
        "arm": "grid",
        "name": f"called {name}",
        "overrides": {},
        "headline": "accuracy",
        "valid": {"accuracy": 0.9, "log_loss": 0.3},
        "test": {"accuracy": 0.88, "log_loss": 0.35},
        "bytes": 1000,
        "macs": 500,
        "parameters": 250,
        "latency_us": 10.0,
        "train_seconds": 2.0,
        "history": [{"epoch": 1, "valid_metric": 0.5}, {"epoch": 2, "valid_metric": 0.9}],
        "nodes": {},
        "recipe": {
            "model": "mlp",
            "columns": {"method": "none", "before": 64, "after": 64},
            "rows": {"method": "none", "before": 100, "after": 100},
            "inputs": 64,
            "prune": "none",
            "amount": 0.0,
            "int8": None,
        },
        "hashes": {"data": "d1", "code": "c1"},
    }
    return {**made, **more}


def scored(name: str, seed: int = 0, accuracy: float = 0.9, **more: Any) -> dict[str, Any]:
    """One finished trial of an accuracy on validation rows; on test rows it is two points less."""
    valid = {"accuracy": accuracy, "log_loss": 1 - accuracy}
    test = {"accuracy": accuracy - 0.02, "log_loss": 1.02 - accuracy}
    return trial(name, seed, valid=valid, test=test, **more)


def failed(name: str, seed: int = 0, reason: str = "loss is NaN in epoch 2") -> dict[str, Any]:
    """One failed trial."""
    empty = dict.fromkeys(("bytes", "macs", "parameters", "latency_us", "train_seconds", "headline"))
    gone = {"status": "failed", "reason": reason, "valid": {}, "test": {}, "history": [], "recipe": {}}
    return trial(name, seed, **empty, **gone)


def recipe(
    columns: int = 64, rows: int = 100, amount: float = 0.0, int8: str | None = None
) -> dict[str, Any]:
    """Facts of a recipe."""
    return {
        "model": "mlp",
        "columns": {"method": "none" if columns == 64 else "pca", "before": 64, "after": columns},
        "rows": {"method": "none" if rows == 100 else "random", "before": 100, "after": rows},
        "inputs": 64,
        "prune": "structured" if amount else "none",
        "amount": amount,
        "int8": int8,
    }
