"""Learning curves of the picks and of what is pinned."""

from __future__ import annotations

__all__ = ["CURVES"]

CURVES = """
let curvesOf = null;
const curveColour = (row, i) => colour(
  row.kind === "nothing" ? "nothing" : pinned.includes(row.id) ? tint(row) : tints[i % tints.length]);
const drawCurves = () => {
  const ids = [...new Set([...pinned, ...Object.values(picks)])], theme = colour("ink");
  if (curvesOf === ids.join() + theme) return;
  curvesOf = ids.join() + theme;
  const chosen = ids.map(id => byId.get(id)).filter(row => row?.curve.length);
  const plain = rows.filter(row => row.arm === "nothing" && row.curve.length && !chosen.includes(row));
  const share = axes[headline]?.form === "share";
  const data = [...plain.slice(0, 1), ...chosen].map((row, i) => ({
    type: "scatter", mode: "lines", name: (named[row.id] ? named[row.id].join(", ") + ": " : "") + row.name,
    x: row.curve.map((v, epoch) => epoch + 1), y: row.curve,
    line: {
      width: pinned.includes(row.id) ? 3 : 2, color: curveColour(row, i),
      dash: pinned.includes(row.id) || row.kind === "nothing" ? "solid" : "dot",
    },
    hovertemplate: `%{y:${share ? ".1%" : ".4g"}} after epoch %{x}<extra>%{fullData.name}</extra>`,
  }));
  draw({id: "chart-curves", choices: {}, data, layout: {
    xaxis: {title: {text: "epoch", standoff: 8}},
    yaxis: {title: {text: axes[headline]?.title || "", standoff: 8}, tickformat: share ? ".0%" : ""},
    showlegend: true,
  }});
};
listeners.push(drawCurves);
drawCurves();
later(() => followWidth("chart-curves"));
"""
