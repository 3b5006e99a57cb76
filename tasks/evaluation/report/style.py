"""The page's style sheet: light and dark, wide and narrow, printable, no fonts to fetch."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root {
  color-scheme: light dark;
  --paper: #f7f7f4; --surface: #ffffff; --ink: #1d2420; --muted: #64706a; --faint: #c9cfcb; --line: #e2e5e1;
  --reference: #7a8793; --reduced: #3b7dd8; --compressed: #12805c;
  --good: #12805c; --bad: #c2382e; --open: #96650a;
  --good-wash: #e0f2ea; --bad-wash: #fbe7e4; --open-wash: #fbf0d9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #121614; --surface: #1a201d; --ink: #e6ebe8; --muted: #9aa69f; --faint: #4a544f; --line: #2c3430;
    --reference: #93a1ad; --reduced: #6fa8f5; --compressed: #3fbf90;
    --good: #57cf9f; --bad: #f28b80; --open: #e8b757;
    --good-wash: #163428; --bad-wash: #3d1f1c; --open-wash: #38290d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 12px; text-wrap: balance; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; margin: 56px 0 6px; }
h3 { font-size: 1rem; margin: 0 0 4px; }
p { margin: 0 0 12px; max-width: 76ch; }
.kicker { color: var(--muted); font-size: .85rem; margin: 0 0 10px; }
.lede { color: var(--muted); }
.notice {
  background: var(--open-wash); color: var(--open); border-radius: 8px; padding: 10px 14px; margin: 16px 0 0;
  font-weight: 600; max-width: none;
}
nav { margin: 20px 0 0; font-size: .9rem; display: flex; flex-wrap: wrap; gap: 4px 18px; }
nav a, a { color: var(--reduced); text-decoration: none; }
a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 28px 0 0; }
.tile { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; }
.tile b {
  display: block; font-size: 1.8rem; line-height: 1.15; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums;
}
.tile span { display: block; color: var(--muted); font-size: .85rem; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
.verdicts { list-style: none; padding: 0; margin: 16px 0 0; display: grid; gap: 10px; }
.verdicts li { padding: 12px 16px; border-radius: 10px; }
.verdicts .good { background: var(--good-wash); } .verdicts .bad { background: var(--bad-wash); }
.verdicts .open { background: var(--open-wash); }
.pill {
  font-style: normal; font-weight: 600; font-size: .8rem; border-radius: 99px;
  padding: 2px 10px; white-space: nowrap;
}
.pill.good { background: var(--good-wash); color: var(--good); }
.pill.bad { background: var(--bad-wash); color: var(--bad); }
.pill.open { background: var(--open-wash); color: var(--open); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 10px; text-align: right; vertical-align: top; border-top: 1px solid var(--line); }
thead th, thead td { border-top: 0; font-weight: 600; vertical-align: bottom; }
th[scope=row] { text-align: left; font-weight: 500; }
small { display: block; color: var(--muted); font-size: .78rem; font-weight: 400; }
thead th.reference { color: var(--reference); } thead th.reduced { color: var(--reduced); }
thead th.compressed { color: var(--compressed); }
table.result tbody tr:first-child span { font-weight: 650; font-size: 1.05rem; }
.chip {
  display: inline-block; margin-left: 8px; padding: 0 7px; border-radius: 6px;
  font-size: .78rem; font-weight: 650; background: var(--good-wash); color: var(--good);
}
.chip.worse { background: var(--bad-wash); color: var(--bad); }
table.plain th, table.plain td { text-align: left; }
h3.spaced { margin-top: 28px; }
table.candidates tr.dense td { color: var(--muted); }
table.candidates tr.chosen td { font-weight: 650; background: var(--good-wash); }
table.candidates td { white-space: nowrap; }
table.plain td.number { text-align: right; }
.card.table { margin-top: 16px; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; margin-top: 16px; }
.chart { min-width: 0; margin: 0; overflow: hidden; }
.chart.wide { grid-column: 1 / -1; }
.chart p { color: var(--muted); font-size: .85rem; margin: 0 0 6px; }
.buttons {
  display: inline-flex; flex-wrap: wrap; gap: 2px; background: var(--paper); border-radius: 8px; padding: 2px;
}
.buttons button {
  font: inherit; font-size: .82rem; color: var(--muted); background: none; border: 0; border-radius: 6px;
  padding: 3px 10px; cursor: pointer;
}
.buttons button[aria-pressed=true] {
  background: var(--surface); color: var(--ink); box-shadow: 0 0 0 1px var(--line);
}
.cards { columns: 3 260px; column-gap: 16px; margin-top: 16px; }
.cards .card { break-inside: avoid; margin: 0 0 16px; padding: 14px 16px; }
dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: 2px 14px; font-size: .86rem; }
dt, dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
dt { color: var(--muted); } dd { text-align: right; }
.facts { max-width: 520px; margin: 12px 0; }
details { margin-top: 16px; } summary { cursor: pointer; font-weight: 600; }
footer { margin-top: 56px; color: var(--muted); font-size: .85rem; }
@media (max-width: 760px) {
  main { padding: 24px 14px 48px; }
  h1 { font-size: 1.45rem; } h2 { margin-top: 40px; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .tile { padding: 12px 14px; } .tile b { font-size: 1.4rem; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .card { padding: 12px; }
  table { font-size: .8rem; } th, td { padding: 7px 4px; }
  .chip { display: table; margin: 2px 0 0 auto; } .pill { padding: 1px 7px; font-size: .7rem; }
  small { font-size: .7rem; }
  table.plain { min-width: 560px; }
}
@media print { .buttons, nav { display: none; } .card, .tile { break-inside: avoid; } }
"""
