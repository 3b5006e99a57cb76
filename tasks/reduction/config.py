"""Section `reduce` of params.yaml."""

from __future__ import annotations

from pydantic import Field, model_validator

from tasks.reduction.column_config import ColumnsConfig, WeightNormColumns
from tasks.reduction.row_config import NoRows, RowsConfig
from tasks.settings import Section

__all__ = ["ReduceConfig"]


PROJECTING = ("pca", "truncated_svd", "random_projection", "pls", "lda", "autoencoder")
"""Methods whose layers have weights to train; auto may choose one of them."""


class ReduceConfig(Section):
    """What the data lose before the small network is trained."""

    columns: ColumnsConfig = Field(default_factory=WeightNormColumns, description="fewer columns")
    rows: RowsConfig = Field(default_factory=NoRows, description="fewer training rows")
    tolerance: float = Field(
        0.005,
        ge=0,
        lt=1,
        description="auto keeps the fewest whose validation metric is within this of the best",
    )
    unfreeze: bool = Field(
        False, description="train the projection together with the network, from its fit onwards"
    )

    @model_validator(mode="after")
    def _has_something_to_train(self) -> ReduceConfig:
        method = self.columns.method
        if self.unfreeze and method not in (*PROJECTING, "auto"):
            raise ValueError(
                f"unfreeze trains a projection, and columns.method: {method} has none: set it to "
                f"{', '.join(PROJECTING)} or auto, or unfreeze: false"
            )
        return self
