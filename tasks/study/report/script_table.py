"""The table of every candidate: sorted by a click on a heading, filtered by words, shown in parts."""

from __future__ import annotations

__all__ = ["TABLE"]

TABLE = """
const listing = document.querySelector("[data-listing]"), more = document.querySelector("[data-more]");
const columns = axes.map((axis, at) => at).filter(at =>
  at === headline || ["cost", "fact", "test"].includes(axes[at].sort) && axes[at].key !== "parameters");
const part = 50;
let length = part, order = {key: "rank", up: true};
const keyed = {
  name: row => row.name,
  rank: row => row.rank === null ? Infinity : row.rank,
  ...Object.fromEntries(columns.map(at => [axes[at].key, row => {
    const own = value(row, at), levels = axes[at].levels;
    return own !== null && levels.length ? levels.indexOf(own) : own;
  }])),
};
const compare = (p, q) => {
  const [a, b] = [keyed[order.key](p), keyed[order.key](q)];
  if (a === b) return p.place - q.place;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return (a < b ? -1 : 1) * (order.up ? 1 : -1);
};
const heading = (key, title, left, test) => {
  const arrow = order.key === key ? (order.up ? " \\u2191" : " \\u2193") : "";
  const sorted = order.key === key ? ` aria-sort=${order.up ? "ascending" : "descending"}` : "";
  const classes = [left ? "left" : "", test ? "test" : ""].filter(Boolean).join(" ");
  return `<th scope=col class="${classes}"${sorted}><button type=button data-key="${safe(key)}">` +
    `${safe(title)}${arrow}</button></th>`;
};
const line = row => {
  const hollow = row.kind === "rival" ? " hollow" : "";
  const dot = `<i class="dot${hollow}" style="--tone: var(--${row.kind})"></i>`;
  const marks = (named[row.id] || []).map(name => ` <em class="pill good">${name}</em>`).join("");
  const cells = columns.map(at => `<td class="${axes[at].sort}">${safe(written(row, at))}` +
    `${at === headline && row.spread !== null ? `<small>${spread(row)}</small>` : ""}</td>`).join("");
  const why = row.rank === null ? `; ${safe(row.why)}` : "";
  const style = pinned.includes(row.id) ? ` class=pin style="--tint: var(--${tint(row)})"` : "";
  return `<tr data-id="${row.id}"${style}><td class=left>${dot}${safe(row.name)}${marks}` +
    `<small>${safe(row.arm)}, ${row.id}${why}</small></td>` +
    `<td>${row.rank === null ? "\\u2014" : row.rank}</td>${cells}</tr>`;
};
const drawTable = () => {
  const own = rows.filter(row => shown[row.place]).sort(compare);
  listing.innerHTML = `<thead><tr>${heading("name", "candidate", true)}${heading("rank", "rank")}` +
    columns.map(at => heading(axes[at].key, axes[at].title, false, axes[at].sort === "test")).join("") +
    `</tr></thead><tbody>${own.slice(0, length).map(line).join("")}</tbody>`;
  more.hidden = own.length <= length;
  more.textContent = `show ${Math.min(200, own.length - length)} more of ${own.length}`;
};
listeners.push(drawTable);
listing.addEventListener("click", event => {
  const key = event.target.closest("button")?.dataset.key, id = event.target.closest("tbody tr")?.dataset.id;
  if (key) {
    const at = axisAt.get(key);
    const rising = at === undefined || axes[at].better <= 0 && axes[at].sort !== "test";
    order = {key, up: order.key === key ? !order.up : rising};
    drawTable();
  } else if (id) pin(id);
});
more.addEventListener("click", () => { length += 200; drawTable(); });
document.querySelector("[data-find]").addEventListener("input", event => {
  wanted = event.target.value.trim().toLowerCase(); length = part; changed();
});
document.querySelector("[data-only-front]").addEventListener("change", event => {
  frontOnly = event.target.checked; changed();
});
counted();
drawTable();
performance.mark("study-drawn");
"""
