"""A model followed back to its raw rows, and what along the way does not hold any more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tasks import versioning
from tasks.config import parse_params
from tasks.errors import ConfigError, EspalierError, masked
from tasks.lineage.code import Code, code_faults, code_notes, read_code
from tasks.lineage.faults import file_faults, flow_notes, kept_faults, kept_notes, lock_faults, run_faults
from tasks.lineage.stored import recorded_files, registered_files
from tasks.lineage.subject import Subject, find
from tasks.lineage.trail import RAW, FlowRun, Output, Trail
from tasks.promotion.desk import Desk
from tasks.promotion.ledger import EXPERIMENT, Entry
from tasks.tracking.card_text import changed_settings
from tasks.tracking.links import run_page, server, version_page
from tasks.tracking.store import open_client, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tasks.config import Params

__all__ = ["explain"]


def explain(root: Path, params: Params, asked: str, flow_run: Callable[[str], FlowRun] = FlowRun) -> Trail:
    """Follow a version or a run back to where it comes from; nothing is written.

    Parameters
    ----------
    root : Path
        Workspace.
    params : Params
        Its parameters, for the name of the registered model.
    asked : str
        See `subject.find`.
    flow_run : callable
        Looks a flow run up by its id.

    Raises
    ------
    EspalierError
        When there is no such version or run, or MLflow cannot be reached.
    """
    with reported(root):
        client = open_client(root)
        subject = find(client, params.registry.name, asked)
        lock = versioning.stages_of(subject.files.get("dvc.lock", ""))
        code = read_code(root, subject)
        lock = lock or versioning.stages_of(code.run.lock if code.run else "")
        outputs = _outputs(root, lock)
        flow = subject.tags.get("espalier.flow_run_id", "")
        found = flow_run(flow) if flow else None
        files, trouble = _files(client, subject)
        desk = _desk(client, root, params)
        notes = [*code_notes(root, code), *kept_notes(outputs), *flow_notes(found)]
        faults = [
            *run_faults(client, subject),
            *lock_faults(root, subject, lock, code),
            *code_faults(code),
            *kept_faults(outputs),
            *(trouble or file_faults(files, recorded_files(root, lock) if files else {})),
            *(desk.contradictions() if desk else ()),
        ]
        return _trail(root, subject, outputs, code, found, files, desk, notes, faults)


def _trail(
    root: Path,
    subject: Subject,
    outputs: tuple[Output, ...],
    code: Code,
    flow: FlowRun | None,
    files: Mapping[str, str],
    desk: Desk | None,
    notes: list[str],
    faults: list[str],
) -> Trail:
    version, base = subject.version, server(root)
    number = str(version.version) if version is not None else ""
    run = subject.result.info if subject.result else None
    source, settings = _settings(subject)
    return Trail(
        title=subject.title,
        model=subject.name,
        version=number,
        aliases=subject.aliases,
        source=source,
        rows=_rows(subject),
        outputs=outputs,
        settings=settings,
        code=code,
        flow=flow,
        run=run.run_id if run else "",
        run_page=run_page(base, run.experiment_id, run.run_id) if run else "",
        registered=int(version.creation_timestamp) if version is not None else 0,
        version_page=version_page(base, subject.name, number) if number else "",
        model_hash=files.get("model.onnx", ""),
        decisions=_decisions(desk, number) if desk else (),
        notes=tuple(notes),
        contradictions=tuple(faults),
    )


def _outputs(root: Path, lock: Mapping[str, versioning.Stage]) -> tuple[Output, ...]:
    hashes = {path: value for stage in lock.values() for path, value in stage.outs.items()}
    where = versioning.kept(root, hashes) if hashes else {}
    return tuple(
        Output(stage.name, path, value, where[path])
        for stage in lock.values()
        for path, value in sorted(stage.outs.items(), key=lambda out: out[0] != RAW)
    )


def _settings(subject: Subject) -> tuple[str, dict[str, Any]]:
    """Return the source, and the settings that are not the defaults, as the run keeps them."""
    raw = YAML(typ="safe").load(subject.files.get("params.yaml", "")) or {}
    try:
        params = parse_params(raw)
    except ConfigError:  # of another Espalier: as they stand
        return masked(str((raw.get("source") or {}).get("uri", ""))), raw
    return params.source.uri, changed_settings(params)


def _rows(subject: Subject) -> int | None:
    """Return how many raw rows there were."""
    text = subject.files.get("reports/clean.json")
    return int(json.loads(text)["rows"]["raw"]) if text else None


def _files(client: MlflowClient, subject: Subject) -> tuple[dict[str, str], list[str]]:
    """Return the hashes of a version's files, or why there are none."""
    if subject.version is None:
        return {}, []
    try:
        return registered_files(client, subject.version), []
    except EspalierError as error:
        return {}, [str(error)]


def _desk(client: MlflowClient, root: Path, params: Params) -> Desk | None:
    """Open the ledger, if there is one: looking makes none."""
    return Desk(root, params) if client.get_experiment_by_name(EXPERIMENT) else None


def _decisions(desk: Desk, version: str) -> tuple[Entry, ...]:
    """Return the entries that decide about a version, or move an alias from it, the oldest first."""
    return tuple(
        entry
        for entry in reversed(desk.ledger.entries())
        if version in (entry.version, *(entry.moves.champion if entry.moves else ()))
    )
