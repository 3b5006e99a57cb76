"""What stage prune tells on the terminal."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Mapping
from typing import Any

from tasks.search.told import WIDTH

__all__ = ["say", "tell"]

log = logging.getLogger("espalier.prune")


def tell(report: Mapping[str, Any]) -> None:
    """Say what a pruning did, by its report."""
    for probe in report["probes"]:
        say(f"auto: amount {probe['amount']:g} scores {probe['score']:.4f} on validation rows")
    searched = "candidates" in report  # the search has told its notes
    for note in [] if searched else report["notes"]:
        say(note)
    if removed := report["columns_removed"]:
        shown = ", ".join(removed[:8]) + (f" and {len(removed) - 8} more" if len(removed) > 8 else "")
        say(f"{len(removed)} columns are no longer read: {shown}")
    zeros = report["parameters_after"] - report["nonzeros_after"]
    counted = (
        f"{report['parameters_before']:,} parameters to {report['parameters_after']:,}"
        + (f", {zeros:,} of them zero" if zeros else "")
        + f", validation {report['metric']} {report['valid_metric']:.4f}"
    )
    say(counted if searched else f"amount {report['amount']:g}: {counted}")


def say(text: str) -> None:
    """Log a sentence in lines that fit a terminal."""
    for line in textwrap.wrap(text, WIDTH):
        log.info("%s", line)
