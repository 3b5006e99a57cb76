"""The page's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import Facts
from tasks.evaluation.reports import mostly_zero, uncounted_layers
from tasks.metrics.table import METRICS

__all__ = ["decisions_table", "machine_table", "metrics_table", "recipe", "result_table"]

PILLS = {"non-inferior": "good", "inferior": "bad", "not shown": "open"}


def _cell(main: str, note: str = "", chip: str = "") -> str:
    extra = f"<small>{escape(note)}</small>" if note else ""
    worse = " worse" if chip.startswith("0") else ""
    mark = f"<b class='chip{worse}'>{escape(chip)}</b>" if chip else ""
    return f"<td><span>{escape(main)}</span>{mark}{extra}</td>"


def _row(label: str, cells: Iterable[str], hint: str = "") -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    return f"<tr><th scope=row>{escape(label)}{small}</th>{''.join(cells)}</tr>"


def _counted(
    facts: Facts, read: Callable[[str], float | None], write: Callable[[float], str], fewer: bool = True
) -> list[str]:
    """Write each model's count, and how many times better than the reference's it is."""
    dense, cells = read("reference"), []
    for name in facts.models:
        own = read(name)
        if own is None:
            cells.append(_cell(words.MISSING))
            continue
        times = (dense / own if fewer else own / dense) if own and dense else 1.0
        same = name == "reference" or abs(times - 1) < words.SAME
        cells.append(_cell(write(own), chip="" if same else words.factor(times)))
    return cells


def _headline(facts: Facts) -> str:
    metric, cells = facts.evaluate["metric"], []
    for name in facts.models:
        model = facts.evaluate["models"][name]
        low, high = (words.value(metric, end) for end in model["interval"])
        cells.append(_cell(words.value(metric, model["metrics"][metric]), f"{low} to {high}"))
    rows = words.amount(facts.evaluate["rows"]["test"])
    return _row(
        f"Test {facts.title}", cells, f"{rows} rows, {100 * facts.evaluate['confidence']:g} % interval"
    )


def _against(facts: Facts) -> list[str]:
    metric, compared = facts.evaluate["metric"], facts.evaluate["comparisons"]
    cells, pills = [_cell(words.MISSING)], ["<td></td>"]
    for name in list(facts.models)[1:]:
        found = compared[name]
        low, high = (words.difference(metric, found[end]) for end in ("low", "high"))
        cells.append(_cell(words.difference(metric, found["difference"]), f"{low} to {high}"))
        pills.append(f"<td><em class='pill {PILLS[found['verdict']]}'>{escape(found['verdict'])}</em></td>")
    scale = f"{words.unit(metric).strip()}, positive is better".lstrip(", ")
    margin = words.margin_text(metric, facts.evaluate["margin"])
    return [_row("Difference", cells, scale), _row("Verdict", pills, f"margin {margin}")]


def _left_out(facts: Facts) -> str:
    """Say what multiply-adds are counted for, and which layers of a network they leave out."""
    layers = uncounted_layers(facts.evaluate)
    return "for one row" + (f", without {', '.join(layers)}" if layers else "")


def _speed_spread(facts: Facts) -> str:
    cells = []
    for name in facts.models:
        own = facts.latency(name)
        found = facts.measure["ratios"].get(name, {}).get("batch1")
        note = f"{found['low']:.2f} to {found['high']:.2f}" if found else ""
        settled = found and not found["low"] <= 1 <= found["high"]
        chip = words.factor(found["ratio"]) if settled else ""
        cells.append(_cell(f"{own['p50_us']:.1f} µs", note, chip))
    return _row("Latency, 1 row", cells, "median; factor with 95 % of rounds")


def result_table(facts: Facts) -> str:
    """Compare the models: quality with intervals, size and speed with factors against the reference."""
    size = {
        key: _size(facts, key)
        for key in ("inputs", "parameters", "multiply_adds", "bytes", "gzip_bytes", "xz_bytes")
    }
    micro = "{:.1f} µs".format
    rows = [
        _headline(facts),
        *_against(facts),
        _row("Inputs", _counted(facts, size["inputs"], words.amount), "numeric columns read"),
        _row("Parameters", _counted(facts, size["parameters"], words.amount), _zeros(facts)),
        _row("Multiply-adds", _counted(facts, size["multiply_adds"], words.amount), _left_out(facts)),
        _row("ONNX file", _counted(facts, size["bytes"], words.bytes_text)),
        _row("ONNX file, gzipped", _counted(facts, size["gzip_bytes"], words.bytes_text), _stored(facts)),
        *_packed(facts, size["xz_bytes"]),
        _speed_spread(facts),
        _row("Latency, p95", _counted(facts, lambda n: facts.latency(n)["p95_us"], micro)),
        _row(
            f"Rows per second, batch {words.amount(facts.measure['batch'])}",
            _counted(facts, lambda n: facts.latency(n)["rows_per_s"], words.amount, fewer=False),
        ),
        _row(
            "Eager PyTorch, 1 row",
            _counted(facts, lambda n: facts.latency(n)["eager_p50_us"], micro),
            "for comparison",
        ),
        _row(
            "Time to make",
            _counted(facts, facts.training_seconds, words.seconds_text),
            "the reference not counted",
        ),
    ]
    heads = "".join(f"<th scope=col class={name}>{escape(text)}</th>" for name, text in facts.models.items())
    return (
        f"<table class=result><thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _size(facts: Facts, key: str) -> Callable[[str], float | None]:
    return lambda name: facts.size(name)[key]


def _zeros(facts: Facts) -> str:
    """Say how many parameters of the last model are 0, when many are."""
    size = _last(facts)
    share = 1 - size["nonzeros"] / max(size["parameters"], 1)
    return f"{100 * share:.0f} % of the last are 0" if mostly_zero(size) else ""


def _stored(facts: Facts) -> str:
    return "where zeros count; they make no call faster" if mostly_zero(_last(facts)) else ""


def _packed(facts: Facts, read: Callable[[str], float | None]) -> list[str]:
    """Add what is left of the file in storage, where zeros make a difference."""
    shown = mostly_zero(_last(facts))
    return [_row("ONNX file, xz", _counted(facts, read, words.bytes_text))] if shown else []


def _last(facts: Facts) -> Mapping[str, int]:
    return facts.size(list(facts.models)[-1])


def metrics_table(facts: Facts) -> str:
    """List every metric on test, with the train-test gap of the headline."""
    first = next(iter(facts.evaluate["models"].values()))
    headline = facts.evaluate["metric"]
    rows = [_row(METRICS[name].title, _metric_cells(facts, "metrics", name)) for name in first["metrics"]]
    rows.append(_row(f"{METRICS[headline].title} on train", _metric_cells(facts, "train", headline)))
    gaps = [_cell(words.difference(headline, m["gap"])) for m in facts.evaluate["models"].values()]
    rows.append(_row("train-test gap", gaps, "0: generalises fully"))
    heads = "".join(f"<th scope=col class={name}>{escape(text)}</th>" for name, text in facts.models.items())
    return f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _metric_cells(facts: Facts, part: str, name: str) -> list[str]:
    return [_cell(words.value(name, model[part][name])) for model in facts.evaluate["models"].values()]


def decisions_table(clean: Mapping[str, Any]) -> str:
    """List what cleaning decided, and why."""
    found: Sequence[Mapping[str, Any]] = clean.get("decisions", [])
    rows = "".join(
        f"<tr><td>{escape(str(d['what']))}</td><td>{escape(str(d.get('column') or words.MISSING))}</td>"
        f"<td class=number>{words.amount(d['count'])}</td><td>{escape(str(d['why']))}</td></tr>"
        for d in found
    )
    if not rows:
        return "<p>Nothing had to be dropped or changed.</p>"
    head = "<tr><th>What</th><th>Column</th><th>Count</th><th>Why</th></tr>"
    return f"<div class=scroll><table class=plain><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and value:
        return ", ".join(map(_shown, value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return dotted keys and values, a section's method first."""
    if not isinstance(value, Mapping) or not value:
        return [(prefix, _shown(value))]
    ordered = sorted(value.items(), key=lambda item: item[0] != "method")
    return [pair for key, part in ordered for pair in _flat(part, f"{prefix}.{key}".lstrip("."))]


def recipe(params: Mapping[str, Any]) -> str:
    """List every setting that made the result, by section of params.yaml."""
    cards = []
    for section, settings in params.items():
        lines = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _flat(settings))
        cards.append(f"<section class=card><h3>{escape(section)}</h3><dl>{lines}</dl></section>")
    return f"<div class=cards>{''.join(cards)}</div>"


def machine_table(measure: Mapping[str, Any]) -> str:
    """Describe the machine the speeds are from."""
    lines = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(str(found))}</dd>" for key, found in measure["machine"].items()
    )
    return f"<dl class=facts>{lines}</dl>"
