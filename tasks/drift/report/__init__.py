"""The page of a comparison: one HTML file, charts drawn as SVG in the colours of the reader's theme."""

from tasks.drift.report.page import Heading, render

__all__ = ["Heading", "render"]
