"""The one self-contained HTML page about a result."""

from __future__ import annotations

from tasks.evaluation.report.facts import Facts
from tasks.evaluation.report.page import render

__all__ = ["Facts", "render"]
