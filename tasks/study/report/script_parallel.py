"""Parallel coordinates on a canvas: a thousand lines are drawn in one go, and axes can be brushed."""

from __future__ import annotations

__all__ = ["PARALLEL"]

PARALLEL = """
const canvas = document.getElementById("chart-parallel"), pen = canvas.getContext("2d");
const nearest = document.querySelector("[data-nearest]");
const tall = 360, edge = {top: 40, bottom: 26, side: 56}, apart = 100;
const varies = at => new Set(rows.map(row => value(row, at)).filter(v => v !== null)).size > 1;
const lanes = [...axes.map((axis, at) => at).filter(at => axes[at].sort === "fact" && varies(at)).slice(0, 6),
  ...objectives.map(key => axisAt.get(key)).filter(at => at !== undefined),
  ...(objectives.includes(axes[headline]?.key) ? [] : [headline])].filter(at => axes[at]);
const valuesAt = at => rows.map(row => value(row, at)).filter(v => v !== null && v !== undefined);
const levelsAt = at => axes[at].levels.length ? axes[at].levels : [...new Set(valuesAt(at))];
const scales = new Map(lanes.map(at => {
  const axis = axes[at], values = valuesAt(at);
  if (axis.form === "text") {
    const levels = levelsAt(at);
    return [at, v => levels.length < 2 ? .5 : levels.indexOf(v) / (levels.length - 1)];
  }
  const bend = axis.log ? Math.log10 : v => v;
  const bent = values.map(bend), low = Math.min(...bent), high = Math.max(...bent);
  return [at, v => high > low ? (bend(v) - low) / (high - low) : .5];
}));
const ticks = at => {
  const axis = axes[at];
  if (axis.form === "text") return levelsAt(at).map(v => [v, scales.get(at)(v)]);
  const values = valuesAt(at), low = Math.min(...values), high = Math.max(...values);
  const middle = axis.log ? Math.sqrt(low * high) : (low + high) / 2;
  return (low === high ? [low] : [low, middle, high]).map(v => [forms[axis.form](v), scales.get(at)(v)]);
};
const wide = () => Math.max(canvas.parentElement.clientWidth, edge.side * 2 + apart * (lanes.length - 1));
const laneX = i => edge.side + (lanes.length < 2 ? 0 : i * (wide() - 2 * edge.side) / (lanes.length - 1));
const laneY = share => tall - edge.bottom - share * (tall - edge.top - edge.bottom);
const pathOf = row => lanes.map((at, i) => {
  const own = value(row, at);
  return own === null || own === undefined ? null : [laneX(i), laneY(scales.get(at)(own))];
});
let paths = [];
const stroke = path => {
  pen.beginPath();
  let before = null;
  path.forEach(point => {
    if (point && before) pen.lineTo(...point); else if (point) pen.moveTo(...point);
    before = point;
  });
  pen.stroke();
};
const windows = new Map();
let hovered = null;
const layer = (own, tone, width, opacity) => {
  pen.strokeStyle = tone; pen.lineWidth = width; pen.globalAlpha = opacity;
  own.forEach(row => stroke(paths[row.place]));
  pen.globalAlpha = 1;
};
const clipped = (text, most) => {
  let cut = text;
  while (cut.length > 3 && pen.measureText(cut).width > most) cut = cut.slice(0, -2);
  return cut === text ? text : cut + "\\u2026";
};
const drawLane = (at, i) => {
  const x = laneX(i), held = windows.get(at);
  pen.strokeStyle = colour("muted"); pen.lineWidth = 1;
  pen.beginPath(); pen.moveTo(x, edge.top); pen.lineTo(x, tall - edge.bottom); pen.stroke();
  if (held) {
    pen.fillStyle = colour("both"); pen.globalAlpha = .25;
    pen.fillRect(x - 8, Math.min(...held), 16, Math.abs(held[1] - held[0])); pen.globalAlpha = 1;
  }
  pen.fillStyle = colour("ink"); pen.textAlign = "center"; pen.font = "600 11px system-ui, sans-serif";
  pen.fillText(clipped(axes[at].title, apart), x, 16);
  pen.font = "10.5px system-ui, sans-serif"; pen.lineWidth = 3; pen.strokeStyle = colour("surface");
  pen.textAlign = i === lanes.length - 1 ? "right" : "left";
  ticks(at).forEach(([text, share]) => {
    const place = [x + (i === lanes.length - 1 ? -6 : 6), laneY(share) + 3.5];
    pen.strokeText(clipped(text, apart - 14), ...place);
    pen.fillStyle = colour("muted"); pen.fillText(clipped(text, apart - 14), ...place);
  });
};
const drawParallel = () => {
  if (!lanes.length) return;
  const sharp = window.devicePixelRatio || 1;
  canvas.width = wide() * sharp; canvas.height = tall * sharp;
  canvas.style.width = wide() + "px"; canvas.style.height = tall + "px";
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  paths = rows.map(pathOf);
  const own = rows.filter(row => row.seeds), kept = own.filter(row => shown[row.place]);
  const faintly = Math.max(.12, Math.min(.6, 60 / Math.max(kept.length, 1)));
  layer(own.filter(row => !shown[row.place]), colour("faint"), 1, .12);
  layer(kept.filter(row => row.rank !== 1), colour("muted"), 1, faintly);
  layer(kept.filter(row => row.rank === 1), colour("both"), 1.6, .85);
  own.filter(row => pinned.includes(row.id)).forEach(row => layer([row], colour(tint(row)), 3, 1));
  if (hovered) layer([hovered], colour("ink"), 2.4, 1);
  lanes.forEach(drawLane);
};
listeners.push(() => {
  [...windows.keys()].filter(at => !brushes.has(at)).forEach(at => windows.delete(at));
  drawParallel();
});
const spot = event => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
const laneNear = x => lanes.map((at, i) => [Math.abs(laneX(i) - x), at]).sort((a, b) => a[0] - b[0])[0];
let brushing = null;
const apply = at => {
  const [a, b] = windows.get(at).slice().sort((p, q) => p - q), scale = scales.get(at);
  brushes.set(at, row => {
    const own = value(row, at);
    if (own === null || own === undefined) return false;
    const y = laneY(scale(own));
    return y >= a - 1 && y <= b + 1;
  });
};
canvas.addEventListener("pointerdown", event => {
  const [x, y] = spot(event), [distance, at] = laneNear(x) || [Infinity];
  if (distance > 24) return;
  canvas.setPointerCapture(event.pointerId);
  brushing = {at, from: y, moved: false};
});
const lineNear = ([x, y]) => {
  let best = [8, null];
  rows.forEach(row => {
    if (!shown[row.place] || !row.seeds) return;
    const path = paths[row.place] || [];
    for (let i = 0; i + 1 < path.length; i++) {
      const [p, q] = [path[i], path[i + 1]];
      if (!p || !q || x < p[0] || x > q[0]) continue;
      const away = Math.abs(p[1] + (q[1] - p[1]) * (x - p[0]) / (q[0] - p[0]) - y);
      if (away < best[0]) best = [away, row];
    }
  });
  return best[1];
};
let frame = 0;
const soon = work => { cancelAnimationFrame(frame); frame = requestAnimationFrame(work); };
canvas.addEventListener("pointermove", event => {
  const at = spot(event);
  if (brushing) {
    brushing.moved = brushing.moved || Math.abs(at[1] - brushing.from) > 4;
    if (!brushing.moved) return;
    const inside = y => Math.max(edge.top, Math.min(tall - edge.bottom, y));
    windows.set(brushing.at, [inside(brushing.from), inside(at[1])]);
    apply(brushing.at);
    changed();
    return;
  }
  soon(() => {
    const row = lineNear(at);
    if (row === hovered) return;
    hovered = row;
    nearest.textContent = row ?
      `${row.name}: ${written(row, headline)}${spread(row)}, ${standing(row)}` : "\\u00a0";
    drawParallel();
  });
});
canvas.addEventListener("pointerup", event => {
  if (brushing && !brushing.moved) { windows.delete(brushing.at); brushes.delete(brushing.at); changed(); }
  else if (!brushing) { const row = lineNear(spot(event)); if (row) pin(row.id); }
  brushing = null;
});
canvas.addEventListener("pointercancel", () => { brushing = null; });
canvas.addEventListener("pointerleave", () => { if (hovered) { hovered = null; drawParallel(); } });
new ResizeObserver(drawParallel).observe(canvas.parentElement);
"""
