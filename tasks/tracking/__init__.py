"""Runs in MLflow: one for each distinct result. The only package that imports mlflow for runs."""

from tasks.tracking.compare import Comparison, compare
from tasks.tracking.model import warm_up
from tasks.tracking.record import Recorded, record, tag_run
from tasks.tracking.store import (
    end_server,
    own_database,
    prepare,
    require_usable,
    server_stores,
    shared,
    tracking_uri,
)
from tasks.tracking.study import RecordedStudy, Study, record_study

__all__ = [
    "Comparison",
    "Recorded",
    "RecordedStudy",
    "Study",
    "compare",
    "end_server",
    "own_database",
    "prepare",
    "record",
    "record_study",
    "require_usable",
    "server_stores",
    "shared",
    "tag_run",
    "tracking_uri",
    "warm_up",
]
