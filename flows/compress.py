"""The main job: from raw rows to a registered compressed model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow
from prefect.runtime import flow_run

from flows.unfinished import noted
from tasks import pipeline
from tasks.outcome import StageOutcome

if TYPE_CHECKING:
    from tasks.registry import Registered
    from tasks.tracking import Recorded

__all__ = ["Compressed", "compress"]


@dataclass(frozen=True)
class Compressed:
    """What a run of the flow left behind."""

    outcomes: tuple[StageOutcome, ...]
    recorded: Recorded
    registered: Registered | None

    def facts(self) -> dict[str, Any]:
        """Return the plain JSON form, without figures."""
        return {
            "mlflow_run": self.recorded.run_id,
            "existing": self.recorded.existing,
            "page": self.recorded.url,
            "model": self.registered.name if self.registered else "",
            "version": self.registered.version if self.registered else "",
            "stages": {outcome.name: outcome.status for outcome in self.outcomes},
        }


@flow(name="compress", persist_result=False, validate_parameters=False)
def compress(root: Path, patience: float = 0.0) -> Compressed:
    """Reduce the data and prune the network as one job.

    Parameters
    ----------
    root : Path
        Workspace: a folder with params.yaml and dvc.yaml.
    patience : float
        Seconds to wait for another run to leave it.

    Raises
    ------
    EspalierError
        What the user can act on; everything finished so far is kept, and the next run goes on from there.
    """
    with pipeline.alone(root, patience), noted(root, flow_run.id), pipeline.recorder(root) as recorder:
        outcomes = (
            pipeline.fetch(root),
            pipeline.clean(root),
            pipeline.reference(root),
            pipeline.reduce(root),
            pipeline.train(root),
            pipeline.prune(root),
            pipeline.evaluate(root),
            pipeline.measure(root),
        )
        recording = pipeline.record.submit(recorder, outcomes)  # in its own process, while files are copied
        pipeline.push(root)
        recorded = recording.result()
        registered = pipeline.register(recorder, recorded)
        pipeline.show(root, recorded, registered)
    return Compressed(outcomes, recorded, registered)
