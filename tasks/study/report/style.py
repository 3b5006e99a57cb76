"""What the study's page adds to the style sheet: colours of the arms, controls, cards, the long table."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root {
  --nothing: #7a8793; --reduction: #3b7dd8; --pruning: #b3700c; --both: #12805c; --rival: #c2382e;
  --pa: #3b7dd8; --pb: #b3700c; --pc: #12805c; --pd: #a04cb8; --pe: #c2382e; --pf: #0b7f8a; --pg: #7a8793;
  --ph: #8a6d3b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --nothing: #93a1ad; --reduction: #6fa8f5; --pruning: #e8ad4f; --both: #3fbf90; --rival: #f28b80;
    --pa: #6fa8f5; --pb: #e8ad4f; --pc: #3fbf90; --pd: #d08ee6; --pe: #f28b80; --pf: #4cc5d1; --pg: #93a1ad;
    --ph: #c9a86a;
  }
}
.controls { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; font-size: .85rem; }
.controls label { color: var(--muted); }
.controls select, .controls input[type=search], .controls button, button.more {
  font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; padding: 5px 9px; max-width: 220px;
}
.controls input[type=search] { flex: 1 1 200px; max-width: 340px; }
.controls button, button.more { cursor: pointer; }
.count { color: var(--muted); margin-left: auto; font-variant-numeric: tabular-nums; }
.hint { color: var(--muted); font-size: .82rem; margin: 8px 0 0; max-width: none; }
.card.wide { margin-top: 16px; }
#chart-front, .plot { position: relative; }
#chart-front { margin-top: 6px; }
.plot svg { display: block; overflow: visible; }
.plot .title { fill: var(--ink); font-size: 12px; }
.plot .entry { cursor: pointer; }
.chart:has(.plot) { overflow: visible; }
#chart-front canvas { display: block; touch-action: pan-y; cursor: crosshair; }
#chart-front .tip, .plot .tip {
  position: absolute; pointer-events: none; max-width: min(340px, 90%); padding: 7px 10px; z-index: 2;
  background: var(--surface); color: var(--ink); border: 1px solid; border-radius: 6px;
  font-size: .78rem; line-height: 1.4; box-shadow: 0 2px 10px rgba(0, 0, 0, .12);
}
#chart-front .ring {
  position: absolute; pointer-events: none; width: 18px; height: 18px; margin: -9px 0 0 -9px;
  border: 2px solid; border-radius: 50%;
}
#chart-front .zoom {
  position: absolute; pointer-events: none; border: 1px dashed var(--muted); background: var(--muted);
  opacity: .18;
}
#chart-front [hidden], .plot [hidden] { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 12px; margin-top: 10px; }
.legend button {
  font: inherit; font-size: .8rem; color: var(--muted); background: none; border: 0; padding: 2px;
  cursor: pointer;
}
.legend button[aria-pressed=false] { opacity: .4; }
.legend i { font-style: normal; }
#chart-parallel { display: block; touch-action: pan-x; cursor: crosshair; }
.pinned { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 12px; }
.pinned:not(:empty) { margin-top: 12px; }
.pinned .card { padding: 14px 16px; border-left: 4px solid var(--tint); overflow-wrap: anywhere; }
.pinned h3 { display: flex; gap: 8px; justify-content: space-between; }
.pinned h3 button {
  font: inherit; line-height: 1; color: var(--muted); background: none; border: 0; cursor: pointer;
}
.pinned p { margin: 8px 0 0; font-size: .82rem; color: var(--muted); }
code { font-size: .85em; background: var(--paper); border-radius: 4px; padding: 1px 4px; }
.pinned code { display: block; padding: 5px 8px; margin-top: 8px; user-select: all; }
table.listing { white-space: nowrap; font-size: .84rem; }
table.listing td.left, table.listing th.left { text-align: left; }
table.listing th.left, table.listing td.left:first-child {
  position: sticky; left: 0; background: var(--surface); white-space: normal; min-width: 280px;
}
table.listing thead button {
  font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit;
}
table.listing thead th { vertical-align: bottom; white-space: normal; }
table.listing td.test, table.listing th.test, table.picks td:last-child { color: var(--muted); }
table.listing tbody tr, table.picks tbody tr { cursor: pointer; }
table.listing tbody tr:hover td, table.picks tbody tr:hover td { background: var(--paper); }
table.listing tr.pin td:first-child { box-shadow: inset 4px 0 var(--tint, var(--both)); }
.dot {
  display: inline-block; width: .65em; height: .65em; border-radius: 50%; margin-right: 6px;
  background: var(--tone); border: 2px solid var(--tone);
}
.dot.hollow { background: none; }
table.plain.picks td.number { white-space: nowrap; } table.plain.picks th.number { text-align: right; }
table.listing th.test { min-width: 130px; }
.card.table > .controls { margin-bottom: 10px; }
@media (max-width: 760px) {
  .controls select { max-width: 150px; }
  table.listing th.left, table.listing td.left:first-child { min-width: 150px; max-width: 160px; }
  #chart-front { height: 400px !important; }
}
"""
