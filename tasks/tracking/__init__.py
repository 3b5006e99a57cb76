"""Runs in MLflow: one for each distinct result. The only package that imports mlflow for runs."""

from tasks.tracking.compare import Comparison, compare
from tasks.tracking.model import warm_up
from tasks.tracking.record import Recorded, record
from tasks.tracking.store import prepare, require_usable, tracking_uri

__all__ = [
    "Comparison",
    "Recorded",
    "compare",
    "prepare",
    "record",
    "require_usable",
    "tracking_uri",
    "warm_up",
]
