"""The scatter with axes to choose, and the cards that a click pins."""

from __future__ import annotations

__all__ = ["FRONT"]

FRONT = """
const symbols = {
  nothing: "square", reduction: "triangle", pruning: "circle", both: "diamond", rival: "cross",
};
const signs = {
  square: "\\u25a0", triangle: "\\u25b2", circle: "\\u25cf", diamond: "\\u25c6", cross: "\\u2715",
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
const left = new Set();
["x", "y"].forEach(name => chooser(name).addEventListener("change", () => { zoomed = null; drawFront(); }));
chooser("colour").addEventListener("change", () => { left.clear(); drawFront(); });

const measured = (row, at) => safe(written(row, at)) + (at === headline ? spread(row) : "");
const recipe = row => [
  `<b>${safe(row.name)}</b>`,
  [row.arm, standing(row), ...(named[row.id] || [])].map(safe).join(", "),
  ...axes.map((axis, at) => [axis, at]).filter(([axis, at]) =>
    at === headline || axis.sort === "cost" || axis.sort === "fact" || axis.sort === "test")
    .filter(([axis, at]) => value(row, at) !== null)
    .map(([axis, at]) => `${safe(axis.title)}: ${measured(row, at)}`),
].join("<br>");

const drawable = (row, axis) => {
  const own = value(row, axisAt.get(axis.key));
  return own !== null && own !== undefined && (axis.form === "text" || Number.isFinite(bent(axis, own)));
};
const bestLine = (x, y, own) => {
  const [a, b] = [axisAt.get(x.key), axisAt.get(y.key)];
  if (!x.better || !y.better) return [];
  const ordered = own.filter(row => row.rank !== null)
    .sort((p, q) => x.better * (value(q, a) - value(p, a)) || y.better * (value(q, b) - value(p, b)));
  let top = null;
  return ordered.filter(row => {
    const better = top === null || y.better * (value(row, b) - top) > 0;
    if (better) top = value(row, b);
    return better;
  });
};
const grouped = own => {
  const key = chooser("colour").value;
  if (key === "kind") return kinds.map(kind => ({
    name: kind, rows: own.filter(row => row.kind === kind), tone: colour(kind), symbol: symbols[kind],
  }));
  const at = axisAt.get(key), of = row => written(row, at);
  const names = axes[at].levels.length ? axes[at].levels :
    [...new Set([...own].sort((p, q) => value(p, at) - value(q, at)).map(of))];
  return names.map((name, i) => ({
    name, rows: own.filter(row => of(row) === name), tone: colour(tints[i % tints.length]), symbol: "circle",
  }));
};
const legend = document.querySelector("[data-legend]");
const drawFront = () => {
  if (!axes.length) return;
  const [x, y] = ["x", "y"].map(name => axes[axisAt.get(chooser(name).value)]);
  const own = rows.filter(row => row.seeds && drawable(row, x) && drawable(row, y)), groups = grouped(own);
  legend.innerHTML = groups.map(({name, tone, symbol}) =>
    `<button type=button data-group="${safe(name)}" aria-pressed=${!left.has(name)}>` +
    `<i style="color: ${tone}">${signs[symbol]}</i> ${safe(name)}</button>`).join("");
  drawScatter(x, y, own, groups.filter(({name}) => !left.has(name)), bestLine(x, y, own));
};
legend.addEventListener("click", event => {
  const name = event.target.closest("button")?.dataset.group;
  if (name === undefined) return;
  if (!left.delete(name)) left.add(name);
  drawFront();
});
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
  brushes.clear(); left.clear(); wanted = ""; frontOnly = false; zoomed = null;
  document.querySelector("[data-find]").value = "";
  document.querySelector("[data-only-front]").checked = false;
  changed();
});
drawFront();
new ResizeObserver(() => { if (plane.style.width !== board.clientWidth + "px") drawFront(); }).observe(board);
performance.mark("study-front");
"""
