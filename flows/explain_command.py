"""`espalier explain`: a model followed back, as text of 80 columns or JSON."""

from __future__ import annotations

import json
import os
import textwrap
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from flows.asking import answers, asked
from tasks.lineage.trail import FlowRun

if TYPE_CHECKING:
    from tasks.lineage.code import Commit
    from tasks.lineage.trail import Output, Trail
    from tasks.promotion.ledger import Entry

__all__ = ["explain", "looked_up"]

Say = Callable[[str], object]
_WIDTH, _MARGIN = 80, 12
_HASH = 12
_SHOWN = ("data/", "models/")


def explain(root: Path, what: str, say: Say, *, as_json: bool) -> None:
    """Say where a version or a run comes from, and what along the way does not hold."""
    from tasks.config import load_params
    from tasks.lineage.explain import explain as follow

    trail = follow(root, load_params(root), what, looked_up)
    for line in [json.dumps(trail.to_dict())] if as_json else _told(trail):
        say(line)


def looked_up(flow_run: str) -> FlowRun:
    """Ask the Prefect server for a flow run, if one is there."""
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if not url or not answers(url):
        return FlowRun(flow_run)
    try:
        found = asked(f"{url}/flow_runs/{flow_run}")
    except urllib.error.HTTPError as error:
        return FlowRun(flow_run, unknown=error.code == HTTPStatus.NOT_FOUND)
    except (urllib.error.URLError, OSError):
        return FlowRun(flow_run)
    page = f"{url.removesuffix('/api')}/runs/flow-run/{flow_run}"
    return FlowRun(flow_run, str(found["name"]), str(found.get("state_name") or ""), page)


def _told(trail: Trail) -> Iterator[str]:
    yield f"{trail.title}{': ' if trail.aliases else ''}{', '.join(trail.aliases)}"
    yield ""
    yield from _part("raw rows", _raw(trail))
    yield from _part("stages", _stages(trail.outputs))
    yield from _part("settings", _settings(trail))
    yield from _part("code", _code(trail))
    yield from _part("flow run", _flow(trail.flow))
    yield from _part("MLflow run", [trail.run or "gone"])
    yield from _part("version", _version(trail))
    decisions = [line for entry in trail.decisions for line in _decision(entry)]
    yield from _part("decisions", decisions or ["none"])
    if trail.notes:
        yield ""
    for text in trail.notes:
        yield from _wrapped("note: ", text)
    yield ""
    for text in trail.contradictions:
        yield from _wrapped("contradiction: ", text)
    if not trail.contradictions:
        yield "No contradictions."
    yield ""
    flow = trail.flow.page if trail.flow else ""
    yield from (page for page in (trail.version_page, trail.run_page, flow) if page)


def _part(title: str, lines: Sequence[str]) -> Iterator[str]:
    for place, line in enumerate(lines):
        yield f"{'' if place else title:{_MARGIN}}{line}"


def _wrapped(mark: str, text: str) -> Iterator[str]:
    yield textwrap.fill(
        f"{mark}{text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - _MARGIN, break_long_words=False, break_on_hyphens=False)


def _raw(trail: Trail) -> list[str]:
    rows = f", {trail.rows:,} rows" if trail.rows else ""
    raw = next((output for output in trail.outputs if output.path == "data/raw.parquet"), None)
    return [f"{trail.source or 'unknown'}{rows}", *([f"{raw.path} {raw.hash}"] if raw else [])]


def _stages(outputs: Sequence[Output]) -> list[str]:
    lines = []
    for name in dict.fromkeys(output.stage for output in outputs):
        own = [output for output in outputs if output.stage == name]
        shown = [output for output in own if output.path.startswith(_SHOWN)]
        told = [f"{output.path:26} {output.hash[:_HASH]}  {_kept(output)}" for output in shown]
        reports = f"reports and plots: {len(own) - len(shown)}" if len(own) > len(shown) else ""
        for place, line in enumerate([*told, *([reports] if reports else [])]):
            lines.append(f"{'' if place else name:10} {line}".rstrip())
    return lines or ["unknown"]


def _kept(output: Output) -> str:
    here, there = not output.kept.cache, output.kept.remote == 0
    return {(True, True): "", (True, False): "here", (False, True): "remote", (False, False): "LOST"}[
        here, there
    ]


def _settings(trail: Trail) -> list[str]:
    told = ", ".join(f"{key}: {value}" for key, value in trail.settings.items())
    return _filled(told) or ["the defaults"]


def _code(trail: Trail) -> list[str]:
    code = trail.code
    own = _commit(code.commit, " with local changes" if code.dirty else "") if code.commit else []
    run = [code.run.ref, *_commit(code.run, "")] if code.run else []
    return own + run or ["no commit"]


def _commit(commit: Commit, more: str) -> list[str]:
    about = f"{commit.date}  {commit.subject}" if commit.known else "not in this repository"
    return [f"commit {commit.id}{more}", about[: _WIDTH - _MARGIN]]


def _flow(flow: FlowRun | None) -> list[str]:
    if flow is None:
        return ["none"]
    about = " ".join(word for word in (flow.name, flow.state.lower()) if word)
    return [flow.id, *([about] if about else [])]


def _version(trail: Trail) -> list[str]:
    if not trail.version:
        return ["not registered"]
    model = [f"model.onnx {trail.model_hash}"] if trail.model_hash else []
    return [f"{trail.model} {trail.version}, registered {_date(trail.registered)}", *model]


def _decision(entry: Entry) -> Iterator[str]:
    moved = ""
    if entry.moves:
        moved = f", champion {entry.moves.champion[0] or '-'} -> {entry.moves.champion[1] or '-'}"
    yield f"{_date(entry.when)}  {entry.action} ({entry.state}){moved}"
    if entry.why:
        yield from (f"  {line}" for line in _filled(f"{entry.who}: {entry.why}"))


def _date(when: int) -> str:
    return datetime.fromtimestamp(when / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
