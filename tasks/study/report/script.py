"""The study page's script, part by part."""

from __future__ import annotations

from tasks.study.report.script_curves import CURVES
from tasks.study.report.script_front import FRONT
from tasks.study.report.script_parallel import PARALLEL
from tasks.study.report.script_plots import PLOTS
from tasks.study.report.script_scatter import SCATTER
from tasks.study.report.script_shared import SHARED
from tasks.study.report.script_table import TABLE

__all__ = ["SCRIPT"]

SCRIPT = "(() => {\n" + "".join((SHARED, SCATTER, PLOTS, FRONT, PARALLEL, CURVES, TABLE)) + "})();\n"
