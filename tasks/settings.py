"""The base of every configuration section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A frozen section of params.yaml; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
