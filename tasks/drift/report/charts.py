"""The page's charts as SVG: no script, no library, colours of the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tasks.drift.counted import NEW, Shape
from tasks.drift.findings import Finding

__all__ = ["CSS", "distribution", "ranking"]

WIDTH = 520
HEIGHT = 190
LEVELS = 10
RANKED = 25
LINE = 22
NAME = 170
PAGE = 1060  # the ranking takes the whole width

LEGEND = "<div class=legend><span><i class=b></i>batch</span><span><i class=k></i>as it was made</span></div>"
CSS = """
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--muted); paint-order: stroke; stroke: var(--surface); stroke-width: 3px; }
svg .name { fill: var(--ink); }
svg .axis { stroke: var(--line); } svg .least { stroke: var(--open); stroke-dasharray: 4 3; }
svg .batch { fill: var(--reduced); } svg .drifted { fill: var(--bad); } svg .quiet { fill: var(--faint); }
svg .known { fill: none; stroke: var(--reference); stroke-width: 1.8; }
svg .knownbar { fill: var(--reference); }
.legend { display: flex; gap: 18px; font-size: .8rem; color: var(--muted); margin: 0 0 4px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.legend .b { background: var(--reduced); } .legend .k { background: var(--reference); }
"""


def distribution(shape: Shape) -> str:
    """Draw both distributions: numbers as bars over the reference's line, levels side by side."""
    return LEGEND + (_levels(shape) if shape.labels[-1] == NEW else _numbers(shape))


def _svg(height: float, label: str, parts: Sequence[str], width: float = WIDTH) -> str:
    return (
        f"<svg viewBox='0 0 {width} {height:.0f}' role=img aria-label='{escape(label, quote=True)}'>"
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    mark = f" class={kind}" if kind else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor={anchor}{mark}>{escape(text)}</text>"


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str) -> str:
    return (
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0.5):.1f}' height='{height:.1f}' "
        f"class={kind} rx=1><title>{escape(title)}</title></rect>"
    )


def _numbers(shape: Shape) -> str:
    """Draw bars of the batch over the line of the reference, which has a twentieth in most bins."""
    top = max(*shape.reference, *shape.batch, 1e-9)
    left, bottom, room = 34.0, HEIGHT - 24.0, HEIGHT - 36.0
    step = (WIDTH - left - 4) / len(shape.labels)
    bars, path = [], f"M{left:.1f} {bottom:.1f}"
    for i, (label, known, now) in enumerate(zip(shape.labels, shape.reference, shape.batch, strict=True)):
        x, height = left + i * step, room * now / top
        told = f"{label}: {100 * now:.1f} % of the batch, {100 * known:.1f} % before"
        bars.append(_rect(x + 1, bottom - height, step - 2, height, "batch", told))
        y = bottom - room * known / top
        path += f"V{y:.1f}H{x + step:.1f}"
    ticks = [
        _text(left - 4, bottom - room + 4, f"{100 * top:.0f} %", "end"),
        _text(left - 4, bottom, "0", "end"),
        f"<line x1='{left}' x2='{WIDTH - 4}' y1='{bottom}' y2='{bottom}' class=axis />",
        *_ends(shape.labels, left, step),
    ]
    return _svg(HEIGHT, "shares by bin", [*bars, f"<path d='{path}V{bottom:.1f}' class=known />", *ticks])


def _ends(labels: Sequence[str], left: float, step: float) -> list[str]:
    """Write where some of the bins end."""
    inner = range(1, len(labels) - 1)
    shown = [inner[round(i * (len(inner) - 1) / 4)] for i in range(5)] if len(inner) >= 5 else list(inner)
    return [
        _text(left + (i + 1) * step, HEIGHT - 8, labels[i].removeprefix("to "), "middle")
        for i in dict.fromkeys(shown)
    ]


def _levels(shape: Shape) -> str:
    """Two bars for each level, the most different first; small ones that did not change are left out."""
    found = sorted(
        zip(shape.labels, shape.reference, shape.batch, strict=True), key=lambda level: -max(level[1:])
    )
    shown = [level for level in found if max(level[1:]) > 0][:LEVELS]
    top = max([*(max(level[1:]) for level in shown), 1e-9])
    parts, room = [], WIDTH - NAME - 60
    for i, (label, known, now) in enumerate(shown):
        y = i * LINE + 4
        parts += [
            _text(NAME - 6, y + 12, _short(label), "end", "name"),
            _rect(NAME, y + 1, room * now / top, 7, "batch", f"{100 * now:.1f} % of the batch"),
            _rect(
                NAME, y + 9, room * known / top, 7, "knownbar", f"{100 * known:.1f} % of the training side"
            ),
            _text(NAME + room * max(now, known) / top + 6, y + 12, f"{100 * now:.1f} %"),
        ]
    return _svg(len(shown) * LINE + 8, "shares by level", parts)


def _short(label: str, letters: int = 24) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "\N{HORIZONTAL ELLIPSIS}"


def ranking(findings: Sequence[Finding], least: float) -> str:
    """Draw the stability index of columns, the largest first, beside the smallest that matters."""
    found = sorted((f for f in findings if f.measure == "PSI"), key=lambda f: -f.effect)[:RANKED]
    top = max([*(f.effect for f in found), 1.5 * least, 1e-9])
    room, height = PAGE - NAME - 60, len(found) * LINE + 24
    place = NAME + room * least / top
    parts = [f"<line x1='{place:.1f}' x2='{place:.1f}' y1=0 y2='{height - 18}' class=least />"]
    parts.append(_text(place, height - 5, f"matters from {least:g}", "middle"))
    for i, f in enumerate(found):
        y, length = i * LINE + 4, room * f.effect / top
        parts += [
            _text(NAME - 6, y + 11, _short(f.name), "end", "name"),
            _rect(
                NAME, y, length, 14, "drifted" if f.drifted else "quiet", f"{f.name}: {f.test}, p {f.p:.2g}"
            ),
            _text(NAME + length + 6, y + 11, f"{f.effect:.3f}"),
        ]
    return _svg(height, "population stability index by column", parts, PAGE)
