"""A candidate of a budget search, made and measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.models.graph import Graph
from tasks.pruning.recipe import Pruned
from tasks.search.budget import Figures, Setting

__all__ = ["Made", "noted"]

_WHOLE = (
    "every column is kept: the network reads them otherwise than by linear layers alone or as a grid, so "
    "none can be taken away; units alone are chosen"
)
_HELD = "{} kept in every candidate: the network reads its input in more places than its linear layers"


@dataclass(frozen=True, eq=False)
class Made:
    """A candidate.

    Attributes
    ----------
    setting : Setting
    graph : Graph
        From the columns it still reads.
    figures : Figures
        What it costs, and how it does.
    model : bytes
        Its ONNX file, as it would be deployed.
    keep : tuple of int
        Positions of its columns among the problem's.
    pruned : Pruned, optional
        How its network came about.
    whole : bool
        Whether every column was kept because none can be taken away.
    held : tuple of str
        Names of the columns, neighbours of each other, that cannot be taken away.
    sound : bool
        Whether it answers every validation row with finite numbers; it is not to be taken where it does not.
    epochs : int
        That it recovered for; none where nothing was removed from it.
    shortened : bool
        Whether these were fewer than asked for, to end within the time box.
    float32 : Made, optional
        The same in float32, where the file is in int8 and that may not be what a budget asks for.
    """

    setting: Setting
    graph: Graph
    figures: Figures
    model: bytes = b""
    keep: tuple[int, ...] = ()
    pruned: Pruned | None = None
    whole: bool = False
    held: tuple[str, ...] = ()
    sound: bool = True
    epochs: int = 0
    shortened: bool = False
    float32: Made | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done as asked."""
        told = () if self.pruned is None else tuple(self.pruned.report["notes"])
        if self.whole:
            return (_WHOLE, *told)
        return (_HELD.format(_named(self.held)), *told) if self.held else told


def _named(columns: tuple[str, ...]) -> str:
    """Name neighbouring columns by the first and the last.

    Examples
    --------
    >>> _named(("age",)), _named(("age", "size", "weight"))
    ('column age is', 'columns age to weight are')
    """
    first, last = columns[0], columns[-1]
    return f"column {first} is" if len(columns) == 1 else f"columns {first} to {last} are"


def noted(pruned: Pruned, note: str) -> Pruned:
    """Return the same network with one note more in its report."""
    return replace(pruned, report={**pruned.report, "notes": [*pruned.report["notes"], note]})
