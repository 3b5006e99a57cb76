"""A stated budget: what the compressed model may cost, and what it may lose."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from tasks.export.config import NoQuantisation, QuantiseConfig
from tasks.pruning.config import FinetuneConfig, NoPruneConfig, StepConfig, StepsConfig
from tasks.pruning.finetune_config import REMOVAL_EPOCHS
from tasks.settings import Section

__all__ = [
    "CANDIDATE_EPOCHS",
    "BudgetConfig",
    "BudgetedConfig",
    "PruneSection",
    "candidate_epochs",
    "recovery_epochs",
]


CANDIDATE_EPOCHS: Final = 180
"""Epochs of a candidate's recovery where `finetune.epochs` is auto: what is very small needs longer."""

_SHORTEST: Final = 30
_PRESENTED: Final = 600_000
"""Rows shown in a recovery after which fewer epochs do: several recoveries have to fit into the time box."""


class BudgetConfig(Section):
    """Limits that a search has to meet, and what it minimises within them."""

    max_metric_drop: float | None = Field(
        0.005,
        ge=0,
        le=1,
        description="validation metric at most this far below the reference's, which counts as the mean from "
        "its best epoch on, for a picked epoch flatters (but at most by what these rows leave to luck); "
        "null: any",
    )
    max_bytes: int | None = Field(None, ge=1, description="bytes of the exported file")
    max_latency_p50_us: float | None = Field(
        None, gt=0, description="microseconds of one row in ONNX Runtime on this machine, median"
    )
    max_macs: int | None = Field(None, ge=1, description="multiply-adds of one row")
    max_seconds: float = Field(180.0, gt=0, description="time box of the whole search")
    objective: Literal["smallest", "fastest", "best"] = Field(
        "smallest", description="smallest file | fastest row | best metric, within the limits"
    )

    @property
    def counts_time(self) -> bool:
        """Whether a limit or the objective is about latency."""
        return self.max_latency_p50_us is not None or self.objective == "fastest"

    @model_validator(mode="after")
    def _bounds_something(self) -> BudgetConfig:
        if self.objective != "best" and self.max_metric_drop is None:
            raise ValueError(f"objective {self.objective} needs max_metric_drop: the smallest model is none")
        costs = (self.max_bytes, self.max_latency_p50_us, self.max_macs)
        if self.objective == "best" and costs == (None, None, None):
            raise ValueError("objective best needs max_bytes, max_latency_p50_us or max_macs")
        return self


class BudgetedConfig(BudgetConfig):
    """Columns and units are chosen to meet a budget; the reference is the dense one."""

    method: Literal["budget"] = Field(description="budget: columns and units chosen to meet limits")
    finetune: FinetuneConfig = Field(
        default_factory=FinetuneConfig, description="recovery of the few candidates that are worth it"
    )
    quantise: QuantiseConfig = Field(
        default_factory=NoQuantisation, description="how the result will be exported: as export.quantise"
    )


PruneSection = Annotated[
    NoPruneConfig | StepConfig | StepsConfig | BudgetedConfig, Field(discriminator="method")
]


def candidate_epochs(rows: int) -> int:
    """Return how many epochs a candidate recovers for on so many training rows.

    Examples
    --------
    >>> candidate_epochs(3_000), candidate_epochs(10_000), candidate_epochs(1_000_000)
    (180, 60, 30)
    """
    return max(_SHORTEST, min(CANDIDATE_EPOCHS, _PRESENTED // max(rows, 1)))


def recovery_epochs(config: PruneSection, rows: int, trained: int) -> int | None:
    """Return how many epochs a recovery on so many rows takes; None for a recipe, where each step says so.

    `trained` are the epochs that the network was trained for.
    """
    if isinstance(config, StepsConfig):
        return None
    auto = candidate_epochs(rows) if isinstance(config, BudgetedConfig) else REMOVAL_EPOCHS
    return config.finetune.length(auto, trained=trained)
