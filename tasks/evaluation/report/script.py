"""The pages' script: draws the charts in the colours of the reader's theme. No storage, no requests.

It runs before Plotly is there, which takes a second to load: a page's own script comes next and finds in
`espalier` `colour`, `draw` and `later`, and what they put off is done, one thing at a time, after `start`.
"""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = """
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const chosen = {};
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const fill = value => {
    if (typeof value === "string") return /^[$][a-z]+$/.test(value) ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(fill);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fill(part)]));
    return value;
  };
  const axis = () => ({
    automargin: true, gridcolor: colour("line"), zeroline: false, linecolor: colour("line"),
    tickcolor: colour("line"), fixedrange: true,
  });
  const merged = (base, own) => ({...base, ...own});
  const waiting = [];
  let started = false;
  const next = () => {
    if (!waiting.length) { started = true; performance.mark("espalier-drawn"); return; }
    waiting.shift()();
    setTimeout(next, 0);
  };
  const later = work => { if (started) work(); else waiting.push(work); };
  const react = figure => {
    const own = fill(figure.layout);
    const shown = figure.choices[chosen[figure.id]];
    const data = fill(figure.data).map((trace, i) => shown ? {...trace, visible: shown[i]} : trace);
    const layout = {
      ...own,
      font: {family: "system-ui, -apple-system, Segoe UI, sans-serif", size: 12, color: colour("muted")},
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 44, r: 12, t: 8, b: 36},
      hoverlabel: {bgcolor: colour("surface"), bordercolor: colour("line"), font: {color: colour("ink")}},
      legend: {orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...(own.legend || {})},
      hovermode: own.hovermode || "closest", bargap: 0.3,
      xaxis: merged(axis(), own.xaxis), yaxis: merged(axis(), own.yaxis),
    };
    Plotly.react(figure.id, data, layout, {displayModeBar: false});
  };
  const newest = {};
  const draw = figure => {
    newest[figure.id] = figure;
    later(() => { if (newest[figure.id] === figure) react(figure); });
  };
  const press = (figure, bar, name) => {
    chosen[figure.id] = name;
    bar.querySelectorAll("button").forEach(b => b.setAttribute("aria-pressed", b.textContent === name));
    draw(figure);
  };
  figures.forEach(figure => {
    const bar = document.querySelector(`[data-for="${figure.id}"]`);
    if (bar) {
      chosen[figure.id] = Object.keys(figure.choices)[0];
      bar.addEventListener("click", event => {
        if (event.target.matches("button")) press(figure, bar, event.target.textContent);
      });
    }
  });
  const resized = new ResizeObserver(entries => entries.forEach(({target}) => {
    if (target.data) Plotly.Plots.resize(target);
  }));
  figures.forEach(figure => resized.observe(document.getElementById(figure.id)));
  const themes = window.matchMedia("(prefers-color-scheme: dark)");
  themes.addEventListener("change", () => figures.forEach(draw));
  const start = () => {
    figures.forEach(draw);
    next();
  };
  window.espalier = {colour, draw, later, start};
})();
"""
