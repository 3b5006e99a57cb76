"""The two saved views of a study: its candidates as a table, its front as charts."""

from __future__ import annotations

from tasks.tracking.study.facts import Study
from tasks.tracking.views import chart_state, parallel, runs_state, scatter, view_tag

__all__ = ["front_view", "study_views", "table_view"]

VARIED = 6  # parameters in the table
AXES = 3  # parameters among the parallel coordinates, whose headings run into each other
FIGURES = ("study/rank", "size/bytes", "size/times_smaller", "speed/p50_us", "cost/train_s")


def table_view(study: Study) -> str:
    """Return the key of the table."""
    return f"espalier-study-{study.mark}-table"


def front_view(study: Study) -> str:
    """Return the key of the charts."""
    return f"espalier-study-{study.mark}-front"


def study_views(study: Study) -> dict[str, str]:
    """Return the experiment tags of both views; they find the candidates of this study alone."""
    views = (
        (table_view(study), f"{study.name}: candidates", _table(study)),
        (front_view(study), f"{study.name}: front", _table(study) | _charts(study)),
    )
    return dict(view_tag(*view) for view in views)


def _table(study: Study) -> dict[str, object]:
    test = study.key.replace("valid/", "test/", 1)
    columns = [
        *(f"metrics.`{name}`" for name in (study.key, test, *FIGURES)),
        "tags.`espalier.arm`",
        "tags.`espalier.pick`",
        *(f"params.`{name}`" for name in study.varied[:VARIED]),
        "tags.`espalier.unranked`",
    ]
    return runs_state("study/rank", True, f"tags.`espalier.study` = '{study.mark}'", columns)


def _charts(study: Study) -> dict[str, object]:
    y, name = study.key, study.headline
    charts = [
        scatter("size", "size/log10_bytes", y, f"Validation {name} against size (log10 bytes)"),
        scatter("speed", "speed/p50_us", y, f"Validation {name} against latency at batch 1 (us)"),
        parallel(study.varied[:AXES], ["size/log10_bytes", y]),
        scatter("cost", "cost/train_s", y, f"Validation {name} against training time (s)"),
    ]
    return chart_state("Green: on the front", charts)
