"""`espalier run`: the flow, what it would do, and what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.session import ready, server, stoppable
from flows.terminal import addresses, log_to_terminal, option_c

if TYPE_CHECKING:
    from flows.compress import Compressed
    from flows.embedded import EmbeddedServer
    from tasks.config import Params

__all__ = ["dry_run", "run"]


def run(root: Path, settings: Sequence[str], started_in: Path, say: Callable[[str], object]) -> None:
    """Bring the workspace `root` up to date and tell what came out.

    Parameters
    ----------
    root : Path
    settings : sequence of str
        ``KEY=VALUE``, written into params.yaml.
    started_in : Path
        Folder that paths are told from.
    say : callable
        Takes each line for the user.
    """
    from tasks.config import load_params

    params = load_params(root, settings)
    _check_study(params, settings)
    log_to_terminal()
    with stoppable(), server() as embedded:
        result = _compress(root, settings, embedded)
    for line in _told(params, result, root, started_in):
        say(line)


def dry_run(root: Path, settings: Sequence[str], say: Callable[[str], object]) -> None:
    """Show the settings, checked, and which stages would run; nothing is written.

    Raises
    ------
    ConfigError
        With every problem of the settings.
    EspalierError
        When the network that `model.builder` names cannot be imported.
    """
    from ruamel.yaml import YAML

    from tasks import versioning
    from tasks.config import resolve

    text, params = resolve(root, settings)
    _check_builder(params, root)
    _check_study(params, settings)
    resolved = params.model_dump(mode="json", by_alias=True)
    YAML().dump(resolved, sys.stdout)
    say("")
    source = versioning.source_changed(root, params)
    raw = YAML(typ="safe").load(text)
    for name, reasons in versioning.plan(root, raw, source_changes=source).items():
        say(f"{name:10} " + (f"would run: {'; '.join(reasons)}" if reasons else "up to date"))


def _check_study(params: Params, settings: Sequence[str]) -> None:
    """Refuse a section `study` that is about to be written and that no study could go by."""
    if any(setting.strip().startswith("study") for setting in settings):
        from tasks.study.checks import check_study

        check_study(params)


def _check_builder(params: Params, root: Path) -> None:
    from tasks.models.config import UserConfig

    if isinstance(params.model, UserConfig):
        from tasks.models.user import load_builder

        load_builder(params.model.builder, root)


def _compress(root: Path, settings: Sequence[str], embedded: EmbeddedServer | None) -> Compressed:
    from flows.compress import compress

    with ready(root, settings, embedded):
        return compress(root)


def _told(params: Params, result: Compressed, root: Path, started_in: Path) -> Iterator[str]:
    from tasks.result import result_text
    from tasks.tracking.links import how_to_open

    yield f"\n{result_text(root)}\n"
    yield f"Report      {os.path.relpath(root / 'reports' / 'report.html', started_in)}"
    recorded = result.recorded
    known = " (already recorded)" if recorded.existing else ""
    yield f"MLflow      run {recorded.run_id}{known}"
    yield from addresses({"page": recorded.url, "compare": recorded.views["compare"]}, how_to_open(root))
    registered = result.registered
    named = f"{registered.name} version {registered.version}" if registered else "not registered"
    yield f"Model       {named}"
    suggested = _next(params, result, os.path.relpath(root, started_in))
    yield "Next        " + f"\n{'':12}".join(suggested)


def _next(params: Params, result: Compressed, folder: str) -> list[str]:
    """Suggest commands: to look, and to register, to compare with the version before, or to try more."""
    where, registered = option_c(folder), result.registered
    if registered is None:
        return [f"espalier ui{where}", f"espalier run{where} --set registry.register=true"]
    if int(registered.version) > 1:
        name, version = registered.name, int(registered.version)
        return [f"espalier ui{where}", f"espalier compare{where} {name}/{version - 1} {name}/{version}"]
    return [f"espalier ui{where}", f"espalier run{where} --set {_variation(params)}"]


def _variation(params: Params) -> str:
    """Return a setting that is worth a try, and valid."""
    known = {"budget": "prune.max_metric_drop=0.01", "none": "prune.method=structured"}
    return known.get(
        params.prune.method,
        "prune.amount=0.9" if hasattr(params.prune, "amount") else "prune.method=structured",
    )
