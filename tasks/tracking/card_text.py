"""A model card: what a version is made from, how, what it can do and what not, off its result's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.config import Params
from tasks.evaluation.compare import rounded_up
from tasks.metrics.table import METRICS
from tasks.tracking.facts import Facts, flat_parameters, percent
from tasks.tracking.note import GAP, result_note, result_table, summary_line

__all__ = ["card_text", "changed_settings"]

_MANY = 24
_FEW_ROWS = 30
_DRAWN = {
    "stratified": "at random, class by class",
    "random": "at random",
    "grouped": "by groups",
    "time": "by time",
    "column": "as a column says",
}


def card_text(
    name: str, version: str, facts: Facts, plan: Mapping[str, Any], origin: Mapping[str, str]
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    name, version : str
        Registered model, and the version's number.
    facts : Facts
        The result's reports and parameters.
    plan : mapping
        serving.json: the columns the model asks for, and its classes.
    origin : mapping
        What it was made from, by what it is.
    """
    parts = [
        _heading(name, version, facts, plan),
        _section("Data", _data(facts, plan)),
        _section("Recipe", _recipe(facts)),
        _section("Results", _results(facts)),
        _section("Limits", _limits(facts, plan)),
        _section("Lineage", _lineage(version, facts, origin)),
    ]
    return "\n\n".join(parts) + "\n"


def changed_settings(params: Params) -> dict[str, Any]:
    """Return the settings a result depends on that are not the defaults, by path."""
    defaults = flat_parameters(Params())
    return {
        key: value
        for key, value in flat_parameters(params).items()
        if not key.endswith(".mode") and (key not in defaults or defaults[key] != value)
    }


def _section(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"## {title}", "", *lines])


def _heading(name: str, version: str, facts: Facts, plan: Mapping[str, Any]) -> str:
    labels = plan.get("labels")
    target = f" `{plan['target']}`" if plan.get("target") else ""
    answer = f"one of {len(labels)} classes, and a probability of each" if labels else "a number"
    return (
        f"# {name}, version {version}\n\n{summary_line(facts)}.\n\n"
        f"It predicts{target}: {answer}. Raw rows go in, as they stand in the source; onnxruntime, numpy and "
        "pandas are all it needs."
    )


def _data(facts: Facts, plan: Mapping[str, Any]) -> Iterator[str]:
    rows, split = facts.clean["rows"], facts.params.clean.split.method
    yield (
        f"- Source: `{facts.params.source.uri}`, {rows['raw']:,} rows; {rows['train']:,} to learn "
        f"from, {rows['valid']:,} to choose by, {rows['test']:,} to judge by, parted {_DRAWN[split]}."
    )
    columns = [f"{entry['source']} ({entry['kind']})" for entry in plan["encoding"]["columns"]]
    yield f"- It asks for {len(columns):,} columns: {_few(columns)}."
    if plan.get("labels"):
        yield f"- Classes: {_few(_classes(facts, plan['labels']))}."
    decisions = [_decision(found) for found in facts.clean["decisions"]]
    yield f"- Cleaning: {_few(decisions, '; ') or 'nothing had to be decided'}."


def _decision(found: Mapping[str, Any]) -> str:
    where = f" {found['column']}" if found.get("column") else ""
    return f"{found['what']}{where} ({found['count']:,}: {found['why']})"


def _classes(facts: Facts, labels: Sequence[str]) -> list[str]:
    counts = facts.clean.get("target", {}).get("train", {})
    return [f"{label} ({counts[label]:,} rows)" if label in counts else str(label) for label in labels]


def _few(words: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(words) - _MANY:,} more" if len(words) > _MANY else ""
    return between.join(words[:_MANY]) + more


def _recipe(facts: Facts) -> Iterator[str]:
    columns, rows, prune = facts.reduce["columns"], facts.reduce["rows"], facts.prune
    before, after = facts.columns
    yield f"- Columns: {columns['method']}, {before:,} to {after:,}."
    yield f"- Rows to learn from: {rows['method']}, {rows['before']:,} to {rows['after']:,}."
    yield (
        f"- Network: {facts.params.model.method}, pruned ({prune['method']}): {facts.removed} removed, "
        f"{prune['parameters_before']:,} parameters to {prune['parameters_after']:,}."
    )
    int8 = (facts.evaluate.get("quantisation") or {}).get("chosen", "none")
    yield f"- File: ONNX, {'float32' if int8 == 'none' else f'int8 ({int8})'}."
    settings = [f"`{key}: {value}`" for key, value in changed_settings(facts.params).items()]
    yield f"- Settings other than the defaults: {', '.join(settings) or 'none'}."


