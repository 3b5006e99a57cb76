"""The page: one HTML file with everything in it, that opens offline and in a sandboxed frame."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tasks.evaluation.report import cost, quality, table, words
from tasks.evaluation.report.choices import against_random, column_method, rows_and_time
from tasks.evaluation.report.facts import Facts
from tasks.evaluation.report.figures import Figure
from tasks.evaluation.report.forms import forms
from tasks.evaluation.report.search import candidates, sizes
from tasks.evaluation.report.sensitivity import columns_removed, sensitivity
from tasks.evaluation.report.shell import charts, document, section, tiles

__all__ = ["render"]

SECTIONS = {
    "result": "Result",
    "quality": "Quality",
    "cost": "Size and speed",
    "reduction": "What was taken away",
    "cleaning": "Cleaning",
    "recipe": "Recipe",
    "method": "How it was measured",
}
ANSWERS = {
    "non-inferior": "no worse than",
    "inferior": "worse than",
    "not shown": "not shown to be as good as",
}


def _figures(facts: Facts) -> dict[str, list[Figure]]:
    """Charts by section; those without data are left out."""
    by_section: dict[str, list[Figure | None]] = {
        "result": [quality.difference(facts), cost.size_and_metric(facts), cost.latency(facts)],
        "quality": [
            quality.confusion(facts),
            quality.per_class(facts),
            quality.reliability(facts),
            quality.roc(facts),
        ],
        "cost": [cost.throughput(facts), cost.stages(facts)],
        "reduction": [
            cost.worth(facts),
            cost.kept_cells(facts),
            cost.layers(facts),
            sizes(facts),
            sensitivity(facts),
            quality.learning(facts),
            rows_and_time(facts),
        ],
    }
    return {section: [f for f in found if f is not None] for section, found in by_section.items()}


def _headline(facts: Facts) -> str:
    """Say the result in one sentence."""
    last = list(facts.models)[-1]
    smaller = facts.size("reference")["bytes"] / facts.size(last)["bytes"]
    faster = facts.measure["ratios"][last]["batch1"]["ratio"]
    answer = ANSWERS[facts.evaluate["comparisons"][last]["verdict"]]
    size, speed = words.times(smaller, "smaller", "larger"), words.times(faster, "faster", "slower")
    gains = f"{size}, {speed} on one row"
    return f"{facts.models[last].capitalize()}: {gains}, {answer} the reference"


def _tiles(facts: Facts) -> str:
    last, metric = list(facts.models)[-1], facts.evaluate["metric"]
    found = facts.evaluate["comparisons"][last]
    low, high = (words.difference(metric, found[end]) for end in ("low", "high"))
    size, dense = facts.size(last), facts.size("reference")
    speed = facts.measure["ratios"][last]["batch1"]
    smaller = words.times(dense["bytes"] / size["bytes"], "smaller", "larger")
    faster = words.times(speed["ratio"], "faster", "slower")
    beside = "as" if smaller.startswith("as") else "than"
    return tiles(
        [
            (
                words.value(metric, facts.evaluate["models"][last]["metrics"][metric]),
                f"test {facts.title}; {low} to {high}{words.unit(metric)} against the reference",
            ),
            (
                words.bytes_text(size["bytes"]),
                f"ONNX file, {smaller} {beside} {words.bytes_text(dense['bytes'])}",
            ),
            (
                f"{facts.latency(last)['p50_us']:.1f} µs",
                f"for one row, {faster} (factor {speed['low']:.2f} to {speed['high']:.2f})",
            ),
            (words.amount(size["inputs"]), f"columns read, of {words.amount(dense['inputs'])}"),
        ]
    )


def _verdicts(facts: Facts) -> str:
    made = "".join(
        f"<li class={table.PILLS[found['verdict']]}>{escape(words.verdict(facts, name))}</li>"
        for name, found in facts.evaluate["comparisons"].items()
    )
    return f"<ul class=verdicts>{made}</ul>"


def _network(prune: Mapping[str, Any]) -> str:
    """Say what was removed of the network."""
    if "units_kept" in prune:
        return (
            f"Network: a budget search, which kept {100 * prune['units_kept']:.3g} % of each layer's units."
        )
    amount = prune.get("amount")
    if not amount:
        return "Network: not pruned."
    how = f" by {prune['importance']}" if prune.get("importance") else ""
    return f"Network: {prune['method']} pruning{how}, {100 * amount:g} % removed."


def _removed(facts: Facts) -> str:
    columns, rows, prune = facts.reduce["columns"], facts.reduce["rows"], facts.prune
    before, after = words.amount(rows["before"]), words.amount(rows["after"])
    again = ", drawn afresh each round" if rows.get("per_round") == "resampled" else ""
    shrunk = f"Rows ({rows['method']}): {before} to {after}{again}."
    sentences = [
        f"Columns ({column_method(facts)}): {words.amount(columns['before'])} features to "
        f"{words.amount(columns['after'])}.",
        f"Rows: all {before} training rows." if before == after else shrunk,
        columns_removed(facts),
        against_random(facts),
        _network(prune),
    ]
    return " ".join(filter(None, sentences))


def _method(facts: Facts) -> str:
    evaluate, measure = facts.evaluate, facts.measure
    rows = evaluate["rows"]
    confidence, threads = f"{100 * evaluate['confidence']:g} %", measure["threads"]
    lines = [
        f"Every choice was made on training and {words.amount(rows['valid'])} validation rows; the "
        f"{words.amount(rows['test'])} test rows informed none.",
        "Quality is computed from what the exported ONNX files answer: what is judged is what is shipped.",
        f"Intervals hold {confidence}: Wilson's for accuracy, the bootstrap over rows for other figures; "
        "differences by the paired bootstrap, or Agresti and Min's interval when the models disagree on who "
        "is right on fewer than ten rows. Of more than 10,000 rows, resamples may draw a part, rescaled.",
        "Non-inferior: the whole interval of the difference lies above minus the margin. Inferior: all of it "
        "lies below. Otherwise it is not shown, and n = (s (z + 0.84) / (difference + margin))² rows would "
        "settle it four times in five; s is the deviation of one row's difference.",
        f"Speed: {measure['repeats']} rounds in which all models ran in turn, ONNX Runtime and eager PyTorch "
        f"on {threads} thread{'s' if threads > 1 else ''}, after a warm-up. Factors are medians of each "
        "round's ratio, with the range of 95 % of the rounds. Times include the call from Python.",
        "Multiply-adds are counted layer by layer for one row. Parameters include a projection's matrix "
        "where one is left in the exported graph.",
    ]
    points = "".join(f"<li>{escape(text)}</li>" for text in lines)
    return f"<ul>{points}</ul>{table.machine_table(measure)}"


def _decisions(facts: Facts) -> str:
    count = len(facts.clean.get("decisions", []))
    made = table.decisions_table(facts.clean)
    return made if count <= 14 else f"<details><summary>All {count} decisions</summary>{made}</details>"


def _section(name: str, *parts: str) -> str:
    return section(name, SECTIONS[name], *parts)


def _body(facts: Facts, figures: dict[str, list[Figure]]) -> str:
    source = str(facts.params.get("source", {}).get("uri", "data"))
    notice = words.quick_look(facts.evaluate)
    links = "".join(f"<a href='#{name}'>{text}</a>" for name, text in SECTIONS.items())
    return "".join(
        [
            f"<p class=kicker>Espalier · {escape(source)} · {escape(facts.evaluate['task'])}</p>",
            f"<h1>{escape(_headline(facts))}</h1>",
            f"<p class=notice>{escape(notice)}</p>" if notice else "",
            _tiles(facts),
            f"<nav>{links}</nav>",
            _section(
                "result",
                _verdicts(facts),
                f"<div class='card table scroll'>{table.result_table(facts)}</div>",
                charts(figures["result"]),
            ),
            _section(
                "quality",
                f"<div class='card table scroll'>{table.metrics_table(facts)}</div>",
                charts(figures["quality"]),
            ),
            _section("cost", forms(facts), charts(figures["cost"])),
            _section(
                "reduction",
                f"<p class=lede>{escape(_removed(facts))}</p>",
                candidates(facts),
                charts(figures["reduction"]),
            ),
            _section("cleaning", f"<div class='card table'>{_decisions(facts)}</div>"),
            _section(
                "recipe",
                "<p class=lede>Every setting of params.yaml that made this result.</p>",
                table.recipe(facts.params),
            ),
            _section("method", _method(facts)),
        ]
    )


def render(facts: Facts) -> str:
    """Return the whole page: style, script, charts and data inline; nothing is fetched.

    Notes
    -----
    Charts carry fixed ids, so equal facts give equal text.
    """
    figures = _figures(facts)
    drawn = [figure for found in figures.values() for figure in found]
    title = f"Espalier: {facts.params.get('source', {}).get('uri', 'result')}"
    return document(title, _body(facts, figures), drawn)
