"""What does not hold, or no longer, along the way from a model to its raw rows: a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import versioning
from tasks.lineage.code import Code, other_outputs
from tasks.lineage.subject import Subject
from tasks.lineage.trail import FlowRun, Output

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["file_faults", "flow_notes", "kept_faults", "kept_notes", "lock_faults", "run_faults"]

_LOCKED = "dvc."
_NAMED = 4


def run_faults(client: MlflowClient, subject: Subject) -> Iterator[str]:
    """Say which of the result's runs, and its stored model, MLflow has no more."""
    yield from _gone("the result", subject.result)
    yield from _gone("the compressed model", subject.own)
    model = subject.tags.get("espalier.model_id", "")
    if model and not _has_model(client, model):
        yield f"stored model {model} was deleted in MLflow"


def _gone(what: str, run: Run | None) -> Iterator[str]:
    if run is None:
        yield f"the MLflow run of {what} is gone"
    elif run.info.lifecycle_stage == "deleted":
        yield f"the MLflow run of {what} was deleted ({run.info.run_id}); MLflow can restore it"


def _has_model(client: MlflowClient, model: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_logged_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def lock_faults(
    root: Path, subject: Subject, lock: Mapping[str, versioning.Stage], code: Code
) -> Iterator[str]:
    """Say where the recorded hashes contradict each other."""
    if subject.result is not None and "dvc.lock" not in subject.files:
        yield "the run has no dvc.lock: what its stages read and made is known from its tags alone"
    outs = {path: value for stage in lock.values() for path, value in stage.outs.items()}
    said = {k.removeprefix(_LOCKED): v for k, v in subject.tags.items() if k.startswith(_LOCKED)}
    for path in [path for path, value in said.items() if outs and outs.get(path) != value]:
        yield f"{path}: the run's tag says {said[path][:12]}, its dvc.lock {outs.get(path, 'nothing')[:12]}"
    if code.commit and code.commit.known and code.commit.lock:
        at = versioning.text_at(root, code.commit.id, "dvc.lock")
        for name in other_outputs(code.commit.lock, at):
            yield (
                f"stage {name}: dvc.lock at commit {code.commit.id[:10]} has other outputs of the same "
                "inputs than were recorded"
            )


def kept_faults(outputs: Sequence[Output]) -> Iterator[str]:
    """Name the outputs that can be brought back from nowhere."""
    lost = [output.path for output in outputs if output.kept.lost]
    if lost:
        yield f"neither in the DVC cache nor in the remote: {_few(lost)}; `espalier reproduce` may make them"


def kept_notes(outputs: Sequence[Output]) -> Iterator[str]:
    """Say how much is on this disk alone."""
    alone = [output.path for output in outputs if output.kept.remote != 0 and not output.kept.cache]
    if alone and outputs[0].kept.remote is None:
        yield "there is no DVC remote: the files are in the cache of this folder alone"
    elif alone:
        yield f"in the cache of this folder and not in the DVC remote: {_few(alone)}; `dvc push` copies them"


def _few(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more


def file_faults(registered: Mapping[str, str], recorded: Mapping[str, str]) -> Iterator[str]:
    """Name the files of a registered version that are not those that were recorded."""
    for name in registered.keys() & recorded.keys():
        if registered[name] != recorded[name]:
            yield (
                f"{name} of the registered version was changed: MD5 {registered[name][:12]}, "
                f"recorded {recorded[name][:12]}"
            )


def flow_notes(flow: FlowRun | None) -> Iterator[str]:
    """Say where Prefect does not know the flow run."""
    if flow is not None and flow.unknown:
        yield f"the Prefect server does not know flow run {flow.id}: another had it, or it was deleted"
