"""The page: what changed, how surely, and how it was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tasks.drift import words
from tasks.drift.config import MonitorConfig
from tasks.drift.findings import Drift, Finding
from tasks.drift.report import charts
from tasks.evaluation.report.shell import document, section, tiles
from tasks.evaluation.report.words import MISSING, value
from tasks.metrics.table import METRICS

__all__ = ["Heading", "render"]

DRAWN = 8
QUIET = 4
TILES = 4


@dataclass(frozen=True)
class Heading:
    """What was held against what.

    Attributes
    ----------
    source : str
        The batch.
    model, version : str
    when : str
        Time of the comparison.
    """

    source: str
    model: str
    version: str
    when: str


def render(drift: Drift, policy: MonitorConfig, heading: Heading) -> str:
    """Return the whole page: style and charts inline, nothing fetched; equal values give equal text."""
    body = "".join(
        [
            f"<p class=kicker>Espalier · monitor · {escape(heading.source)} · {escape(heading.model)} "
            f"version {escape(heading.version)} · {escape(heading.when)}</p>",
            f"<h1>{escape(words.verdict(drift, policy))}</h1>",
            _notices(drift),
            _tiles(drift),
            section("found", "What changed", _found(drift, policy)),
            *_columns(drift, policy),
            *_others(drift),
            *_performance(drift),
            *_rows(drift),
            *_schema(drift),
            section("tests", "Every test", _tests(drift)),
            section("method", "How it was judged", _method(drift, policy)),
        ]
    )
    return document(f"Espalier: drift of {heading.source}", body, (), css=charts.CSS, library="")


def _notices(drift: Drift) -> str:
    return "".join(f"<p class=notice>{escape(text)}</p>" for text in words.missed(drift))


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else MISSING


def _tiles(drift: Drift) -> str:
    columns = [f for f in drift.findings if f.kind == "columns"]
    moved = sum(f.drifted for f in columns)
    answers = [f for f in drift.findings if f.kind == "predictions"]
    shown = [(f"{drift.rows:,}", f"rows, held against {drift.known:,} training rows")]
    shown.append((f"{moved} of {len(columns)}", "columns whose values drifted"))
    if drift.unlike is not None:
        told = f"of the rows are news to the reducer; {_share(drift.unlike.expected, drift.scored)} expected"
        shown.append((_share(drift.unlike.rows, drift.scored), told))
    if answers:
        found = max(f.effect for f in answers)
        shown.append((f"{found:.3f}", "largest stability index of the predictions"))
    grown = [f for f in drift.findings if f.kind == "performance"]
    grave = [(f.told.split(" to ")[-1], f"{f.name}; {f.told}") for f in grown]
    return tiles([*shown[: TILES - len(grave)], *grave])


def _found(drift: Drift, policy: MonitorConfig) -> str:
    lines = [
        f"<li class={'bad' if kind in drift.kinds else 'good'}>"
        f"<b>{words.KIND_NAMES[kind].capitalize()}.</b> {escape(_said(drift, kind))}</li>"
        for kind in policy.tests
    ]
    return f"<ul class=verdicts>{''.join(lines)}</ul>"


def _said(drift: Drift, kind: str) -> str:
    if kind == "schema":
        grave = [d for d in drift.schema if d.drifted]
        other = len(drift.schema) - len(grave)
        told = "; ".join(f"{d.column}: {d.what}, {d.told}" for d in grave[:5])
        rest = f"{other} differences that no answer rests on." if other else "No difference."
        return told + "." if grave else rest
    found = [f for f in drift.findings if f.kind == kind]
    moved = [f for f in found if f.drifted]
    if not found:
        return "Not tested: too few values, or no labels." if kind != "missing" else "No missing cells."
    if not moved:
        nearest = min(found, key=lambda f: f.q)
        return f"No drift; the nearest to it is {nearest.name} ({words.effect(nearest)})."
    shown = ", ".join(f"{f.name} ({words.effect(f)})" for f in moved[:5])
    return shown + (f" and {len(moved) - 5} more." if len(moved) > 5 else ".")


def _cards(findings: Sequence[Finding]) -> str:
    """Draw distributions two abreast."""
    made = "".join(
        f"<figure class='card chart'><h3>{escape(f.name)}</h3><p>{escape(words.effect(f))}, {f.test}, "
        f"{'drift' if f.drifted else 'no drift'} (rate {escape(words.certainty(f))})</p>"
        f"{charts.distribution(f.shape)}</figure>"
        for f in findings
        if f.shape is not None
    )
    return f"<div class=charts>{made}</div>"


def _columns(drift: Drift, policy: MonitorConfig) -> list[str]:
    found = [f for f in drift.findings if f.kind == "columns"]
    if not found:
        return []
    moved = [f for f in found if f.drifted]
    drawn = (moved or sorted(found, key=lambda f: -f.effect)[:QUIET])[:DRAWN]
    more = len(found) - charts.RANKED
    lede = "How far each column's distribution moved" + (f", the first {charts.RANKED}." if more > 0 else ".")
    return [
        section(
            "columns",
            "Columns",
            f"<p class=lede>{lede}</p>",
            f"<div class='card table'>{charts.ranking(found, policy.psi)}</div>",
            _cards(drawn),
        )
    ]


def _others(drift: Drift) -> list[str]:
    reduced = [f for f in drift.findings if f.kind == "reduced" and f.shape is not None]
    answers = [f for f in drift.findings if f.kind == "predictions"]
    made = []
    if reduced:
        lede = "Rows as the network sees them, against validation rows, which the reducer was not fitted on."
        made.append(section("reduced", "Reduced space", f"<p class=lede>{lede}</p>", _cards(reduced)))
    if answers:
        lede = "What the model answers, against what it answered on validation rows."
        made.append(section("predictions", "Predictions", f"<p class=lede>{lede}</p>", _cards(answers)))
    return made


def _performance(drift: Drift) -> list[str]:
    if not drift.metrics:
        return []
    promised: Mapping[str, float | None] = drift.metrics["promised"]
    now = drift.metrics["batch"]
    rows = "".join(
        f"<tr><th scope=row>{escape(METRICS[name].title)}</th>"
        f"<td>{escape(value(name, promised.get(name)))}</td><td>{escape(value(name, number))}</td></tr>"
        for name, number in now.items()
    )
    head = "<tr><td></td><th>Test rows, when it was made</th><th>This batch</th></tr>"
    table = f"<div class='card table scroll'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    lede = f"<p class=lede>{drift.labelled:,} rows of the batch have a known answer.</p>"
    return [section("performance", "Performance", lede, table)]


def _rows(drift: Drift) -> list[str]:
    if drift.unlike is None or not drift.unlike.worst:
        return []
    lines = "".join(
        f"<tr><td class=number>{row + 1:,}</td><td class=number>{over:.1f}\N{MULTIPLICATION SIGN}</td></tr>"
        for row, over in drift.unlike.worst
    )
    head = "<tr><th>Row of the batch</th><th>Reconstruction error, over what is no news</th></tr>"
    table = f"<table class=plain><thead>{head}</thead><tbody>{lines}</tbody></table>"
    lede = "<p class=lede>The rows that the reducer expresses least.</p>"
    return [section("rows", "Rows that are news", lede, f"<div class='card table scroll'>{table}</div>")]


def _schema(drift: Drift) -> list[str]:
    if not drift.schema:
        return []
    lines = "".join(
        f"<tr><td>{escape(d.column)}</td><td>{escape(d.what)}</td><td class=number>{d.rows:,}</td>"
        f"<td>{escape(d.told)}</td></tr>"
        for d in drift.schema
    )
    head = "<tr><th>Column</th><th>What</th><th>Rows</th><th></th></tr>"
    table = f"<table class=plain><thead>{head}</thead><tbody>{lines}</tbody></table>"
    return [section("schema", "Schema", f"<div class='card table scroll'>{table}</div>")]


def _tests(drift: Drift) -> str:
    lines = "".join(
        f"<tr><td>{escape(words.KIND_NAMES[f.kind])}</td><td>{escape(f.name)}</td><td>{f.test}</td>"
        f"<td class=number>{escape(words.effect(f))}</td><td class=number>{f.p:.2g}</td>"
        f"<td class=number>{escape(words.certainty(f))}</td><td>{_pill(f)}</td></tr>"
        for f in drift.findings
    )
    head = "<tr><th>What</th><th>Name</th><th>Test</th><th>Change</th><th>p</th><th>Rate</th><th></th></tr>"
    table = f"<div class=scroll><table class=plain><thead>{head}</thead><tbody>{lines}</tbody></table></div>"
    if len(drift.findings) <= 20:
        return f"<div class='card table'>{table}</div>"
    return f"<details><summary>All {len(drift.findings)} tests</summary>{table}</details>"


def _pill(finding: Finding) -> str:
    look, text = ("bad", "drift") if finding.drifted else ("good", "none")
    return f"<em class='pill {look}'>{text}</em>"


def _method(drift: Drift, policy: MonitorConfig) -> str:
    lines = [
        f"All {len(drift.findings)} tests stand in one family (Benjamini and Hochberg, 1995). At the rate of "
        f"{policy.false_discovery:g} a batch without any drift is called drift at most that often, and of "
        "what is called drift at most that share is false. 'Rate' is where a test would just be called so.",
        f"Called drift is what passes that and is large enough to matter: a stability index (PSI) of "
        f"{policy.psi:g}, {100 * policy.missing:g} points of missing cells, an error grown by "
        f"{100 * policy.worse:g} %. What chance alone adds to a stability index is taken off.",
        "Numbers are compared by the Kolmogorov-Smirnov distance over twentieths of the reference, levels by "
        "chi-square with rare levels together, missing cells and wrong answers by Fisher's exact test.",
        "The reduced space's centre is compared by Hotelling's T² on its principal axes. The reconstruction "
        "error is what of a row is lost on the way through the projection and back; where columns are "
        "selected and none is projected, nothing is.",
        "Dates are compared by their missing cells alone: they move on without any drift.",
    ]
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
