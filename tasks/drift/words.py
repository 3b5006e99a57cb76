"""A comparison in plain words, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.drift.config import Kind, MonitorConfig
from tasks.drift.findings import Drift, Finding

__all__ = [
    "KIND_NAMES",
    "certainty",
    "effect",
    "findings_table",
    "missed",
    "sentences",
    "table_lines",
    "verdict",
]

KIND_NAMES: dict[Kind, str] = {
    "schema": "schema",
    "columns": "values",
    "missing": "missing cells",
    "reduced": "reduced space",
    "predictions": "predictions",
    "performance": "performance",
}
WIDTH = 80
SHOWN = 15
NEAREST = 5
LEAST = 1e-4


def verdict(drift: Drift, policy: MonitorConfig) -> str:
    """Say the outcome in a line."""
    if not drift.decided:
        return (
            f"Not decided: {drift.rows:,} {_rows(drift.rows)} are too few (monitor.rows is {policy.rows:,})"
        )
    if not drift.kinds:
        return f"No drift: {len(drift.findings):,} tests on {drift.rows:,} rows"
    return f"Drift: {', '.join(_part(drift, kind) for kind in drift.kinds)}"


def _part(drift: Drift, kind: Kind) -> str:
    if kind == "schema":
        return "the schema"
    found = sum(finding.kind == kind for finding in drift.drifted)
    tested = sum(finding.kind == kind for finding in drift.findings)
    return {
        "columns": f"values of {found} of {tested} columns",
        "missing": f"missing cells of {found} of {tested} columns",
        "reduced": "the reduced space",
        "predictions": "the predictions",
        "performance": "the error grows",
    }[kind]


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def effect(finding: Finding) -> str:
    """Write the size of a difference."""
    if finding.measure == "PSI":
        return f"PSI {finding.effect:.3f}"
    return finding.told


def certainty(finding: Finding) -> str:
    """Write the false-discovery rate at which a test would just be called drift."""
    return f"< {LEAST:g}" if finding.q < LEAST else f"{finding.q:.4f}"


def missed(drift: Drift) -> Iterator[str]:
    """Say which rows were left out of what, and why."""
    if drift.of > drift.rows:
        yield f"{drift.rows:,} of {drift.of:,} rows were looked at, drawn at random (monitor.sample)"
    if gone := drift.rows - drift.scored:
        why = [f"{d.column} {d.what}" for d in drift.schema if d.drifted or d.what == "unreadable"]
        told = f": {', '.join(why[:3])}" if why else ""
        yield f"{gone:,} of {drift.rows:,} rows could not be scored{told}"
    if drift.rows and not drift.labelled:
        yield "No labels yet: the error was not looked at"
    elif drift.labelled < drift.scored:
        yield f"{drift.labelled:,} of {drift.scored:,} scored rows are labelled"


def sentences(drift: Drift) -> Iterator[str]:
    """Say what the rows' reconstruction and the schema tell beside the tests."""
    if drift.unlike is not None and drift.scored:
        yield (
            f"{drift.unlike.rows:,} of {drift.scored:,} rows are news to the reducer, which hardly expresses "
            f"them; {drift.unlike.expected:.1f} were to be expected"
        )
    for difference in drift.schema:
        yield f"{difference.column}: {difference.what}, {difference.told}"


def table_lines(drift: Drift) -> Iterator[str]:
    """Set the findings as a table of 80 columns: those called drift, else the nearest to it."""
    found: Sequence[Finding] = drift.drifted
    rest = [finding for finding in drift.findings if not finding.drifted]
    shown = found[:SHOWN] if found else rest[:NEAREST]
    if not shown:
        return
    yield f"{'drift' if found else 'nearest to it':13} {'name':25} {'test':10} {'change':19} {'rate':>8}"
    for finding in shown:
        yield (
            f"{KIND_NAMES[finding.kind]:13} {_fitted(finding.name, 25):25} {finding.test:10} "
            f"{_fitted(effect(finding), 19):19} {certainty(finding):>8}"
        )
    if len(found) > len(shown):
        yield f"... and {len(found) - len(shown)} more in the report"


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def findings_table(drift: Drift, most: int = 50) -> list[dict[str, str]]:
    """Return the findings as rows of a table, those called drift first."""
    return [
        {
            "what": KIND_NAMES[finding.kind],
            "name": finding.name,
            "test": finding.test,
            "change": effect(finding),
            "rate": certainty(finding),
            "drift": "yes" if finding.drifted else "no",
        }
        for finding in drift.findings[:most]
    ]
