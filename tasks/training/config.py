"""Sections `train` and `reference` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings import Section

__all__ = ["ReferenceConfig", "TrainConfig"]


class TrainConfig(Section):
    """How a network is trained; stages reference and train share it."""

    epochs: int = Field(20, ge=1, description="passes over the training rows")
    batch: int = Field(128, ge=1, description="rows of one step")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="adamw | sgd (Nesterov momentum)")
    lr: float = Field(0.003, gt=0, allow_inf_nan=False, description="largest learning rate of the schedule")
    weight_decay: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="share of the weights taken off, times lr, each step"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd only")
    schedule: Literal["onecycle", "cosine", "step", "plateau", "constant"] = Field(
        "onecycle", description="how the learning rate moves over the epochs"
    )
    patience: int = Field(
        0, ge=0, description="epochs without a better validation metric before stopping; 0: never"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label spread over all classes")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: every class counts the same, however rare"
    )
    clip_norm: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="largest gradient norm; 0: no clipping"
    )
    precision: Literal["float32", "mixed"] = Field(
        "float32", description="mixed: 16 bit where a CUDA device has it, float32 elsewhere"
    )
    loader: Literal["memory", "stream"] = Field(
        "memory", description="memory: index batching | stream: a DataLoader over the file"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="auto takes cuda, then mps, then cpu"
    )
    threads: int = Field(1, ge=1, description="CPU threads; results are bit-equal at equal threads")
    deterministic: bool = Field(True, description="only operations that give the same bits each time")
    seed: int = Field(0, ge=0, lt=2**32, description="seeds initial weights, batches, dropout, subsets")


class ReferenceConfig(Section):
    """Where the dense reference comes from."""

    weights: str | None = Field(
        None, description=".safetensors or .pth state of a trained network, instead of training one"
    )
