"""What the parts of the script share: data, how values are written, what is pinned and what passes."""

from __future__ import annotations

__all__ = ["SHARED"]

SHARED = """
const {colour, draw, later} = window.espalier;
const {axes, rows, picks, objectives, kinds} = JSON.parse(document.getElementById("study").textContent);
const byId = new Map(rows.map((row, i) => [row.id, Object.assign(row, {place: i})]));
const axisAt = new Map(axes.map((axis, i) => [axis.key, i]));
const headline = 0;
const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const forms = {
  share: v => (100 * v).toFixed(1) + " %",
  percent: v => (100 * v).toFixed(0) + " %",
  number: v => String(Number(v.toPrecision(4))),
  count: v => whole.format(v),
  bytes: v => v >= 1e6 ? (v / 1e6).toPrecision(3) + " MB" :
    v >= 1e3 ? (v / 1e3).toPrecision(3) + " kB" : Math.round(v) + " B",
  us: v => v.toFixed(1) + " \\u00b5s",
  seconds: v => v < 120 ? v.toFixed(1) + " s" : (v / 60).toFixed(1) + " min",
  text: v => v,
};
const value = (row, at) => row.values[at];
const written = (row, at) => {
  const own = value(row, at);
  return own === null || own === undefined ? "\\u2014" : forms[axes[at].form](own);
};
const marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"};
const safe = text => String(text).replace(/[&<>"]/g, character => marks[character]);
const spread = row => row.spread === null || axes.length === 0 ? "" :
  " \\u00b1 " + (axes[headline].form === "share" ? (100 * row.spread).toFixed(1) : row.spread.toPrecision(2));
const named = {};
Object.entries(picks).forEach(([name, id]) => (named[id] ||= []).push(name));
const standing = row => row.rank === null ? row.why : row.rank === 1 ? "on the front" : `rank ${row.rank}`;

const pinned = [];
const brushes = new Map();
let wanted = "", frontOnly = false;
const tints = "abcdefgh".split("").map(letter => "p" + letter);
const tint = row => tints[pinned.indexOf(row.id) % tints.length];
const passes = row => {
  if (frontOnly && row.rank !== 1) return false;
  for (const [at, test] of brushes) if (!test(row)) return false;
  if (!wanted) return true;
  const text = `${row.name} ${row.arm} ${row.id} ${(named[row.id] || []).join(" ")}`.toLowerCase();
  return wanted.split(/\\s+/).every(word => text.includes(word));
};
const listeners = [];
let shown = rows.map(() => true), waiting = 0;
const changed = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    shown = rows.map(passes);
    listeners.forEach(listener => listener());
  }, 60);
};
const pin = id => {
  const at = pinned.indexOf(id);
  if (at >= 0) pinned.splice(at, 1); else pinned.push(id);
  changed();
};
const counted = () => document.querySelectorAll("[data-count]").forEach(place => {
  const some = shown.filter(Boolean).length;
  place.textContent = some === rows.length ? `${some} candidates` : `${some} of ${rows.length} candidates`;
});
listeners.push(counted);
document.querySelectorAll("table.picks tbody tr").forEach(line =>
  line.addEventListener("click", () => {
    if (!pinned.includes(line.dataset.id)) pin(line.dataset.id);
    document.querySelector("[data-pinned]").scrollIntoView({block: "nearest", behavior: "smooth"});
  }));
const followWidth = id => {
  const place = document.getElementById(id);
  let width = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth !== width && place.data) Plotly.Plots.resize(place);
    width = place.clientWidth;
  }).observe(place);
};
const themes = window.matchMedia("(prefers-color-scheme: dark)");
themes.addEventListener("change", () => setTimeout(() => listeners.forEach(listener => listener()), 0));
"""