def _results(facts: Facts) -> Iterator[str]:
    rows, confidence = facts.evaluate["rows"]["test"], 100 * facts.evaluate["confidence"]
    yield f"On {rows:,} test rows that no step before has read; in brackets, {confidence:g} % intervals."
    yield ""
    yield result_table(facts).replace(GAP, "")
    yield ""
    yield next(line for line in result_note(facts, {}).splitlines() if line.startswith("Difference"))
    judged = facts.evaluate["models"]["compressed"]
    others = [_metric(name, value) for name, value in judged["metrics"].items() if name != facts.headline]
    yield f"Other figures of the compressed model: {', '.join(others)}."
    if judged.get("per_class"):
        yield ""
        yield from _table(judged["per_class"])


def _metric(name: str, value: float | None) -> str:
    metric = METRICS.get(name)
    title = metric.title if metric else name
    if value is None:
        return f"{title} undefined"
    return f"{title} {100 * value:.2f} %" if metric and metric.share else f"{title} {value:.4g}"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    keys = list(rows[0])
    yield f"| {' | '.join(keys)} |"
    yield "|---" * len(keys) + "|"
    for row in rows[:_MANY]:
        yield "| " + " | ".join(_cell(row[key]) for key in keys) + " |"
    if len(rows) > _MANY:
        yield f"\n{len(rows) - _MANY:,} more are in the run's `per_class.json`."


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "-" if value is None else str(value)


def _limits(facts: Facts, plan: Mapping[str, Any]) -> Iterator[str]:
    report, judged = facts.evaluate, facts.evaluate["models"]["compressed"]
    found = report["comparisons"]["compressed"]
    if found["verdict"] != "non-inferior":
        needed = found.get("rows_needed")
        more = f"; about {rounded_up(needed)} test rows would settle it" if needed else ""
        yield f"- As good as its dense reference: {found['verdict']}{more}."
    if facts.params.evaluate.factor < 1:
        yield f"- The figures stand on {100 * facts.params.evaluate.factor:g} % of the test rows."
    yield from _weak(judged.get("per_class") or [])
    if (judged.get("gap") or 0.0) > 0:
        key, scale = percent(facts.headline)
        unit = " points" if key.endswith("_pct") else ""
        better = f"{scale * judged['gap']:.3g}{unit}"
        yield f"- On training rows {METRICS[facts.headline].title} is better than on test rows by {better}."
    if facts.params.clean.split.method in ("stratified", "random"):
        yield (
            "- Test rows were drawn at random from the source that training rows are from: nothing is shown "
            "of later times or other places."
        )
    yield from _unseen(facts, plan)
    machine = facts.measure.get("machine", {})
    yield (
        f"- Times were measured on {machine.get('cpu', 'the machine it was made on')}, "
        f"{facts.params.measure.threads} thread(s); elsewhere they are others."
    )


def _unseen(facts: Facts, plan: Mapping[str, Any]) -> Iterator[str]:
    """Say what becomes of what was not seen in training."""
    if any(entry["kind"] == "category" for entry in plan["encoding"]["columns"]):
        yield "- A category that was not seen in training counts as missing, or as one of the pooled rest."
    yield (
        "- A class that was not seen in training is never predicted."
        if plan.get("labels")
        else "- Targets beyond those seen in training are extrapolated, and nothing is shown of them."
    )


def _weak(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the class that is found least often, and those of which there were too few rows to tell."""
    known = [row for row in rows if row.get("recall") is not None and row["support"]]
    if known:
        worst = min(known, key=lambda row: float(row["recall"]))
        yield (
            f"- Weakest class: {worst['label']}, of whose {worst['support']:,} test rows "
            f"{100 * worst['recall']:.1f} % are recognised."
        )
    few = [str(row["label"]) for row in rows if "recall" in row and row["support"] < _FEW_ROWS]
    if few:
        yield f"- Fewer than {_FEW_ROWS} test rows each: {_few(few)}; their figures say little."


def _lineage(version: str, facts: Facts, origin: Mapping[str, str]) -> Iterator[str]:
    for name, value in origin.items():
        yield f"- {name}: `{value}`"
    machine = facts.measure.get("machine", {})
    with_what = [f"{name} {machine[name]}" for name in ("python", "torch", "onnxruntime") if name in machine]
    if with_what:
        yield f"- made with: {', '.join(with_what)}"
    yield f"- `espalier explain {version}` follows it further, `espalier reproduce {version}` makes it again."
