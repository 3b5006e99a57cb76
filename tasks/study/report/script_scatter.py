"""The scatter on a canvas, drawn with the page: scales, marks, what is under the pointer, zoom."""

from __future__ import annotations

__all__ = ["SCATTER"]

SCATTER = """
const board = document.getElementById("chart-front");
board.innerHTML = '<canvas role=img aria-label="Scatter of all candidates; the table below holds the same ' +
  'figures"></canvas><div class=ring hidden></div><div class=zoom hidden></div><div class=tip hidden></div>';
const [plane, ring, box, tip] = board.children, brush = plane.getContext("2d");
const pad = {left: 68, right: 16, top: 10, bottom: 46};
const plain = (v, step) => v.toFixed(Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9))));
const compact = (v, step) => {
  const digits = step ? Math.ceil(Math.log10(Math.abs(v) / step || 1)) + 1 : 3;
  return String(Number(v.toPrecision(Math.max(3, Math.min(12, digits)))));
};
const scaled = (v, step, by, unit) => compact(v / by, step / by) + unit;
const tickText = (axis, v, step) => ({
  share: () => plain(100 * v, 100 * step) + " %", percent: () => plain(100 * v, 100 * step) + " %",
  bytes: () => v >= 1e6 ? scaled(v, step, 1e6, " MB") : v >= 1e3 ? scaled(v, step, 1e3, " kB") :
    scaled(v, step, 1, " B"),
  us: () => compact(v, step) + " \\u00b5s", seconds: () => compact(v, step) + " s",
}[axis.form] || (() => v >= 1e6 ? scaled(v, step, 1e6, "M") : v >= 1e4 ? scaled(v, step, 1e3, "k") :
  compact(v, step)))();
const evenTicks = (low, high, most) => {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find(by => by * power >= rough) || 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return [step, Array.from({length: Math.max(count, 0)}, (_, i) => (first + i) * step)];
};
const logTicks = (low, high, most) => {
  const span = Math.log10(high / low);
  if (span < .7) return evenTicks(low, high, most);
  const by = span * 3 <= most + 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(span / most)), found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    if (power % every === 0) by.forEach(times => found.push(times * 10 ** power));
  return [0, found.filter(v => v >= low && v <= high)];
};
const bent = (axis, v) => axis.log ? Math.log10(v) : v;
const scaleOf = (axis, own, from, to, held, most) => {
  const at = axisAt.get(axis.key);
  if (axis.form === "text") {
    const levels = axis.levels.length ? axis.levels : [...new Set(own.map(row => value(row, at)))].sort();
    const place = v => from + (to - from) * (levels.indexOf(v) + .5) / levels.length;
    return {place, ticks: levels.map(v => [v, place(v)])};
  }
  let [low, high] = held || own.map(row => bent(axis, value(row, at))).reduce(
    ([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (!held) {
    const room = .04 * (high - low) || Math.abs(high) * .05 || 1;
    [low, high] = [low - room, high + room];
  }
  const place = v => from + (to - from) * (bent(axis, v) - low) / (high - low);
  const [step, values] = (axis.log ? logTicks(10 ** low, 10 ** high, most) : evenTicks(low, high, most));
  const back = pixel => low + (high - low) * (pixel - from) / (to - from);
  return {place, back, ticks: values.map(v => [tickText(axis, v, step), place(v)])};
};
const outlines = {
  square: (x, y, r) => brush.rect(x - r * .88, y - r * .88, 1.76 * r, 1.76 * r),
  circle: (x, y, r) => { brush.moveTo(x + r, y); brush.arc(x, y, r, 0, 7); },
  diamond: (x, y, r) => {
    const s = 1.25 * r;
    brush.moveTo(x, y - s); brush.lineTo(x + s, y); brush.lineTo(x, y + s); brush.lineTo(x - s, y);
    brush.closePath();
  },
  triangle: (x, y, r) => {
    const [s, low] = [1.1 * r, y + .8 * r];
    brush.moveTo(x, y - 1.2 * r); brush.lineTo(x + s, low); brush.lineTo(x - s, low);
    brush.closePath();
  },
  cross: (x, y, r) => {
    brush.moveTo(x - r, y - r); brush.lineTo(x + r, y + r);
    brush.moveTo(x - r, y + r); brush.lineTo(x + r, y - r);
  },
};
const mark = ({x, y, row, symbol, tone, surface}) => {
  brush.globalAlpha = !shown[row.place] ? .08 : row.rank === 1 ? 1 : row.rank === null ? .25 : .6;
  const radius = row.rank === 1 ? 5.5 : 3.5;
  brush.beginPath(); outlines[symbol](x, y, radius);
  if (symbol === "cross") { brush.strokeStyle = tone; brush.lineWidth = 2; brush.stroke(); return; }
  brush.fillStyle = tone; brush.fill();
  if (row.rank === 1) { brush.strokeStyle = surface; brush.lineWidth = 1.2; brush.stroke(); }
};
const frameOf = (across, up, width, height) => {
  brush.font = "11.5px system-ui, sans-serif"; brush.lineWidth = 1;
  brush.strokeStyle = colour("line"); brush.fillStyle = colour("muted");
  brush.beginPath();
  across.ticks.forEach(([, x]) => { brush.moveTo(x, pad.top); brush.lineTo(x, height - pad.bottom); });
  up.ticks.forEach(([, y]) => { brush.moveTo(pad.left, y); brush.lineTo(width - pad.right, y); });
  brush.stroke();
  brush.textAlign = "center";
  let free = -Infinity;
  across.ticks.forEach(([text, x]) => {
    const half = brush.measureText(text).width / 2;
    if (x - half > free) { brush.fillText(text, x, height - pad.bottom + 16); free = x + half + 6; }
  });
  brush.textAlign = "right";
  up.ticks.forEach(([text, y]) => brush.fillText(text, pad.left - 6, y + 4));
};
const titles = (x, y, width, height) => {
  brush.font = "12px system-ui, sans-serif"; brush.fillStyle = colour("ink"); brush.textAlign = "center";
  brush.fillText(x.title, (pad.left + width - pad.right) / 2, height - 8);
  brush.save();
  brush.translate(13, (pad.top + height - pad.bottom) / 2); brush.rotate(-Math.PI / 2);
  brush.fillText(y.title, 0, 0);
  brush.restore();
};
let points = [], lens = null, zoomed = null;
const stepped = line => {
  brush.globalAlpha = 1; brush.strokeStyle = colour("muted"); brush.lineWidth = 1.2;
  brush.beginPath();
  line.forEach(([x, y], i) => {
    if (i) { brush.lineTo(x, line[i - 1][1]); brush.lineTo(x, y); } else brush.moveTo(x, y);
  });
  brush.stroke();
};
const drawScatter = (x, y, own, groups, best) => {
  const width = board.clientWidth, height = board.clientHeight, sharp = window.devicePixelRatio || 1;
  plane.width = width * sharp; plane.height = height * sharp;
  plane.style.width = width + "px"; plane.style.height = height + "px";
  brush.setTransform(sharp, 0, 0, sharp, 0, 0);
  [ring, tip].forEach(part => { part.hidden = true; });
  points = [];
  if (!own.length) return;
  const across = scaleOf(x, own, pad.left, width - pad.right, zoomed?.x, Math.max(3, width / 110));
  const up = scaleOf(y, own, height - pad.bottom, pad.top, zoomed?.y, 7);
  const [a, b] = [axisAt.get(x.key), axisAt.get(y.key)];
  const at = row => [across.place(value(row, a)), up.place(value(row, b))];
  lens = {across, up};
  frameOf(across, up, width, height); titles(x, y, width, height);
  brush.save();
  brush.beginPath();
  const inside = [width - pad.left - pad.right, height - pad.top - pad.bottom];
  brush.rect(pad.left - 7, pad.top - 7, inside[0] + 14, inside[1] + 14);
  brush.clip();
  stepped(best.map(at));
  const surface = colour("surface");
  points = groups.flatMap(({rows: members, tone, symbol}) =>
    members.map(row => ({row, tone, symbol, surface, x: at(row)[0], y: at(row)[1]})));
  const layerOf = ({row}) => (shown[row.place] ? 2 : 0) + (row.rank === 1 ? 1 : 0);
  points.sort((p, q) => layerOf(p) - layerOf(q)).forEach(mark);
  brush.globalAlpha = 1; brush.lineWidth = 2.5;
  points.filter(({row}) => pinned.includes(row.id)).forEach(point => {
    brush.strokeStyle = colour(tint(point.row));
    brush.beginPath(); brush.arc(point.x, point.y, 10, 0, 7); brush.stroke();
  });
  brush.restore();
};
const under = (x, y) => {
  let [least, found] = [144, null];
  points.forEach(point => {
    const away = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (away < least || away === least && point.row.rank === 1) [least, found] = [away, point];
  });
  return found;
};
const tell = point => {
  ring.hidden = tip.hidden = !point;
  if (!point) return;
  ring.style.cssText = `left: ${point.x}px; top: ${point.y}px; border-color: ${point.tone}`;
  tip.innerHTML = recipe(point.row);
  tip.style.borderColor = point.tone;
  const right = point.x + 14 + tip.offsetWidth <= board.clientWidth;
  const left = right ? point.x + 14 : Math.max(0, point.x - 14 - tip.offsetWidth);
  const top = Math.max(0, Math.min(board.clientHeight - tip.offsetHeight, point.y - tip.offsetHeight / 2));
  tip.style.left = left + "px"; tip.style.top = top + "px";
};
let drag = null, dragged = false;
const within = (x, y) => [
  Math.max(pad.left, Math.min(board.clientWidth - pad.right, x)),
  Math.max(pad.top, Math.min(board.clientHeight - pad.bottom, y)),
];
const placeIn = event => {
  const edges = plane.getBoundingClientRect();
  return [event.clientX - edges.left, event.clientY - edges.top];
};
const span = (scale, from, to) => scale.back && [scale.back(from), scale.back(to)].sort((p, q) => p - q);
plane.addEventListener("pointermove", event => {
  const [x, y] = placeIn(event);
  if (!drag) { tell(under(x, y)); return; }
  const to = within(x, y);
  drag.to = Math.hypot(to[0] - drag.from[0], to[1] - drag.from[1]) > 6 ? to : null;
  box.hidden = !drag.to;
  if (!drag.to) return;
  tell(null);
  const [left, top] = [0, 1].map(i => Math.min(drag.from[i], to[i]));
  const [w, h] = [0, 1].map(i => Math.abs(drag.from[i] - to[i]));
  box.style.cssText = `left: ${left}px; top: ${top}px; width: ${w}px; height: ${h}px`;
});
plane.addEventListener("pointerdown", event => {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  plane.setPointerCapture(event.pointerId);
  drag = {from: within(...placeIn(event)), to: null};
});
plane.addEventListener("pointerup", () => {
  dragged = Boolean(drag?.to);
  if (dragged && lens) {
    const {from, to} = drag;
    zoomed = {x: span(lens.across, from[0], to[0]), y: span(lens.up, from[1], to[1])};
    drawFront();
  }
  drag = null; box.hidden = true;
});
plane.addEventListener("click", event => {
  const point = dragged ? null : under(...placeIn(event));
  if (point) pin(point.row.id);
});
plane.addEventListener("dblclick", () => { zoomed = null; drawFront(); });
plane.addEventListener("pointercancel", () => { drag = null; box.hidden = true; });
plane.addEventListener("pointerleave", () => { if (!drag) tell(null); });
"""
