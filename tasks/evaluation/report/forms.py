"""The forms the compressed model's file could take: what was kept, why, and what the others would cost."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tasks.evaluation.report import words
from tasks.evaluation.report.facts import Facts

__all__ = ["forms", "sentences"]

HEADS = ("Form", "Scaling", "ONNX file", "Agreement", "Validation loss", "")
SCALING = {"folded": "merged", "scaled": "apart"}


def _choice(facts: Facts, found: Mapping[str, Any]) -> str:
    metric, fp32 = facts.evaluate["metric"], found["fp32"]["bytes"]
    if found["chosen"] == "none":
        return f"The file stays in float32 ({words.bytes_text(fp32)}): no int8 form is smaller and as good."
    kept = next(
        c for c in found["candidates"] if (c["method"], c["form"]) == (found["chosen"], found["form"])
    )
    return (
        f"The file is int8 ({kept['method']}): {words.bytes_text(kept['bytes'])} against "
        f"{words.bytes_text(fp32)} in float32. It agrees with float32 by {_share(kept['agreement'])} on "
        f"{words.amount(found['rows'])} validation rows; the validation {facts.title} loses "
        f"{words.difference(metric, kept['loss']).lstrip('+')}{words.unit(metric)}."
    )


def _share(number: float | None) -> str:
    return words.MISSING if number is None else f"{100 * number:.1f} %"


def _pace(found: Mapping[str, float]) -> str:
    """Say how the kept form stands to another, where the rounds settle it."""
    if found["low"] <= 1 <= found["high"]:
        return "about as fast as"
    return f"{words.times(found['ratio'], 'faster', 'slower')} than"


def _beside(facts: Facts, other: Mapping[str, Any]) -> str:
    one, many = other["batch1"], other["batch"]
    batch = words.amount(facts.measure["batch"])
    said = (
        f"The kept file is {_pace(one)} {other['what']} on one row and {_pace(many)} it on {batch} rows "
        f"(factors {one['low']:.2f} to {one['high']:.2f}, {many['low']:.2f} to {many['high']:.2f})."
    )
    slower = one["high"] < 1 or many["high"] < 1
    return f"{said} Where that speed matters more, set {other['setting']}." if slower else said


def sentences(facts: Facts) -> list[str]:
    """Say which form was kept, and how fast it is beside the other."""
    found = facts.evaluate.get("quantisation")
    chosen = [_choice(facts, found)] if found else []
    return chosen + [_beside(facts, other) for other in facts.measure.get("alternatives", ())]


def _row(facts: Facts, found: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
    kept = (candidate["method"], candidate["form"]) == (found["chosen"], found["form"])
    size = candidate["bytes"]
    cells = (
        candidate["method"],
        SCALING.get(candidate["form"], candidate["form"]),
        words.MISSING if size is None else words.bytes_text(size),
        _share(candidate["agreement"]),
        words.difference(facts.evaluate["metric"], candidate["loss"]),
        "kept" if kept else candidate["why"] or "not the smallest",
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def forms(facts: Facts) -> str:
    """Return the paragraph about the kept form and the table of int8 candidates; nothing without either."""
    said, found = sentences(facts), facts.evaluate.get("quantisation")
    text = f"<p class=lede>{escape(' '.join(said))}</p>" if said else ""
    if not found:
        return text
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    rows = "".join(_row(facts, found, candidate) for candidate in found["candidates"])
    table = f"<table class=plain><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"{text}<div class='card table scroll'>{table}</div>"
