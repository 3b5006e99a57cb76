"""Section `model` of params.yaml: one class per family, told apart by `method`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from tasks.settings import Section

__all__ = [
    "Cnn1dConfig",
    "Cnn2dConfig",
    "LinearConfig",
    "MlpConfig",
    "ModelConfig",
    "ResMlpConfig",
    "UserConfig",
]

Width: TypeAlias = Annotated[int, Field(ge=1)]
Share = Field(0.0, ge=0, lt=1, description="share of units silenced at random while training")


class LinearConfig(Section):
    """One Linear layer: logistic or linear regression."""

    method: Literal["linear"] = Field("linear", description="one Linear layer")


class MlpConfig(Section):
    """Linear and ReLU in turn."""

    method: Literal["mlp"] = Field("mlp", description="fully connected layers")
    hidden: tuple[Width, ...] = Field((512, 256), min_length=1, description="units of each hidden layer")
    dropout: float = Share


class ResMlpConfig(Section):
    """Residual blocks of two Linear layers (Gorishniy et al., 2021)."""

    method: Literal["resmlp"] = Field("resmlp", description="fully connected residual blocks")
    width: int = Field(128, ge=1, description="units of the residual stream")
    inner: tuple[Width, ...] = Field((256, 256), min_length=1, description="units inside each block")
    dropout: float = Share


class _CnnConfig(Section):
    channels: tuple[Width, ...] = Field((32, 64), min_length=1, description="channels of each convolution")
    kernel: int = Field(3, ge=1, le=31, description="cells along each axis of a convolution's window")
    pool: int = Field(2, ge=1, le=8, description="max-pooling after each convolution; 1: none")
    readout: Literal["flatten", "average"] = Field(
        "flatten", description="what the last layers see: every cell, or each channel's average"
    )
    hidden: tuple[Width, ...] = Field((), description="units of hidden layers after the convolutions")
    dropout: float = Share


class Cnn1dConfig(_CnnConfig):
    """Convolutions with batch norm over a series [channels, length]."""

    method: Literal["cnn1d"] = Field("cnn1d", description="convolutions over a series")


class Cnn2dConfig(_CnnConfig):
    """Convolutions with batch norm over an image [channels, height, width]."""

    method: Literal["cnn2d"] = Field("cnn2d", description="convolutions over an image")


class UserConfig(Section):
    """A network of the workspace's own: `build(input_shape, outputs) -> torch.nn.Module`."""

    method: Literal["user"] = Field("user", description="your own network")
    builder: str = Field(
        "nets.example:build",
        description="module:function; the module lives in nets/",
    )
    input: Literal["auto", "flat", "grid"] = Field(
        "auto",
        description="shape of one row; auto: the grid where the source has one and the reduction keeps it",
    )

    @field_validator("builder")
    @classmethod
    def _names_a_function(cls, builder: str) -> str:
        module, _, function = builder.partition(":")
        if not all(name.isidentifier() for name in [*module.split("."), function]):
            raise ValueError("must read module:function, as in nets.example:build")
        return builder


ModelConfig: TypeAlias = Annotated[
    LinearConfig | MlpConfig | ResMlpConfig | Cnn1dConfig | Cnn2dConfig | UserConfig,
    Field(discriminator="method"),
]
