"""What a study must know of the data before it can say what to try."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts import Layout, load_cleaner, load_rows
from tasks.data.cleaner import Cleaner
from tasks.data.meta import Task
from tasks.data.plan import NumericPlan
from tasks.errors import EspalierError

__all__ = ["Facts", "facts_of", "read_facts"]


@dataclass(frozen=True)
class Facts:
    """Sizes of the cleaned data.

    Attributes
    ----------
    plan
        From numeric rows to features.
    task
        'classification' or 'regression'.
    outputs
        Classes, or 1.
    rows
        Training rows.
    """

    plan: NumericPlan
    task: Task
    outputs: int
    rows: int

    @property
    def columns(self) -> int:
        """Numeric columns, which a selection chooses from."""
        return len(self.plan.names)

    @property
    def features(self) -> int:
        """Features, which a projection starts from."""
        return self.plan.width

    @property
    def grid(self) -> tuple[int, ...] | None:
        """Axes of an image or a series without its channels, where every feature stands on a cell."""
        plan = self.plan
        on_cells = plan.shape is not None and plan.positions is not None and plan.width == len(plan.names)
        return plan.shape[1:] if on_cells and plan.shape and not any(plan.levels) else None


def facts_of(cleaner: Cleaner, rows: int) -> Facts:
    """Read them off a fitted cleaner."""
    return Facts(cleaner.plan, cleaner.target.kind, cleaner.target.outputs, rows)


def read_facts(root: Path) -> Facts:
    """Read them off a workspace whose stage clean has run.

    Raises
    ------
    EspalierError
        When it has not.
    """
    layout = Layout(root)
    for path in (layout.cleaner, layout.rows("train")):
        if not path.exists():
            raise EspalierError(f"{path}: no such file; a study begins after stage clean, see `espalier run`")
    return facts_of(load_cleaner(layout.cleaner), len(load_rows(layout.rows("train")).y))
