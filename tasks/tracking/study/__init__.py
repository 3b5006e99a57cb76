"""Studies in MLflow: one parent run a study, one child run a candidate."""

from tasks.tracking.study.facts import Study
from tasks.tracking.study.record import RecordedStudy, record_study

__all__ = ["RecordedStudy", "Study", "record_study"]
