"""Building blocks of the charts: plain Plotly JSON, colours as $tokens that the page resolves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Figure", "axis", "errors", "line", "rectangle"]

Trace = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A chart: its fixed id, heading, what it says, traces and layout.

    ``choices`` maps the text of a button to the visibility of each trace.
    """

    id: str
    title: str
    note: str
    data: Sequence[Trace]
    layout: dict[str, Any] = field(default_factory=dict)
    height: int = 320
    wide: bool = False
    choices: dict[str, list[bool]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what the script draws."""
        return {
            "id": self.id,
            "data": list(self.data),
            "layout": {"height": self.height, **self.layout},
            "choices": self.choices,
        }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Describe an axis; its title keeps clear of the ticks."""
    return {"title": {"text": title, "standoff": 8}, **more}


def line(x: Sequence[Any], y: Sequence[Any], name: str, colour: str, **more: Any) -> Trace:
    """Draw a line."""
    style = {"color": colour, "width": 2.2, **more.pop("line", {})}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": style, **more}


def errors(values: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> dict[str, Any]:
    """Give unequal bars below and above each value."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, high in zip(values, highs, strict=True)],
        "arrayminus": [value - low for value, low in zip(values, lows, strict=True)],
        "thickness": 1.6,
        "width": 5,
    }


def rectangle(x0: Any, x1: Any, colour: str, **more: Any) -> dict[str, Any]:
    """Shade a band of the x axis over the whole height."""
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": x0, "x1": x1, "y0": 0, "y1": 1}
    return {**band, "fillcolor": colour, "opacity": 0.12, "line": {"width": 0}, "layer": "below", **more}
