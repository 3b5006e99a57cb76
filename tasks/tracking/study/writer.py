"""Writing one study to MLflow: its run, a run a candidate, files, views."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts import Layout, load_raw_meta, read_json
from tasks.tracking.datasets import again, dataset_inputs, raw_input
from tasks.tracking.entries import NOTE, log_figures, origin_tags
from tasks.tracking.facts import flat_parameters, texts
from tasks.tracking.study.candidate import Candidate
from tasks.tracking.study.facts import Study
from tasks.tracking.study.note import study_note
from tasks.tracking.study.views import study_views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric

__all__ = ["Writer"]

COLOR = "#1b5e20"
PLOTS = {".png", ".csv", ".svg"}


@dataclass(frozen=True)
class Writer:
    """Writes one study of the workspace `root` into an experiment."""

    client: MlflowClient
    root: Path
    experiment: str
    study: Study
    lock: Mapping[str, str]
    at_once: int = 1

    def write(self, flow_run_id: str | None) -> tuple[str, dict[str, str]]:
        """Write everything; return the study's run, which the caller marks finished, and the candidates'."""
        origin = origin_tags(self.root, "espalier study", flow_run_id)
        parent = self._parent(origin)
        data, own = self._data()
        runs = self._candidates(parent, origin, data, own)
        self.client.log_inputs(parent, datasets=data)
        self._files(parent)
        self._views()
        self.client.set_terminated(parent)
        return parent, runs

    def _candidates(
        self, parent: str, origin: Mapping[str, str], data: list[DatasetInput], own: list[DatasetInput]
    ) -> dict[str, str]:
        """Write a run a candidate, `at_once` of them at a time; return them by the candidate's id."""
        candidates, began = self.study.candidates, _now()
        parameters = self.study.parameters  # worked out once, before threads ask for it

        # MLflow fails where two at once bring the same data set: the first to do so goes alone.
        alone = {candidate.cleans_itself(): place for place, candidate in reversed([*enumerate(candidates)])}

        def written(place: int) -> tuple[str, str]:
            candidate = candidates[place]
            inputs = own if candidate.cleans_itself() else data
            if place not in alone.values():
                inputs = again(inputs)
            tags = {**origin, "mlflow.parentRunId": parent, "espalier.study": self.study.mark}
            of = parameters[candidate.row.id]
            # MLflow lists the newest first, whichever was written first.
            return candidate.row.id, self._candidate(candidate, tags, of, inputs, began - place)

        found = dict(map(written, sorted(alone.values())))
        pool = ThreadPoolExecutor(self.at_once)
        try:
            rest = (place for place in range(len(candidates)) if place not in alone.values())
            found |= dict(pool.map(written, rest))
            return {candidate.row.id: found[candidate.row.id] for candidate in candidates}
        finally:
            pool.shutdown(cancel_futures=True)

    def _parent(self, origin: Mapping[str, str]) -> str:
        from mlflow.entities import Metric, Param

        tags = {
            **origin,
            "mlflow.runColor": COLOR,
            "espalier.identity": self.study.identity,
            NOTE: study_note(self.study),
        }
        run = self.client.create_run(self.experiment, tags=tags, run_name=self.study.name)
        now = _now()
        metrics = [Metric(key, value, now, 0) for key, value in self.study.totals().items()]
        params = texts(flat_study(self.study))
        log_figures(self.client, run.info.run_id, metrics, [Param(*pair) for pair in params.items()])
        return str(run.info.run_id)

    def _data(self) -> tuple[list[DatasetInput], list[DatasetInput]]:
        """Return the workspace's clean rows, and what candidates with a cleaning of their own start from."""
        layout, uri = Layout(self.root), self.study.params.source.uri
        meta, rows = load_raw_meta(layout.raw_meta), read_json(layout.report("clean"))["rows"]
        clean, raw = dataset_inputs(uri, rows, meta, self.lock), raw_input(uri, meta, self.lock)
        return list(clean.values()), list(raw.values())

    def _candidate(
        self,
        candidate: Candidate,
        common: Mapping[str, str],
        parameters: Mapping[str, str],
        data: list[DatasetInput],
        started: int,
    ) -> str:
        from mlflow.entities import Param

        tags = {**common, **candidate.tags(), NOTE: candidate.note()}
        created = self.client.create_run(
            self.experiment, start_time=started, tags=tags, run_name=candidate.name
        )
        run = str(created.info.run_id)
        params = [Param(*pair) for pair in parameters.items()]
        log_figures(self.client, run, list(_metrics(candidate)), params)
        if data:
            self.client.log_inputs(run, datasets=data)
        self.client.set_terminated(run, "FINISHED" if candidate.done else "FAILED")
        return run

    def _files(self, run: str) -> None:
        for path in self.study.files:
            if path.exists():
                self.client.log_artifact(run, str(path), "plots" if path.suffix in PLOTS else None)
        self.client.log_artifact(run, str(Layout(self.root).params))
        self.client.log_table(run, _trials(self.study), "trials.json")

    def _views(self) -> None:
        """Save this study's views; they stay as they are, or as a user changes them."""
        held = self.client.get_experiment(self.experiment).tags
        for tag, value in study_views(self.study).items():
            if tag not in held:
                self.client.set_experiment_tag(self.experiment, tag, value)


def flat_study(study: Study) -> dict[str, Any]:
    """Return section `study` and what every candidate starts from, by path."""
    asked = study.params.study.model_dump(mode="json")
    base = flat_parameters(study.params)
    shared = {key: base[key] for key in ("source.uri", "model.method", "evaluate.metric") if key in base}
    return {f"study.{key}": value for key, value in asked.items()} | shared


def _metrics(candidate: Candidate) -> Iterator[Metric]:
    from mlflow.entities import Metric

    now = _now()
    for key, value in candidate.metrics().items():
        yield Metric(key, value, now, 0)
    for epoch, figures in candidate.curves():
        for key, value in figures.items():
            yield Metric(key, value, now, epoch)


def _trials(study: Study) -> dict[str, list[Any]]:
    """Return every trial as a line of a table."""
    lines = [
        {
            "candidate": candidate.name,
            "id": candidate.row.id,
            "arm": candidate.row.arm,
            "rank": candidate.row.rank,
            "seed": trial["seed"],
            "status": trial["status"],
            **{f"{part} {study.headline}": trial[part].get(study.headline) for part in ("valid", "test")},
            **{name: trial.get(name) for name in ("bytes", "macs", "parameters", "latency_us", "reason")},
        }
        for candidate in study.candidates
        for trial in candidate.row.trials
    ]
    return {name: [line[name] for line in lines] for name in (lines[0] if lines else {})}


def _now() -> int:
    return time.time_ns() // 1_000_000
