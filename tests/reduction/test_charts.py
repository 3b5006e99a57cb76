from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.reduction.charts import draw, ranking
from tasks.reduction.column_config import ColumnsConfig
from tasks.reduction.columns import fit_columns
from tasks.reduction.reduction import Reduction
from tasks.reduction.row_config import NoRows
from tasks.reduction.rows import reduce_rows
from tasks.reduction.sample import Sample

METHODS: list[dict[str, object]] = [
    {"method": "none"},
    {"method": "weight_norm", "components": 5},
    {"method": "pca", "components": 0.5},
    {"method": "dct", "keep": 2},
    {"method": "interpolative", "components": 3},
    {"method": "autoencoder", "components": 3, "hidden": [6], "epochs": 2},
]


def fitted(options: dict[str, object], sample: Sample) -> Reduction:
    config: ColumnsConfig = TypeAdapter(ColumnsConfig).validate_python(options)
    return reduce_rows(NoRows(), fit_columns(config, sample), sample)


@pytest.mark.parametrize("options", METHODS, ids=lambda options: str(options["method"]))
def test_the_picture_has_the_same_bytes_each_time(options: dict[str, object], image: Sample) -> None:
    reduction = fitted(options, image)
    picture = draw(reduction, image.plan)
    assert picture.startswith(b"\x89PNG")
    assert picture == draw(reduction, image.plan)


def test_a_selection_ranks_every_column_and_marks_the_kept(image: Sample) -> None:
    table = ranking(fitted({"method": "weight_norm", "components": 5}, image), image.plan)
    assert len(table) == 36
    assert table["kept"].tolist() == [1] * 5 + [0] * 31
    assert (np.diff(table["value"]) <= 0).all()
    assert table["cumulative"].iloc[-1] == pytest.approx(1)


def test_components_are_ranked_by_their_share_of_the_variance(image: Sample) -> None:
    reduction = fitted({"method": "pca", "components": 3}, image)
    table = ranking(reduction, image.plan)
    assert table["value"].head(3).tolist() == pytest.approx(reduction.report["columns"]["explained_variance"])
    assert table["kept"].sum() == 3


def test_keeping_everything_ranks_nothing(image: Sample) -> None:
    table = ranking(fitted({"method": "none"}, image), image.plan)
    assert list(table.columns) == ["rank", "name", "value", "cumulative", "kept"]
    assert table.empty


def test_methods_that_auto_compared_are_drawn_side_by_side_without_the_refused(image: Sample) -> None:
    chosen = fitted({"method": "pca", "components": 3}, image)
    trials = [
        {"method": "pca", "components": 3, "score": 0.9, "refused": None},
        {"method": "lda", "components": None, "score": None, "refused": "too few classes"},
    ]
    compared = replace(
        chosen, report={**chosen.report, "columns": {**chosen.report["columns"], "trials": trials}}
    )
    assert draw(compared, image.plan).startswith(b"\x89PNG")
    assert draw(compared, image.plan) != draw(chosen, image.plan)
