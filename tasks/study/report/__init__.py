"""The one self-contained HTML page about a study."""

from __future__ import annotations

from tasks.study.report.page import render

__all__ = ["render"]
