"""What a comparison found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks.drift.config import KINDS, Kind
from tasks.drift.counted import Shape

__all__ = ["Difference", "Drift", "Finding", "Unlike"]


@dataclass(frozen=True)
class Difference:
    """A difference of the columns themselves.

    Attributes
    ----------
    column : str
    what : str
        absent, unknown, unreadable or new levels.
    told : str
        In words.
    rows : int
        Rows concerned.
    drifted : bool
        Whether the model's answers rest on it.
    """

    column: str
    what: str
    told: str
    rows: int
    drifted: bool


@dataclass(frozen=True)
class Finding:
    """One test.

    Attributes
    ----------
    kind : str
        columns, missing, reduced, predictions or performance.
    name : str
        Column, or what is measured.
    test : str
    p : float
        Probability of such a difference, or a larger one, without drift.
    q : float
        False-discovery rate at which it would just be called drift, among all tests of the batch.
    measure : str
        What `effect` is: PSI (less what chance alone gives it), points (a difference of shares) or growth
        (of the error, relative).
    effect, least : float
        Its size, and the smallest that matters.
    told : str
        Both sides in words, where there is a short way.
    rows : int
        Rows of the batch that it rests on.
    drifted : bool
        Whether both are the case: hardly by chance, and large enough to matter.
    shape : Shape or None
        Both distributions.
    """

    kind: Kind
    name: str
    test: str
    p: float
    measure: str
    effect: float
    least: float
    rows: int
    told: str = ""
    q: float = 1.0
    drifted: bool = False
    shape: Shape | None = None

    def to_dict(self, *, shape: bool = True) -> dict[str, Any]:
        """Return the plain JSON form."""
        found = asdict(self)
        if not shape:
            del found["shape"]
        return found


@dataclass(frozen=True)
class Unlike:
    """Rows that the reducer cannot express.

    Attributes
    ----------
    rows : int
        Rows whose reconstruction error exceeds the profile's limit.
    expected : float
        How many that would be without drift.
    worst : tuple of (int, float)
        Place in the batch (from 0) and error, over that limit, of the worst.
    """

    rows: int
    expected: float
    worst: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Drift:
    """A batch held against a profile.

    Attributes
    ----------
    rows, scored, labelled : int
        Rows of the batch, those the model can answer, those with a known answer.
    known : int
        Training rows of the profile.
    decided : bool
        Whether the batch has rows enough for a verdict.
    schema : tuple of Difference
    findings : tuple of Finding
        Most certain first.
    unlike : Unlike or None
    metrics : mapping
        Metrics of labelled rows: ``batch`` and ``promised``, empty without labels.
    of : int
        Rows that the batch has, where these were drawn from more at random; 0 where it is not known.
    """

    rows: int
    scored: int
    labelled: int
    known: int
    decided: bool
    schema: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    unlike: Unlike | None
    metrics: Mapping[str, Mapping[str, float | None]]
    of: int = 0

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds that drifted."""
        found = {finding.kind for finding in self.drifted}
        schema = self.decided and any(difference.drifted for difference in self.schema)
        return tuple(kind for kind in KINDS if kind in found or (kind == "schema" and schema))

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """Findings called drift."""
        return tuple(finding for finding in self.findings if finding.drifted)

    def to_dict(self, *, shapes: bool = True) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {
            "drifted": bool(self.kinds),
            "decided": self.decided,
            "kinds": list(self.kinds),
            "rows": self.rows,
            "of": max(self.of, self.rows),
            "scored": self.scored,
            "labelled": self.labelled,
            "training_rows": self.known,
            "schema": [asdict(difference) for difference in self.schema],
            "findings": [finding.to_dict(shape=shapes) for finding in self.findings],
            "unlike": None if self.unlike is None else asdict(self.unlike),
            "metrics": {name: dict(found) for name, found in self.metrics.items()},
        }
