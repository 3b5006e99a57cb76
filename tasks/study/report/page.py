"""The page: what was found, the front to look around in, and every candidate."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tasks.evaluation.report import words
from tasks.evaluation.report.shell import charts, document, section, tiles
from tasks.study.report.charts import effects, interaction, rows_and_time
from tasks.study.report.data import study_data
from tasks.study.report.method import method
from tasks.study.report.script import SCRIPT
from tasks.study.report.style import CSS
from tasks.study.report.tables import failures, front_table, picks_table

if TYPE_CHECKING:
    from tasks.study.summary import Summary

__all__ = ["render"]

SECTIONS = {
    "found": "What was found",
    "front": "The front",
    "parallel": "All candidates at once",
    "effects": "What each choice is worth",
    "curves": "Learning curves",
    "table": "Every candidate",
    "method": "How it was run",
}
ANSWERS = {
    "helps": "Reducing and pruning together helps",
    "does not help": "Reducing and pruning together does not help",
    "cannot tell": "Cannot tell whether reducing and pruning together helps",
}


def _headline(summary: Summary) -> str:
    """Say the result in one sentence."""
    metric = summary.metric.name
    if summary.interactions:
        told = summary.interactions[0].effect
        gain = f"{words.difference(metric, told.value)}{words.unit(metric)}"
        return f"{ANSWERS[told.answer]}: {gain} beyond the sum of the halves"
    knee = summary.pick("knee")
    if knee is None:
        return "No candidate finished within the constraints"
    size = "" if knee.bytes is None else f" in {words.bytes_text(knee.bytes)}"
    return (
        f"{words.value(metric, knee.valid.get(metric))} validation {summary.metric.title}{size}: {knee.name}"
    )


def _lede(summary: Summary) -> str:
    rows, standing = summary.standing.rows, summary.standing
    seeds = max((len(row.seeds) for row in rows), default=0)
    by = ", ".join(f"validation {each.title}" if each.metric else each.title for each in standing.objectives)
    missing = ", ".join(each.title for each in standing.missing)
    return (
        f"{len(rows)} candidates, {seeds} seed{'' if seeds == 1 else 's'} each; {len(summary.front)} on the "
        f"front by {by or 'nothing'}. Everything was chosen by validation rows and costs; test figures stand "
        "beside for the report." + (f" Not measured: {missing}." if missing else "")
    )


def _tiles(summary: Summary) -> str:
    knee, metric = summary.pick("knee"), summary.metric
    if knee is None:
        return ""
    nothing = next((row for row in summary.standing.rows if row.arm == "nothing" and row.bytes), None)
    test = words.value(metric.name, knee.test.get(metric.name))
    first = (
        words.value(metric.name, knee.valid.get(metric.name)),
        f"validation {metric.title} at the knee; test {test} (not chosen by)",
    )
    smaller = faster = ""
    if nothing is not None and nothing.bytes and knee.bytes:
        smaller = f", {words.times(nothing.bytes / knee.bytes, 'smaller', 'larger')} than dense"
    if nothing is not None and nothing.latency_us and knee.latency_us:
        faster = f", {words.times(nothing.latency_us / knee.latency_us, 'faster', 'slower')} than dense"
    found = [first, (words.bytes_text(knee.bytes or 0), f"ONNX file at the knee{smaller}")]
    if knee.latency_us is not None:
        found.append((f"{knee.latency_us:.1f} µs", f"for one row at the knee{faster}"))
    volume = summary.standing.volume
    share = "" if volume is None else f"; they cover {100 * volume:.0f} % of the box around them"
    found.append((str(len(summary.front)), f"of {len(summary.standing.rows)} candidates on the front{share}"))
    return tiles(found)


def _verdicts(summary: Summary) -> str:
    made = "".join(f"<li class={each.kind}>{escape(each.text)}</li>" for each in summary.findings)
    nothing = (
        "<p>No candidates whose halves are in the study too, and no rivals: nothing to hold against.</p>"
    )
    return f"<ul class=verdicts>{made}</ul>" if made else nothing


SCATTER = """<div class="card chart wide"><div class=controls>
<label>across <select data-axis=x></select></label>
<label>up <select data-axis=y></select></label>
<label>colour <select data-axis=colour></select></label>
<button type=button data-reset>show all</button><span class=count data-count></span></div>
<div class=legend data-legend></div>
<div id=chart-front style="height:460px"></div>
<p class=hint>Hover for the recipe; click pins its card; drag a box to look closer, double click to leave it.
Large: on the front of all objectives. The line joins
what is best on these two axes.</p></div>
<div class=pinned data-pinned></div>"""

PARALLEL = """<div class="card chart wide"><p class=hint>One line a candidate, the front in colour. Drag
along an axis to keep what passes there; a click on an axis lets go. Chart and table follow.</p>
<div class=scroll><canvas id=chart-parallel height=360 role=img
aria-label="Parallel coordinates of all candidates; the table below holds the same figures"></canvas></div>
<p class=hint data-nearest>&nbsp;</p></div>"""

CURVES = """<div class="card chart wide"><p class=hint>Validation metric after each epoch of the last
training, mean over the seeds: of the picks, and of what is pinned.</p>
<div id=chart-curves style="height:340px"></div></div>"""

TABLE = """<div class="card table"><div class=controls>
<input type=search data-find placeholder="filter: pca int8" aria-label="filter candidates">
<label><input type=checkbox data-only-front> front only</label><span class=count data-count></span></div>
<div class=scroll><table class=listing data-listing></table></div>
<p><button type=button class=more data-more>show more</button></p></div>"""


def _effects(summary: Summary) -> str:
    figures = [*interaction(summary), *rows_and_time(summary), *effects(summary)]
    return charts(figures) if figures else "<p>Too few candidates finished to tell.</p>"


def _body(summary: Summary) -> str:
    params = summary.params
    links = "".join(f"<a href='#{name}'>{text}</a>" for name, text in SECTIONS.items())
    parts = {
        "found": _verdicts(summary),
        "front": SCATTER + picks_table(summary) + front_table(summary),
        "parallel": PARALLEL,
        "effects": _effects(summary),
        "curves": CURVES,
        "table": TABLE + failures(summary),
        "method": method(summary),
    }
    stopped = summary.facts.get("stopped")
    return "".join(
        [
            f"<p class=kicker>Espalier · {escape(params.study.name)} · {escape(params.source.uri)}</p>",
            f"<h1>{escape(_headline(summary))}</h1>",
            f"<p class=lede>{escape(_lede(summary))}</p>",
            f"<p class=notice>{escape(str(stopped))}</p>" if stopped else "",
            _tiles(summary),
            f"<nav>{links}</nav>",
            *(section(name, SECTIONS[name], part) for name, part in parts.items()),
        ]
    )


def render(summary: Summary) -> str:
    """Return the whole page: style, scripts and data inline; nothing is fetched, equal studies equal text."""
    figures = [*interaction(summary), *rows_and_time(summary), *effects(summary)]
    return document(
        f"Espalier: {summary.params.study.name}",
        _body(summary),
        figures,
        css=CSS,
        data={"study": study_data(summary)},
        script=SCRIPT,
        library="",
    )
