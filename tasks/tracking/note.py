"""The result as Markdown: on the run's page, the experiment's and the registered version's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.evaluation.compare import rounded_up
from tasks.evaluation.reports import MODELS
from tasks.metrics.table import METRICS
from tasks.tracking.facts import Facts, metric_format, percent

__all__ = ["result_note", "result_table", "summary_line", "table_line"]

GAP = "&emsp;"  # MLflow sets the cells of a table edge to edge
UNDEFINED = "undefined"


def result_table(facts: Facts) -> str:
    """Return one row a figure, one column a model."""
    head = table_line(["", *MODELS.values()])
    body = [table_line([title, *(show(facts, name) for name in MODELS)]) for title, show in _figures(facts)]
    return "\n".join([head, "|---" * (len(MODELS) + 1) + "|", *body])


def table_line(cells: Sequence[str]) -> str:
    """Return one line of a table, its cells set apart."""
    return "| " + " | ".join(f"{cell}{GAP}" for cell in cells) + " |"


def summary_line(facts: Facts) -> str:
    """Return the result in one plain sentence."""
    figures = facts.metrics("compressed")
    key, _ = percent(facts.headline)
    unit = " %" if key.endswith("_pct") else ""
    return (
        f"{_title(facts)} {_shown(figures.get(f'test/{key}'), metric_format(key), unit)}, "
        f"{figures['size/times_smaller']:.1f}x smaller and {figures['speed/times_faster']:.1f}x faster "
        f"than the reference; verdict: {facts.verdict('compressed')}"
    )


def result_note(facts: Facts, versions: Mapping[str, str]) -> str:
    """Return sentence, table, recipe and the `versions` of code and data, plain text first."""
    reduce, prune = facts.reduce["columns"], facts.prune
    before, after = facts.columns
    sample = facts.params.evaluate.factor
    lines = [
        summary_line(facts) + ".",
        "",
        result_table(facts),
        "",
        f"Reduction: {reduce['method']}, {before} to {after}; rows {facts.reduce['rows']['method']}.",
        f"Pruning: {prune['method']}, {facts.removed} removed; "
        f"parameters {prune['parameters_before']:,} to {prune['parameters_after']:,}.",
        _verdicts(facts),
        f"Timed on {facts.measure.get('machine', {}).get('cpu', 'this machine')}, "
        f"{facts.params.measure.threads} thread(s).",
    ]
    if sample < 1:
        lines.append(f"A quick look: these figures stand on {100 * sample:g} % of the test rows.")
    return "\n".join([*lines, "", *(f"- {name}: `{value}`" for name, value in versions.items())])


def _title(facts: Facts) -> str:
    name = METRICS[facts.headline].title
    return name[:1].upper() + name[1:]


def _shown(value: float | None, form: str, unit: str = "") -> str:
    return UNDEFINED if value is None else f"{value:{form}}{unit}"


def _verdicts(facts: Facts) -> str:
    found, figures = facts.evaluate["comparisons"]["compressed"], facts.metrics("compressed")
    key, scale = percent(facts.headline)
    unit = " points" if key.endswith("_pct") else ""
    form = f"+{metric_format(key)}"
    middle, low, high = (_shown(figures.get(f"difference/{key}{end}"), form) for end in ("", "_low", "_high"))
    needed, rows = found.get("rows_needed"), facts.evaluate["rows"]["test"]
    more = f" There are {rows:,} test rows; about {rounded_up(needed)} would settle it." if needed else ""
    return (
        f"Difference to the reference {middle} [{low}, {high}]{unit}, "
        f"margin {scale * found['margin']:.4g}: {found['verdict']}.{more}"
    )


def _figures(facts: Facts) -> list[tuple[str, Callable[[Facts, str], str]]]:
    key, _ = percent(facts.headline)
    unit = " %" if key.endswith("_pct") else ""
    return [
        (f"test {METRICS[facts.headline].title}{unit}", lambda f, m: _with_interval(f.metrics(m), key)),
        ("parameters", lambda f, m: _with_factor(f, m, "parameters")),
        ("multiply-adds", lambda f, m: _with_factor(f, m, "multiply_adds")),
        ("bytes (ONNX)", lambda f, m: _with_factor(f, m, "bytes")),
        ("columns read", lambda f, m: f"{f.size(m)['inputs']:,}"),
        ("latency p50, batch 1", _latency),
        ("rows/s, large batch", lambda f, m: f"{f.latency(m)['rows_per_s']:,.0f}"),
        ("training s", lambda f, m: _shown(f.training_seconds(m), ".1f")),
    ]


def _with_interval(figures: Mapping[str, float], key: str) -> str:
    value, low, high = (
        _shown(figures.get(f"test/{key}{end}"), metric_format(key)) for end in ("", "_low", "_high")
    )
    return f"{value} [{low}, {high}]"


def _with_factor(facts: Facts, model: str, name: str) -> str:
    value, dense = facts.size(model)[name], facts.size("reference")[name]
    return f"{value:,}" if model == "reference" or not value else f"{value:,} ({dense / value:.1f}x)"


def _latency(facts: Facts, model: str) -> str:
    factor = facts.metrics(model)["speed/times_faster"]
    shown = f"{facts.latency(model)['p50_us']:.1f} us"
    return shown if model == "reference" else f"{shown} ({factor:.1f}x)"
