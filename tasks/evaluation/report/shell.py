"""What pages are put together from: tiles, sections, charts, and the one file around them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from tasks.evaluation.report.figures import Figure
from tasks.evaluation.report.script import SCRIPT
from tasks.evaluation.report.style import CSS

__all__ = ["charts", "document", "section", "tiles"]


def _buttons(figure: Figure) -> str:
    if not figure.choices:
        return ""
    first = next(iter(figure.choices))
    made = "".join(
        f"<button type=button aria-pressed={str(name == first).lower()}>{escape(name)}</button>"
        for name in figure.choices
    )
    return f"<div class=buttons data-for={figure.id}>{made}</div>"


def charts(figures: Sequence[Figure]) -> str:
    """Lay charts out two abreast; one left over takes the whole width."""
    if sum(not figure.wide for figure in figures) % 2:
        figures = [*figures[:-1], replace(figures[-1], wide=True)]
    made = "".join(
        f"<figure class='card chart{' wide' if f.wide else ''}'><h3>{escape(f.title)}</h3>"
        f"<p>{escape(f.note)}</p>{_buttons(f)}<div id={f.id} style='height:{f.height}px'></div></figure>"
        for f in figures
    )
    return f"<div class=charts>{made}</div>"


def tiles(figures: Iterable[tuple[str, str]]) -> str:
    """Set figures large, each with what it is."""
    made = "".join(
        f"<div class=tile><b>{escape(big)}</b><span>{escape(small)}</span></div>" for big, small in figures
    )
    return f"<div class=tiles>{made}</div>"


def section(name: str, title: str, *parts: str) -> str:
    """Put parts under a heading that `#name` leads to."""
    return f"<section id={name}><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")


def document(
    title: str,
    body: str,
    figures: Iterable[Figure],
    *,
    css: str = "",
    data: Mapping[str, Any] | None = None,
    script: str = "",
    library: str | None = None,
) -> str:
    """Return a whole page: style, scripts, charts and data inline; nothing is fetched.

    Parameters
    ----------
    title, body
        Of the page; the body is HTML.
    figures
        What the script draws, each into the element of its id.
    css, data, script
        What a page has besides: style, JSON by the id of its element, and a script that runs before Plotly
        is there, so that the page answers early.
    library
        What draws the figures; Plotly by default, empty where `script` brings it.
    """
    parts = {"figures": [figure.to_dict() for figure in figures], **(data or {})}
    held = "".join(
        f"<script type=application/json id={name}>{_json(value)}</script>\n" for name, value in parts.items()
    )
    ordered = (SCRIPT, script, get_plotlyjs() if library is None else library, "espalier.start();")
    scripts = "".join(f"<script>{text}</script>\n" for text in ordered if text)
    return (
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>{CSS}{css}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n</main>\n{held}{scripts}</body>\n</html>\n"
    )
