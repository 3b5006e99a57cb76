"""The `prune` section of params.yaml: a union discriminated by `method`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tasks.pruning.finetune_config import FinetuneConfig
from tasks.settings import Section

__all__ = [
    "BlocksConfig",
    "FinetuneConfig",
    "InputsConfig",
    "LowRankConfig",
    "NoPruneConfig",
    "PruneConfig",
    "StepConfig",
    "StepsConfig",
    "StructuredConfig",
    "UnstructuredConfig",
    "steps_of",
]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Amount = Share | Literal["auto"]


Importance = Literal[
    "magnitude", "taylor", "hessian", "lamp", "activation", "batch_norm", "random", "decomposition"
]


class _PruneSection(Section):
    importance: Importance = Field(
        "magnitude",
        description="what ranks weights or units: magnitude | taylor (first order) | hessian (second) | lamp "
        "(magnitude adapted to each layer) | activation (weight times input) | random; for units also "
        "batch_norm (scales) | decomposition (the next layer makes up for those that leave)",
    )
    norm: Literal["l1", "l2"] = Field("l2", description="magnitude of a unit's weights: l1 | l2")
    scope: Literal["local", "global", "per_layer", "sensitivity"] = Field(
        "local",
        description="local: the same share of every layer | global: ranked over all layers | per_layer: "
        "amount names layers | sensitivity: layers that the validation metric misses less lose more",
    )
    amount: Amount | dict[str, Share] | None = Field(
        0.8,
        description="share of units (structured) or weights (unstructured) removed, or auto; with scope "
        "per_layer a share for each layer named",
    )
    tolerance: float = Field(
        0.005, ge=0.0, description="amount: auto keeps the validation metric within this of the reference"
    )
    rounds: int = Field(1, ge=1, description="1: one-shot; more: prune and recover in turn")
    finetune: FinetuneConfig = Field(
        default_factory=FinetuneConfig, description="recovery after each removal"
    )

    @property
    def criterion(self) -> str:
        """Name in `tasks.pruning.importance.CRITERIA`."""
        return "magnitude_l1" if (self.importance, self.norm) == ("magnitude", "l1") else self.importance

    @model_validator(mode="after")
    def _layers_are_named_or_not(self) -> _PruneSection:
        if isinstance(self.amount, dict) and self.scope != "per_layer":
            raise ValueError(f"amount names layers, scope is {self.scope}; set scope: per_layer")
        if self.scope == "per_layer" and not (isinstance(self.amount, dict) and self.amount):
            raise ValueError(
                "scope per_layer needs an amount for each layer, as in {body.0: 0.5, body.2: 0.9}"
            )
        return self

    @model_validator(mode="after")
    def _norm_is_looked_at(self) -> _PruneSection:
        if self.norm != "l2" and self.importance != "magnitude":
            raise ValueError(f"norm {self.norm} is of importance magnitude; {self.importance} has none")
        return self


class NoPruneConfig(_PruneSection):
    """Nothing is removed: the reduced network goes on unchanged and the other keys do nothing."""

    method: Literal["none"] = Field(description="none: the reduced network unchanged")


class StructuredConfig(_PruneSection):
    """Whole units (neurons, channels) are removed, so the layers become physically smaller."""

    method: Literal["structured"] = Field("structured", description="structured: whole units or channels")

    @model_validator(mode="after")
    def _amount_is_given(self) -> StructuredConfig:
        if self.amount is None:
            raise ValueError("structured pruning needs amount, a share in [0, 1] or auto")
        return self


class UnstructuredConfig(_PruneSection):
    """Single weights become zero and stay zero; shapes stay, stored bytes shrink after compression."""

    method: Literal["unstructured"] = Field(description="unstructured: single weights")
    threshold: float | None = Field(
        None,
        gt=0.0,
        description="instead of amount: weights below it go; with scope local, below it times the "
        "standard deviation of their layer",
    )
    schedule: Literal["oneshot", "iterative", "gradual"] = Field(
        "oneshot",
        description="oneshot | iterative (prune, recover, `rounds` times) | gradual (cubic, while training)",
    )
    shape: Literal["cubic", "linear", "exponential"] = Field(
        "cubic", description="gradual: how sparsity grows over the first 60 % of the epochs"
    )
    start: Literal["trained", "scratch"] = Field(
        "trained", description="gradual: begin with the trained weights | with fresh initial weights"
    )
    rewind: Literal["none", "init"] | Annotated[int, Field(ge=1)] = Field(
        "none",
        description="survivors go back before recovery: init: to their initial values (lottery ticket) | a "
        "count: to those after so many epochs of training",
    )

    @model_validator(mode="before")
    @classmethod
    def _threshold_replaces_default_amount(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("threshold") is not None and "amount" not in data:
            return {**data, "amount": None}
        return data

    @model_validator(mode="after")
    def _no_contradictions(self) -> UnstructuredConfig:
        broken = [message for wrong, message in self._rules() if wrong]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        gradual, scratch = self.schedule == "gradual", self.start == "scratch"
        by_value = self.threshold is not None
        return (
            (
                self.importance in ("batch_norm", "decomposition"),
                f"importance {self.importance} ranks units, not weights; use method structured, or "
                "importance magnitude, taylor, hessian, lamp, activation or random",
            ),
            (
                by_value and self.amount is not None,
                "amount and threshold exclude each other; make one null",
            ),
            (not by_value and self.amount is None, "give amount (a share in [0, 1] or auto) or threshold"),
            (
                by_value and self.importance != "magnitude",
                f"threshold compares magnitudes; importance {self.importance} needs amount",
            ),
            (
                by_value and self.schedule != "oneshot",
                f"schedule {self.schedule} needs amount",
            ),
            (
                self.schedule == "iterative" and self.rounds < 2,
                "schedule iterative needs rounds of 2 or more; one round is schedule oneshot",
            ),
            (
                self.schedule != "iterative" and self.rounds > 1,
                f"rounds {self.rounds} needs schedule iterative; schedule {self.schedule} has one",
            ),
            (
                by_value and self.scope == "sensitivity",
                "scope sensitivity divides an amount; a threshold needs scope local or global",
            ),
            (
                self.shape != "cubic" and not gradual,
                f"shape {self.shape} needs schedule gradual",
            ),
            (
                scratch and not gradual,
                "start scratch needs schedule gradual: untrained weights say nothing about importance",
            ),
            (
                gradual and self.rewind != "none",
                f"rewind {self.rewind} needs schedule oneshot or iterative",
            ),
            (
                gradual and self.finetune.length() == 0,
                "schedule gradual prunes during training; finetune.epochs must be at least 1",
            ),
        )


class InputsConfig(Section):
    """Raw columns leave the whole path: network, projection, cleaning and what a caller must bring."""

    method: Literal["inputs"] = Field(description="inputs: raw columns, through the reducer")
    of: Literal["columns", "components"] = Field(
        "columns",
        description="columns: of the source | components: outputs of a projection, which keeps its columns",
    )
    importance: Literal["weight", "decomposition", "taylor", "permutation"] = Field(
        "weight",
        description="weight: first-layer norm x deviation | decomposition: what tells most about all | "
        "taylor | permutation (on validation rows)",
    )
    amount: Amount = Field(
        0.5, description="share of the numeric columns, or components, taken away; or auto"
    )
    tolerance: float = Field(
        0.005, ge=0.0, description="amount: auto keeps the validation metric within this of the reference"
    )
    rounds: int = Field(1, ge=1, description="1: at once; more: take away and recover in turn")
    finetune: FinetuneConfig = Field(
        default_factory=FinetuneConfig, description="recovery after each removal"
    )


class LowRankConfig(Section):
    """Linear and convolution layers become two thinner ones each, fitted to what passes through them."""

    method: Literal["low_rank"] = Field(
        description="low_rank: a Linear or convolution becomes two thinner ones"
    )
    amount: Amount = Field(
        0.5,
        description="share of these layers' weights that goes, from where what they give loses least by it; "
        "or auto",
    )
    tolerance: float = Field(
        0.005, ge=0.0, description="amount: auto keeps the validation metric within this of the reference"
    )
    finetune: FinetuneConfig = Field(
        default_factory=FinetuneConfig, description="recovery after each removal"
    )


class BlocksConfig(Section):
    """Whole residual blocks are removed: what a block was added to passes on alone."""

    method: Literal["blocks"] = Field(description="blocks: whole residual blocks")
    importance: Literal["bypass", "magnitude", "taylor", "hessian", "activation", "random"] = Field(
        "bypass",
        description="bypass: loss on training rows without the block | a criterion's sum over its weights",
    )
    amount: Amount = Field(0.5, description="share of the residual blocks removed, or auto; one stays")
    tolerance: float = Field(
        0.005, ge=0.0, description="amount: auto keeps the validation metric within this of the reference"
    )
    rounds: int = Field(1, ge=1, description="1: at once; more: remove and recover in turn")
    finetune: FinetuneConfig = Field(
        default_factory=FinetuneConfig, description="recovery after each removal"
    )


StepConfig = UnstructuredConfig | StructuredConfig | InputsConfig | LowRankConfig | BlocksConfig
"""What one removal is made of; `tasks.pruning.steps.STEPS` has a function for each `method`."""


class StepsConfig(Section):
    """A recipe: several removals in turn, each with its own amount (or auto) and its own recovery."""

    method: Literal["steps"] = Field(description="steps: a list of removals")
    steps: tuple[Annotated[StepConfig, Field(discriminator="method")], ...] = Field(
        min_length=1, description="sections like this one, each with a method of its own, in their order"
    )

    @model_validator(mode="after")
    def _shapes_are_those_of_training(self) -> StepsConfig:
        """Refuse to go back to weights that an earlier step has made smaller."""
        shapes = True
        for number, step in enumerate(self.steps):
            again = isinstance(step, UnstructuredConfig) and (step.start, step.rewind) != ("trained", "none")
            if again and not shapes:
                raise ValueError(
                    f"steps.{number}: start scratch and rewind need the layers that training had; "
                    "put the step before those that remove units, or leave start and rewind out"
                )
            shapes = shapes and isinstance(step, UnstructuredConfig)
        return self


PruneConfig = Annotated[
    NoPruneConfig | StepConfig | StepsConfig,
    Field(discriminator="method"),
]


def steps_of(config: PruneConfig) -> tuple[StepConfig, ...]:
    """Return the removals of a section: those of a recipe, the section itself, or none."""
    if isinstance(config, NoPruneConfig):
        return ()
    return config.steps if isinstance(config, StepsConfig) else (config,)
