"""The scatter with axes to choose, and the cards that a click pins."""

from __future__ import annotations

__all__ = ["FRONT"]

FRONT = """
const thin = "x-thin-open";
const symbols = {
  nothing: "square", reduction: "triangle-up", pruning: "circle", both: "diamond", rival: thin,
};
const chooser = name => document.querySelector(`select[data-axis=${name}]`);
const option = (text, key, chosen) =>
  `<option value="${safe(key)}"${chosen ? " selected" : ""}>${safe(text)}</option>`;
const first = objectives.find(key => axes[axisAt.get(key)]?.sort === "cost") || "bytes";
const across = axisAt.has(first) ? first : axes[0]?.key;
const groups = {metric: "validation", cost: "costs", fact: "recipe", test: "test (not chosen by)"};
const options = chosen => Object.entries(groups).map(([sort, text]) => {
  const own = axes.filter(axis => axis.sort === sort);
  const inside = own.map(axis => option(axis.title, axis.key, axis.key === chosen)).join("");
  return own.length ? `<optgroup label="${text}">${inside}</optgroup>` : "";
}).join("");
chooser("x").innerHTML = options(across);
chooser("y").innerHTML = options(axes[headline]?.key);
const few = axis =>
  axis.sort === "fact" && new Set(rows.map(row => value(row, axisAt.get(axis.key)))).size <= 9;
chooser("colour").innerHTML = option("what it does", "kind", true) +
  axes.filter(few).map(axis => option(axis.title, axis.key)).join("");
["x", "y", "colour"].forEach(name => chooser(name).addEventListener("change", changed));

const measured = (row, at) => safe(written(row, at)) + (at === headline ? spread(row) : "");
const recipe = row => [
  `<b>${safe(row.name)}</b>`,
  [row.arm, standing(row), ...(named[row.id] || [])].map(safe).join(", "),
  ...axes.map((axis, at) => [axis, at]).filter(([axis, at]) =>
    at === headline || axis.sort === "cost" || axis.sort === "fact" || axis.sort === "test")
    .filter(([axis, at]) => value(row, at) !== null)
    .map(([axis, at]) => `${safe(axis.title)}: ${measured(row, at)}`),
].join("<br>");

const coarse = window.matchMedia("(pointer: coarse)").matches;
const formats = {share: ".1%", percent: ".0%", bytes: "~s", count: "~s"};
const decades = (axis, own) => {
  const found = own.map(row => Math.log10(value(row, axisAt.get(axis.key))));
  return Math.max(...found) - Math.min(...found);
};
const logTicks = (axis, own) => {
  const narrow = document.getElementById("chart-front").clientWidth < 600;
  const span = decades(axis, own);
  return {dtick: span < .6 ? undefined : narrow && span > 1.3 ? 1 : "D2", nticks: 6};
};
const axisLayout = (axis, own) => ({
  title: {text: axis.title, standoff: 8},
  type: axis.form === "text" ? "category" : axis.log ? "log" : "linear",
  tickformat: formats[axis.form] || "", fixedrange: coarse, ...(axis.log ? logTicks(axis, own) : {}),
  ...(axis.levels.length ? {categoryorder: "array", categoryarray: axis.levels} : {}),
});
const placed = axis => rows.filter(row => value(row, axisAt.get(axis.key)) !== null && row.seeds);

const bestLine = (x, y, own) => {
  const [a, b] = [axisAt.get(x.key), axisAt.get(y.key)];
  if (!x.better || !y.better) return [];
  const ordered = own.filter(row => row.rank !== null)
    .sort((p, q) => x.better * (value(q, a) - value(p, a)) || y.better * (value(q, b) - value(p, b)));
  let top = null;
  const line = ordered.filter(row => {
    const better = top === null || y.better * (value(row, b) - top) > 0;
    if (better) top = value(row, b);
    return better;
  });
  return [{
    type: "scatter", mode: "lines", showlegend: false, hoverinfo: "skip",
    x: line.map(row => value(row, a)), y: line.map(row => value(row, b)),
    line: {color: colour("muted"), width: 1.2, shape: "hv"},
  }];
};
const trace = (name, own, x, y, tone, symbol) => ({
  type: "scatter", mode: "markers", name,
  x: own.map(row => value(row, axisAt.get(x.key))), y: own.map(row => value(row, axisAt.get(y.key))),
  customdata: own.map(row => row.id), text: own.map(recipe), hovertemplate: "%{text}<extra></extra>",
  marker: {
    color: tone, symbol, size: own.map(row => row.rank === 1 ? 11 : 7),
    opacity: own.map(row => !shown[row.place] ? .08 : row.rank === 1 ? 1 : row.rank === null ? .25 : .55),
    line: symbol === thin ? {width: 2, color: tone} :
      {width: own.map(row => row.rank === 1 ? 1.2 : 0), color: colour("surface")},
  },
});
const grouped = (own, x, y) => {
  const key = chooser("colour").value;
  if (key === "kind") return kinds.map(kind =>
    trace(kind, own.filter(row => row.kind === kind), x, y, colour(kind), symbols[kind]));
  const at = axisAt.get(key), of = row => written(row, at);
  const names = axes[at].levels.length ? axes[at].levels :
    [...new Set([...own].sort((p, q) => value(p, at) - value(q, at)).map(of))];
  return names.map((name, i) =>
    trace(name, own.filter(row => of(row) === name), x, y, colour(tints[i % tints.length]), "circle"));
};
const drawFront = () => {
  if (!axes.length) return;
  const [x, y] = ["x", "y"].map(name => axes[axisAt.get(chooser(name).value)]);
  const own = placed(x).filter(row => value(row, axisAt.get(y.key)) !== null);
  const marks = own.filter(row => pinned.includes(row.id));
  const ring = {
    ...trace("pinned", marks, x, y, "rgba(0,0,0,0)", "circle"),
    showlegend: false, hoverinfo: "skip", hovertemplate: null,
    marker: {
      size: 19, color: "rgba(0,0,0,0)", line: {width: 2.5, color: marks.map(row => colour(tint(row)))},
    },
  };
  draw({
    id: "chart-front", choices: {}, data: [...bestLine(x, y, own), ...grouped(own, x, y), ring],
    layout: {
      xaxis: axisLayout(x, own), yaxis: axisLayout(y, own),
      dragmode: coarse ? false : "zoom", hoverdistance: 12, showlegend: true,
    },
  });
};
listeners.push(drawFront);

const holder = document.querySelector("[data-pinned]");
const card = row => {
  const lines = axes.map((axis, at) => [axis, at])
    .filter(([axis, at]) => value(row, at) !== null)
    .map(([axis, at]) => `<dt>${safe(axis.title)}</dt><dd>${measured(row, at)}</dd>`);
  const changes = row.settings.map(safe).join("<br>") || "the workspace's own recipe";
  return `<div class=card style="--tint: var(--${tint(row)})"><h3>${safe(row.name)}` +
    `<button type=button data-off="${row.id}" aria-label="unpin">\\u2715</button></h3>` +
    `<p>${[row.arm, standing(row), ...(named[row.id] || [])].map(safe).join(", ")}; ` +
    `${row.seeds} seed${row.seeds === 1 ? "" : "s"}</p><dl>${lines.join("")}</dl><p>${changes}</p>` +
    `<code>espalier study --apply ${row.id}</code></div>`;
};
listeners.push(() => { holder.innerHTML = pinned.map(id => card(byId.get(id))).join(""); });
holder.addEventListener("click", event => {
  if (event.target.dataset.off) pin(event.target.dataset.off);
});
document.querySelector("[data-reset]").addEventListener("click", () => {
  brushes.clear(); wanted = ""; frontOnly = false;
  document.querySelector("[data-find]").value = "";
  document.querySelector("[data-only-front]").checked = false;
  changed();
});
drawFront();
later(() => {
  document.getElementById("chart-front").on?.("plotly_click", event => {
    const id = event.points[0]?.customdata;
    if (id) pin(id);
  });
  followWidth("chart-front");
  performance.mark("study-front");
});
"""
