"""The other charts: draws as much of Plotly's figures as the study's charts use, without its five megabytes.

It takes Plotly's place on the page: `Plotly.react` and `Plotly.Plots.resize`. Lines, markers, error bars and
labels on linear, logarithmic and category axes; a legend that switches traces; a label at the nearest point.
"""

from __future__ import annotations

__all__ = ["PLOTS"]

PLOTS = r"""
{
const gauge = document.createElement("canvas").getContext("2d");
const widthOf = (text, size) => {
  gauge.font = size + "px system-ui, sans-serif";
  return gauge.measureText(text).width;
};
const put = (spec, v) => {
  if (typeof v !== "number" || !spec) return String(v);
  const digits = Number(/\.(\d+)/.exec(spec)?.[1] ?? 6);
  if (spec.endsWith("%")) return (100 * v).toFixed(digits) + " %";
  return spec.endsWith("f") ? v.toFixed(digits) : String(Number(v.toPrecision(digits)));
};
const filled = (text, trace, i) => {
  const at = {
    x: trace.x[i], y: trace.y[i], text: trace.text?.[i], customdata: trace.customdata?.[i],
    "fullData.name": trace.name,
  };
  const told = text.replace(/%\{([\w.]+)(?::([^}]*))?\}/g, (_, name, spec) => safe(put(spec, at[name])));
  const [main, extra] = told.split("<extra>");
  const name = extra?.replace("</extra>", "");
  return main + (name ? `<br><b>${name}</b>` : "");
};
const ends = (trace, axis) => trace[axis].flatMap((v, i) => {
  const bars = trace["error_" + axis];
  if (!bars?.array || typeof v !== "number") return [v];
  return [v - ((bars.arrayminus || bars.array)[i] ?? 0), v + (bars.array[i] ?? 0)];
});
const scaleFor = (own, values, from, to, most) => {
  const {type, range, tickvals, ticktext, tickformat = ""} = own;
  const levels = type === "category" ? [...new Set(values)] : null, log = type === "log";
  const bend = v => levels ? (typeof v === "number" ? v : levels.indexOf(v)) : log ? Math.log10(v) : v;
  const found = values.map(bend).filter(Number.isFinite);
  let [low, high] = range || [Math.min(...found), Math.max(...found)];
  if (!range) {
    const room = .05 * (high - low) || Math.abs(high) * .1 || 1;
    [low, high] = [low - room, high + room];
  }
  const place = v => from + (to - from) * (bend(v) - low) / (high - low);
  if (tickvals) return {place, ticks: tickvals.map((v, i) => [ticktext[i], place(v)])};
  if (levels) return {place, ticks: levels.map(v => [String(v), place(v)])};
  const [a, b] = low < high ? [low, high] : [high, low];
  const [step, ticks] = log ? logTicks(10 ** a, 10 ** b, most) : evenTicks(a, b, most);
  const text = v => tickformat.endsWith("%") ? plain(100 * v, 100 * step) + " %" :
    log || Math.abs(v) >= 1e4 ? tickText({}, v, step) : plain(v, step);
  return {place, ticks: ticks.map(v => [text(v), place(v)])};
};
const dashes = {dot: "2 4", dash: "7 5"};
const linePath = (trace, at) => {
  const {color, width = 2, dash} = trace.line || {};
  const places = trace.x.map((_, i) => at(trace, i).map(v => v.toFixed(1)).join(" "));
  const dashed = dashes[dash] ? ` stroke-dasharray="${dashes[dash]}"` : "";
  return `<path d="M${places.join("L")}" fill=none stroke="${color}" stroke-width=${width}${dashed} />`;
};
const barsOf = (trace, at, scales) => ["x", "y"].map(axis => {
  const bars = trace["error_" + axis];
  if (!bars?.array) return "";
  const tone = bars.color || trace.line?.color || "currentColor", cap = (bars.width ?? 5) / 1.5;
  return trace[axis].map((v, i) => {
    const [x, y] = at(trace, i), [low, high] =
      [v - ((bars.arrayminus || bars.array)[i] ?? 0), v + (bars.array[i] ?? 0)].map(scales[axis].place);
    if (low === high || !Number.isFinite(low) || !Number.isFinite(high)) return "";
    const flat = axis === "x";
    const caps = [low, high].map(e => flat ? `M${e} ${y - cap}V${y + cap}` : `M${x - cap} ${e}H${x + cap}`);
    const main = flat ? `M${low} ${y}H${high}` : `M${x} ${low}V${high}`, thick = bars.thickness || 1.6;
    return `<path d="${main}${cap ? caps.join("") : ""}" stroke="${tone}" stroke-width=${thick} />`;
  }).join("");
}).join("");
const one = (held, i) => Array.isArray(held) ? held[i] : held;
const marksOf = (trace, at) => trace.x.map((_, i) => {
  const [x, y] = at(trace, i), tone = one(trace.marker?.color, i) || trace.line?.color || "currentColor";
  const r = (one(trace.marker?.size, i) || 6) / 2;
  const cross = (one(trace.marker?.symbol, i) || "").startsWith("x");
  if (!cross) return `<circle cx=${x} cy=${y} r=${r} fill="${tone}" />`;
  const d = `M${x - r} ${y - r}l${2 * r} ${2 * r}m${-2 * r} 0l${2 * r} ${-2 * r}`;
  return `<path d="${d}" stroke="${tone}" stroke-width=2 />`;
}).join("");
const legendOf = (place, data, layout, width) => {
  const own = data.map((trace, i) => ({trace, i}))
    .filter(({trace}) => trace.name && trace.showlegend !== false);
  if (!(layout.showlegend ?? own.length > 1)) return ["", 0];
  let x = 0, y = 10;
  const made = own.map(({trace, i}) => {
    const text = trace.name.length > 60 ? trace.name.slice(0, 59) + "\u2026" : trace.name;
    const long = 34 + widthOf(text, 12);
    if (x && x + long > width) { x = 0; y += 18; }
    const tone = trace.line?.color || one(trace.marker?.color, 0) || "currentColor";
    const lines = (trace.mode || "lines").includes("lines");
    const key = lines ? linePath({x: [0, 1], line: trace.line}, (_, k) => [x + 20 * k, y - 4]) :
      marksOf({x: [0], marker: {...trace.marker, color: tone}}, () => [x + 10, y - 4]);
    const entry = `<g data-trace=${i} class=entry opacity=${place.away.has(trace.name) ? .35 : 1}>` +
      `<rect x=${x} y=${y - 13} width=${long} height=18 fill=transparent />${key}` +
      `<text x=${x + 25} y=${y}>${safe(text)}</text></g>`;
    x += long + 8;
    return entry;
  });
  return [made.join(""), y + 10];
};
const framed = (layout, {x, y}, edges) => {
  const lines = x.ticks.map(([, at]) => `M${at} ${edges.top}V${edges.bottom}`).join("") +
    y.ticks.map(([, at]) => `M${edges.left} ${at}H${edges.right}`).join("");
  let free = -Infinity;
  const across = x.ticks.map(([text, at]) => {
    const half = widthOf(text, 11.5) / 2;
    const fits = at - half > free && at >= edges.left - 4 && at <= edges.right + 4;
    if (fits) free = at + half + 6;
    return fits ? `<text x=${at} y=${edges.bottom + 16} text-anchor=middle>${safe(text)}</text>` : "";
  }).join("");
  const size = layout.yaxis.tickfont?.size || 11.5;
  const up = y.ticks.filter(([, at]) => at >= edges.top - 4 && at <= edges.bottom + 4).map(([text, at]) =>
    `<text x=${edges.left - 6} y=${at + 4} text-anchor=end font-size=${size}>${safe(text)}</text>`).join("");
  const middle = [(edges.left + edges.right) / 2, (edges.top + edges.bottom) / 2];
  const [below, beside] = [layout.xaxis, layout.yaxis].map(own => own.title?.text || "");
  return `<path d="${lines}" stroke="${colour("line")}" fill=none />${across}${up}` +
    `<text x=${middle[0]} y=${edges.bottom + 36} text-anchor=middle class=title>${safe(below)}</text>` +
    `<text transform="translate(12 ${middle[1]}) rotate(-90)" text-anchor=middle class=title>` +
    `${safe(beside)}</text>`;
};
const render = place => {
  const {data, layout} = place, width = place.clientWidth, height = place.clientHeight;
  if (!width || !height) return;
  const there = data.filter(trace => trace.visible !== false && !place.away.has(trace.name));
  const [key, tall] = legendOf(place, data, layout, width);
  const all = axis => data.flatMap(trace => ends(trace, axis));
  const edges = {top: tall + 8, bottom: height - (layout.xaxis.title?.text ? 46 : 26), right: width - 14};
  const y = scaleFor(layout.yaxis, all("y"), edges.bottom, edges.top, Math.max(3, height / 60));
  const size = layout.yaxis.tickfont?.size || 11.5;
  edges.left = Math.min(width * .55, Math.max(...y.ticks.map(([text]) => widthOf(text, size)), 10) + 12 +
    (layout.yaxis.title?.text ? 18 : 0));
  const x = scaleFor(layout.xaxis, all("x"), edges.left, edges.right, Math.max(3, width / 110));
  const at = (trace, i) => [x.place(trace.x[i]), y.place(trace.y[i])];
  const shapes = (layout.shapes || []).map(shape => {
    const along = x.place(shape.x0);
    if (!Number.isFinite(along)) return "";
    return `<path d="M${along} ${edges.top}V${edges.bottom}" stroke="${shape.line.color}" />`;
  }).join("");
  const drawn = there.map(trace => {
    const mode = trace.mode || "lines";
    const labels = !mode.includes("text") ? "" : trace.x.map((_, i) => {
      const [along, top] = at(trace, i);
      return `<text x=${along} y=${top - 9} text-anchor=middle>${safe(trace.text[i])}</text>`;
    }).join("");
    return barsOf(trace, at, {x, y}) + (mode.includes("lines") ? linePath(trace, at) : "") +
      (mode.includes("markers") ? marksOf(trace, at) : "") + labels;
  }).join("");
  const frame = framed(layout, {x, y}, edges), extent = `width=${width} height=${height}`;
  place.innerHTML = `<svg ${extent} role=img fill="${colour("muted")}" font-size=11.5>` +
    `${frame}${shapes}${drawn}<g font-size=12>${key}</g></svg><div class=tip hidden></div>`;
  place.spots = there.filter(trace => trace.hoverinfo !== "skip").flatMap(trace =>
    trace.x.map((_, i) => ({trace, i, at: at(trace, i)})));
};
const pointed = (place, event) => {
  const edges = place.getBoundingClientRect(), tip = place.querySelector(".tip");
  const [x, y] = [event.clientX - edges.left, event.clientY - edges.top];
  let [least, found] = [400, null];
  place.spots.forEach(spot => {
    const away = (spot.at[0] - x) ** 2 + (spot.at[1] - y) ** 2;
    if (away < least) [least, found] = [away, spot];
  });
  tip.hidden = !found;
  if (!found) return;
  const {trace, i, at} = found;
  tip.innerHTML = filled(trace.hovertemplate || "%{x}, %{y:.4g}<extra>%{fullData.name}</extra>", trace, i);
  tip.style.borderColor = one(trace.marker?.color, i) || trace.line?.color || "currentColor";
  const right = at[0] + 12 + tip.offsetWidth <= place.clientWidth;
  tip.style.left = (right ? at[0] + 12 : Math.max(0, at[0] - 12 - tip.offsetWidth)) + "px";
  tip.style.top = Math.max(0, at[1] - tip.offsetHeight - 6) + "px";
};
window.Plotly = {
  react(id, data, layout) {
    const place = document.getElementById(id);
    if (!place.away) {
      place.away = new Set(); place.classList.add("plot");
      place.addEventListener("pointermove", event => pointed(place, event));
      place.addEventListener("pointerleave", () => { place.querySelector(".tip").hidden = true; });
      place.addEventListener("click", event => {
        const entry = event.target.closest("[data-trace]");
        if (!entry) return;
        const {name} = place.data[entry.dataset.trace];
        if (!place.away.delete(name)) place.away.add(name);
        render(place);
      });
    }
    Object.assign(place, {data, layout});
    render(place);
  },
  Plots: {resize: render},
};
}
"""
