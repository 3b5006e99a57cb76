"""The study page's script, part by part: what all share, the front, parallel coordinates, curves, table."""

from __future__ import annotations

from tasks.study.report.script_curves import CURVES
from tasks.study.report.script_front import FRONT
from tasks.study.report.script_parallel import PARALLEL
from tasks.study.report.script_shared import SHARED
from tasks.study.report.script_table import TABLE

__all__ = ["SCRIPT"]

SCRIPT = "(() => {\n" + "".join((SHARED, FRONT, PARALLEL, CURVES, TABLE)) + "})();\n"
